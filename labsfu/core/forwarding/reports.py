"""The RTCP that a transport sends by itself: what it says, and when (RFC 3550 6.4, 6.5; mediasoup 3.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.rtcp.compound import RtcpPacket
from labsfu.core.rtcp.ntp import ntp_from_unix
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import MAX_BLOCKS, ReceiverReport, SenderReport
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
    """SR for each stream that we sent something of, and one SDES that names them all."""
    reports: list[RtcpPacket] = []
    chunks: list[SdesChunk] = []
    for consumer in consumers:
        producer = producers.get(consumer.names.producer_id)
        stream = None if producer is None else next(iter(producer.streams.values()), None)
        if stream is None or not (
            consumer.active and consumer.packets and is_due(consumer.last_report_at, consumer.kind, now)
        ):
            continue
        consumer.last_report_at = now
        reports.append(
            SenderReport(
                ssrc=consumer.ssrc,
                ntp_timestamp=ntp_from_unix(unix_now),
                rtp_timestamp=stream.timestamp_at(now, unix_now),
                packet_count=consumer.packets,
                octet_count=consumer.octets,
            )
        )
        cname = consumer.rtp_parameters.rtcp.cname
        chunks.append(SdesChunk(consumer.ssrc, (SdesItem(CNAME, b"" if cname is ABSENT else cname.encode()[:255]),)))
    return [*reports, *_descriptions(chunks)]


def _descriptions(chunks: Iterable[SdesChunk]) -> list[RtcpPacket]:
    """As few SDES as hold the chunks, none larger than a compound may be."""
    packets: list[RtcpPacket] = []
    taken: list[SdesChunk] = []
    size = 4
    for chunk in chunks:
        length = len(chunk.encode())
        if taken and (len(taken) == MAX_BLOCKS or size + length > MAX_COMPOUND):
            packets.append(SourceDescription(tuple(taken)))
            taken, size = [], 4
        taken.append(chunk)
        size += length
    return [*packets, SourceDescription(tuple(taken))] if taken else packets


def receiver_reports(producers: Sequence[Producer], own_ssrc: int, now: float) -> list[RtcpPacket]:
    """RR on each stream that we heard, and a REMB for those whose codec takes one."""
    blocks = []
    remb_ssrcs: list[int] = []
    for producer in producers:
        for stream in producer.streams.values():
            if ("goog-remb", "") in producer.feedback:
                remb_ssrcs.append(stream.ssrc)
            if is_due(stream.last_report_at, producer.terms.kind, now):
                block = stream.report_block(now)
                if block is not None:
                    stream.last_report_at = now
                    blocks.append(block)
    packets: list[RtcpPacket] = [
        ReceiverReport(own_ssrc, tuple(blocks[i : i + MAX_BLOCKS])) for i in range(0, len(blocks), MAX_BLOCKS)
    ]
    if remb_ssrcs:
        if not packets:
            packets.append(ReceiverReport(own_ssrc))
        packets.append(Remb(own_ssrc, _allowed_bitrate(producers), tuple(remb_ssrcs[:255])))
    return packets


def _allowed_bitrate(producers: Sequence[Producer]) -> int:
    """bit/s for all that take a REMB together: generous, unless every one of their encodings has a maximum."""
    told = [producer for producer in producers if ("goog-remb", "") in producer.feedback]
    maxima = [encoding.max_bitrate for producer in told for encoding in producer.rtp_parameters.encodings]
    limits = [maximum for maximum in maxima if isinstance(maximum, int) and maximum > 0]  # 0: no maximum
    return min(GENEROUS_BITRATE, sum(limits)) if limits and len(limits) == len(maxima) else GENEROUS_BITRATE
