"""One stream, with the RTX that belongs to it, and what RTCP says of it."""

from __future__ import annotations

from dataclasses import dataclass

from clients.measure.frames import FrameBook
from clients.measure.jitter import Jitter, signed32
from clients.measure.packets import ReportBlock, RtpHeader, SenderReport
from clients.measure.sequence import Fate, SequenceBook
from clients.measure.stats import Delay, InboundRtp, OutboundRtp, RemoteInbound, RemoteOutbound
from clients.measure.window import Window

_NTP_TO_UNIX = 2_208_988_800
"""Seconds from 1900 to 1970 (RFC 5905 6)."""
_REPORTS_KEPT = 64
"""Own sender reports that a round trip may still be measured by."""


@dataclass(frozen=True, slots=True)
class Codec:
    """What a payload type stands for.

    Attributes:
        kind: `audio` or `video`.
        mime_type: as negotiated.
        clock_rate: Hz.
        retransmits: whether it is RTX (RFC 4588).
    """

    kind: str
    mime_type: str
    clock_rate: int
    retransmits: bool


class Stream:
    """What both directions have in common.

    Attributes:
        nacks: NACK packets about it.
        nacked: numbers asked for in them.
        plis: PLI packets about it.
        firs: FIR packets about it.
        ended: its sender said BYE.
    """

    def __init__(self, ssrc: int) -> None:
        # given
        self.ssrc = ssrc
        # owned
        self.book = SequenceBook()
        self.frames = FrameBook()
        self.codec: Codec | None = None
        self.payload_bytes = self.header_bytes = 0
        self.retransmitted = self.retransmitted_bytes = 0
        self.nacks = self.nacked = self.plis = self.firs = 0
        self.ended = False
        self._recent = Window()

    @property
    def packets(self) -> int:
        """Of media and of RTX."""
        return self.book.packets + self.retransmitted

    def bitrate(self, now: float) -> int:
        """Bits per second, in the last second."""
        return 8 * self._recent.total(now)

    def media(self, header: RtpHeader, codec: Codec | None, size: int, at: float) -> Fate:
        """Take a packet of the stream itself into account.

        Args:
            header: its header.
            codec: what its payload type stands for, if that is known.
            size: of the whole packet, bytes.
            at: seconds.
        """
        self._count(header, size, at)
        fate = self.book.receive(header.sequence)
        if codec is not None:
            self.codec = codec
            if codec.kind == "video" and not codec.retransmits and fate is not Fate.AGAIN:
                self._frame(header, header.sequence, at)
        return fate

    def rtx(self, header: RtpHeader, data: bytes, at: float) -> None:
        """Take a packet of its RTX into account; one without a payload only probes the way."""
        self._count(header, len(data), at)
        self.retransmitted += 1
        self.retransmitted_bytes += header.size
        if header.size >= 2:
            original = int.from_bytes(data[header.offset : header.offset + 2], "big")
            if self.book.repair(original) and self.codec is not None and self.codec.kind == "video":
                self._frame(header, original, at)

    def _frame(self, header: RtpHeader, sequence: int, at: float) -> None:
        number = self.book.extend(sequence)
        self.frames.receive(number, header.timestamp, header.marker, at, self.book.lowest)

    def _count(self, header: RtpHeader, size: int, at: float) -> None:
        self.payload_bytes += header.size
        self.header_bytes += size - header.size
        self._recent.add(size, at)


