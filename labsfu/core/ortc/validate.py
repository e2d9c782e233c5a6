"""Checks what clients send and fills in defaults; answers new dictionaries.

Types and ranges of single fields are `labsfu.wire`'s business; here is what one field means beside the others. After
`validate_*`, audio codecs have channels, video codecs have none, and encodings are never empty.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from msgspec.structs import replace

from labsfu.core.ortc.match import CodecT
from labsfu.core.ortc.mime import associated_payload_type, is_rtx, media_kind
from labsfu.errors import InvalidValue
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.rtp import (
    MediaKind,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
)

MAX_ENCODINGS = 16
"""More streams than any sender has, and a bound on what a producer costs."""

_CAPABILITIES = "invalid-rtp-capabilities"
_PARAMETERS = "invalid-rtp-parameters"
_RTCP_LOOKALIKES = range(64, 96)  # with the marker bit set they read as RTCP packet types (RFC 5761 4)


def validate_codec_capability(codec: RtpCodecCapability) -> RtpCodecCapability:
    """Check one codec capability; its kind becomes the mimeType's.

    Raises:
        InvalidValue: `invalid-rtp-capabilities`.
    """
    _check_payload_type(codec.preferred_payload_type, _CAPABILITIES)
    return replace(_checked(codec, _CAPABILITIES), kind=media_kind(codec.mime_type, slug=_CAPABILITIES))


def validate_rtp_capabilities(capabilities: RtpCapabilities) -> RtpCapabilities:
    """Check what a client says it can receive.

    Raises:
        InvalidValue: `invalid-rtp-capabilities`.
    """
    for extension in capabilities.header_extensions:
        _check_extension(extension.uri, extension.preferred_id, _CAPABILITIES)
    return replace(capabilities, codecs=tuple(map(validate_codec_capability, capabilities.codecs)))


def validate_rtp_parameters(parameters: RtpParameters, kind: MediaKind | None = None) -> RtpParameters:
    """Check what a client says it will send.

    Args:
        parameters: as the client sent them.
        kind: what all codecs must be; None if that does not matter.

    Raises:
        InvalidValue: `invalid-rtp-parameters`.
    """
    if parameters.mid == "":
        raise _invalid("mid is empty")
    codecs = tuple(_checked(codec, _PARAMETERS) for codec in parameters.codecs)
    _check_codecs(codecs, kind)
    _check_header_extensions(parameters.header_extensions)
    encodings = parameters.encodings or (RtpEncodingParameters(),)
    _check_encodings(encodings, codecs, has_mid=not isinstance(parameters.mid, Absent))
    return replace(
        parameters,
        codecs=codecs,
        encodings=tuple(_with_dtx(encoding) for encoding in encodings),
        # what we send is of reduced size anyway; an empty cname is none
        rtcp=RtcpParameters(cname=parameters.rtcp.cname or ABSENT, reduced_size=True),
    )


def _checked(codec: CodecT, slug: str) -> CodecT:
    """One codec by itself."""
    kind = media_kind(codec.mime_type, slug=slug)
    if codec.clock_rate <= 0:
        raise InvalidValue(f"clockRate {codec.clock_rate} of '{codec.mime_type}' is not positive", slug=slug)
    channels: int | Absent = ABSENT
    if kind is MediaKind.AUDIO:
        channels = 1 if isinstance(codec.channels, Absent) else codec.channels
        if channels <= 0:
            raise InvalidValue(f"channels {channels} of '{codec.mime_type}' is not positive", slug=slug)
    apt = codec.parameters.get("apt")
    if apt is not None and not isinstance(apt, int):
        raise InvalidValue(f"apt {apt!r} of '{codec.mime_type}' is not an integer", slug=slug)
    if codec.mime_type.lower() == "audio/multiopus":
        _check_multiopus(codec, channels, slug)
    return replace(codec, channels=channels)


def _check_multiopus(codec: CodecT, channels: int | Absent, slug: str) -> None:
    """The parameters of RFC 7845 5.1.1 that browsers write for more than two channels."""
    mapping = codec.parameters.get("channel_mapping")
    if not isinstance(mapping, str) or len(mapping.split(",")) != channels:
        raise InvalidValue(f"channel_mapping {mapping!r} does not map {channels} channels of multiopus", slug=slug)
    for name in ("num_streams", "coupled_streams"):
        value = codec.parameters.get(name)
        if not str(value).isdecimal():
            raise InvalidValue(f"{name} {value!r} of multiopus is not a number of streams", slug=slug)


def _check_codecs(codecs: tuple[RtpCodecParameters, ...], kind: MediaKind | None) -> None:
    _refuse_duplicates("payload type", (codec.payload_type for codec in codecs))
    media = {codec.payload_type for codec in codecs if not is_rtx(codec)}
    if not media:
        raise _invalid("codecs name no media codec")
    for codec in codecs:
        _check_payload_type(codec.payload_type, _PARAMETERS)
        if kind is not None and media_kind(codec.mime_type, slug=_PARAMETERS) is not kind:
            raise _invalid(f"codec '{codec.mime_type}' is not {kind.value}")
        if is_rtx(codec) and associated_payload_type(codec) not in media:
            apt = codec.parameters.get("apt")
            raise _invalid(f"apt {apt} of RTX payload type {codec.payload_type} is no media codec's payload type")


def _check_header_extensions(extensions: tuple[RtpHeaderExtensionParameters, ...]) -> None:
    for extension in extensions:
        _check_extension(extension.uri, extension.id, _PARAMETERS)
    _refuse_duplicates("header extension id", (extension.id for extension in extensions))
    _refuse_duplicates("header extension", (extension.uri for extension in extensions))


def _check_encodings(
    encodings: tuple[RtpEncodingParameters, ...], codecs: tuple[RtpCodecParameters, ...], *, has_mid: bool
) -> None:
    if len(encodings) > MAX_ENCODINGS:
        raise _invalid(f"{len(encodings)} encodings are more than {MAX_ENCODINGS}")
    media = {codec.payload_type for codec in codecs if not is_rtx(codec)}
    ssrcs: list[int] = []
    for index, encoding in enumerate(encodings):
        ssrcs += _ssrcs(encoding)
        if encoding.rid == "":
            raise _invalid(f"rid of encoding {index} is empty")
        if isinstance(encoding.codec_payload_type, int) and encoding.codec_payload_type not in media:
            raise _invalid(
                f"codecPayloadType {encoding.codec_payload_type} of encoding {index} is no media codec's payload type"
            )
        can_be_told = not (isinstance(encoding.ssrc, Absent) and isinstance(encoding.rid, Absent))
        if not can_be_told and (len(encodings) > 1 or not has_mid):
            alternative = "" if len(encodings) > 1 else ", and there is no mid"
            raise _invalid(f"encoding {index} has neither ssrc nor rid{alternative}")
    _refuse_duplicates("ssrc", ssrcs)
    _refuse_duplicates("rid", (encoding.rid for encoding in encodings if not isinstance(encoding.rid, Absent)))


def _ssrcs(encoding: RtpEncodingParameters) -> list[int]:
    found = [] if isinstance(encoding.ssrc, Absent) else [encoding.ssrc]
    return found if isinstance(encoding.rtx, Absent) else [*found, encoding.rtx.ssrc]


def _with_dtx(encoding: RtpEncodingParameters) -> RtpEncodingParameters:
    return replace(encoding, dtx=False) if isinstance(encoding.dtx, Absent) else encoding


def _check_payload_type(payload_type: int | Absent, slug: str) -> None:
    if isinstance(payload_type, int) and payload_type in _RTCP_LOOKALIKES:
        raise InvalidValue(f"payload type {payload_type} cannot be told from RTCP (64 to 95)", slug=slug)


def _check_extension(uri: str, id_: int, slug: str) -> None:
    if not uri:
        raise InvalidValue(f"header extension {id_} has an empty uri", slug=slug)
    if not 1 <= id_ <= 255:  # 0 is padding (RFC 8285 4.2)
        raise InvalidValue(f"id {id_} of header extension '{uri}' is not from 1 to 255", slug=slug)


def _refuse_duplicates(what: str, values: Iterable[Hashable]) -> None:
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            raise _invalid(f"{what} {value} appears twice")
        seen.add(value)


def _invalid(detail: str) -> InvalidValue:
    return InvalidValue(detail, slug=_PARAMETERS)
