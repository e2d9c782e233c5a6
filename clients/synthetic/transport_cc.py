"""Transport-wide feedback: which packets arrived when (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Self

import msgspec

from labsfu.errors import Malformed

TICKS_PER_SECOND = 4000
MAX_STATUSES = 400
"""That `of_arrivals` puts into one packet: it stays below 1200 octets."""

_FIXED = struct.Struct("!IIHHI")  # SSRCs, base sequence, count, reference time (24) and feedback count (8)
_TICKS_PER_REFERENCE = 256
_MISSING, _SMALL, _LARGE = 0, 1, 2
_RUN = 7  # equal symbols from which on a run is shorter than a vector


class TransportFeedback(msgspec.Struct, frozen=True):
    """Which packets of a transport arrived, and when.

    Attributes:
        sender: who reports.
        media: one of the streams.
        base: transport-wide number of the first packet.
        count: number of this feedback, 0..255.
        reference: signed, units of 64 ms on the reporter's clock.
        ticks: for each packet from `base` on None when it is missing, else when it came: units of 250 us, from the
            epoch of `reference`.
    """

    sender: int
    media: int
    base: int
    count: int
    reference: int
    ticks: tuple[int | None, ...]

    @classmethod
    def of_arrivals(
        cls, sender: int, media: int, base: int, count: int, arrivals: Sequence[float | None]
    ) -> tuple[Self, int]:
        """Of the arrival times (monotonic seconds; None: missing) of consecutive packets.

        Returns:
            The feedback and how many of `arrivals` it covers: not more than `MAX_STATUSES`, and not beyond a packet
            that came more than 8.19 s from the one before.
        """
        ticks: list[int | None] = []
        previous: int | None = None
        for arrival in arrivals[:MAX_STATUSES]:
            at = None if arrival is None else round(arrival * TICKS_PER_SECOND)
            if at is not None:
                if previous is not None and not -0x8000 <= at - previous <= 0x7FFF:
                    break
                previous = at
            ticks.append(at)
        first = next((at for at in ticks if at is not None), 0)
        return cls(sender, media, base & 0xFFFF, count & 0xFF, first // _TICKS_PER_REFERENCE, tuple(ticks)), len(ticks)

    def arrivals(self) -> list[tuple[int, float | None]]:
        """Transport-wide number and arrival (seconds on the reporter's clock; None: missing) of each packet."""
        return [
            ((self.base + index) & 0xFFFF, None if at is None else at / TICKS_PER_SECOND)
            for index, at in enumerate(self.ticks)
        ]

    def encode(self) -> bytes:
        """The whole packet, padded to words."""
        symbols = bytearray()
        deltas = bytearray()
        previous = self.reference * _TICKS_PER_REFERENCE
        for at in self.ticks:
            if at is None:
                symbols.append(_MISSING)
                continue
            delta, previous = at - previous, at
            small = 0 <= delta <= 0xFF
            symbols.append(_SMALL if small else _LARGE)
            deltas += bytes((delta,)) if small else struct.pack("!h", delta)
        times = (self.reference & 0xFFFFFF) << 8 | self.count
        fixed = _FIXED.pack(self.sender, self.media, self.base, len(symbols), times)
        body = fixed + _encode_chunks(symbols) + deltas
        padding = -len(body) % 4
        if padding:
            body += bytes(padding - 1) + bytes((padding,))
        return struct.pack("!BBH", 0xAF if padding else 0x8F, 205, len(body) // 4) + body

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body, padding taken off or not.

        Raises:
            Malformed: `rtcp-bad-transport-cc`.
        """
        if len(body) < _FIXED.size:
            raise Malformed("rtcp-bad-transport-cc")
        sender, media, base, count, times = _FIXED.unpack_from(body)
        reference = (times >> 8) - ((times >> 8 & 0x800000) << 1)
        symbols, offset = _parse_chunks(body, _FIXED.size, count)
        ticks: list[int | None] = []
        at = reference * _TICKS_PER_REFERENCE
        for symbol in symbols:
            if symbol == _MISSING:
                ticks.append(None)
                continue
            length = 1 if symbol == _SMALL else 2
            if symbol == 3 or offset + length > len(body):
                raise Malformed("rtcp-bad-transport-cc")
            at += int.from_bytes(body[offset : offset + length], "big", signed=symbol == _LARGE)
            ticks.append(at)
            offset += length
        return cls(sender, media, base, times & 0xFF, reference, tuple(ticks))


def _encode_chunks(symbols: bytes | bytearray) -> bytes:
    """Runs where they are long, else vectors of seven symbols of two bits."""
    chunks = bytearray()
    offset = 0
    while offset < len(symbols):
        run = _run_length(symbols, offset)
        if run >= _RUN:
            chunk = symbols[offset] << 13 | run
        else:
            run = 7
            chunk = 0xC000
            for index, symbol in enumerate(symbols[offset : offset + run]):
                chunk |= symbol << 12 - 2 * index
        chunks += chunk.to_bytes(2, "big")
        offset += run
    return bytes(chunks)


def _run_length(symbols: bytes | bytearray, start: int) -> int:
    end = start
    while end < len(symbols) and symbols[end] == symbols[start]:
        end += 1
    return end - start


def _parse_chunks(body: bytes, offset: int, count: int) -> tuple[list[int], int]:
    symbols: list[int] = []
    while len(symbols) < count:
        if offset + 2 > len(body):
            raise Malformed("rtcp-bad-transport-cc")
        chunk = body[offset] << 8 | body[offset + 1]
        offset += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    return symbols[:count], offset
