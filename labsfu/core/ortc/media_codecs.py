"""The media codecs of a router, as an operator chose them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.ortc.h264 import parse_profile_level_id
from labsfu.core.ortc.match import find_codec, match_codecs
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS, SUPPORTED_CODECS
from labsfu.core.ortc.validate import validate_codec_capability
from labsfu.errors import InvalidValue, Unsupported
from labsfu.wire.base import Absent
from labsfu.wire.rtp import RtpCodecCapability

_INVALID, _UNSUPPORTED = "invalid-rtp-capabilities", "unsupported-codec"


def choose_media_codecs(
    choices: Iterable[str | RtpCodecCapability], can_be_joined: Callable[[str], bool]
) -> tuple[RtpCodecCapability, ...]:
    """Media codecs that a router can be made with.

    Args:
        choices: each the name of a codec (`H264` or `video/H264`, in any case of letters), which means the one of the
            default codecs, else of the supported ones; or a codec in full.
        can_be_joined: tells by mimeType whether the packet at which a consumer may begin can be found.

    Raises:
        InvalidValue: a codec is malformed, ambiguous or given twice, or numbers are (`invalid-rtp-capabilities`,
            `too-many-codecs`).
        Unsupported: a codec is unknown, or not forwarded yet (`unsupported-codec`).
    """
    chosen: list[RtpCodecCapability] = []
    for choice in choices:
        codec = _named(choice) if isinstance(choice, str) else validate_codec_capability(choice)
        if find_codec(codec, SUPPORTED_CODECS, strict=False) is None:
            raise Unsupported(f"'{codec.mime_type}' ({_format(codec)}) is no codec that is known", slug=_UNSUPPORTED)
        if not can_be_joined(codec.mime_type):
            raise Unsupported(f"'{codec.mime_type}' is not forwarded yet", slug=_UNSUPPORTED)
        _check_h264(codec)
        if any(match_codecs(codec, other, strict=True) for other in chosen):
            raise InvalidValue(f"'{codec.mime_type}' is given twice", slug=_INVALID)
        chosen.append(codec)
    generate_router_rtp_capabilities(chosen)
    return tuple(chosen)


def _named(name: str) -> RtpCodecCapability:
    for table in (DEFAULT_MEDIA_CODECS, SUPPORTED_CODECS):
        found = [codec for codec in table if name.lower() in _names(codec)]
        if len(found) > 1:
            formats = " or ".join(map(_format, found))
            raise InvalidValue(f"'{name}' is several codecs ({formats}): write the one in full", slug=_INVALID)
        if found:
            return found[0]
    raise Unsupported(f"'{name}' is no codec that is known", slug=_UNSUPPORTED)


def _format(codec: RtpCodecCapability) -> str:
    rate = f"{codec.clock_rate} Hz"
    return rate if isinstance(codec.channels, Absent) else f"{rate}, channels {codec.channels}"


def _names(codec: RtpCodecCapability) -> tuple[str, str]:
    mime_type = codec.mime_type.lower()
    return mime_type, mime_type.partition("/")[2]


def _check_h264(codec: RtpCodecCapability) -> None:
    """A format that nobody could match, or whose packets come interleaved, would only look configured."""
    if codec.mime_type.lower() != "video/h264":
        return
    profile = codec.parameters.get("profile-level-id", "")
    if profile != "" and parse_profile_level_id(str(profile)) is None:
        raise InvalidValue(f"profile-level-id '{profile}' names no profile and level", slug=_INVALID)
    mode = codec.parameters.get("packetization-mode", 0)
    if str(mode) not in ("0", "1"):
        raise Unsupported(f"packetization-mode {mode} of '{codec.mime_type}' is not forwarded", slug=_UNSUPPORTED)