class InboundStream(Stream):
    """A stream that comes.

    Args:
        ssrc: of the stream.
        unix_offset: seconds from monotonic to wall-clock time; None: delay is not measured.
    """

    def __init__(self, ssrc: int, unix_offset: float | None) -> None:
        super().__init__(ssrc)
        self._unix_offset = unix_offset
        self._jitter: Jitter | None = None
        self._first: float | None = None
        self._last: float | None = None
        self._remote: RemoteOutbound | None = None
        self._captured: tuple[float, int] | None = None
        self._delays = 0
        self._delay_sum = self._delay_last = 0.0
        self._delay_least, self._delay_most = float("inf"), float("-inf")

    def media(self, header: RtpHeader, codec: Codec | None, size: int, at: float) -> Fate:
        """Take a packet of the stream itself into account."""
        if self._first is None:
            self._first = at
        self._last = at
        fate = super().media(header, codec, size, at)
        if codec is not None and not codec.retransmits:
            if self._jitter is None:
                self._jitter = Jitter(codec.clock_rate)
            self._jitter.receive(header.timestamp, at)
            if fate is Fate.NEXT:
                self._late(header.timestamp, codec.clock_rate, at)
        return fate

    def sender_report(self, report: SenderReport) -> None:
        """Take what its sender says into account."""
        sent = 1 if self._remote is None else self._remote.reports_sent + 1
        self._remote = RemoteOutbound(reports_sent=sent, packets_sent=report.packets_sent, bytes_sent=report.bytes_sent)
        if self._unix_offset is not None:
            # wall-clock seconds fill a float's 53 bits: 0.2 microseconds are what is left of the fraction
            self._captured = report.ntp / (1 << 32) - _NTP_TO_UNIX - self._unix_offset, report.timestamp

    def report(self, now: float) -> InboundRtp:
        """What is known so far."""
        book, frames, codec = self.book, self.frames, self.codec
        return InboundRtp(
            ssrc=self.ssrc,
            kind=None if codec is None else codec.kind,
            mime_type=None if codec is None else codec.mime_type,
            packets_received=self.packets,
            packets_lost=book.lost,
            packets_duplicated=book.duplicated,
            packets_reordered=book.reordered,
            packets_repaired=book.repaired,
            packets_missing=book.missing,
            jitter=None if self._jitter is None else self._jitter.seconds,
            bytes_received=self.payload_bytes,
            header_bytes_received=self.header_bytes,
            retransmitted_packets_received=self.retransmitted,
            retransmitted_bytes_received=self.retransmitted_bytes,
            nack_count=self.nacks,
            nacked_packets=self.nacked,
            pli_count=self.plis,
            fir_count=self.firs,
            frames_received=frames.received,
            frames_per_second=frames.per_second(now),
            freeze_count=frames.freezes,
            total_freezes_duration=frames.frozen,
            total_inter_frame_delay=frames.delay,
            total_squared_inter_frame_delay=frames.squared_delay,
            bitrate=self.bitrate(now),
            first_packet_received_timestamp=self._first,
            last_packet_received_timestamp=self._last,
            delay=self._delay(),
            remote=self._remote,
            ended=self.ended,
        )

    def _late(self, timestamp: int, clock_rate: int, at: float) -> None:
        if self._captured is None:
            return
        base, base_timestamp = self._captured
        delay = at - base - signed32(timestamp - base_timestamp) / clock_rate
        self._delays += 1
        self._delay_sum += delay
        self._delay_last = delay
        self._delay_least = min(self._delay_least, delay)
        self._delay_most = max(self._delay_most, delay)

    def _delay(self) -> Delay | None:
        if not self._delays:
            return None
        return Delay(
            minimum=self._delay_least,
            maximum=self._delay_most,
            average=self._delay_sum / self._delays,
            last=self._delay_last,
        )


class OutboundStream(Stream):
    """A stream that leaves."""

    def __init__(self, ssrc: int) -> None:
        super().__init__(ssrc)
        self._reported: dict[int, float] = {}
        self._block: ReportBlock | None = None
        self._blocks = 0
        self._trip: float | None = None
        self._trips = 0
        self._trip_sum = 0.0

    def sender_report(self, report: SenderReport, at: float) -> None:
        """Remember when this client's own report left: a block that names it tells the round trip."""
        self._reported[report.ntp >> 16 & 0xFFFFFFFF] = at
        if len(self._reported) > _REPORTS_KEPT:
            del self._reported[next(iter(self._reported))]

    def reported(self, block: ReportBlock, at: float) -> None:
        """Take what the other side says into account (RFC 3550 6.4.1)."""
        self._block = block
        self._blocks += 1
        left = self._reported.get(block.last_sr) if block.last_sr else None
        if left is not None:
            self._trip = at - left - block.delay / 65536
            self._trips += 1
            self._trip_sum += self._trip

    def report(self, now: float) -> OutboundRtp:
        """What is known so far."""
        codec = self.codec
        return OutboundRtp(
            ssrc=self.ssrc,
            kind=None if codec is None else codec.kind,
            mime_type=None if codec is None else codec.mime_type,
            packets_sent=self.packets,
            bytes_sent=self.payload_bytes,
            header_bytes_sent=self.header_bytes,
            retransmitted_packets_sent=self.retransmitted,
            retransmitted_bytes_sent=self.retransmitted_bytes,
            nack_count=self.nacks,
            nacked_packets=self.nacked,
            pli_count=self.plis,
            fir_count=self.firs,
            frames_sent=self.frames.received,
            frames_per_second=self.frames.per_second(now),
            bitrate=self.bitrate(now),
            remote=self._remote(),
            ended=self.ended,
        )

    def _remote(self) -> RemoteInbound | None:
        block = self._block
        if block is None:
            return None
        return RemoteInbound(
            reports=self._blocks,
            packets_lost=block.packets_lost,
            fraction_lost=block.fraction_lost / 256,
            jitter=None if self.codec is None else block.jitter / self.codec.clock_rate,
            round_trip_time=self._trip,
            total_round_trip_time=self._trip_sum,
            round_trip_time_measurements=self._trips,
        )
