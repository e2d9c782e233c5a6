"""A router: the producers and consumers that may be joined, and what closing one of them closes."""

from __future__ import annotations

from collections.abc import Callable

from labsfu.core.drops import Drops
from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.layered_consumer import LayeredConsumer
from labsfu.core.forwarding.layered_producer import LayeredProducer
from labsfu.core.forwarding.layers import Layers
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.rate_window import TRANSPORT_SPAN, RateWindow
from labsfu.core.forwarding.scoring import consumer_score, producer_scores
from labsfu.core.forwarding.session import MediaSession
from labsfu.core.observers.hearing import Hearing
from labsfu.core.traffic import Traffic
from labsfu.errors import NotFound
from labsfu.wire.events import (
    CloseReason,
    ConsumerClosed,
    ConsumerLayersChanged,
    ConsumerMade,
    ConsumerPaused,
    ConsumerResumed,
    ConsumerScored,
    EngineEvent,
    LayersReason,
    ProducerClosed,
    ProducerMade,
    ProducerPaused,
    ProducerResumed,
    ProducerScored,
)
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId
from labsfu.wire.rtp import ConsumerLayers, RtpCapabilities


class Router:
    """Joins producers to consumers.

    Given: id, capabilities, whom to tell, where the drops of what is closed are added up, who sees to it that `tick`
    is called at a time, how many people are expected, when it was made (epoch milliseconds).
    Owned: producers and consumers, each with the session and the transport that carry it; what is heard of them;
    `traffic` is that of its closed transports, `rates` the window of what all of them have received and sent.
    """

    def __init__(
        self,
        id_: RouterId,
        rtp_capabilities: RtpCapabilities,
        emit: Callable[[EngineEvent], None],
        drops: Drops,
        schedule: Callable[[Router, float], None],
        *,
        participant_count: int,
        created_at: int,
    ) -> None:
        self.id = id_
        self.participant_count = participant_count
        self.created_at = created_at
        self.rtp_capabilities = rtp_capabilities
        self._emit = emit
        self.drops = drops
        self.traffic = Traffic()
        self.rates = RateWindow(TRANSPORT_SPAN)
        self.producers: dict[ProducerId, tuple[Producer, MediaSession, TransportId]] = {}
        self.consumers: dict[ConsumerId, tuple[Consumer, MediaSession, TransportId]] = {}
        self.hearing = Hearing(id_, emit, lambda at: schedule(self, at))

    def producer(self, id_: ProducerId) -> Producer:
        """A producer of ours, or NotFound."""
        if id_ not in self.producers:
            raise NotFound.of("producer", id_)
        return self.producers[id_][0]

    def consumer(self, id_: ConsumerId) -> Consumer:
        """A consumer of ours, or NotFound."""
        if id_ not in self.consumers:
            raise NotFound.of("consumer", id_)
        return self.consumers[id_][0]

    # ---------------------------------------------------------------- producers

    def add_producer(
        self, producer: Producer, session: MediaSession, transport_id: TransportId, *, piped: bool = False
    ) -> None:
        """Take in a new producer; `piped`: of another router."""
        terms = producer.terms
        self.producers[terms.id] = producer, session, transport_id
        session.add_producer(producer)
        producer.watcher = self
        self._emit(
            ProducerMade(
                router_id=self.id,
                transport_id=transport_id,
                producer_id=terms.id,
                participant_id=terms.participant_id,
                media=terms.kind,
                paused=producer.paused,
                piped=piped,
            )
        )
        self._listen(producer)

    def pause_producer(self, id_: ProducerId) -> None:
        """Forward it no more; no effect when paused."""
        producer = self.producer(id_)
        producer.asked_to_pause = True
        self._stop(producer)

    def resume_producer(self, id_: ProducerId, now: float) -> None:
        """Forward it again, video from its next key frame; no effect when not paused, or while it is held."""
        producer = self.producer(id_)
        producer.asked_to_pause = False
        self._go_on(producer, now)

    def hold_producer(self, id_: ProducerId, held: bool, now: float) -> None:
        """Forward it no more, or again, beside what is asked of it."""
        producer = self.producer(id_)
        producer.held = held
        if held:
            self._stop(producer)
        else:
            self._go_on(producer, now)

    def _stop(self, producer: Producer) -> None:
        if producer.paused:
            return
        producer.paused = True
        self._emit(ProducerPaused(router_id=self.id, producer_id=producer.terms.id))
        self._listen(producer)
        for consumer in producer.consumers:
            consumer.producer_paused = True
            consumer.refresh()
            producer.consumer_stopped(consumer)

    def _go_on(self, producer: Producer, now: float) -> None:
        if not producer.paused or producer.asked_to_pause or producer.held:
            return
        producer.paused = False
        self._emit(ProducerResumed(router_id=self.id, producer_id=producer.terms.id))
        self._listen(producer)
        for consumer in producer.consumers:
            consumer.producer_paused = False
            self._refresh(consumer, now)

    def close_producer(self, id_: ProducerId, reason: CloseReason) -> None:
        """Close it, its consumers first."""
        producer = self.producer(id_)
        for consumer_id in dict.fromkeys(consumer.names.id for consumer in producer.consumers):
            self.close_consumer(consumer_id, "producer-closed")
        session = self.producers.pop(id_)[1]
        session.remove_producer(producer)
        self.drops.absorb(producer.drops)
        self._emit(ProducerClosed(router_id=self.id, producer_id=id_, reason=reason))
        self.hearing.remove(id_)

    def encodings_changed(self, id_: ProducerId, now: float) -> None:
        """Encodings may have been switched on or off: consumers begin (video from a key frame), go over, or stop."""
        producer, session, _ = self.producers[id_]
        self._listen(producer)
        for consumer in producer.consumers:
            consumer.source_active = producer.allows(consumer)
            self._refresh(consumer, now)
        if isinstance(producer, LayeredProducer) and producer.retarget_all():
            session.requests.key_frame(producer, now)

    def _listen(self, producer: Producer) -> None:
        """Hear it while it is forwarded, and says how loud it is."""
        id_ = producer.terms.id
        if not producer.tells_level or producer.paused or not producer.active:
            producer.voice = None
            self.hearing.remove(id_)
        elif producer.voice is None:
            producer.voice = self.hearing.add(id_, producer.terms.participant_id)

    # ---------------------------------------------------------------- consumers

    def add_consumer(self, consumer: Consumer, session: MediaSession, transport_id: TransportId, now: float) -> None:
        """Take in a new consumer of one of our producers."""
        names = consumer.names
        producer = self.producer(names.producer_id)
        self.consumers[names.id] = consumer, session, transport_id
        for part in consumer.parts:
            session.add_consumer(part, producer)
            producer.add_consumer(part)
        self._emit(
            ConsumerMade(
                router_id=self.id,
                transport_id=transport_id,
                consumer_id=names.id,
                producer_id=names.producer_id,
                participant_id=names.participant_id,
                paused=consumer.paused,
                piped=consumer.piped,
            )
        )
        for part in consumer.parts:
            if part.wants_key_frame:
                self.want_key_frame(part, now)

    def pause_consumer(self, id_: ConsumerId) -> None:
        """Send it nothing; no effect when paused."""
        consumer = self.consumer(id_)
        if consumer.paused:
            return
        for part in consumer.parts:
            part.paused = True
            part.refresh()
        self._emit(ConsumerPaused(router_id=self.id, consumer_id=id_))
        self.producer(consumer.names.producer_id).consumer_stopped(consumer)

    def resume_consumer(self, id_: ConsumerId, now: float) -> None:
        """Send to it again, video from the next key frame; no effect when not paused."""
        consumer = self.consumer(id_)
        if not consumer.paused:
            return
        self._emit(ConsumerResumed(router_id=self.id, consumer_id=id_))
        for part in consumer.parts:
            part.paused = False
            self._refresh(part, now)

    def hold_consumer(self, id_: ConsumerId, held: bool, now: float) -> None:
        """Send it nothing, or again, beside its pause; nothing is told of it."""
        consumer = self.consumer(id_)
        for part in consumer.parts:
            part.held = held
            self._refresh(part, now)
        if held:
            self.producer(consumer.names.producer_id).consumer_stopped(consumer)

    def prefer_layers(self, id_: ConsumerId, layers: ConsumerLayers, now: float) -> None:
        """Let it have at most these layers; no effect where there are none."""
        consumer = self.consumer(id_)
        producer, session, _ = self.producers[consumer.names.producer_id]
        if not isinstance(consumer, LayeredConsumer) or not isinstance(producer, LayeredProducer):
            return
        consumer.preferred = producer.wanted(layers)
        if producer.retarget(consumer, "preferred"):
            session.requests.key_frame(producer, now)

    def close_consumer(self, id_: ConsumerId, reason: CloseReason) -> None:
        """Close it."""
        consumer = self.consumer(id_)
        session = self.consumers.pop(id_)[1]
        producer = self.producers.get(consumer.names.producer_id)
        for part in consumer.parts:
            session.remove_consumer(part)
            if producer is not None:
                producer[0].remove_consumer(part)
            self.drops.absorb(part.drops)
        self._emit(ConsumerClosed(router_id=self.id, consumer_id=id_, reason=reason))

    def want_key_frame(self, consumer: Consumer, now: float) -> None:
        """Ask the producer of a consumer (or of a part of one) for a key frame, unless it was just asked."""
        producer, session, _ = self.producers[consumer.names.producer_id]
        session.requests.key_frame(producer, now, consumer)

    # ---------------------------------------------------------------- what is heard

    def tick(self, now: float) -> None:
        """Do what was scheduled."""
        self.hearing.tick(now)

    # ---------------------------------------------------------------- what producers tell

    def producer_scored(self, producer: Producer, now: float) -> None:
        """How well its streams arrive may have changed; told at the next occasion, if that is too often."""
        score = producer_scores(producer)
        if score != producer.told_score and producer.scores_told.take(now):
            producer.told_score = score
            self._emit(ProducerScored(router_id=self.id, producer_id=producer.terms.id, score=score))
            for consumer in producer.consumers:
                self.consumer_scored(consumer, now)

    def consumer_scored(self, consumer: Consumer, now: float) -> None:
        """How well it is reached may have changed; as for producers. A pipe has no score of its own."""
        if consumer.piped:
            return
        score = consumer_score(consumer, self.producers[consumer.names.producer_id][0])
        if score != consumer.told_score and consumer.scores_told.take(now):
            consumer.told_score = score
            self._emit(ConsumerScored(router_id=self.id, consumer_id=consumer.names.id, score=score))

    def layers_changed(self, consumer: Consumer, layers: Layers, reason: LayersReason) -> None:
        """It is sent other layers."""
        id_ = consumer.names.id
        self._emit(ConsumerLayersChanged(router_id=self.id, consumer_id=id_, layers=layers.shown(), reason=reason))

    def _refresh(self, consumer: Consumer, now: float) -> None:
        if consumer.refresh() and consumer.wants_key_frame:
            self.want_key_frame(consumer, now)

    # ---------------------------------------------------------------- sessions

    def close_session(self, session: MediaSession, reason: CloseReason) -> None:
        """Close every producer and consumer that a session carried."""
        for consumer_id in dict.fromkeys(consumer.names.id for consumer in session.consumers.values()):
            self.close_consumer(consumer_id, reason)
        for producer_id in list(session.producers):
            self.close_producer(producer_id, reason)
