"""What the media engine tells of its own accord, and what that means for people."""

from __future__ import annotations

from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import Notices, producer_flow
from labsfu.rooms.participant import Consumer, News, Producer
from labsfu.rooms.speaking import on_levels, on_speaker
from labsfu.wire import events
from labsfu.wire import socket as wire
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId


class Happenings:
    """Applies the engine's events. One that repeats what rooms asked for themselves finds nothing to do."""

    def __init__(self, directory: Directory, notices: Notices, closing: Closing) -> None:
        self._directory = directory
        self._notices = notices
        self._closing = closing

    def on_event(self, event: events.EngineEvent) -> None:
        """Bring the books in line with the engine and tell whoever is concerned."""
        match event:
            case events.ConsumerClosed():
                self._consumer_closed(event.consumer_id, event.reason)
            case events.ProducerClosed():
                self._producer_closed(event.producer_id)
            case events.TransportClosed():
                self._transport_closed(event.transport_id)
            case events.RouterClosed():
                self._router_closed(event.router_id)
            case events.ProducerPaused() | events.ProducerResumed():
                self._producer_flow(event.producer_id, paused=isinstance(event, events.ProducerPaused))
            case events.ConsumerPaused() | events.ConsumerResumed():
                self._consumer_flow(event.consumer_id, paused=isinstance(event, events.ConsumerPaused))
            case events.ConsumerLayersChanged():
                signal = wire.ConsumerLayersChanged(id=event.consumer_id, layers=event.layers, reason=event.reason)
                self._news(self._directory.consumers.get(event.consumer_id), signal)
            case events.ConsumerScored():
                score = wire.ConsumerScore(id=event.consumer_id, score=event.score)
                self._news(self._directory.consumers.get(event.consumer_id), score)
            case events.ProducerScored():
                scores = wire.ProducerScore(id=event.producer_id, score=event.score)
                self._news(self._directory.producers.get(event.producer_id), scores)
            case events.AudioLevels() | events.ActiveSpeaker():
                self._heard(event)
            case _:
                pass  # makings are adopted by whoever asked; the states of ICE and DTLS concern nobody here

    def _consumer_closed(self, consumer_id: ConsumerId, reason: str) -> None:
        consumer = self._directory.consumers.get(consumer_id)
        if consumer is None:
            self._directory.unadopted.end(consumer_id)
        else:
            self._closing.end_consumer(consumer, reason)

    def _producer_closed(self, producer_id: ProducerId) -> None:
        producer = self._directory.producers.get(producer_id)
        if producer is None:
            self._directory.unadopted.end(producer_id)
            return
        self._closing.end_producer(producer)
        removed = wire.ProducerRemoved(participant_id=producer.owner.id, producer_id=producer.id)
        self._notices.tell(producer.owner, removed)

    def _transport_closed(self, transport_id: TransportId) -> None:
        found = self._directory.transports.pop(transport_id, None)
        if found is None:
            self._directory.unadopted.end(transport_id)
            return
        participant, side = found
        del participant.transports[side]

    def _router_closed(self, router_id: RouterId) -> None:
        room = self._directory.routers.get(router_id)
        if room is None:
            self._directory.unadopted.end(router_id)
        else:
            self._closing.close_room(room, "router-closed")

    def _producer_flow(self, producer_id: ProducerId, *, paused: bool) -> None:
        producer = self._directory.producers.get(producer_id)
        if producer is not None and producer.paused != paused:
            producer.paused = paused
            self._notices.tell_room(producer.owner.room, producer_flow(producer))

    def _consumer_flow(self, consumer_id: ConsumerId, *, paused: bool) -> None:
        consumer = self._directory.consumers.get(consumer_id)
        if consumer is not None and consumer.paused != paused:
            consumer.paused = paused
            signal = wire.ConsumerPaused if paused else wire.ConsumerResumed
            self._notices.tell(consumer.owner, signal(id=consumer.id))

    def _heard(self, event: events.AudioLevels | events.ActiveSpeaker) -> None:
        room = self._directory.routers.get(event.router_id)
        if room is None:
            return
        if isinstance(event, events.AudioLevels):
            on_levels(room, self._notices, event)
        else:
            on_speaker(room, self._notices, event)

    def _news(self, stream: Producer | Consumer | None, news: News) -> None:
        """Tell the owner; of a stream that nobody has adopted yet it is kept for who will."""
        if stream is None:
            self._directory.unadopted.hear(news.id, news)
            return
        stream.news[type(news)] = news
        self._notices.tell(stream.owner, news)
