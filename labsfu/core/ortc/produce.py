"""From what a client sends to what consumers can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from labsfu.core.ortc.match import find_codec, negotiated_parameters
from labsfu.core.ortc.mime import associated_payload_type, is_rtx
from labsfu.core.ortc.scalability import parse_scalability_mode
from labsfu.errors import InvalidValue, Unsupported
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.rtp import (
    ExtensionDirection,
    MediaKind,
    ProducerType,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
)

_SIMULCAST = frozenset({"video/vp8", "video/h264"})
_SVC = frozenset({"video/vp9", "video/h264-svc", "video/av1"})
_SENT = frozenset({ExtensionDirection.SENDRECV, ExtensionDirection.SENDONLY})


@dataclass(frozen=True, slots=True)
class EncodingMapping:
    """One stream of a producer: how to know it (ssrc, else rid, else there is only one), and its ssrc inside."""

    mapped_ssrc: int
    rid: str | Absent = ABSENT
    ssrc: int | Absent = ABSENT
    rtx_ssrc: int | Absent = ABSENT
    scalability_mode: str | Absent = ABSENT


@dataclass(frozen=True, slots=True)
class RtpMapping:
    """How a producer's numbers become the router's.

    Attributes:
        codecs: payload type the client sends -> the router's; RTX included.
        encodings: in the order of the producer's encodings.
        header_extensions: uri -> id the client sends, of those extensions that the router knows.
    """

    codecs: Mapping[int, int]
    encodings: tuple[EncodingMapping, ...]
    header_extensions: Mapping[str, int]


def get_producer_type(parameters: RtpParameters) -> ProducerType:
    """Whether a producer sends one stream, several encodings, or layers inside one stream.

    One encoding with temporal layers in VP8 or H264 is simulcast too, of one stream.

    Args:
        parameters: validated ones.

    Raises:
        Unsupported: the codec cannot do that (`unsupported-simulcast`, `unsupported-scalability-mode`).
        InvalidValue: several encodings, and spatial layers in one of them (`invalid-rtp-parameters`).
    """
    names = [_codec_of(encoding, parameters).mime_type for encoding in parameters.encodings]
    modes = [parse_scalability_mode(encoding.scalability_mode) for encoding in parameters.encodings]
    if len(modes) > 1:
        if len(set(names)) > 1 or names[0].lower() not in _SIMULCAST:
            said = "' and '".join(dict.fromkeys(names))
            raise Unsupported(f"several encodings of '{said}' are not supported", slug="unsupported-simulcast")
        for encoding, mode in zip(parameters.encodings, modes, strict=True):
            if mode.spatial_layers > 1:
                said = f"scalabilityMode '{encoding.scalability_mode}' has spatial layers beside other encodings"
                raise InvalidValue(said, slug="invalid-rtp-parameters")
        return ProducerType.SIMULCAST
    if not modes[0].is_layered:
        return ProducerType.SIMPLE
    if names[0].lower() in _SVC:
        return ProducerType.SVC
    if names[0].lower() in _SIMULCAST:
        return ProducerType.SIMULCAST
    raise Unsupported(
        f"scalabilityMode '{parameters.encodings[0].scalability_mode}' is not supported for '{names[0]}'",
        slug="unsupported-scalability-mode",
    )


def get_producer_rtp_mapping(parameters: RtpParameters, capabilities: RtpCapabilities, *, base_ssrc: int) -> RtpMapping:
    """Map a producer's payload types, streams and header extensions to the router's.

    Args:
        parameters: validated ones.
        capabilities: the router's.
        base_ssrc: mapped ssrc of the first encoding; the others count up from it.

    Raises:
        Unsupported: the router has no such codec, or no RTX for it (`unsupported-codec`).
        InvalidValue: an RTX codec repairs nothing (`invalid-rtp-parameters`).
    """
    codecs = {
        codec.payload_type: _payload_type(_router_codec(codec, capabilities))
        for codec in parameters.codecs
        if not is_rtx(codec)
    }
    codecs |= {
        codec.payload_type: _router_rtx_payload_type(codec, codecs, capabilities)
        for codec in parameters.codecs
        if is_rtx(codec)
    }
    known = {extension.uri for extension in capabilities.header_extensions}
    return RtpMapping(
        codecs=codecs,
        encodings=tuple(
            _map_encoding(encoding, base_ssrc + index) for index, encoding in enumerate(parameters.encodings)
        ),
        header_extensions={item.uri: item.id for item in parameters.header_extensions if item.uri in known},
    )


def get_consumable_rtp_parameters(
    kind: MediaKind,
    parameters: RtpParameters,
    capabilities: RtpCapabilities,
    mapping: RtpMapping,
    *,
    cname: str | Absent = ABSENT,
) -> RtpParameters:
    """What consumers of a producer can have: the router's payload types, feedback and header extensions.

    Codec parameters stay the producer's. Router extensions are consumable whether or not this producer sends them.

    Args:
        kind: the producer's.
        parameters: validated ones.
        capabilities: the router's.
        mapping: of these parameters.
        cname: one for all producers of a transport; absent keeps the producer's own.
    """
    encodings = tuple(
        replace(encoding, ssrc=mapped.mapped_ssrc, rid=ABSENT, rtx=ABSENT, codec_payload_type=ABSENT)
        for encoding, mapped in zip(parameters.encodings, mapping.encodings, strict=True)
    )
    return RtpParameters(
        codecs=_consumable_codecs(parameters, capabilities, mapping),
        header_extensions=tuple(
            RtpHeaderExtensionParameters(uri=item.uri, id=item.preferred_id, encrypt=item.preferred_encrypt)
            for item in capabilities.header_extensions
            if item.kind in (kind, ABSENT) and item.direction in _SENT
        ),
        encodings=encodings,
        rtcp=RtcpParameters(cname=parameters.rtcp.cname if isinstance(cname, Absent) else cname, reduced_size=True),
    )


def _consumable_codecs(
    parameters: RtpParameters, capabilities: RtpCapabilities, mapping: RtpMapping
) -> tuple[RtpCodecParameters, ...]:
    routers = {codec.preferred_payload_type: codec for codec in capabilities.codecs}
    rtx = {associated_payload_type(codec): codec for codec in capabilities.codecs if is_rtx(codec)}
    found: dict[int, RtpCodecParameters] = {}  # two of the producer's may be one of the router's
    for codec in parameters.codecs:
        payload_type = mapping.codecs[codec.payload_type]
        if is_rtx(codec) or payload_type in found:
            continue
        router_codec = routers[payload_type]
        found[payload_type] = replace(
            _as_parameters(router_codec), parameters=negotiated_parameters(codec, router_codec)
        )
        if payload_type in rtx:
            repairing = _as_parameters(rtx[payload_type])
            found[repairing.payload_type] = repairing
    return tuple(found.values())


def _as_parameters(codec: RtpCodecCapability) -> RtpCodecParameters:
    return RtpCodecParameters(
        mime_type=codec.mime_type,
        payload_type=_payload_type(codec),
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        parameters=dict(codec.parameters),
        rtcp_feedback=codec.rtcp_feedback,
    )


def _codec_of(encoding: RtpEncodingParameters, parameters: RtpParameters) -> RtpCodecParameters:
    """The codec that an encoding names, else the first media codec."""
    media = [codec for codec in parameters.codecs if not is_rtx(codec)]
    return next((codec for codec in media if codec.payload_type == encoding.codec_payload_type), media[0])


def _router_codec(codec: RtpCodecParameters, capabilities: RtpCapabilities) -> RtpCodecCapability:
    media = (candidate for candidate in capabilities.codecs if not is_rtx(candidate))
    found = find_codec(codec, media, strict=True)
    if found is None:
        raise Unsupported(
            f"the router has no codec for '{codec.mime_type}' (payload type {codec.payload_type})",
            slug="unsupported-codec",
        )
    return found


def _router_rtx_payload_type(codec: RtpCodecParameters, media: Mapping[int, int], capabilities: RtpCapabilities) -> int:
    apt = associated_payload_type(codec)
    if apt is None or apt not in media:
        raise InvalidValue(
            f"apt {apt} of RTX payload type {codec.payload_type} is no media codec's payload type",
            slug="invalid-rtp-parameters",
        )
    for candidate in capabilities.codecs:
        if is_rtx(candidate) and associated_payload_type(candidate) == media[apt]:
            return _payload_type(candidate)
    raise Unsupported(
        f"the router offers no RTX for '{codec.mime_type}' (payload type {codec.payload_type}, apt {apt})",
        slug="unsupported-codec",
    )


def _payload_type(codec: RtpCodecCapability) -> int:
    """The payload type of a router codec: a router's capabilities always have one."""
    assert isinstance(codec.preferred_payload_type, int)
    return codec.preferred_payload_type


def _map_encoding(encoding: RtpEncodingParameters, mapped_ssrc: int) -> EncodingMapping:
    return EncodingMapping(
        mapped_ssrc=mapped_ssrc,
        rid=encoding.rid,
        ssrc=encoding.ssrc,
        rtx_ssrc=ABSENT if isinstance(encoding.rtx, Absent) else encoding.rtx.ssrc,
        scalability_mode=encoding.scalability_mode,
    )
