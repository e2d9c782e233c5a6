"""The incoming streams of a producer: an SSRC with all that is known of it."""

from __future__ import annotations

from itertools import accumulate

from labsfu.core.drops import Drops
from labsfu.core.forwarding.key_frames import KeyFrameRequests
from labsfu.core.forwarding.nack_generator import NackGenerator
from labsfu.core.forwarding.packet_history import PacketHistory
from labsfu.core.forwarding.rate_window import STREAM_SPAN, RateWindow
from labsfu.core.forwarding.reception import Reception
from labsfu.core.forwarding.score import Score
from labsfu.core.forwarding.sender_clock import SenderClock
from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, unix_from_ntp
from labsfu.core.rtcp.reports import ReportBlock, SenderReport
from labsfu.core.rtp.packet import Buffer, RtpHeader
from labsfu.errors import Malformed

SEEN = 2048
"""Numbers that are remembered as seen, a power of two; what is later than `reception.MAX_MISORDER` never gets here."""

DUPLICATE = -2
"""A number that was seen before: its packet must not be sent on twice, for its number is the nonce (RFC 7714 8.1)."""

TEMPORAL_LAYERS = 4
"""As many as VP8's TID tells apart (RFC 7741 4.2)."""

OSN_LENGTH = 2
"""Bytes of the original sequence number at the start of an RTX payload (RFC 4588 4)."""


class ReportedStream:
    """What every incoming SSRC has: counts, and a block in our receiver reports.

    Given: `ssrc`, `clock_rate` (Hz). Derived: counts since the stream began; `packets` and `bytes` count whole RTP
    packets after decryption. `fraction_lost` is that of our last report.
    """

    __slots__ = (
        "_report",
        "_report_arrival",
        "bytes",
        "clock_rate",
        "fraction_lost",
        "last_report_at",
        "packets",
        "reception",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_rate: int) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.reception = Reception(clock_rate)
        self.packets = 0
        self.bytes = 0
        self.fraction_lost = 0
        self.last_report_at: float | None = None
        self._report: SenderReport | None = None
        self._report_arrival = 0.0

    def receive_report(self, report: SenderReport, now: float, unix_now: float) -> None:  # noqa: ARG002 - for the media
        """Take in a sender report about this stream."""
        self._report = report
        self._report_arrival = now

    def report_block(self, now: float) -> ReportBlock | None:
        """What a receiver report says of this stream; None before its first packet (RFC 3550 6.4.2)."""
        if not self.packets:
            return None
        loss = self.reception.report()
        self.fraction_lost = loss.fraction
        last_report = 0 if self._report is None else middle32(self._report.ntp_timestamp)
        delay = 0 if self._report is None else delay_from_seconds(now - self._report_arrival)
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=loss.fraction,
            packets_lost=loss.cumulative,
            highest_sequence=loss.highest,
            jitter=self.reception.jitter,
            last_sr=last_report,
            delay_since_last_sr=delay,
        )


