"""Stats of producers and consumers: what came, what was sent, what of it was lost and repaired."""

from __future__ import annotations

from typing import NamedTuple

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.layered_producer import LayeredProducer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.resends import RESEND_BUDGET_SPENT, RESENT_JUST_NOW
from labsfu.core.forwarding.router import Router
from labsfu.core.stats.moment import Moment, milliseconds
from labsfu.core.stats.transports import any_transport_stats, pipe_transport_stats
from labsfu.core.tables import Tables
from labsfu.core.transport.base import Transport
from labsfu.core.transport.pipe import PipeTransport
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import RtxParameters
from labsfu.wire.stats import (
    ConsumerStatsPayload,
    InboundRtpStats,
    OutboundRtpStats,
    PipeTransportStatsPayload,
    ProducerStatsPayload,
    RtpStats,
)

OF_REQUESTS = frozenset({"nack-flood", "nack-not-kept", RESENT_JUST_NOW, RESEND_BUDGET_SPENT})
"""Drops of a consumer that are no packets of its stream, but requests for them."""


TELLS_LAYERS = frozenset({"video/vp8"})
"""Codecs whose packets say of which temporal layer they are."""


class Losses(NamedTuple):
    """`before` a repair = `repaired` + `lost`."""

    before: int
    repaired: int
    lost: int


def inbound_losses(stream: InboundStream) -> Losses:
    """Losses on the way to us: RTX, and packets resent as they were, repair them."""
    before = stream.lost_at_first
    repaired = min(stream.repaired, before)
    return Losses(before, repaired, before - repaired)


def outbound_losses(consumer: Consumer) -> Losses:
    """Losses on the way to a consumer, as its receiver reports them.

    Who gets RTX reports what it had lost at first; who gets a packet again as it was counts it as received.
    """
    reported = max(0, consumer.reported_lost)
    repaired = 0 if consumer.repaired is None else consumer.repaired.count
    if consumer.rtx is None:
        return Losses(reported + repaired, repaired, reported)
    repaired = min(repaired, reported)
    return Losses(reported, repaired, reported - repaired)


def producer_stats(
    id_: ProducerId, producer: Producer | None, transport: Transport, moment: Moment
) -> ProducerStatsPayload:
    """What there is to say of a producer (None: it is only a transport yet)."""
    return ProducerStatsPayload(
        id=id_,
        at=moment.at,
        transport=any_transport_stats(transport, moment),
        streams=() if producer is None else inbound_streams(producer, transport, moment),
    )


def inbound_streams(producer: Producer, transport: Transport, moment: Moment) -> tuple[InboundRtpStats, ...]:
    """The streams of a producer that were heard, in the order of the encodings."""
    streams = sorted(producer.streams.values(), key=lambda stream: stream.encoding)
    return tuple(inbound_stats(producer, stream, transport, moment) for stream in streams)


def consumer_stats(router: Router, consumer: Consumer, tables: Tables, moment: Moment) -> ConsumerStatsPayload:
    """What there is to say of a consumer, and of the stream (of the streams, into a pipe) that it is sent."""
    transport = tables.transports[router.consumers[consumer.names.id][2]]
    producer, _, source_id = router.producers[consumer.names.producer_id]
    streams: list[RtpStats] = [outbound_stats(part, moment) for part in consumer.parts]
    for part in consumer.parts:
        source = producer.source_of(part)
        if source is not None:
            streams.append(inbound_stats(producer, source, tables.transports[source_id], moment))
    return ConsumerStatsPayload(
        id=consumer.names.id, at=moment.at, transport=any_transport_stats(transport, moment), streams=tuple(streams)
    )


def pipe_stats(router: Router, pipe: PipeTransport, moment: Moment) -> PipeTransportStatsPayload:
    """What there is to say of one end of a pipe: all streams that come over it, then all that go."""
    streams: list[RtpStats] = []
    for producer in pipe.session.producers.values():
        streams += inbound_streams(producer, pipe, moment)
    for consumer, session, _ in router.consumers.values():
        if session is pipe.session:
            streams += [outbound_stats(part, moment) for part in consumer.parts]
    return PipeTransportStatsPayload(
        id=pipe.id, at=moment.at, transport=pipe_transport_stats(pipe, moment), streams=tuple(streams)
    )


