"""Where an event happened and whom it concerns: learned from the events themselves.

The engine names routers, transports, producers and consumers only. The rooms told before which of those are whose. What
concerns a whole worker has no place.
"""

from __future__ import annotations

from typing import TypeAlias, get_args

from labsfu.wire import events
from labsfu.wire.base import ABSENT
from labsfu.wire.events import EngineEvent, Event, RoomEvent, WorkerEvent
from labsfu.wire.ids import ParticipantId, RoomId, RouterId

Place: TypeAlias = tuple[RoomId | None, ParticipantId | None]

# What an event may be about, the most particular first.
_THINGS = ("consumer_id", "producer_id", "transport_id")

_THINGS_OF: dict[type[EngineEvent], tuple[str, ...]] = {
    type_: tuple(name for name in _THINGS if name in type_.__struct_fields__) for type_ in get_args(EngineEvent)
}


class Whereabouts:
    """Knows the rooms of routers, and the owners of transports, producers and consumers, for as long as those live.

    A producer that is piped has one id on several routers, so streams are known by their routers, too. Transports are
    not: whose they are, the rooms tell, who name no router.
    """

    def __init__(self) -> None:
        self._rooms: dict[RouterId, RoomId] = {}
        self._streams: dict[tuple[RouterId, str], ParticipantId] = {}
        self._transports: dict[str, ParticipantId] = {}

    def __len__(self) -> int:
        return len(self._rooms) + len(self._streams) + len(self._transports)

    def place(self, event: Event) -> Place:
        """Room and participant of an event, each None if it is not known. To be asked of every event, in order."""
        if isinstance(event, RoomEvent):
            self._learn(event)
            return event.room_id, getattr(event, "participant_id", None)
        if isinstance(event, WorkerEvent):
            return None, None
        ids = (getattr(event, name) for name in _THINGS_OF[type(event)])
        id_ = next((id_ for id_ in ids if id_ is not ABSENT), "")
        stream = event.router_id, id_
        if isinstance(event, events.ProducerMade | events.ConsumerMade):
            self._streams[stream] = event.participant_id
        found = self._rooms.get(event.router_id), self._streams.get(stream) or self._transports.get(id_)
        if isinstance(event, events.ConsumerClosed | events.ProducerClosed):
            self._streams.pop(stream, None)
        elif isinstance(event, events.TransportClosed):
            self._transports.pop(id_, None)
        elif isinstance(event, events.RouterClosed):
            self._rooms.pop(event.router_id, None)
        return found

    def _learn(self, event: RoomEvent) -> None:
        if isinstance(event, events.RoomMade | events.RoomSpread):
            self._rooms.update(dict.fromkeys(event.router_ids, event.room_id))
        elif isinstance(event, events.SocketConnected):
            self._transports[event.producer_transport_id] = event.participant_id
            self._transports[event.consumer_transport_id] = event.participant_id
