"""What the media engine tells of its own accord, and what that means for people."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import Notices, producer_flow
from labsfu.rooms.participant import Consumer, News, Producer
from labsfu.rooms.speaking import on_levels, on_speaker
from labsfu.wire import events
from labsfu.wire import socket as wire
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId

_OfProducer: TypeAlias = (
    events.ProducerMade | events.ProducerClosed | events.ProducerPaused | events.ProducerResumed | events.ProducerScored
)


class Happenings:
    """Applies the engine's events. One that repeats what rooms asked for themselves finds nothing to do.

    A producer that is piped has its id on several routers: what is said of the copies is not said of it.
    """

    def __init__(self, directory: Directory, notices: Notices, closing: Closing) -> None:
        self._directory = directory
        self._notices = notices
        self._closing = closing

    def on_event(self, event: events.EngineEvent) -> None:
        """Bring the books in line with the engine and tell whoever is concerned."""
        match event:
            case events.ProducerMade():
                self._directory.unadopted.begin(_name(event))
            case events.ConsumerClosed():
                self._consumer_closed(event.consumer_id, event.reason)
            case events.ProducerClosed():
                self._producer_closed(event)
            case events.TransportClosed():
                self._transport_closed(event.transport_id)
            case events.RouterClosed():
                self._router_closed(event)
            case events.ProducerPaused() | events.ProducerResumed():
                self._producer_flow(event, paused=isinstance(event, events.ProducerPaused))
            case events.ConsumerPaused() | events.ConsumerResumed():
                self._consumer_flow(event.consumer_id, paused=isinstance(event, events.ConsumerPaused))
            case events.ConsumerLayersChanged():
                signal = wire.ConsumerLayersChanged(id=event.consumer_id, layers=event.layers, reason=event.reason)
                self._news(self._directory.consumers.get(event.consumer_id), event.consumer_id, signal)
            case events.ConsumerScored():
                score = wire.ConsumerScore(id=event.consumer_id, score=event.score)
                self._news(self._directory.consumers.get(event.consumer_id), event.consumer_id, score)
            case events.ProducerScored():
                scores, name = wire.ProducerScore(id=event.producer_id, score=event.score), _name(event)
                self._news(self._directory.producers.get(name), name, scores)
            case events.AudioLevels() | events.ActiveSpeaker():
                self._heard(event)
            case _:
                pass  # other makings are adopted by whoever asked; the states of ICE and DTLS concern nobody here

    def _consumer_closed(self, consumer_id: ConsumerId, reason: str) -> None:
        consumer = self._directory.consumers.get(consumer_id)
        if consumer is None:
            self._directory.unadopted.end(consumer_id)
        else:
            self._closing.end_consumer(consumer, reason)

    def _producer_closed(self, event: events.ProducerClosed) -> None:
        producer = self._directory.producers.get(_name(event))
        if producer is None:
            self._directory.unadopted.end(_name(event))
            return
        self._closing.end_producer(producer)
        owner = producer.owner
        self._notices.tell(owner, wire.ProducerRemoved(participant_id=owner.id, producer_id=producer.id))
        if owner.remote and not owner.producers:
            self._closing.end_participant(owner, self._directory.now, "pipe-closed")

    def _transport_closed(self, transport_id: TransportId) -> None:
        found = self._directory.transports.pop(transport_id, None)
        if found is None:
            self._directory.unadopted.end(transport_id)
            return
        participant, side = found
        del participant.transports[side]

    def _router_closed(self, event: events.RouterClosed) -> None:
        room = self._directory.routers.get(event.router_id)
        if room is None:
            self._directory.unadopted.end(event.router_id)
        else:
            self._closing.end_router(room, event, self._directory.now)

    def _producer_flow(self, event: events.ProducerPaused | events.ProducerResumed, *, paused: bool) -> None:
        producer = self._directory.producers.get(_name(event))
        if producer is None:
            self._directory.unadopted.set_paused(_name(event), paused)
        elif producer.paused != paused:
            producer.paused = paused
            self._notices.tell_room(producer.owner.room, producer_flow(producer))

    def _consumer_flow(self, consumer_id: ConsumerId, *, paused: bool) -> None:
        consumer = self._directory.consumers.get(consumer_id)
        if consumer is None:
            self._directory.unadopted.set_paused(consumer_id, paused)
        elif consumer.paused != paused:
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

    def _news(self, stream: Producer | Consumer | None, name: Hashable, news: News) -> None:
        """Tell the owner; of a stream that nobody has adopted yet it is kept for who will."""
        if stream is None:
            self._directory.unadopted.hear(name, news)
            return
        stream.news[type(news)] = news
        self._notices.tell(stream.owner, news)


def _name(event: _OfProducer) -> tuple[RouterId, ProducerId]:
    return event.router_id, event.producer_id
