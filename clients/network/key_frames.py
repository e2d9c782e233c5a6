"""Whether an RTP payload begins a key frame, by codec; read from the RTP payload formats alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType


def vp8_begins_key_frame(payload: bytes) -> bool:
    """First partition, first packet, and the P bit of the frame header is 0 (RFC 7741 4.2, 4.3)."""
    if not payload or payload[0] & 0x17 != 0x10:  # S set, PID 0
        return False
    at = 1
    if payload[0] & 0x80:
        if len(payload) < 2:
            return False
        extensions = payload[1]
        at = 2
        if extensions & 0x80:  # PictureID of 7 or of 15 bits
            at += 2 if len(payload) > at and payload[at] & 0x80 else 1
        at += bool(extensions & 0x40) + bool(extensions & 0x30)  # TL0PICIDX; TID and KEYIDX
    return len(payload) > at and payload[at] & 1 == 0


def h264_begins_key_frame(payload: bytes) -> bool:
    """A sequence parameter set or the first part of an IDR picture, alone, in STAP-A or FU-A (RFC 6184 5.2)."""
    if not payload:
        return False
    unit = payload[0] & 31
    if unit == 24:
        at = 1
        while len(payload) > at + 2:
            if payload[at + 2] & 31 in (5, 7):
                return True
            at += 2 + int.from_bytes(payload[at : at + 2], "big")
        return False
    if unit == 28:
        return len(payload) > 1 and bool(payload[1] & 0x80) and payload[1] & 31 in (5, 7)
    return unit in (5, 7)


def av1_begins_key_frame(payload: bytes) -> bool:
    """The N bit of the aggregation header: first packet of a coded video sequence (AV1 RTP 4.4)."""
    return bool(payload) and bool(payload[0] & 0x08)


BEGINS_KEY_FRAME: Mapping[str, Callable[[bytes], bool]] = MappingProxyType(
    {
        "video/vp8": vp8_begins_key_frame,
        "video/h264": h264_begins_key_frame,
        "video/av1": av1_begins_key_frame,
    }
)
"""By mime type, in lower case."""
