"""Routers, producers and consumers as the API shows them."""

from __future__ import annotations

from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.layered_consumer import LayeredConsumer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.router import Router
from labsfu.core.forwarding.scoring import consumer_score, producer_scores
from labsfu.core.transport.base import Transport
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import WorkerId
from labsfu.wire.rtp import ConsumerType
from labsfu.wire.sfu import ConsumerPayload, ProducerPayload, RouterPayload

NO_WORKER = WorkerId("")
"""An engine does not know its own name: whoever asked it fills it in."""


def show_router(router: Router, pending: int, pipes: int) -> RouterPayload:
    """A router; `pending` producers have only their transport yet, `pipes` is how many pipe transports there are."""
    return RouterPayload(
        id=router.id,
        participant_count=router.participant_count,
        worker_id=NO_WORKER,
        rtp_capabilities=router.rtp_capabilities,
        producer_count=len(router.producers) + pending,
        consumer_count=len(router.consumers),
        pipe_transport_count=pipes,
        created_at=router.created_at,
    )


def show_type(consumer: Consumer) -> ConsumerType:
    """Which kind of consumer it is."""
    if consumer.piped:
        return ConsumerType.PIPE
    return ConsumerType.SIMULCAST if isinstance(consumer, LayeredConsumer) else ConsumerType.SIMPLE


def show_producer(router: Router, producer: Producer, transport: Transport) -> ProducerPayload:
    """A producer that has its media."""
    terms = producer.terms
    webrtc = transport if isinstance(transport, WebRtcTransport) else None
    return ProducerPayload(
        id=terms.id,
        router_id=router.id,
        participant_id=terms.participant_id,
        state="producing",
        kind=terms.kind,
        type=terms.type,
        paused=producer.paused,
        rtp_parameters=producer.rtp_parameters,
        score=producer_scores(producer),
        transport_options=ABSENT if webrtc is None else webrtc.options(),
        ice_state=ABSENT if webrtc is None else webrtc.ice_state,
        dtls_state=ABSENT if webrtc is None else webrtc.dtls_state,
        pipe_transport_id=transport.id if webrtc is None else ABSENT,
        app_data=producer.app_data,
        created_at=terms.created_at,
    )


def show_consumer(router: Router, consumer: Consumer, producer: Producer, transport: Transport) -> ConsumerPayload:
    """A consumer."""
    names = consumer.names
    webrtc = transport if isinstance(transport, WebRtcTransport) else None
    layered = consumer if isinstance(consumer, LayeredConsumer) else None
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
        score=consumer_score(consumer, producer),
        preferred_layers=ABSENT if layered is None else layered.preferred.shown(),
        target_layers=ABSENT if layered is None else layered.layers.shown(),
        current_layers=ABSENT if layered is None else layered.current.shown(),
        priority=consumer.priority,
        transport_options=ABSENT if webrtc is None else webrtc.options(),
        ice_state=ABSENT if webrtc is None else webrtc.ice_state,
        dtls_state=ABSENT if webrtc is None else webrtc.dtls_state,
        pipe_transport_id=transport.id if webrtc is None else ABSENT,
        app_data=names.app_data,
        created_at=names.created_at,
    )