def inbound_stats(producer: Producer, stream: InboundStream, transport: Transport, moment: Moment) -> InboundRtpStats:
    """A stream that comes over `transport`."""
    before, repaired, lost = inbound_losses(stream)
    encoding = producer.terms.rtp_parameters.encodings[stream.encoding]
    round_trip = transport.session.round_trips.value
    return InboundRtpStats(
        timestamp=moment.at,
        ssrc=stream.ssrc,
        rtx_ssrc=_rtx_ssrc(producer, stream),
        rid=encoding.rid,
        kind=producer.terms.kind,
        mime_type=stream.mime_type,
        packet_count=stream.packets,
        byte_count=stream.bytes,
        bitrate=stream.bitrate(moment.now),
        packets_lost=lost,
        packets_lost_before_repair=before,
        fraction_lost=stream.fraction_lost,
        packets_discarded=stream.discarded,
        packets_retransmitted=stream.retransmitted,
        packets_repaired=repaired,
        nack_count=stream.nacks,
        nack_packet_count=stream.nacked,
        pli_count=stream.plis,
        fir_count=stream.firs,
        score=producer.score_of(stream),
        round_trip_time=ABSENT if round_trip is None else milliseconds(round_trip),
        drops=stream.drops.snapshot(),
        jitter=stream.reception.jitter,
        bitrate_by_layer=bitrate_by_layer(producer, stream, moment.now),
    )


def _rtx_ssrc(producer: Producer, stream: InboundStream) -> int | Absent:
    """Heard, or else announced."""
    announced = producer.terms.rtp_parameters.encodings[stream.encoding].rtx
    if stream.rtx_ssrc is not None:
        return stream.rtx_ssrc
    return announced.ssrc if isinstance(announced, RtxParameters) else ABSENT


def bitrate_by_layer(producer: Producer, stream: InboundStream, now: float) -> dict[str, int]:
    """Bit/s up to each layer, by "spatial.temporal"; a spatial layer is an encoding, with nothing below it.

    Where temporal layers cannot be told apart, only the highest is known: all there is.
    """
    if not isinstance(producer, LayeredProducer):
        return {}
    spatial, temporal = stream.encoding, producer.highest.temporal
    if temporal == 0 or stream.mime_type.lower() not in TELLS_LAYERS:
        return {f"{spatial}.{temporal}": stream.bitrate(now)}
    up_to = stream.layer_bitrates(now, temporal + 1)
    return {f"{spatial}.{layer}": bitrate for layer, bitrate in enumerate(up_to)}


def outbound_stats(consumer: Consumer, moment: Moment) -> OutboundRtpStats:
    """A stream that goes to a consumer."""
    before, repaired, lost = outbound_losses(consumer)
    drops = consumer.drops.snapshot()
    return OutboundRtpStats(
        timestamp=moment.at,
        ssrc=consumer.ssrc,
        rtx_ssrc=ABSENT if consumer.rtx is None else consumer.rtx.ssrc,
        kind=consumer.kind,
        mime_type=consumer.rtp_parameters.codecs[0].mime_type,
        packet_count=consumer.packets,
        byte_count=consumer.bytes,
        bitrate=consumer.rate.rate(moment.now, consumer.bytes),
        packets_lost=lost,
        packets_lost_before_repair=before,
        fraction_lost=consumer.fraction_lost,
        packets_discarded=sum(drop.packets for drop in drops if drop.reason not in OF_REQUESTS),
        packets_retransmitted=consumer.resent,
        packets_repaired=repaired,
        nack_count=consumer.nacks,
        nack_packet_count=consumer.nacked,
        pli_count=consumer.plis,
        fir_count=consumer.firs,
        score=consumer.score.value,
        round_trip_time=ABSENT if consumer.round_trip is None else milliseconds(consumer.round_trip),
        drops=drops,
    )
