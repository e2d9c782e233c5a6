"""What a worker holds, learned from its events: so that its end can be told for it, when it died."""

from __future__ import annotations

from collections.abc import Iterator

from labsfu.wire import events
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId


class _Transport:
    """What one transport carries, in the order in which it was made."""

    __slots__ = ("consumers", "producers")

    def __init__(self) -> None:
        self.producers: dict[ProducerId, None] = {}
        self.consumers: dict[ConsumerId, None] = {}


class _Router:
    """What one router holds; ids of producers are its own."""

    __slots__ = ("consumers", "producers", "transports")

    def __init__(self) -> None:
        self.transports: dict[TransportId, _Transport] = {}
        self.producers: dict[ProducerId, tuple[TransportId, dict[ConsumerId, None]]] = {}
        self.consumers: dict[ConsumerId, tuple[TransportId, ProducerId]] = {}

    def close_producer(self, id_: ProducerId) -> None:
        transport_id, _ = self.producers.pop(id_, (None, {}))
        if transport_id in self.transports:
            self.transports[transport_id].producers.pop(id_, None)

    def close_consumer(self, id_: ConsumerId) -> None:
        transport_id, producer_id = self.consumers.pop(id_, (None, None))
        if transport_id in self.transports:
            self.transports[transport_id].consumers.pop(id_, None)
        if producer_id in self.producers:
            self.producers[producer_id][1].pop(id_, None)


class Ledger:
    """Routers, transports, producers and consumers of one worker."""

    def __init__(self) -> None:
        self._routers: dict[RouterId, _Router] = {}

    def __len__(self) -> int:
        held = (
            len(router.transports) + len(router.producers) + len(router.consumers) for router in self._routers.values()
        )
        return len(self._routers) + sum(held)

    def follow(self, event: EngineEvent) -> None:
        """Something was made or closed."""
        match event:
            case events.RouterMade():
                self._routers[event.router_id] = _Router()
                return
            case events.RouterClosed():
                self._routers.pop(event.router_id, None)
                return
        router = self._routers.get(event.router_id)
        if router is not None:
            _follow(router, event)

    def close(self) -> list[EngineEvent]:
        """The events with which an engine would close it all, router by router; then there is nothing any more."""
        closing = [event for id_, router in self._routers.items() for event in _close(id_, router)]
        self._routers.clear()
        return closing


def _follow(router: _Router, event: EngineEvent) -> None:
    match event:
        case events.TransportMade():
            router.transports[event.transport_id] = _Transport()
        case events.TransportClosed():
            router.transports.pop(event.transport_id, None)
        case events.ProducerMade():
            router.producers[event.producer_id] = event.transport_id, {}
            router.transports[event.transport_id].producers[event.producer_id] = None
        case events.ProducerClosed():
            router.close_producer(event.producer_id)
        case events.ConsumerMade():
            router.consumers[event.consumer_id] = event.transport_id, event.producer_id
            router.transports[event.transport_id].consumers[event.consumer_id] = None
            router.producers[event.producer_id][1][event.consumer_id] = None
        case events.ConsumerClosed():
            router.close_consumer(event.consumer_id)


def _close(id_: RouterId, router: _Router) -> Iterator[EngineEvent]:
    """Each transport's consumers, its producers (their consumers first), itself; then the router."""
    for transport_id, transport in router.transports.items():
        for consumer_id in tuple(transport.consumers):
            router.close_consumer(consumer_id)
            yield events.ConsumerClosed(router_id=id_, consumer_id=consumer_id, reason="worker-died")
        for producer_id in tuple(transport.producers):
            for consumer_id in tuple(router.producers[producer_id][1]):
                router.close_consumer(consumer_id)
                yield events.ConsumerClosed(router_id=id_, consumer_id=consumer_id, reason="worker-died")
            router.close_producer(producer_id)
            yield events.ProducerClosed(router_id=id_, producer_id=producer_id, reason="worker-died")
        yield events.TransportClosed(router_id=id_, transport_id=transport_id, reason="worker-died")
    yield events.RouterClosed(router_id=id_, reason="worker-died")
