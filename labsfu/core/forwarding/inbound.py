"""One incoming stream of a producer: an SSRC with all that is known of it."""

from __future__ import annotations

from labsfu.core.forwarding.key_frames import KeyFrameRequests
from labsfu.core.forwarding.reception import Reception
from labsfu.core.forwarding.score import Score
from labsfu.core.forwarding.sender_clock import SenderClock
from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, unix_from_ntp
from labsfu.core.rtcp.reports import ReportBlock, SenderReport


class InboundStream:
    """Counts, reports and times one SSRC.

    Given: `ssrc`, `clock_rate` (Hz), `sender_clock` (shared by the streams of one sender).
    Derived: counts since the stream began; `packets` and `octets` count RTP after decryption, `octets` payload only.
    """

    __slots__ = (
        "_last_arrival",
        "_last_timestamp",
        "_report",
        "_report_arrival",
        "_reported_expected",
        "_reported_received",
        "_sender_clock",
        "clock_rate",
        "key_frames",
        "last_report_at",
        "octets",
        "packets",
        "reception",
        "score",
        "ssrc",
    )

    def __init__(self, ssrc: int, clock_rate: int, sender_clock: SenderClock) -> None:
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self._sender_clock = sender_clock
        self.reception = Reception(clock_rate)
        self.key_frames = KeyFrameRequests()
        self.score = Score()
        self.packets = 0
        self.octets = 0
        self._last_timestamp = 0
        self._last_arrival = 0.0
        self._report: SenderReport | None = None
        self._report_arrival = 0.0
        self._reported_expected = 0
        self._reported_received = 0
        self.last_report_at: float | None = None

    def receive(self, sequence: int, timestamp: int, octets: int, now: float) -> int:
        """Take in one RTP packet; its extended sequence number, or `reception.DISCARDED`."""
        extended = self.reception.receive(sequence)
        if extended >= 0:
            self.packets += 1
            self.octets += octets
            self.reception.arrive(timestamp, now)
            self._last_timestamp = timestamp
            self._last_arrival = now
        return extended

    def receive_report(self, report: SenderReport, now: float, unix_now: float) -> None:
        """Take in a sender report about this stream."""
        self._report = report
        self._report_arrival = now
        self._score()
        self._sender_clock.observe(unix_from_ntp(report.ntp_timestamp), unix_now)

    def _score(self) -> None:
        """Judge what came since the sender's last report."""
        reception = self.reception
        expected = reception.expected - self._reported_expected
        self.score.report(expected, expected - (reception.received - self._reported_received))
        self._reported_expected, self._reported_received = reception.expected, reception.received

    def timestamp_at(self, now: float, unix_now: float) -> int:
        """The RTP timestamp that this stream has at our wall time `unix_now`.

        By the sender's report when there is one, so that audio and video of one sender stay in step (RFC 3550 6.4.1);
        before it, counted on from the last packet.
        """
        offset = self._sender_clock.offset
        if self._report is None or offset is None:
            return self._last_timestamp + round((now - self._last_arrival) * self.clock_rate) & 0xFFFFFFFF
        sender_now = unix_now - offset
        elapsed = sender_now - unix_from_ntp(self._report.ntp_timestamp)
        return self._report.rtp_timestamp + round(elapsed * self.clock_rate) & 0xFFFFFFFF

    def report_block(self, now: float) -> ReportBlock | None:
        """What a receiver report says of this stream; None before its first packet (RFC 3550 6.4.2)."""
        if not self.packets:
            return None
        loss = self.reception.report()
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
