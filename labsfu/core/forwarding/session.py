"""The media half of a transport: RTP and RTCP in from one peer, RTCP out to it."""

from __future__ import annotations

from collections.abc import Callable

from labsfu.core.drops import Drops
from labsfu.core.entropy import Entropy
from labsfu.core.forwarding.arrival import Arrival
from labsfu.core.forwarding.arrival_log import ArrivalLog
from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.link import Link
from labsfu.core.forwarding.listener import RtpListener
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.reports import compounds, farewell, receiver_reports, sender_reports
from labsfu.core.forwarding.requests import SenderRequests
from labsfu.core.forwarding.round_trips import RoundTrips
from labsfu.core.forwarding.sender_clock import SenderClock
from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.compound import RtcpPacket, parse_compound
from labsfu.core.rtcp.feedback import TransportFormat
from labsfu.core.rtcp.fir import FullIntraRequest
from labsfu.core.rtcp.header import PacketType
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.ntp import ntp_from_unix
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.unknown import Unknown
from labsfu.core.rtcp.xr import Dlrr, ExtendedReport, ReceiverReferenceTime
from labsfu.core.rtp.packet import Buffer
from labsfu.core.rtp.values import decode_transport_sequence
from labsfu.core.uris import TRANSPORT_WIDE_CC
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
        self._clock = SenderClock()
        self._listener = RtpListener(self._clock, link.release)
        self._arrival = Arrival()
        self._own_ssrc = entropy.integer(1, 0xFFFFFFFF)
        self._next_report: float | None = None
        self._transport_sequence_id = 0
        self._arrivals = ArrivalLog(self._own_ssrc)
        self.round_trips = RoundTrips()
        self.rtx_bytes_received = 0
        """Of whole RTX packets after decryption."""
        self.producers: dict[ProducerId, Producer] = {}
        self.requests = SenderRequests(link, self.producers, self._own_ssrc, self.round_trips, key_frame_requested)
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
        self._find_transport_sequence_id()

    def remove_producer(self, producer: Producer) -> None:
        """Listen for it no more. Idempotent."""
        if self.producers.pop(producer.terms.id, None) is not None:
            self._listener.remove(producer)
            self._find_transport_sequence_id()

    def _find_transport_sequence_id(self) -> None:
        """Under which header extension id the peer numbers its packets; 0 when it does not."""
        measured = (producer for producer in self.producers.values() if producer.transport_cc)
        ids = (producer.extension_id(TRANSPORT_WIDE_CC) for producer in measured)
        self._transport_sequence_id = next(ids, None) or 0

    def add_consumer(self, consumer: Consumer, source: Producer) -> None:
        """Let a consumer of `source` send over this link."""
        self.consumers[consumer.ssrc] = consumer
        self.sources[consumer.names.producer_id] = source

    def remove_consumer(self, consumer: Consumer) -> None:
        """Let it send no more. Idempotent."""
        if self.consumers.pop(consumer.ssrc, None) is not None:
            if self._link.up and consumer.packets:
                self._link.send_rtcp(farewell(consumer, self._own_ssrc))
            for ssrc in consumer.ssrcs:
                self._link.forget_sent(ssrc)
        if all(c.names.producer_id != consumer.names.producer_id for c in self.consumers.values()):
            self.sources.pop(consumer.names.producer_id, None)

    def link_changed(self, now: float) -> None:
        """The link came up or went down: consumers begin or stop, reports too."""
        self._next_report = now + FIRST_REPORT if self._link.up else None
        for consumer in self.consumers.values():
            if consumer.refresh() and consumer.wants_key_frame:
                self._key_frame_wanted(consumer, now)
            self.sources[consumer.names.producer_id].consumer_stopped(consumer)
        for producer in self.producers.values():
            if not self._link.up:
                producer.link_lost(now)
            elif producer.wants_key_frame:
                self.requests.key_frame(producer, now)

    # ---------------------------------------------------------------- packets in

    def knows(self, ssrc: int) -> bool:
        """Whether a packet of this SSRC was identified before."""
        return self._listener.knows(ssrc)

    @property
    def fraction_lost(self) -> float | None:
        """The share of the peer's packets that was lost, 0 to 1, by transport-wide numbers; None without these."""
        return self._arrivals.fraction_lost if self._transport_sequence_id else None

    def uses(self, ssrc: int) -> bool:
        """Whether this SSRC is taken: received, or sent."""
        return (
            ssrc == self._own_ssrc
            or self.knows(ssrc)
            or any(producer.owns_ssrc(ssrc) for producer in self.producers.values())
            or any(ssrc in consumer.ssrcs for consumer in self.consumers.values())
        )

    def receive_rtp(self, buffer: Buffer, length: int, now: float) -> bool:
        """Take in one decrypted RTP packet.

        Returns:
            True when it may have set a timer.

        Raises:
            Malformed: it is not RTP, or nobody's.
        """
        arrival = self._arrival
        arrival.read(buffer, length, now, now + self._unix_offset)
        timer = bool(self._transport_sequence_id) and self._receive_transport_sequence(arrival)
        known = self._listener.streams.get(arrival.header.ssrc)
        if known is None:
            return self._receive_other(arrival) or timer
        producer, stream = known
        if producer.receive(stream, arrival):
            self.requests.key_frame(producer, now)
            return True
        if stream.gap:
            stream.gap = False
            return True
        return timer

    def _receive_transport_sequence(self, arrival: Arrival) -> bool:
        element = arrival.elements.get(self._transport_sequence_id)
        if element is None or element[1] != 2:  # another producer's extension may have this id
            return False
        sequence = decode_transport_sequence(arrival.buffer, *element)
        return self._arrivals.receive(sequence, arrival.header.ssrc, arrival.now)

    def _receive_other(self, arrival: Arrival) -> bool:
        """A packet of an SSRC that is new, or that repairs another."""
        ssrc = arrival.header.ssrc
        new = not self._listener.knows(ssrc)
        if new:
            self._listener.identify(arrival)
            self._link.hold(ssrc)  # its keys' state is kept as long as it is known
        known = self._listener.streams.get(ssrc)
        if known is not None:
            producer = known[0]
            waiting = producer.receive(known[1], arrival)
        else:
            producer, repair = self._listener.repairs[ssrc]
            self.rtx_bytes_received += arrival.length
            waiting = producer.receive_repair(repair, arrival)
        if new:
            producer.scored(arrival.now)
        if waiting:
            self.requests.key_frame(producer, arrival.now)
        return waiting

    def receive_rtcp(self, data: Buffer, now: float) -> None:
        """Take in one decrypted compound packet.

        Raises:
            Malformed: it does not parse.
        """
        for packet in parse_compound(data, transport_cc=False):  # nothing estimates by it yet: not worth expanding
            self._receive_packet(packet, now)

    def _receive_packet(self, packet: RtcpPacket, now: float) -> None:
        match packet:
            case SenderReport():
                self._receive_sender_report(packet, now)
                self._receive_blocks(packet.blocks, now)
            case ReceiverReport():
                self._receive_blocks(packet.blocks, now)
            case PictureLossIndication():
                consumer = self._key_frame_asked(packet.media_ssrc, now)
                if consumer is not None:
                    consumer.plis += 1
            case FullIntraRequest():
                for entry in packet.entries:
                    consumer = self._key_frame_asked(entry.ssrc, now)
                    if consumer is not None:
                        consumer.firs += 1
            case Nack():
                self._packets_asked(packet, now)
            case ExtendedReport():
                self._receive_extended(packet, now)
            case Bye():
                self._receive_bye(packet)
            case Unknown(PacketType.RTPFB, _, TransportFormat.TRANSPORT_CC) if self._feedback_is_asked_for():
                pass  # it was asked for, but nothing estimates by it yet
            case Unknown():
                self._drops.count("rtcp-unknown-type")
            case _:
                pass  # SDES, REMB, transport-cc: understood; nothing here acts on them

    def _feedback_is_asked_for(self) -> bool:
        return any(consumer.negotiated(TRANSPORT_WIDE_CC) for consumer in self.consumers.values())

    def _receive_sender_report(self, report: SenderReport, now: float) -> None:
        known = self._listener.streams.get(report.ssrc) or self._listener.repairs.get(report.ssrc)
        if known is not None:
            known[1].receive_report(report, now, now + self._unix_offset)
            known[0].scored(now)

    def _receive_extended(self, report: ExtendedReport, now: float) -> None:
        """Round trips of those who send nothing (RFC 3611 4.4, 4.5)."""
        for block in report.blocks:
            if isinstance(block, ReceiverReferenceTime):
                self.round_trips.requested(report.ssrc, block, now)
            elif isinstance(block, Dlrr):
                for item in block.items:
                    if item.ssrc == self._own_ssrc:
                        self.round_trips.answered(item, ntp_from_unix(now + self._unix_offset))

    def _receive_bye(self, bye: Bye) -> None:
        """Ask nothing more of a stream that ended; should it go on, it begins anew (RFC 3550 6.6)."""
        for ssrc in bye.ssrcs:
            known = self._listener.streams.get(ssrc)
            if known is not None:
                known[1].ended = True

    def _packets_asked(self, nack: Nack, now: float) -> None:
        consumer = self.consumers.get(nack.media_ssrc)
        if consumer is None:
            self._drops.count("rtcp-unknown-ssrc")
        elif consumer.resends is None:
            self._drops.count("rtcp-nack-not-negotiated")
        elif consumer.active:
            source = self.sources[consumer.names.producer_id]
            source.resend(consumer, consumer.hears(nack.sequence_numbers, now), now, now + self._unix_offset)

    def _receive_blocks(self, blocks: tuple[ReportBlock, ...], now: float) -> None:
        for block in blocks:
            consumer = self.consumers.get(block.ssrc)
            if consumer is not None:
                consumer.receive_report(block, now + self._unix_offset)
                self.sources[consumer.names.producer_id].consumer_scored(consumer, now)

    def _key_frame_asked(self, ssrc: int, now: float) -> Consumer | None:
        consumer = self.consumers.get(ssrc)
        if consumer is None:
            self._drops.count("rtcp-unknown-ssrc")
        elif consumer.active:
            self._key_frame_wanted(consumer, now)
        return consumer

    # ---------------------------------------------------------------- RTCP out

    def tick(self, now: float) -> None:
        """Do what is due: ask the sender, tell it what arrived, send reports."""
        if not self._link.up:
            return
        self.requests.tick(now)
        for feedback in self._arrivals.due(now):
            self._link.send_rtcp(feedback.encode())
        if self._next_report is not None and now >= self._next_report:
            self._report(now)

    def _report(self, now: float) -> None:
        """Send what is due, then wait 1.0 to 1.5 s (mediasoup 3.7; RFC 3550 6.2 wants the randomness)."""
        self._next_report = now + 1.0 + self._entropy.fraction() / 2
        unix_now = now + self._unix_offset
        sent = sender_reports(self.consumers.values(), self.sources, now, unix_now)
        if sent:
            answer = self.round_trips.answer(now)
            if answer is not None:
                sent.append(ExtendedReport(self._own_ssrc, (answer,)))
        received = receiver_reports(list(self.producers.values()), self._listener.repairs.values(), self._own_ssrc, now)
        if received:
            received.append(ExtendedReport(self._own_ssrc, (self.round_trips.request(ntp_from_unix(unix_now)),)))
        for compound in (*compounds(sent), *compounds(received)):
            self._link.send_rtcp(compound)

    def deadline(self) -> float | None:
        """When `tick` has something to do; nothing while the link is down."""
        if not self._link.up:
            return None
        due = [at for at in (self._next_report, self._arrivals.deadline()) if at is not None]
        return min((*due, *self.requests.deadlines()), default=None)
