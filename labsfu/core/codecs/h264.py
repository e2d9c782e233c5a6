"""Key frames in H.264 payloads (RFC 6184 5.2, 5.6, 5.7.1, 5.8).

A key frame begins with its sequence parameter set, not with its IDR slice: WebRTC sends parameter sets in band
(RFC 7742 6.2), in front of each IDR picture, in a packet of their own (a STAP-A; in packetization-mode 0 one packet
each). Whoever is let in between them and the slice has nothing to decode it by.
"""

from __future__ import annotations

from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

_SEQUENCE_PARAMETER_SET = 7
_STAP_A = 24
_FU_A = 28


def is_key_frame(buffer: Buffer, offset: int, length: int) -> bool:
    """Whether the RTP payload in `buffer[offset:offset + length]` starts a key frame; False when it is too short.

    That is a sequence parameter set: alone, within a STAP-A, or in the first fragment of an FU-A.
    """
    end = min(offset + length, len(buffer))
    if offset >= end:
        return False
    nal_type = buffer[offset] & 0x1F
    if nal_type == _FU_A:
        if offset + 1 >= end or not buffer[offset + 1] & 0x80:
            return False
        nal_type = buffer[offset + 1] & 0x1F
    elif nal_type == _STAP_A:
        return _aggregate_starts_key_frame(buffer, offset + 1, end)
    return nal_type == _SEQUENCE_PARAMETER_SET


def _aggregate_starts_key_frame(buffer: Buffer, offset: int, end: int) -> bool:
    """Walk the NAL units of a STAP-A, each behind its size in two octets."""
    while offset + 2 < end:
        size = buffer[offset] << 8 | buffer[offset + 1]
        if size and buffer[offset + 2] & 0x1F == _SEQUENCE_PARAMETER_SET:
            return True
        offset += 2 + size
    return False