class InboundStream(ReportedStream):
    """A stream of media: what came, what is missing, what may be asked for again.

    Given: `sender_clock` (shared by the streams of one sender); the packets that are there for consumers, as they came
    (`history`), and whether they are `kept` at all; a NACK generator where the codec has plain `nack`; which of the
    producer's encodings it is.
    Derived: `newest` is the highest extended number received; `gap` is set when a number came out of order, which may
    set a timer (who schedules takes it back); `repaired` counts packets that came because they were asked for,
    `restored` those among them that came as RTX; `ended`: the sender said goodbye.
    Counted: `duplicates`; `discarded`, packets that came and went no further, and `drops`, why, RTX too;
    `retransmitted`, RTX packets with a payload; what it was asked for (`nacks`, and numbers in them: `nacked`; `plis`,
    `firs`); `layer_bytes`, what it forwarded of each temporal layer where they are told apart. `rate` and `layer_rates`
    are their windows.
    """

    __slots__ = (
        "_last_arrival",
        "_last_timestamp",
        "_reported_expected",
        "_reported_received",
        "_reported_restored",
        "_restarts",
        "_seen",
        "_sender_clock",
        "discarded",
        "drops",
        "duplicates",
        "encoding",
        "ended",
        "firs",
        "gap",
        "history",
        "kept",
        "key_frames",
        "layer_bytes",
        "layer_rates",
        "mime_type",
        "nack",
        "nacked",
        "nacks",
        "newest",
        "plis",
        "rate",
        "relayed_restarts",
        "repaired",
        "restored",
        "retransmitted",
        "rtx_ssrc",
        "score",
    )

    def __init__(
        self,
        ssrc: int,
        clock_rate: int,
        sender_clock: SenderClock,
        history: PacketHistory,
        nack: NackGenerator | None = None,
        *,
        kept: bool,
        mime_type: str = "",
        encoding: int = 0,
    ) -> None:
        super().__init__(ssrc, clock_rate)
        self._sender_clock = sender_clock
        self.history = history
        self.kept = kept
        self.mime_type = mime_type
        self.encoding = encoding
        self.rtx_ssrc: int | None = None
        self.relayed_restarts = 0
        self.nack = nack
        self.key_frames = KeyFrameRequests()
        self.score = Score()
        self.newest = -1
        self.repaired = 0
        self.restored = 0
        self.duplicates = 0
        self.discarded = 0
        self.drops = Drops()
        self.retransmitted = 0
        self.nacks = 0
        self.nacked = 0
        self.plis = 0
        self.firs = 0
        self.layer_bytes = [0] * TEMPORAL_LAYERS
        self.rate = RateWindow(STREAM_SPAN)
        self.layer_rates = RateWindow(STREAM_SPAN)
        self.ended = False
        self.gap = False
        self._restarts = -1
        self._seen = [-1] * SEEN
        self._last_timestamp = 0
        self._last_arrival = 0.0
        self._reported_expected = 0
        self._reported_received = 0
        self._reported_restored = 0

    def receive(self, sequence: int, timestamp: int, length: int, now: float) -> int:
        """Take in one RTP packet of `length` bytes.

        Returns:
            Its extended sequence number, `reception.DISCARDED` or DUPLICATE.
        """
        reception = self.reception
        number = reception.receive(sequence)
        if number >= 0:
            self.packets += 1
            self.bytes += length
            reception.arrive(timestamp, now)
            if reception.restarts != self._restarts:
                self._begin(number, now)
            seen, place = self._seen, number & (SEEN - 1)
            if seen[place] == number:
                if number >= reception.first:
                    self.duplicates += 1
                return DUPLICATE
            seen[place] = number
            nack = self.nack
            if nack is not None:
                if number == nack.next_number:
                    nack.next_number += 1
                else:
                    self.gap = True
                    if nack.receive(number, now):
                        self.repaired += 1
            if number > self.newest:
                self.newest = number
                self._last_timestamp = timestamp
                self._last_arrival = now
                self.ended = False
        return number

    @property
    def last_arrival(self) -> float:
        """When its newest packet came, monotonic seconds."""
        return self._last_arrival

    @property
    def lost_at_first(self) -> int:
        """Packets that did not come before they were asked for; neither duplicates nor repairs hide one."""
        return max(0, self.reception.missing + self.duplicates + self.repaired - self.restored)

    def bitrate(self, now: float) -> int:
        """Bit/s of what came, without RTX."""
        return self.rate.rate(now, self.bytes)

    def layer_bitrates(self, now: float, temporal_layers: int) -> tuple[int, ...]:
        """Bit/s up to each of so many temporal layers, of what was forwarded; the highest one is all of it."""
        each = self.layer_rates.rates(now, *self.layer_bytes)
        return (*accumulate(each[: temporal_layers - 1]), sum(each))

    def drop(self, reason: str) -> None:
        """A packet of it came and goes no further."""
        self.discarded += 1
        self.drops.count(reason)

    def _begin(self, number: int, now: float) -> None:
        """The sender began its numbers (anew): what was before has no meaning after."""
        self.rate.begin(now, 0)
        self.layer_rates.begin(now, *self.layer_bytes)
        self._restarts = self.reception.restarts
        self.newest = -1
        self._report = None
        self._seen = [-1] * SEEN
        self.history.clear()
        if self.nack is not None:
            self.nack.begin(number)

    def misses(self, sequence: int) -> int:
        """The extended number of a 16-bit one if that packet is missing, or `reception.DISCARDED`."""
        if self.nack is None or not self.packets:
            return -1
        number = self.reception.extend(sequence)
        return number if self.nack.misses(number) else -1

    def repair(self, number: int, now: float) -> None:
        """A missing packet came by another way than its own SSRC (RFC 4588)."""
        if self.nack is not None:
            self.nack.receive(number, now)
        self._seen[number & (SEEN - 1)] = number
        self.repaired += 1
        self.restored += 1

    def receive_report(self, report: SenderReport, now: float, unix_now: float) -> None:
        """Take in a sender report about this stream."""
        super().receive_report(report, now, unix_now)
        self._score()
        self._sender_clock.observe(unix_from_ntp(report.ntp_timestamp), unix_now)

    def _score(self) -> None:
        """Judge what came since the sender's last report."""
        reception = self.reception
        expected = reception.expected - self._reported_expected
        lost = expected - (reception.received - self._reported_received)
        self.score.report(expected, lost, self.restored - self._reported_restored)
        self._reported_expected, self._reported_received = reception.expected, reception.received
        self._reported_restored = self.restored

    def timestamp_at(self, now: float, unix_now: float) -> int:
        """The RTP timestamp that this stream has at our wall time `unix_now`.

        By the sender's report when there is one, so that audio and video of one sender stay in step (RFC 3550 6.4.1);
        before it, counted on from the newest packet.
        """
        offset = self._sender_clock.offset
        if self._report is None or offset is None:
            return self._last_timestamp + round((now - self._last_arrival) * self.clock_rate) & 0xFFFFFFFF
        sender_now = unix_now - offset
        elapsed = sender_now - unix_from_ntp(self._report.ntp_timestamp)
        return self._report.rtp_timestamp + round(elapsed * self.clock_rate) & 0xFFFFFFFF


