"""Answers a server's reference times at once, as browsers do, so that it can measure its way to who only sends."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from clients.transport import WebRtcTransport

_HEADER = struct.Struct("!BBH")
_DLRR = struct.Struct("!BBHIBBHIII")
_XR, _REFERENCE_TIME, _DELAY = 207, 4, 5


def answer_reference_times(transport: WebRtcTransport, ssrc: int) -> None:
    """Let a client answer on a transport, in the name of an SSRC that it sends there."""

    def take(data: bytes, _now: float) -> None:
        for asker, middle in reference_times(data):
            # six words behind the header: of the block, its own header and one sub-block (RFC 3611 4.5); no delay
            transport.send_raw(_DLRR.pack(0x80, _XR, 5, ssrc, _DELAY, 0, 3, asker, middle, 0))

    transport.add_raw_rtcp(take)


def reference_times(data: bytes) -> list[tuple[int, int]]:
    """Who asks in a compound packet, and the middle 32 bits of its reference time (RFC 3611 4.4)."""
    return [(asker, _word(block, 6)) for asker, kind, block in _blocks(data) if kind == _REFERENCE_TIME]


def answers(data: bytes) -> list[int]:
    """The middle 32 bits of the reference times that a compound packet answers, first of each block (RFC 3611 4.5)."""
    return [_word(block, 8) for _, kind, block in _blocks(data) if kind == _DELAY]


def _word(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "big")


def _blocks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Who reports, type and bytes of each block of the extended reports in a compound packet."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        _, kind, words = _HEADER.unpack_from(data, offset)
        end = offset + 4 + 4 * words
        asker, start = _word(data, offset + 4), offset + 8
        while kind == _XR and start < end:
            size = 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
            yield asker, data[start], data[start : start + size]
            start += size
        offset = end
