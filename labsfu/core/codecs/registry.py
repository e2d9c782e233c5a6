"""Which function tells the key frames of a codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from labsfu.core.codecs import h264, vp8

Buffer: TypeAlias = bytes | bytearray | memoryview
KeyFrameTest: TypeAlias = Callable[[Buffer, int, int], bool]

_KEY_FRAME_TESTS: dict[str, KeyFrameTest] = {
    "video/vp8": vp8.is_key_frame,
    "video/h264": h264.is_key_frame,
}


def is_key_frame_for(mime_type: str) -> KeyFrameTest | None:
    """The test `(buffer, offset, length) -> bool` over an RTP payload of `mime_type`, in any case of letters.

    None means that a stream of this codec may start with any packet: audio, or a codec whose payload is not read.
    """
    return _KEY_FRAME_TESTS.get(mime_type.lower())


def can_be_joined(mime_type: str) -> bool:
    """Whether a stream of this codec can be let in on at the right packet: audio at any, video at its key frames."""
    return mime_type.lower().startswith("audio/") or is_key_frame_for(mime_type) is not None