class RepairStream(ReportedStream):
    """The RTX stream that repairs a stream of media (RFC 4588 4, SSRC multiplexing)."""

    __slots__ = ("media",)

    def __init__(self, ssrc: int, media: InboundStream) -> None:
        super().__init__(ssrc, media.clock_rate)
        self.media = media
        media.rtx_ssrc = ssrc

    def receive(self, header: RtpHeader, length: int, now: float) -> bool:
        """Count one packet of `length` bytes; False when it is too far from the last (see `Reception`)."""
        if self.reception.receive(header.sequence_number) < 0:
            return False
        self.packets += 1
        self.bytes += length
        self.reception.arrive(header.timestamp, now)
        return True


def original_sequence(buffer: Buffer, header: RtpHeader) -> int:
    """The original sequence number in an RTX packet.

    Raises:
        Malformed: `rtx-too-short`.
    """
    if header.payload_length < OSN_LENGTH:
        raise Malformed("rtx-too-short")
    return buffer[header.payload_offset] << 8 | buffer[header.payload_offset + 1]


def original_packet(buffer: Buffer, header: RtpHeader, ssrc: int, payload_type: int) -> bytes:
    """The packet that an RTX packet repeats, without padding (RFC 4588 4)."""
    payload = header.payload_offset + OSN_LENGTH
    end = header.payload_offset + header.payload_length
    packet = bytearray(buffer[: header.payload_offset])
    packet[0] &= ~0x20
    packet[1] = (0x80 if header.marker else 0) | payload_type
    packet[2:4] = buffer[header.payload_offset : payload]
    packet[8:12] = ssrc.to_bytes(4, "big")
    return bytes(packet) + bytes(buffer[payload:end])
