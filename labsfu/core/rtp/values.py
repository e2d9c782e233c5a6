"""Values of the small RTP header extensions.

Every `decode_*` takes `(buffer, offset, length)` of the element's data, as `find_extensions` gives them, and raises
`Malformed` when the length or the text is not what the extension prescribes. Every `encode_*` gives the element's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labsfu.core.rtp.packet import Buffer
from labsfu.errors import Malformed

ABS_SEND_TIME_WRAP = 64.0  # seconds after which abs-send-time starts again

_ABS_SEND_TIME_UNITS = 1 << 18  # per second: 24 bits of 6.18 fixed point


def decode_audio_level(buffer: Buffer, offset: int, length: int) -> tuple[bool, int]:
    """`(voice, level)`: the V bit, and the level as -dBov, 0 (loudest) to 127 (silence) (RFC 6464 3).

    Raises:
        Malformed: `rtp-bad-audio-level`.
    """
    octet = _read_uint(buffer, offset, length, 1, "rtp-bad-audio-level")
    return octet > 127, octet & 0x7F


def encode_audio_level(voice: bool, level: int) -> bytes:
    """One octet from the V bit and -dBov; `level` is clamped to 0..127."""
    return bytes(((0x80 if voice else 0) | max(0, min(level, 127)),))


def decode_abs_send_time(buffer: Buffer, offset: int, length: int) -> int:
    """The 24-bit send time in units of 2**-18 s; it wraps every 64 s.

    Raises:
        Malformed: `rtp-bad-abs-send-time`.
    """
    return _read_uint(buffer, offset, length, 3, "rtp-bad-abs-send-time")


def encode_abs_send_time(value: int) -> bytes:
    """Three octets of a 24-bit send time; `value` is taken modulo 2**24."""
    return (value & 0xFF_FFFF).to_bytes(3, "big")


def abs_send_time_from_seconds(seconds: float) -> int:
    """24-bit send time of an instant in seconds (any epoch: only the difference of two is meaningful)."""
    return round(seconds * _ABS_SEND_TIME_UNITS) & 0xFF_FFFF


def abs_send_time_from_ntp(ntp: int) -> int:
    """24-bit send time of a 64-bit NTP timestamp: six bits of its seconds, eighteen of its fraction."""
    return (ntp >> 14) & 0xFF_FFFF


def abs_send_time_to_seconds(value: int) -> float:
    """Seconds in [0, 64) of a 24-bit send time."""
    return value / _ABS_SEND_TIME_UNITS


def decode_mid(buffer: Buffer, offset: int, length: int) -> str:
    """The MID of the media description (RFC 9143 15).

    Raises:
        Malformed: `rtp-bad-mid` when it is empty or not UTF-8.
    """
    return _read_text(buffer, offset, length, "utf-8", "rtp-bad-mid")


def encode_mid(mid: str) -> bytes:
    """UTF-8 of the MID."""
    return mid.encode()


def decode_rid(buffer: Buffer, offset: int, length: int) -> str:
    """An RtpStreamId or RepairedRtpStreamId (RFC 8852 4).

    Raises:
        Malformed: `rtp-bad-rid` when it is empty or not ASCII.
    """
    return _read_text(buffer, offset, length, "ascii", "rtp-bad-rid")


def encode_rid(rid: str) -> bytes:
    """ASCII of the RtpStreamId."""
    return rid.encode("ascii")


def decode_transport_sequence(buffer: Buffer, offset: int, length: int) -> int:
    """The transport-wide sequence number, 0..65535 (draft-holmer-rmcat-transport-wide-cc-extensions-01 2).

    Raises:
        Malformed: `rtp-bad-transport-sequence`.
    """
    return _read_uint(buffer, offset, length, 2, "rtp-bad-transport-sequence")


def encode_transport_sequence(sequence_number: int) -> bytes:
    """Two octets; `sequence_number` is taken modulo 2**16."""
    return (sequence_number & 0xFFFF).to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class VideoOrientation:
    """How to show the picture (3GPP TS 26.114 7.4.5).

    Attributes:
        camera: True for a back-facing camera.
        flip: the picture is mirrored horizontally.
        rotation: degrees by which the receiver turns the picture clockwise to show it upright.
    """

    camera: bool
    flip: bool
    rotation: Literal[0, 90, 180, 270]


_ROTATIONS: tuple[Literal[0, 90, 180, 270], ...] = (0, 90, 180, 270)


def decode_video_orientation(buffer: Buffer, offset: int, length: int) -> VideoOrientation:
    """The orientation of the low-granularity form, one octet `0000CFRR`.

    Raises:
        Malformed: `rtp-bad-video-orientation`.
    """
    octet = _read_uint(buffer, offset, length, 1, "rtp-bad-video-orientation")
    return VideoOrientation(bool(octet & 8), bool(octet & 4), _ROTATIONS[octet & 3])


def encode_video_orientation(orientation: VideoOrientation) -> bytes:
    """One octet `0000CFRR`."""
    return bytes((orientation.camera << 3 | orientation.flip << 2 | orientation.rotation // 90,))


def _read_uint(buffer: Buffer, offset: int, length: int, size: int, reason: str) -> int:
    if length != size:
        raise Malformed(reason)
    return int.from_bytes(buffer[offset : offset + size], "big")


def _read_text(buffer: Buffer, offset: int, length: int, encoding: str, reason: str) -> str:
    try:
        text = str(buffer[offset : offset + length], encoding)
    except UnicodeDecodeError:
        raise Malformed(reason) from None
    if not text:
        raise Malformed(reason)
    return text
