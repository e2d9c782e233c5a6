"""From what consumers can have to what another router gets."""

from __future__ import annotations

from msgspec.structs import replace

from labsfu.core import uris
from labsfu.core.ortc.consume import numbered_encodings, without_feedback
from labsfu.core.ortc.match import find_codec
from labsfu.core.ortc.mime import associated_payload_type, is_rtx
from labsfu.core.ortc.supported import CCM_FIR, NACK, NACK_PLI
from labsfu.core.ortc.validate import validate_rtp_capabilities
from labsfu.errors import Unsupported
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.rtp import RtpCapabilities, RtpCodecCapability, RtpCodecParameters, RtpParameters

_HOP_BY_HOP = frozenset({uris.MID, uris.ABS_SEND_TIME, uris.TRANSPORT_WIDE_CC})


def get_pipe_consumer_rtp_parameters(
    consumable: RtpParameters, *, ssrc: int, rtx_ssrc: int, enable_rtx: bool
) -> RtpParameters:
    """Every encoding under a new ssrc, key frame requests as the only feedback, no mid and no bandwidth estimation.

    Args:
        consumable: of the producer.
        ssrc: of the first encoding; the others count up from it.
        rtx_ssrc: the same for retransmissions.
        enable_rtx: keep `nack` and RTX codecs, as far as the router offers them.
    """
    kept = {NACK_PLI, CCM_FIR, NACK} if enable_rtx else {NACK_PLI, CCM_FIR}
    codecs = tuple(
        without_feedback(codec, frozenset(codec.rtcp_feedback) - kept)
        for codec in consumable.codecs
        if enable_rtx or not is_rtx(codec)
    )
    # Whether an encoding is on is felt there by its packets: one that is off now may be on later.
    encodings = tuple(replace(encoding, active=ABSENT) for encoding in consumable.encodings)
    repaired_by = rtx_ssrc if any(is_rtx(codec) for codec in codecs) else None
    return RtpParameters(
        codecs=codecs,
        header_extensions=tuple(item for item in consumable.header_extensions if item.uri not in _HOP_BY_HOP),
        encodings=numbered_encodings(encodings, ssrc, repaired_by),
        rtcp=consumable.rtcp,
    )


def restrict_to_known(consumable: RtpParameters, capabilities: RtpCapabilities) -> RtpParameters:
    """What another router can take of a producer: the codecs that it knows, RTX only beside what it repairs.

    Args:
        consumable: of the producer.
        capabilities: of the other router.

    Raises:
        InvalidValue: the capabilities are malformed (`invalid-rtp-capabilities`).
        Unsupported: it knows no codec of the producer (`no-common-codec`).
    """
    known = validate_rtp_capabilities(capabilities).codecs
    media: dict[int, RtpCodecCapability] = {}
    for codec in consumable.codecs:
        found = None if is_rtx(codec) else find_codec(codec, known, strict=True)
        if found is not None:
            media[codec.payload_type] = found
    if not media:
        said = ", ".join(codec.mime_type for codec in consumable.codecs)
        raise Unsupported(f"the other router knows no codec of the producer ({said})", slug="no-common-codec")
    codecs = (codec for codec in consumable.codecs if codec.payload_type in media or _repairs(codec, media, known))
    return replace(consumable, codecs=tuple(codecs))


def _repairs(
    codec: RtpCodecParameters, media: dict[int, RtpCodecCapability], known: tuple[RtpCodecCapability, ...]
) -> bool:
    """Whether it is RTX for a codec that is known, and which is repaired there too."""
    repaired = media.get(associated_payload_type(codec) or -1) if is_rtx(codec) else None
    if repaired is None:
        return False
    number = repaired.preferred_payload_type
    return any(is_rtx(c) and (isinstance(number, Absent) or associated_payload_type(c) == number) for c in known)
