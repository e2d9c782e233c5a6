"""The media half of a transport: RTP and RTCP in from one peer, RTCP out to it."""

from __future__ import annotations

from collections.abc import Callable

from labsfu.core.drops import Drops
from labsfu.core.entropy import Entropy
from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.link import Link
from labsfu.core.forwarding.listener import RtpListener
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.reports import compounds, receiver_reports, sender_reports
from labsfu.core.forwarding.sender_clock import SenderClock
from labsfu.core.rtcp.compound import RtcpPacket, parse_compound
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.unknown import Unknown
from labsfu.core.rtp.packet import Buffer, RtpHeader
from labsfu.wire.ids import ProducerId

FIRST_REPORT = 0.5
"""Seconds from the transport being up to its first report."""


class MediaSession:
    """What is sent and received over one link.

    Given: the link, entropy, the difference from `now` to unix time, where drops are counted, and who to tell that a
    key frame was asked for. Owned: the listener and the timers. Producers and consumers belong to the router.
    """

    def __init__(
        self,
        link: Link,
        entropy: Entropy,
        unix_offset: float,
        drops: Drops,
        key_frame_wanted: Callable[[Consumer, float], None],
        key_frame_requested: Callable[[Producer, int], None],
    ) -> None:
        self._link = link
        self._entropy = entropy
        self._unix_offset = unix_offset
        self._drops = drops
        self._key_frame_wanted = key_frame_wanted
        self._key_frame_requested = key_frame_requested
        self._clock = SenderClock()
        self._listener = RtpListener(self._clock, link.release)
        self._header = RtpHeader()
        self._own_ssrc = entropy.integer(1, 0xFFFFFFFF)
        self._fir_sequence = 0
        self._next_report: float | None = None
        self.producers: dict[ProducerId, Producer] = {}
        self.consumers: dict[int, Consumer] = {}
        self.sources: dict[str, Producer] = {}
        """The producers of our consumers, by id."""
        self.cname = ""
        """What the peer's streams are known by (RFC 3550 6.5.1); empty before its first producer."""

    # ---------------------------------------------------------------- who is there

    def add_producer(self, producer: Producer) -> None:
        """Listen for a producer."""
        self.producers[producer.terms.id] = producer
        cname = producer.terms.consumable.rtcp.cname
        self.cname = self.cname or (cname if isinstance(cname, str) else "")
        self._listener.add(producer)

    def remove_producer(self, producer: Producer) -> None:
        """Listen for it no more. Idempotent."""
        if self.producers.pop(producer.terms.id, None) is not None:
            self._listener.remove(producer)

    def add_consumer(self, consumer: Consumer, source: Producer) -> None:
        """Let a consumer of `source` send over this link."""
        self.consumers[consumer.ssrc] = consumer
        self.sources[consumer.names.producer_id] = source

    def remove_consumer(self, consumer: Consumer) -> None:
        """Let it send no more. Idempotent."""
        if self.consumers.pop(consumer.ssrc, None) is not None:
            self._link.forget_sent(consumer.ssrc)
        if all(c.names.producer_id != consumer.names.producer_id for c in self.consumers.values()):
            self.sources.pop(consumer.names.producer_id, None)

    def link_changed(self, now: float) -> None:
        """The link came up or went down: consumers begin or stop, reports too."""
        self._next_report = now + FIRST_REPORT if self._link.up else None
        for consumer in self.consumers.values():
            if consumer.refresh() and consumer.wants_key_frame:
                self._key_frame_wanted(consumer, now)
        if self._link.up:
            for producer in self.producers.values():
                if producer.wants_key_frame:
                    self.request_key_frame(producer, now)

    # ---------------------------------------------------------------- packets in

    def knows(self, ssrc: int) -> bool:
        """Whether a packet of this SSRC was identified before."""
        return ssrc in self._listener.streams

    def receive_rtp(self, buffer: Buffer, length: int, now: float) -> bool:
        """Take in one decrypted RTP packet.

        Returns:
            True when a key frame was asked for, which may have set a timer.

        Raises:
            Malformed: it is not RTP, or nobody's.
        """
        header = self._header
        header.read(buffer, length)
        known = self._listener.streams.get(header.ssrc)
        if known is None:
            known = self._listener.identify(buffer, header)
            self._link.hold(header.ssrc)  # its keys' state is kept as long as it is known
        if known[0].receive(known[1], buffer, header, now, now + self._unix_offset):
            self.request_key_frame(known[0], now)
            return True
        return False

    def receive_rtcp(self, data: Buffer, now: float) -> None:
        """Take in one decrypted compound packet.

        Raises:
            Malformed: it does not parse.
        """
        for packet in parse_compound(data, transport_cc=False):  # it is not offered: not worth expanding
            self._receive_packet(packet, now)

    def _receive_packet(self, packet: RtcpPacket, now: float) -> None:
        match packet:
            case SenderReport():
                known = self._listener.streams.get(packet.ssrc)
                if known is not None:
                    known[1].receive_report(packet, now, now + self._unix_offset)
                self._receive_blocks(packet.blocks, now)
            case ReceiverReport():
                self._receive_blocks(packet.blocks, now)
            case PictureLossIndication():
                self._key_frame_asked(packet.media_ssrc, now)
            case FullIntraRequest():
                for entry in packet.entries:
                    self._key_frame_asked(entry.ssrc, now)
            case Nack():
                self._drops.count("rtcp-nack-not-negotiated")
            case Unknown():
                self._drops.count("rtcp-unknown-type")
            case _:
                pass  # SDES, BYE, XR, REMB, transport-cc: understood; nothing here acts on them

    def _receive_blocks(self, blocks: tuple[ReportBlock, ...], now: float) -> None:
        for block in blocks:
            consumer = self.consumers.get(block.ssrc)
            if consumer is not None:
                consumer.receive_report(block, now + self._unix_offset)

    def _key_frame_asked(self, ssrc: int, now: float) -> None:
        consumer = self.consumers.get(ssrc)
        if consumer is None:
            self._drops.count("rtcp-unknown-ssrc")
        elif consumer.active:
            self._key_frame_wanted(consumer, now)

    # ---------------------------------------------------------------- RTCP out

    def request_key_frame(self, producer: Producer, now: float) -> None:
        """Ask the peer for a key frame of each stream of a producer, unless it was just asked."""
        for stream in producer.streams.values():
            if self._link.up and stream.key_frames.want(now):
                self._send_key_frame_request(producer, stream)

    def _send_key_frame_request(self, producer: Producer, stream: InboundStream) -> None:
        """PLI (RFC 4585 6.3.1), else FIR (RFC 5104 4.3.1), else nothing can be done."""
        ssrc = stream.ssrc
        if ("nack", "pli") in producer.feedback:
            self._link.send_rtcp(PictureLossIndication(self._own_ssrc, ssrc).encode())
        elif ("ccm", "fir") in producer.feedback:
            self._fir_sequence = (self._fir_sequence + 1) & 0xFF
            self._link.send_rtcp(FullIntraRequest(self._own_ssrc, (FirEntry(ssrc, self._fir_sequence),)).encode())
        else:
            return
        self._key_frame_requested(producer, ssrc)

    def tick(self, now: float) -> None:
        """Do what is due: repeat key-frame requests, send reports."""
        if not self._link.up:
            return
        for producer in self.producers.values():
            for stream in producer.streams.values():
                if not producer.watched:
                    stream.key_frames.forget()
                elif stream.key_frames.tick(now):
                    self._send_key_frame_request(producer, stream)
        if self._next_report is not None and now >= self._next_report:
            self._report(now)

    def _report(self, now: float) -> None:
        """Send what is due, then wait 1.0 to 1.5 s (mediasoup 3.7; RFC 3550 6.2 wants the randomness)."""
        self._next_report = now + 1.0 + self._entropy.fraction() / 2
        sent = sender_reports(self.consumers.values(), self.sources, now, now + self._unix_offset)
        received = receiver_reports(list(self.producers.values()), self._own_ssrc, now)
        for compound in (*compounds(sent), *compounds(received)):
            self._link.send_rtcp(compound)

    def deadline(self) -> float | None:
        """When `tick` has something to do; nothing while the link is down."""
        if not self._link.up:
            return None
        due = [] if self._next_report is None else [self._next_report]
        for producer in self.producers.values():
            for stream in producer.streams.values():
                at = stream.key_frames.deadline()
                if at is not None:
                    due.append(at)
        return min(due, default=None)
