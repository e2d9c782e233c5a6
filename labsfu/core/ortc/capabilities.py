"""What a router offers its clients."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from labsfu.core.ortc.match import find_codec
from labsfu.core.ortc.supported import DYNAMIC_PAYLOAD_TYPES, OFFER_EVERYTHING, Offer, supported_capabilities
from labsfu.core.ortc.validate import validate_codec_capability
from labsfu.errors import InvalidValue, Unsupported
from labsfu.wire.base import Absent
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpCodecCapability


def generate_router_rtp_capabilities(
    media_codecs: Sequence[RtpCodecCapability], offer: Offer = OFFER_EVERYTHING
) -> RtpCapabilities:
    """A router's capabilities: its media codecs with payload types and feedback, and all header extensions.

    A payload type is the one preferred, else the codec's static one, else the next dynamic one; each video codec is
    followed by its RTX codec, if `offer` has retransmission. Given parameters add to the supported ones; given
    feedback is ignored.

    Raises:
        InvalidValue: a media codec is malformed or its payload type is taken (`invalid-rtp-capabilities`); payload
            types ran out (`too-many-codecs`).
        Unsupported: a media codec is unknown (`unsupported-codec`).
    """
    supported = supported_capabilities(offer)
    payload_types = _PayloadTypes()
    codecs: list[RtpCodecCapability] = []
    for media_codec in map(validate_codec_capability, media_codecs):
        known = find_codec(media_codec, supported.codecs, strict=False)
        if known is None:
            raise Unsupported(
                f"media codec '{media_codec.mime_type}' with clock rate {media_codec.clock_rate} is not supported",
                slug="unsupported-codec",
            )
        payload_type = payload_types.allocate(media_codec.preferred_payload_type, known.preferred_payload_type)
        parameters = known.parameters | media_codec.parameters
        codecs.append(replace(known, preferred_payload_type=payload_type, parameters=parameters))
        if offer.nack and known.kind is MediaKind.VIDEO:
            codecs.append(_rtx(payload_types.next_dynamic(), payload_type, known.clock_rate))
    return RtpCapabilities(codecs=tuple(codecs), header_extensions=supported.header_extensions)


def _rtx(payload_type: int, repaired_payload_type: int, clock_rate: int) -> RtpCodecCapability:
    return RtpCodecCapability(
        kind=MediaKind.VIDEO,
        mime_type="video/rtx",
        clock_rate=clock_rate,
        preferred_payload_type=payload_type,
        parameters={"apt": repaired_payload_type},
    )


class _PayloadTypes:
    """The payload types of one router, while it is made."""

    def __init__(self) -> None:
        self._free = list(DYNAMIC_PAYLOAD_TYPES)
        self._taken: set[int] = set()

    def allocate(self, preferred: int | Absent, static: int | Absent) -> int:
        """The one preferred, else the static one, else the next dynamic one."""
        if not isinstance(preferred, Absent):
            wanted = preferred
        elif not isinstance(static, Absent):
            wanted = static
        else:
            return self.next_dynamic()
        if wanted in self._taken:
            raise InvalidValue(f"payload type {wanted} is used twice", slug="invalid-rtp-capabilities")
        if wanted in self._free:
            self._free.remove(wanted)
        self._taken.add(wanted)
        return wanted

    def next_dynamic(self) -> int:
        """The next dynamic one."""
        if not self._free:
            raise InvalidValue("no dynamic payload type is left for so many codecs", slug="too-many-codecs")
        self._taken.add(self._free[0])
        return self._free.pop(0)
