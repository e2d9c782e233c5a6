"""When two codecs are the same codec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from labsfu.core.ortc.h264 import answer_profile_level_id
from labsfu.core.ortc.mime import AnyCodec
from labsfu.wire.base import Absent
from labsfu.wire.rtp import CodecParameters, RtpCodecCapability, RtpCodecParameters

CodecT = TypeVar("CodecT", RtpCodecCapability, RtpCodecParameters)

_PROFILE_LEVEL_ID = "profile-level-id"
_H264 = frozenset({"video/h264", "video/h264-svc"})

_Defaults: TypeAlias = tuple[tuple[str, str], ...]

# Parameters that configure the format, and so must be equal on both sides, with their defaults.
_ALWAYS_EQUAL: dict[str, _Defaults] = {"audio/multiopus": (("num_streams", ""), ("coupled_streams", ""))}
_STRICTLY_EQUAL: dict[str, _Defaults] = {
    "video/h264": (("packetization-mode", "0"),),  # RFC 6184 8.1
    "video/h264-svc": (("packetization-mode", "0"),),
    "video/vp9": (("profile-id", "0"),),  # RFC 9628 6
    "video/av1": (("profile", "0"),),  # AV1 RTP 7
    "video/h265": (("profile-id", "1"), ("tier-flag", "0")),  # RFC 7798 7.1
}


def match_codecs(codec: AnyCodec, other: AnyCodec, *, strict: bool) -> bool:
    """Whether the two are the same codec.

    Args:
        codec: the local one, where it makes a difference (H.264's level).
        other: the remote one.
        strict: compare the parameters of the format too (profile, packetization mode). `apt` is never compared.
    """
    mime_type = codec.mime_type.lower()
    if mime_type != other.mime_type.lower() or codec.clock_rate != other.clock_rate:
        return False
    if _channels(codec) != _channels(other):
        return False
    equal = _ALWAYS_EQUAL.get(mime_type, ()) + (_STRICTLY_EQUAL.get(mime_type, ()) if strict else ())
    if any(_text(codec, name, default) != _text(other, name, default) for name, default in equal):
        return False
    return not (strict and mime_type in _H264) or _h264_answer(codec, other) is not None


def find_codec(codec: AnyCodec, candidates: Iterable[CodecT], *, strict: bool) -> CodecT | None:
    """The first candidate that matches."""
    return next((candidate for candidate in candidates if match_codecs(codec, candidate, strict=strict)), None)


def negotiated_parameters(codec: AnyCodec, other: AnyCodec) -> CodecParameters:
    """The codec's parameters once both sides agreed: H.264's profile-level-id becomes the answered one.

    A copy; `codec` and `other` must match strictly.
    """
    parameters = dict(codec.parameters)
    said = _text(codec, _PROFILE_LEVEL_ID) or _text(other, _PROFILE_LEVEL_ID)
    answer = _h264_answer(codec, other) if codec.mime_type.lower() in _H264 else None
    if said and answer is not None:
        parameters[_PROFILE_LEVEL_ID] = answer
    return parameters


def _h264_answer(codec: AnyCodec, other: AnyCodec) -> str | None:
    asymmetry = all(_text(each, "level-asymmetry-allowed") == "1" for each in (codec, other))
    local, remote = (_text(each, _PROFILE_LEVEL_ID) for each in (codec, other))
    return answer_profile_level_id(local, remote, level_asymmetry=asymmetry)


def _channels(codec: AnyCodec) -> int:
    """Audio without channels has one; video has none, whatever it says."""
    if codec.mime_type.lower().startswith("video/"):
        return 0
    return 1 if isinstance(codec.channels, Absent) else codec.channels


def _text(codec: AnyCodec, name: str, default: str = "") -> str:
    """A parameter as text, since one client's 1 is another's "1"; empty counts as absent."""
    value = codec.parameters.get(name, "")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) or default
