"""Routers, producers and consumers as the API shows them."""

from __future__ import annotations

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.layered_consumer import LayeredConsumer
from labsfu.core.forwarding.layers import Layers
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.router import Router
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import WorkerId
from labsfu.wire.rtp import ConsumerLayers, ConsumerType
from labsfu.wire.sfu import ConsumerPayload, ConsumerScore, ProducerPayload, ProducerScore, RouterPayload

NO_WORKER = WorkerId("")
"""An engine does not know its own name: whoever asked it fills it in."""


def show_router(router: Router, pending: int) -> RouterPayload:
    """A router; `pending` producers have only their transport yet."""
    return RouterPayload(
        id=router.id,
        participant_count=router.participant_count,
        worker_id=NO_WORKER,
        rtp_capabilities=router.rtp_capabilities,
        producer_count=len(router.producers) + pending,
        consumer_count=len(router.consumers),
        pipe_transport_count=0,
        created_at=router.created_at,
    )


def show_type(consumer: Consumer) -> ConsumerType:
    """Which kind of consumer it is."""
    return ConsumerType.SIMULCAST if isinstance(consumer, LayeredConsumer) else ConsumerType.SIMPLE


def show_layers(layers: Layers) -> ConsumerLayers | Absent:
    """Layers as the API has them; absent when nothing is sent."""
    if layers.spatial < 0:
        return ABSENT
    return ConsumerLayers(spatial_layer=layers.spatial, temporal_layer=layers.temporal)


def show_producer(router: Router, producer: Producer, transport: WebRtcTransport) -> ProducerPayload:
    """A producer that has its media."""
    terms = producer.terms
    return ProducerPayload(
        id=terms.id,
        router_id=router.id,
        participant_id=terms.participant_id,
        state="producing",
        kind=terms.kind,
        type=terms.type,
        paused=producer.paused,
        rtp_parameters=producer.rtp_parameters,
        score=tuple(
            ProducerScore(
                encoding_idx=stream.encoding,
                ssrc=stream.ssrc,
                rid=terms.rtp_parameters.encodings[stream.encoding].rid,
                score=producer.score_of(stream),
            )
            for stream in sorted(producer.streams.values(), key=lambda stream: stream.encoding)
        ),
        transport_options=transport.options(),
        ice_state=transport.ice_state,
        dtls_state=transport.dtls_state,
        app_data=producer.app_data,
        created_at=terms.created_at,
    )


def show_consumer(
    router: Router, consumer: Consumer, producer: Producer, transport: WebRtcTransport
) -> ConsumerPayload:
    """A consumer."""
    names = consumer.names
    by_encoding = {stream.encoding: producer.score_of(stream) for stream in producer.streams.values()}
    scores = tuple(by_encoding.get(index, 0) for index in range(len(producer.terms.rtp_parameters.encodings)))
    source = producer.source_of(consumer)
    return ConsumerPayload(
        id=names.id,
        producer_id=names.producer_id,
        router_id=router.id,
        participant_id=names.participant_id,
        kind=consumer.kind,
        type=show_type(consumer),
        rtp_parameters=consumer.rtp_parameters,
        paused=consumer.paused,
        producer_paused=consumer.producer_paused,
        score=ConsumerScore(
            score=consumer.score.value,
            producer_score=0 if source is None else producer.score_of(source),
            producer_scores=scores,
        ),
        preferred_layers=show_layers(consumer.preferred) if isinstance(consumer, LayeredConsumer) else ABSENT,
        current_layers=show_layers(consumer.current) if isinstance(consumer, LayeredConsumer) else ABSENT,
        priority=consumer.priority,
        transport_options=transport.options(),
        ice_state=transport.ice_state,
        dtls_state=transport.dtls_state,
        app_data=names.app_data,
        created_at=names.created_at,
    )
