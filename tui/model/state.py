"""All that a watcher knows, and how events change it.

An event is applied by the ids in it: adding what is there and removing what is not change nothing. So a replay that
begins before the snapshot that the state was made from ends in the state of the server, as one does that begins just
behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from msgspec.structs import replace

from labsfu.wire import events
from labsfu.wire.base import ABSENT
from labsfu.wire.events import Event
from labsfu.wire.feed import Happened
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId, WorkerId
from labsfu.wire.payloads import SfuInfo
from tui.model.things import Consumer, Person, Producer, ProducerKey, Room, Thing, Transport, Worker, each_once

TAIL = 2000
"""Events that are kept, whatever they are about."""


LinkStatus: TypeAlias = Literal["connecting", "live", "lost", "over"]


@dataclass(slots=True)
class Link:
    """How we stand with the server: `lost` may come back, `over` will not; `since` is epoch milliseconds."""

    status: LinkStatus = "connecting"
    why: str = ""
    since: int = 0
    resumed: int = 0


@dataclass(slots=True)
class State:
    """What a server holds and does.

    Attributes:
        now: when the last thing happened that we know of, in epoch milliseconds of the server.
        seq: the last event that was applied.
        version: grows with each change.
    """

    server: SfuInfo | None = field(default=None, compare=False)
    workers: dict[WorkerId, Worker] = field(default_factory=dict, compare=False)
    rooms: dict[RoomId, Room] = field(default_factory=dict)
    routers: dict[RouterId, RoomId | None] = field(default_factory=dict)
    transports: dict[TransportId, Transport] = field(default_factory=dict)
    producers: dict[ProducerKey, Producer] = field(default_factory=dict)
    consumers: dict[ConsumerId, Consumer] = field(default_factory=dict)
    tail: deque[Happened] = field(default_factory=lambda: deque(maxlen=TAIL), compare=False)
    link: Link = field(default_factory=Link, compare=False)
    now: int = field(default=0, compare=False)
    seq: int = field(default=0, compare=False)
    version: int = field(default=0, compare=False)

    def apply(self, happened: Happened) -> None:
        """An event came."""
        event = happened.event
        change = _CHANGES.get(type(event))
        if change is not None:
            change(self, event)
        if not isinstance(event, events.AudioLevels):  # one a second: a measurement more than an event
            self._note(happened)
        self.seq = happened.seq
        self.now = max(self.now, happened.at)
        self.version += 1

    def link_is(self, status: LinkStatus, at: int, why: str = "") -> None:
        """We are connected, or not any more."""
        if status == "live" and self.link.status == "lost":
            self.link = Link("live", "", at, self.link.resumed + 1)
        elif status != self.link.status or why != self.link.why:
            since = self.link.since if status == "lost" == self.link.status else at
            self.link = Link(status, why, since, self.link.resumed)
        self.version += 1

    def room_of(self, router_id: RouterId) -> RoomId | None:
        """The room that a router serves, if it serves one."""
        return self.routers.get(router_id)

    def transport(self, id_: TransportId, router_id: RouterId, *, pipe: bool = False) -> Transport:
        """A transport; it is there from now on."""
        found = self.transports.get(id_)
        if found is None:
            found = self.transports[id_] = Transport(id_, router_id, pipe)
        return found

    def producer(self, id_: ProducerId) -> Producer | None:
        """A producer, on whatever router; of one that is piped that of its sender, if it is here."""
        return next(iter(each_once(one for one in self.producers.values() if one.id == id_)), None)

    def producer_of(self, consumer: Consumer) -> Producer | None:
        """What a consumer is sent."""
        return self.producers.get((consumer.router_id, consumer.producer_id))

    def _note(self, happened: Happened) -> None:
        """Keep the event where it will be looked for; once, however often it is told."""
        if not self.tail or happened.seq > self.tail[-1].seq:
            self.tail.append(happened)
        thing = self._about(happened.event)
        if thing is None:
            return
        if isinstance(thing, Transport) and happened.participant_id is not None:
            thing.participant_id = happened.participant_id
        if not thing.log or happened.seq > thing.log[-1].seq:
            if thing.log and isinstance(happened.event, events.PacketsDropped) and _is_drop(thing.log[-1]):
                thing.log.pop()  # they come every second: one of them in a row is enough
            thing.log.append(happened)

    def _about(self, event: Event) -> Thing | None:
        id_ = getattr(event, "consumer_id", ABSENT)
        if id_ is not ABSENT:
            return self.consumers.get(id_)
        id_ = getattr(event, "producer_id", ABSENT)
        if id_ is not ABSENT:
            return self.producers.get((getattr(event, "router_id"), id_))  # noqa: B009 - the events with it are no type
        id_ = getattr(event, "transport_id", ABSENT)
        return None if id_ is ABSENT else self.transports.get(id_)


def _is_drop(happened: Happened) -> bool:
    return isinstance(happened.event, events.PacketsDropped)


# ------------------------------------------------------------------ what each event changes


def _router_made(state: State, event: events.RouterMade) -> None:
    state.routers.setdefault(event.router_id, None)


def _router_closed(state: State, event: events.RouterClosed) -> None:
    state.routers.pop(event.router_id, None)


def _transport_made(state: State, event: events.TransportMade) -> None:
    state.transport(event.transport_id, event.router_id, pipe=event.pipe)


def _pipe_connected(state: State, event: events.PipeConnected) -> None:
    state.transport(event.transport_id, event.router_id, pipe=True).remote = event.remote


def _ice(state: State, event: events.IceStateChanged) -> None:
    transport = state.transport(event.transport_id, event.router_id)
    transport.ice = event.state
    if event.remote is not ABSENT:
        transport.remote = event.remote


def _dtls(state: State, event: events.DtlsStateChanged) -> None:
    state.transport(event.transport_id, event.router_id).dtls = event.state


def _transport_closed(state: State, event: events.TransportClosed) -> None:
    state.transports.pop(event.transport_id, None)


def _producer_made(state: State, event: events.ProducerMade) -> None:
    key = event.router_id, event.producer_id
    if key not in state.producers:
        state.producers[key] = Producer(
            event.producer_id,
            event.router_id,
            event.transport_id,
            event.participant_id,
            event.media,
            event.paused,
            event.piped,
        )
    carrier = state.transport(event.transport_id, event.router_id, pipe=event.piped)
    if not event.piped:
        carrier.participant_id = event.participant_id


def _producer_paused(state: State, event: events.ProducerPaused | events.ProducerResumed) -> None:
    producer = state.producers.get((event.router_id, event.producer_id))
    if producer is not None:
        producer.paused = isinstance(event, events.ProducerPaused)


def _producer_scored(state: State, event: events.ProducerScored) -> None:
    producer = state.producers.get((event.router_id, event.producer_id))
    if producer is not None:
        producer.score = event.score


def _producer_closed(state: State, event: events.ProducerClosed) -> None:
    state.producers.pop((event.router_id, event.producer_id), None)


def _consumer_made(state: State, event: events.ConsumerMade) -> None:
    if event.consumer_id not in state.consumers:
        state.consumers[event.consumer_id] = Consumer(
            event.consumer_id,
            event.producer_id,
            event.router_id,
            event.transport_id,
            event.participant_id,
            event.paused,
            event.piped,
        )
    carrier = state.transport(event.transport_id, event.router_id, pipe=event.piped)
    if not event.piped:
        carrier.participant_id = event.participant_id


def _consumer_paused(state: State, event: events.ConsumerPaused | events.ConsumerResumed) -> None:
    consumer = state.consumers.get(event.consumer_id)
    if consumer is not None:
        consumer.paused = isinstance(event, events.ConsumerPaused)


def _consumer_layers(state: State, event: events.ConsumerLayersChanged) -> None:
    consumer = state.consumers.get(event.consumer_id)
    if consumer is not None:
        consumer.layers = None if event.layers is ABSENT else event.layers


def _consumer_scored(state: State, event: events.ConsumerScored) -> None:
    consumer = state.consumers.get(event.consumer_id)
    if consumer is not None:
        consumer.score = event.score


def _consumer_closed(state: State, event: events.ConsumerClosed) -> None:
    state.consumers.pop(event.consumer_id, None)


def _room_made(state: State, event: events.RoomMade) -> None:
    if event.room_id not in state.rooms:
        state.rooms[event.room_id] = Room(event.room_id, event.type, event.size, event.router_ids)
    for router_id in event.router_ids:
        if router_id in state.routers:
            state.routers[router_id] = event.room_id


def _room_spread(state: State, event: events.RoomSpread) -> None:
    room = state.rooms.get(event.room_id)
    if room is not None:
        room.router_ids = event.router_ids
    for router_id in event.router_ids:
        if router_id in state.routers:
            state.routers[router_id] = event.room_id


def _room_closed(state: State, event: events.RoomClosed) -> None:
    state.rooms.pop(event.room_id, None)


def _person_made(state: State, event: events.ParticipantMade) -> None:
    room = state.rooms.get(event.room_id)
    if room is not None and event.participant_id not in room.people:
        id_ = event.participant_id
        room.people[id_] = Person(id_, event.type, event.display_name, event.share_screen, event.remote)


def _connected(state: State, room_id: RoomId, participant_id: ParticipantId, *, connected: bool) -> None:
    room = state.rooms.get(room_id)
    person = None if room is None else room.people.get(participant_id)
    if person is not None:
        person.connected = connected


def _person_joined(state: State, event: events.ParticipantJoined) -> None:
    _connected(state, event.room_id, event.participant_id, connected=True)


def _person_updated(state: State, event: events.ParticipantUpdated) -> None:
    _connected(state, event.room_id, event.participant_id, connected=event.connected)


def _person_left(state: State, event: events.ParticipantLeft) -> None:
    room = state.rooms.get(event.room_id)
    if room is not None:
        room.people.pop(event.participant_id, None)


def _levels(state: State, event: events.AudioLevels) -> None:
    for level in event.levels:
        producer = state.producers.get((event.router_id, level.producer_id))
        if producer is not None:
            producer.volume = level.volume


def _speaker(state: State, event: events.ActiveSpeaker) -> None:
    room_id = state.room_of(event.router_id)
    if room_id in state.rooms:
        state.rooms[room_id].speaker = None if event.participant_id is ABSENT else event.participant_id


def _socket_connected(state: State, event: events.SocketConnected) -> None:
    for transport_id in (event.producer_transport_id, event.consumer_transport_id):
        transport = state.transports.get(transport_id)
        if transport is not None:
            transport.participant_id = event.participant_id


def _worker_started(state: State, event: events.WorkerStarted) -> None:
    worker = state.workers.get(event.worker_id)
    if worker is not None:
        worker.info = replace(worker.info, pid=event.pid, state="running")


def _worker_died(state: State, event: events.WorkerDied) -> None:
    worker = state.workers.get(event.worker_id)
    if worker is not None and worker.info.pid == event.pid:  # not one that came after it
        worker.info = replace(worker.info, state="dead")


Change: TypeAlias = Callable[[State, Any], None]

_CHANGES: dict[type[Event], Change] = {
    events.RouterMade: _router_made,
    events.RouterClosed: _router_closed,
    events.TransportMade: _transport_made,
    events.PipeConnected: _pipe_connected,
    events.IceStateChanged: _ice,
    events.DtlsStateChanged: _dtls,
    events.TransportClosed: _transport_closed,
    events.ProducerMade: _producer_made,
    events.ProducerPaused: _producer_paused,
    events.ProducerResumed: _producer_paused,
    events.ProducerScored: _producer_scored,
    events.ProducerClosed: _producer_closed,
    events.ConsumerMade: _consumer_made,
    events.ConsumerPaused: _consumer_paused,
    events.ConsumerResumed: _consumer_paused,
    events.ConsumerLayersChanged: _consumer_layers,
    events.ConsumerScored: _consumer_scored,
    events.ConsumerClosed: _consumer_closed,
    events.AudioLevels: _levels,
    events.ActiveSpeaker: _speaker,
    events.RoomMade: _room_made,
    events.RoomSpread: _room_spread,
    events.RoomClosed: _room_closed,
    events.ParticipantMade: _person_made,
    events.ParticipantJoined: _person_joined,
    events.ParticipantUpdated: _person_updated,
    events.ParticipantLeft: _person_left,
    events.SocketConnected: _socket_connected,
    events.WorkerStarted: _worker_started,
    events.WorkerDied: _worker_died,
}
"""What is not in here changes nothing but the log: key-frame requests, drops, faults, closed sockets."""
