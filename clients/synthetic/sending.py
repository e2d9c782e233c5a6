"""The sending half of a transport: encoders, pacing, retransmissions, the rate, reports."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from clients.synthetic.layers import share_out
from clients.synthetic.outgoing import OutgoingPacket, OutgoingStream
from clients.synthetic.packets import send_time_of
from clients.synthetic.rate import LossDelayController
from clients.synthetic.rtcp import (
    FullIntra,
    Goodbye,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    parse_compound,
)
from clients.synthetic.source import Outgoing, SyntheticSource
from clients.synthetic.transport_cc import TransportFeedback
from labsfu.wire.rtp import MediaKind

REPORT_INTERVAL = 1.0
BUDGET_INTERVAL = 0.1
PACING = 2.5
"""Video leaves at this multiple of the target rate (as in libwebrtc)."""
BURST = 0.005
"""Seconds of video that may leave at once."""
QUEUE_LIMIT = 2.0
"""Seconds that the queue may take; if it takes longer, it leaves faster."""
MAX_REPORTS = 8
_REMEMBERED = 1 << 13
_NTP_EPOCH = 2_208_988_800


class SendingSession:
    """All that one transport sends.

    Sound and what was asked for again leave at once, video at a pace. The budget is what the controller says: sound
    takes its share, the videos divide the rest.

    Args:
        cname: of all streams.
        wall_offset: Unix time minus the monotonic clock, seconds: for the NTP times of reports.
        controller: how fast to send.

    Attributes:
        due: when `run` has something to do, monotonic seconds.
        sources: what is being sent.
        feedbacks: transport-wide feedback packets that came; rembs: REMBs that came.
    """

    def __init__(self, *, cname: str, wall_offset: float = 0.0, controller: LossDelayController | None = None) -> None:
        self.controller = LossDelayController() if controller is None else controller
        self.due = float("inf")
        self.sources: list[SyntheticSource] = []
        self.feedbacks = 0
        self.rembs = 0
        self._cname = cname
        self._wall_offset = wall_offset
        self._streams: dict[int, tuple[SyntheticSource, OutgoingStream]] = {}
        self._urgent: deque[tuple[OutgoingStream, OutgoingPacket, bool]] = deque()
        self._queue: deque[Outgoing] = deque()
        self._queued_octets = 0
        self._pace_at = 0.0
        self._report_at = self._budget_at = float("inf")
        self._wide = 0
        self._sent: list[tuple[int, float, int] | None] = [None] * _REMEMBERED
        self._fir_numbers: dict[tuple[int, int], int] = {}

    def add(self, source: SyntheticSource, streams: Sequence[OutgoingStream], now: float) -> None:
        """Send a source from now on, its layers over these streams."""
        self.sources.append(source)
        for stream in streams:
            self._streams[stream.terms.ssrc] = self._streams[stream.terms.rtx_ssrc] = source, stream
        source.begin(streams, now)
        self._report_at = min(self._report_at, now + REPORT_INTERVAL / 4)
        self._share_out(now)
        self.due = min(self.due, source.next_at)

    def remove(self, source: SyntheticSource) -> bytes:
        """Send it no more; the BYE of its streams."""
        self.sources.remove(source)
        gone = [ssrc for ssrc, (owner, _) in self._streams.items() if owner is source]
        for ssrc in gone:
            del self._streams[ssrc]
        self._queue = deque(item for item in self._queue if item[0] not in source.streams)
        self._queued_octets = sum(len(packet.payload) for _, packet in self._queue)
        self._urgent = deque(item for item in self._urgent if item[0] not in source.streams)
        sender = source.streams[0].terms.ssrc
        return ReceiverReport(sender).encode() + self._names([sender]) + Goodbye(tuple(gone)).encode()

    def run(self, now: float) -> list[bytes]:
        """The packets that leave now, in their order."""
        for source in self.sources:
            if source.next_at <= now:
                self._take_in(source, now)
        if now >= self._budget_at:
            self._share_out(now)
        packets = self._reports(now) if now >= self._report_at else []
        if self._urgent or self._queue:
            self._send(packets, now)
        self.due = self._next_due()
        return packets

    def receive_rtcp(self, data: bytes, now: float) -> None:
        """Take in a compound packet; what it asks for is due at once.

        Raises:
            Malformed: it does not parse.
        """
        for packet in parse_compound(data):
            self._obey(packet, now)

    # ---------------------------------------------------------------- packets out

    def _take_in(self, source: SyntheticSource, now: float) -> None:
        packets = source.encode(now)
        if source.kind is MediaKind.AUDIO:
            self._urgent += [(stream, packet, False) for stream, packet in packets]
            return
        if packets and not self._queue:
            self._pace_at = max(self._pace_at, now)
        self._queue += packets
        self._queued_octets += sum(len(packet.payload) for _, packet in packets)

    def _send(self, packets: list[bytes], now: float) -> None:
        send_time = send_time_of(now)
        while self._urgent:
            stream, packet, again = self._urgent.popleft()
            packets.append(self._encode(stream, packet, again, now, send_time))
        queue = self._queue
        if not queue:
            return
        rate = max(PACING * self.controller.target, self._queued_octets * 8 / QUEUE_LIMIT)
        at = max(self._pace_at, now - BURST)
        while queue and at <= now:
            stream, packet = queue.popleft()
            self._queued_octets -= len(packet.payload)
            packets.append(self._encode(stream, packet, False, now, send_time))
            at += len(packet.payload) * 8 / rate
        self._pace_at = at

    def _encode(
        self, stream: OutgoingStream, packet: OutgoingPacket, again: bool, now: float, send_time: bytes
    ) -> bytes:
        wide = self._wide
        data = (stream.again if again else stream.media)(packet, now, send_time, wide)
        if stream.takes_wide(again=again):
            self._sent[wide & _REMEMBERED - 1] = wide, now, len(data)
            self._wide = (wide + 1) & 0xFFFF
        return data

    def _next_due(self) -> float:
        due = min(self._report_at, self._budget_at)
        for source in self.sources:
            due = min(due, source.next_at)
        if self._queue:
            due = min(due, self._pace_at)
        return due

    # ---------------------------------------------------------------- the rate

    def _share_out(self, now: float) -> None:
        self._budget_at = now + BUDGET_INTERVAL if self.sources else float("inf")
        heard = [source for source in self.sources if source.kind is MediaKind.AUDIO and source.enabled]
        seen = [source for source in self.sources if source.kind is MediaKind.VIDEO and source.enabled]
        rest = max(0.0, self.controller.target - sum(source.wish for source in heard))
        for source, budget in zip(seen, share_out(rest, [source.wish for source in seen]), strict=True):
            source.set_budget(budget, now)

    # ---------------------------------------------------------------- RTCP

    def _reports(self, now: float) -> list[bytes]:
        """Compound packets with a sender report of every stream that has sent something, and its CNAME."""
        self._report_at = now + REPORT_INTERVAL if self.sources else float("inf")
        ntp = round((now + self._wall_offset + _NTP_EPOCH) * (1 << 32)) & (1 << 64) - 1
        streams = {stream for _, stream in self._streams.values() if stream.counts.packets}
        ordered = sorted(streams, key=lambda stream: stream.terms.ssrc)
        compounds = []
        for start in range(0, len(ordered), MAX_REPORTS):
            part = ordered[start : start + MAX_REPORTS]
            reports = [stream.report(now, ntp, stream.timestamp_of(now)).encode() for stream in part]
            compounds.append(b"".join(reports) + self._names([stream.terms.ssrc for stream in part]))
        return compounds

    def _names(self, ssrcs: Sequence[int]) -> bytes:
        return SourceDescription(tuple((ssrc, self._cname) for ssrc in ssrcs)).encode()

    def _obey(self, packet: RtcpPacket, now: float) -> None:
        match packet:
            case TransportFeedback():
                self._on_feedback(packet, now)
            case SenderReport() | ReceiverReport():
                self._on_blocks(packet, now)
            case Nack():
                self._on_nack(packet, now)
            case PictureLoss():
                self._on_picture_loss(packet.media, now)
            case FullIntra():
                self._on_full_intra(packet, now)
            case Remb():
                if not self._streams.keys().isdisjoint(packet.ssrcs):
                    self.rembs += 1
                    self.controller.on_remb(packet.bitrate)
                    self._hasten(now)
            case _:
                pass

    def _on_feedback(self, feedback: TransportFeedback, now: float) -> None:
        self.feedbacks += 1
        found = []
        for wide, arrival in feedback.arrivals():
            sent = self._sent[wide & _REMEMBERED - 1]
            if sent is not None and sent[0] == wide:
                found.append((sent[1], arrival, sent[2]))
                if arrival is not None:
                    self._sent[wide & _REMEMBERED - 1] = None
        self.controller.on_arrivals(found, now)

    def _on_blocks(self, report: SenderReport | ReceiverReport, now: float) -> None:
        lost = []
        for block in report.blocks:
            if block.ssrc in self._streams:
                source, stream = self._streams[block.ssrc]
                stream.on_block(block, now)
                if source.kind is MediaKind.VIDEO and block.ssrc == stream.terms.ssrc:
                    lost.append(block.fraction_lost / 256)
        if lost and not self.feedbacks:
            self.controller.on_loss(max(lost), now)

    def _on_nack(self, nack: Nack, now: float) -> None:
        if nack.media not in self._streams:
            return
        _, stream = self._streams[nack.media]
        stream.counts.nacks += 1
        stream.counts.nacked_packets += len(nack.sequences)
        for sequence in nack.sequences:
            packet = stream.find(sequence, now)
            if packet is not None:
                self._urgent.append((stream, packet, True))
        if self._urgent:
            self._hasten(now)

    def _on_picture_loss(self, ssrc: int, now: float) -> None:
        if ssrc in self._streams:
            source, stream = self._streams[ssrc]
            stream.counts.plis += 1
            source.request_key_frame(stream, now)

    def _on_full_intra(self, packet: FullIntra, now: float) -> None:
        for ssrc, number in packet.entries:
            key = packet.sender, ssrc
            # the same number again repeats the same request (RFC 5104 4.3.1.2)
            if ssrc in self._streams and self._fir_numbers.get(key) != number:
                self._fir_numbers[key] = number
                source, stream = self._streams[ssrc]
                stream.counts.firs += 1
                source.request_key_frame(stream, now)

    def _hasten(self, now: float) -> None:
        self.due = min(self.due, now)
        self._budget_at = min(self._budget_at, now)
