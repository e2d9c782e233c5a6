"""From what consumers can have to what one client gets."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from labsfu.core import uris
from labsfu.core.ortc.match import find_codec
from labsfu.core.ortc.mime import associated_payload_type, is_rtx
from labsfu.core.ortc.scalability import parse_scalability_mode
from labsfu.core.ortc.supported import GOOG_REMB, NACK, TRANSPORT_CC
from labsfu.core.ortc.validate import validate_rtp_capabilities
from labsfu.errors import Unsupported
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.rtp import (
    ExtensionDirection,
    RtcpFeedback,
    RtpCapabilities,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)


def can_consume(consumable: RtpParameters, capabilities: RtpCapabilities) -> bool:
    """Whether a client with these capabilities can receive the producer at all.

    Raises:
        InvalidValue: the capabilities are malformed (`invalid-rtp-capabilities`).
    """
    wanted = validate_rtp_capabilities(capabilities).codecs
    media = (codec for codec in consumable.codecs if not is_rtx(codec))
    return any(find_codec(codec, wanted, strict=True) is not None for codec in media)


def get_consumer_rtp_parameters(
    consumable: RtpParameters,
    capabilities: RtpCapabilities,
    *,
    ssrc: int,
    rtx_ssrc: int,
    mid: str | Absent = ABSENT,
    enable_rtx: bool = True,
    pipe: bool = False,
) -> RtpParameters:
    """What one client receives: codecs, feedback and header extensions that both sides know, under router numbers.

    Args:
        consumable: of the producer.
        capabilities: of the client; its header extensions count by uri and id, not by kind (browsers list shared ones
            under video only).
        ssrc: of the stream sent; of the first one in a pipe, whose others count up from it.
        rtx_ssrc: the same for retransmissions; used if an RTX codec is in common.
        mid: of the media section; leave out in a pipe.
        enable_rtx: whether this consumer may have `nack` and RTX.
        pipe: forward every encoding, instead of one stream made of them.

    Raises:
        InvalidValue: the capabilities are malformed (`invalid-rtp-capabilities`).
        Unsupported: no codec in common (`no-common-codec`).
    """
    capabilities = validate_rtp_capabilities(capabilities)
    codecs = _common_codecs(consumable, capabilities, enable_rtx=enable_rtx)
    extensions = _common_extensions(consumable, capabilities)
    dropped = _unmeasured({extension.uri for extension in extensions})
    repaired_by = rtx_ssrc if any(is_rtx(codec) for codec in codecs) else None
    if pipe:
        encodings = numbered_encodings(consumable.encodings, ssrc, repaired_by)
    else:
        encodings = (_one_stream(consumable.encodings, ssrc, repaired_by),)
    return RtpParameters(
        mid=mid,
        codecs=tuple(without_feedback(codec, dropped) for codec in codecs),
        header_extensions=extensions,
        encodings=encodings,
        rtcp=consumable.rtcp,
    )


def without_feedback(codec: RtpCodecParameters, dropped: frozenset[RtcpFeedback]) -> RtpCodecParameters:
    """The codec without these kinds of feedback."""
    return replace(codec, rtcp_feedback=tuple(item for item in codec.rtcp_feedback if item not in dropped))


def numbered_encodings(
    encodings: Sequence[RtpEncodingParameters], ssrc: int, rtx_ssrc: int | None
) -> tuple[RtpEncodingParameters, ...]:
    """The same encodings under ssrcs that count up from `ssrc`; with RTX counting up from `rtx_ssrc`, unless None."""
    return tuple(
        replace(encoding, ssrc=ssrc + index, rtx=_rtx(None if rtx_ssrc is None else rtx_ssrc + index))
        for index, encoding in enumerate(encodings)
    )


def _common_codecs(
    consumable: RtpParameters, capabilities: RtpCapabilities, *, enable_rtx: bool
) -> tuple[RtpCodecParameters, ...]:
    """Codecs that the client knows too, with the feedback that both know; RTX only beside the codec it repairs."""
    common: list[RtpCodecParameters] = []
    for codec in consumable.codecs:
        known = find_codec(codec, capabilities.codecs, strict=True)
        if known is None or (is_rtx(codec) and not enable_rtx):
            continue
        allowed = set(codec.rtcp_feedback) - (set() if enable_rtx else {NACK})
        feedback = tuple(item for item in known.rtcp_feedback if item in allowed)
        common.append(replace(codec, rtcp_feedback=feedback))
    media = {codec.payload_type for codec in common if not is_rtx(codec)}
    codecs = tuple(codec for codec in common if not is_rtx(codec) or associated_payload_type(codec) in media)
    if not codecs:
        said = ", ".join(codec.mime_type for codec in consumable.codecs)
        raise Unsupported(f"the client knows no codec of the producer ({said})", slug="no-common-codec")
    return codecs


def _common_extensions(
    consumable: RtpParameters, capabilities: RtpCapabilities
) -> tuple[RtpHeaderExtensionParameters, ...]:
    wanted = {
        (extension.uri, extension.preferred_id)
        for extension in capabilities.header_extensions
        if extension.direction is not ExtensionDirection.INACTIVE
    }
    return tuple(item for item in consumable.header_extensions if (item.uri, item.id) in wanted)


def _unmeasured(extensions: set[str]) -> frozenset[RtcpFeedback]:
    """The bandwidth feedback to leave out: only one estimate, and none without the extension that it measures by."""
    if uris.TRANSPORT_WIDE_CC in extensions:
        return frozenset({GOOG_REMB})
    if uris.ABS_SEND_TIME in extensions:
        return frozenset({TRANSPORT_CC})
    return frozenset({GOOG_REMB, TRANSPORT_CC})


def _one_stream(encodings: Sequence[RtpEncodingParameters], ssrc: int, rtx_ssrc: int | None) -> RtpEncodingParameters:
    """One encoding for all: encodings become its spatial layers, the highest bitrate its bitrate."""
    mode = next((item.scalability_mode for item in encodings if item.scalability_mode), ABSENT)
    if len(encodings) > 1:
        mode = f"L{len(encodings)}T{parse_scalability_mode(mode).temporal_layers}"
    bitrates = [item.max_bitrate for item in encodings if isinstance(item.max_bitrate, int)]
    return RtpEncodingParameters(
        ssrc=ssrc, rtx=_rtx(rtx_ssrc), scalability_mode=mode, max_bitrate=max(bitrates, default=ABSENT)
    )


def _rtx(ssrc: int | None) -> RtxParameters | Absent:
    return ABSENT if ssrc is None else RtxParameters(ssrc=ssrc)
