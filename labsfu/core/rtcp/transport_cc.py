"""Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1).

Arrival times are counted in ticks of 250 us. The first received packet is given relative to a reference time in units
of 64 ms (256 ticks), each later one relative to the received one before it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from labsfu.core.rtcp.chunks import LARGE_DELTA, NOT_RECEIVED, SMALL_DELTA, decode_chunk, encode_chunks
from labsfu.core.rtcp.feedback import FCI_OFFSET, TransportFormat, encode_feedback, parse_ssrcs
from labsfu.core.rtcp.header import PacketType
from labsfu.errors import Malformed

TICKS_PER_SECOND = 4000
REFERENCE_WRAP = (1 << 24) * 0.064  # seconds after which the reference time repeats, about 12.4 days

_TICKS_PER_REFERENCE = 256
_FIXED = struct.Struct("!HHI")  # base sequence, status count, reference time (24) and feedback count (8)
_CHUNK = struct.Struct("!H")
_LARGE = struct.Struct("!h")
_MIN_DELTA, _MAX_DELTA = -0x8000, 0x7FFF
_MAX_STATUSES = 0xFFFF


@dataclass(frozen=True, slots=True)
class TransportFeedback:
    """Which packets of a transport arrived, and when.

    Attributes:
        sender_ssrc: who reports.
        media_ssrc: one of the media senders of the transport.
        base_sequence: transport-wide sequence number of the first packet reported on.
        feedback_count: 0..255, up by one for each feedback.
        reference_time: signed 24 bits, in 64 ms, from an arbitrary epoch of the reporter.
        deltas: for each packet from `base_sequence` on: None when it was not received, else the ticks since the
            packet received before it (for the first: since `reference_time`), within signed 16 bits.
    """

    sender_ssrc: int
    media_ssrc: int
    base_sequence: int
    feedback_count: int
    reference_time: int
    deltas: tuple[int | None, ...]

    @classmethod
    def of_arrivals(
        cls,
        sender_ssrc: int,
        media_ssrc: int,
        base_sequence: int,
        feedback_count: int,
        arrivals: Sequence[float | None],
    ) -> tuple[Self, int]:
        """Report on consecutive packets.

        Args:
            sender_ssrc: who reports.
            media_ssrc: one of the media senders.
            base_sequence: transport-wide sequence number of `arrivals[0]`; taken modulo 2**16.
            feedback_count: taken modulo 256.
            arrivals: for each packet, seconds of its arrival on one monotonic clock, None when it is missing.

        Returns:
            The feedback, and how many of `arrivals` it covers: it ends before the first packet that is more than
            8.19 s from the one before it, and after 65535 packets. The rest belongs in a feedback of its own.
        """
        reference = previous = 0
        started = False
        deltas: list[int | None] = []
        for arrival in arrivals[:_MAX_STATUSES]:
            if arrival is None:
                deltas.append(None)
                continue
            ticks = round(arrival * TICKS_PER_SECOND)
            if not started:
                started = True
                reference = ticks // _TICKS_PER_REFERENCE
                previous = reference * _TICKS_PER_REFERENCE
            if not _MIN_DELTA <= ticks - previous <= _MAX_DELTA:
                break
            deltas.append(ticks - previous)
            previous = ticks
        signed_reference = ((reference + 0x80_0000) & 0xFF_FFFF) - 0x80_0000
        feedback = cls(
            sender_ssrc,
            media_ssrc,
            base_sequence & 0xFFFF,
            feedback_count & 0xFF,
            signed_reference,
            tuple(deltas),
        )
        return feedback, len(deltas)

    def arrivals(self) -> list[tuple[int, float | None]]:
        """`(sequence number, arrival)` of each packet.

        Arrivals are seconds on the reporter's clock, whose reference repeats after `REFERENCE_WRAP`; None is missing.
        """
        ticks = self.reference_time * _TICKS_PER_REFERENCE
        result: list[tuple[int, float | None]] = []
        sequence = self.base_sequence
        for delta in self.deltas:
            if delta is None:
                result.append((sequence, None))
            else:
                ticks += delta
                result.append((sequence, ticks / TICKS_PER_SECOND))
            sequence = (sequence + 1) & 0xFFFF
        return result

    def encode(self) -> bytes:
        """The whole packet, padded with the P bit.

        Raises:
            ValueError: a delta does not fit 16 bits, or there are more than 65535 of them.
        """
        symbols = bytearray()
        data = bytearray()
        for delta in self.deltas:
            if delta is None:
                symbols.append(NOT_RECEIVED)
            elif 0 <= delta <= 0xFF:
                symbols.append(SMALL_DELTA)
                data.append(delta)
            elif _MIN_DELTA <= delta <= _MAX_DELTA:
                symbols.append(LARGE_DELTA)
                data += _LARGE.pack(delta)
            else:
                raise ValueError(f"a delta of {delta} ticks does not fit transport-wide feedback")
        if len(symbols) > _MAX_STATUSES:
            raise ValueError(f"{len(symbols)} packets do not fit one transport-wide feedback")
        times = (self.reference_time & 0xFF_FFFF) << 8 | self.feedback_count
        fixed = _FIXED.pack(self.base_sequence, len(symbols), times)
        fci = fixed + encode_chunks(bytes(symbols)) + bytes(data)
        return encode_feedback(PacketType.RTPFB, TransportFormat.TRANSPORT_CC, self.sender_ssrc, self.media_ssrc, fci)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body; what follows the last delta is padding and ignored.

        Raises:
            Malformed: `rtcp-bad-feedback`, `rtcp-bad-transport-cc` when it is cut off, `rtcp-reserved-status` when
                a packet has the reserved symbol 3 (libwebrtc refuses it as well).
        """
        sender_ssrc, media_ssrc = parse_ssrcs(body)
        if len(body) < FCI_OFFSET + _FIXED.size:
            raise Malformed("rtcp-bad-transport-cc")
        base, count, times = _FIXED.unpack_from(body, FCI_OFFSET)
        symbols, offset = _parse_chunks(body, FCI_OFFSET + _FIXED.size, count)
        reference = times >> 8
        if reference >= 0x80_0000:
            reference -= 1 << 24
        deltas = _parse_deltas(body, offset, symbols)
        return cls(sender_ssrc, media_ssrc, base, times & 0xFF, reference, deltas)


def _parse_chunks(body: bytes, offset: int, count: int) -> tuple[bytes, int]:
    """`count` symbols, and where the deltas start."""
    symbols = bytearray()
    while len(symbols) < count:
        if offset + _CHUNK.size > len(body):
            raise Malformed("rtcp-bad-transport-cc")
        (chunk,) = _CHUNK.unpack_from(body, offset)
        symbols += decode_chunk(chunk)
        offset += _CHUNK.size
    return bytes(symbols[:count]), offset


def _parse_deltas(body: bytes, offset: int, symbols: bytes) -> tuple[int | None, ...]:
    if offset + symbols.count(SMALL_DELTA) + 2 * symbols.count(LARGE_DELTA) > len(body):
        raise Malformed("rtcp-bad-transport-cc")
    deltas: list[int | None] = []
    for symbol in symbols:
        if symbol == NOT_RECEIVED:
            deltas.append(None)
        elif symbol == SMALL_DELTA:
            deltas.append(body[offset])
            offset += 1
        elif symbol == LARGE_DELTA:
            deltas.append(_LARGE.unpack_from(body, offset)[0])
            offset += 2
        else:
            raise Malformed("rtcp-reserved-status")
    return tuple(deltas)
