"""The RTCP that a transport sends by itself: what it says, and when (RFC 3550 6.4, 6.5; mediasoup 3.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.inbound import RepairStream
from labsfu.core.forwarding.producer import Producer
from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.compound import RtcpPacket
from labsfu.core.rtcp.ntp import ntp_from_unix
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import MAX_BLOCKS, ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.sdes import CNAME, SdesChunk, SdesItem, SourceDescription
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import MediaKind

INTERVALS = {MediaKind.AUDIO: 5.0, MediaKind.VIDEO: 1.0}
"""Seconds between two reports about a stream."""

EARLY = 1.15
"""A report is due a little early, so that a timer that jitters does not skip every other one."""

GENEROUS_BITRATE = 10_000_000
"""bit/s that senders are told they may use (draft-alvestrand-rmcat-remb-03)."""


MAX_COMPOUND = 1200
"""Bytes of a compound packet: small enough for any path, SRTCP trailer included."""


def compounds(packets: Iterable[RtcpPacket]) -> Iterator[bytes]:
    """Pack packets, in their order, into as few compounds as hold them (reduced size: RFC 5506 3.4.1)."""
    compound = b""
    for packet in packets:
        encoded = packet.encode()
        if compound and len(compound) + len(encoded) > MAX_COMPOUND:
            yield compound
            compound = b""
        compound += encoded
    if compound:
        yield compound


def is_due(last: float | None, kind: MediaKind, now: float) -> bool:
    """Whether a stream that was last reported at `last` should be again."""
    return last is None or (now - last) * EARLY >= INTERVALS[kind]


def sender_reports(
    consumers: Iterable[Consumer], producers: dict[str, Producer], now: float, unix_now: float
) -> list[RtcpPacket]:
    """SR for each stream that we sent something of, and SDES that name them.

    One chunk in each SDES, though there might be 31: aiortc misreads a chunk behind another that is padded by more than
    it must be, and throws away the whole compound, sender reports and all.
    """
    reports: list[RtcpPacket] = []
    descriptions: list[RtcpPacket] = []
    for consumer in consumers:
        producer = producers.get(consumer.names.producer_id)
        stream = None if producer is None else producer.source_of(consumer)
        if stream is None or not (
            consumer.active and consumer.packets and is_due(consumer.last_report_at, consumer.kind, now)
        ):
            continue
        consumer.last_report_at = now
        reports.append(
            SenderReport(
                ssrc=consumer.ssrc,
                ntp_timestamp=ntp_from_unix(unix_now),
                rtp_timestamp=stream.timestamp_at(now, unix_now) + consumer.timestamp_offset & 0xFFFFFFFF,
                packet_count=consumer.packets,
                octet_count=consumer.octets,
            )
        )
        cname = consumer.rtp_parameters.rtcp.cname
        item = SdesItem(CNAME, b"" if cname is ABSENT else cname.encode()[:255])
        descriptions.extend(SourceDescription((SdesChunk(ssrc, (item,)),)) for ssrc in consumer.ssrcs)
    return [*reports, *descriptions]


def farewell(consumer: Consumer, own_ssrc: int) -> bytes:
    """A compound that says that a consumer's streams end (RFC 3550 6.6)."""
    return ReceiverReport(own_ssrc).encode() + Bye(consumer.ssrcs).encode()


def receiver_reports(
    producers: Sequence[Producer], repairs: Iterable[tuple[Producer, RepairStream]], own_ssrc: int, now: float
) -> list[RtcpPacket]:
    """RR on each stream that we heard, and a REMB for those whose codec takes one."""
    blocks = []
    heard = [(producer, stream) for producer in producers for stream in producer.streams.values()]
    for producer, stream in (*heard, *repairs):
        if is_due(stream.last_report_at, producer.terms.kind, now):
            block = stream.report_block(now)
            if block is not None:
                stream.last_report_at = now
                blocks.append(_with_loss_behind(block, producer))
    remb_ssrcs = [stream.ssrc for producer, stream in heard if _takes_remb(producer)]
    packets: list[RtcpPacket] = [
        ReceiverReport(own_ssrc, tuple(blocks[i : i + MAX_BLOCKS])) for i in range(0, len(blocks), MAX_BLOCKS)
    ]
    if remb_ssrcs:
        if not packets:
            packets.append(ReceiverReport(own_ssrc))
        packets.append(Remb(own_ssrc, _allowed_bitrate(producers), tuple(remb_ssrcs[:255])))
    return packets


def _with_loss_behind(block: ReportBlock, producer: Producer) -> ReportBlock:
    """The loss that the worst receiver sees, if that is more: it is for it that an encoder adds redundancy.

    Opus with in-band FEC codes by the loss that it is told (RFC 7587 3.3; mediasoup 3.2).
    """
    if not producer.adds_redundancy:
        return block
    worst = max((consumer.fraction_lost for consumer in producer.consumers), default=0)
    return replace(block, fraction_lost=max(block.fraction_lost, worst))


def _takes_remb(producer: Producer) -> bool:
    """Only who gets no transport-wide feedback: a sender has one estimate."""
    return ("goog-remb", "") in producer.feedback and not producer.transport_cc


def _allowed_bitrate(producers: Sequence[Producer]) -> int:
    """bit/s for all that take a REMB together: generous, unless every one of their encodings has a maximum."""
    told = [producer for producer in producers if _takes_remb(producer)]
    maxima = [encoding.max_bitrate for producer in told for encoding in producer.rtp_parameters.encodings]
    limits = [maximum for maximum in maxima if isinstance(maximum, int) and maximum > 0]  # 0: no maximum
    return min(GENEROUS_BITRATE, sum(limits)) if limits and len(limits) == len(maxima) else GENEROUS_BITRATE
