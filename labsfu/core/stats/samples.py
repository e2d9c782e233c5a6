"""Everything that an engine holds at one moment, in short, for whoever watches it."""

from __future__ import annotations

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.layered_consumer import LayeredConsumer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.stats.moment import milliseconds
from labsfu.core.stats.streams import inbound_losses, outbound_losses
from labsfu.core.tables import Tables
from labsfu.core.transport.base import Transport
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import RouterId
from labsfu.wire.stats import ConsumerSample, EncodingSample, EngineSample, ProducerSample, TransportSample


def sample_engine(tables: Tables, now: float) -> EngineSample:
    """All transports, producers and consumers."""
    transports, routers = tables.transports, tables.routers.values()
    return EngineSample(
        transports=tuple([_transport(transport, now) for transport in transports.values()]),
        producers=tuple([
            _producer(producer, router.id, transports[id_].session.round_trips.value, now)
            for router in routers
            for producer, _, id_ in router.producers.values()
        ]),
        consumers=tuple([
            _consumer(consumer, now) for router in routers for consumer, _, _ in router.consumers.values()
        ]),
    )  # fmt: skip


def _transport(transport: Transport, now: float) -> TransportSample:
    counts = transport.byte_counts()
    rates = transport.rates.rates(now, *counts)
    return TransportSample(
        transport_id=transport.id,
        bytes_received=counts[0],
        recv_bitrate=rates[0],
        bytes_sent=counts[1],
        send_bitrate=rates[1],
    )


def _producer(producer: Producer, router_id: RouterId, round_trip: float | None, now: float) -> ProducerSample:
    encodings = producer.terms.rtp_parameters.encodings
    samples = []
    for stream in sorted(producer.streams.values(), key=lambda stream: stream.encoding):
        losses = inbound_losses(stream)
        samples.append(
            EncodingSample(
                ssrc=stream.ssrc,
                rid=encodings[stream.encoding].rid,
                packet_count=stream.packets,
                byte_count=stream.bytes,
                bitrate=stream.bitrate(now),
                packets_lost=losses.lost,
                packets_repaired=losses.repaired,
                jitter=milliseconds(stream.reception.jitter / stream.clock_rate),
                score=producer.score_of(stream),
                round_trip_time=ABSENT if round_trip is None else milliseconds(round_trip),
            )
        )
    return ProducerSample(router_id=router_id, producer_id=producer.terms.id, encodings=tuple(samples))


def _consumer(consumer: Consumer, now: float) -> ConsumerSample:
    parts = consumer.parts
    round_trip = next((part.round_trip for part in parts if part.round_trip is not None), None)
    return ConsumerSample(
        consumer_id=consumer.names.id,
        packet_count=sum(part.packets for part in parts),
        byte_count=sum(part.bytes for part in parts),
        bitrate=sum(part.rate.rate(now, part.bytes) for part in parts),
        packets_lost=sum(outbound_losses(part).lost for part in parts),
        packets_retransmitted=sum(part.resent for part in parts),
        fraction_lost=max(part.fraction_lost for part in parts),
        score=consumer.score.value,
        round_trip_time=ABSENT if round_trip is None else milliseconds(round_trip),
        current_layers=consumer.current.shown() if isinstance(consumer, LayeredConsumer) else ABSENT,
    )
