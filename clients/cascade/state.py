"""What a cascade knows of one server: one room, the streams in it, and the pipes that lead out of it.

Sans-IO. Filled by a snapshot, kept up to date by the events of the feed. What must be looked at, because an event does
not tell enough, makes it `stale`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TypeAlias

from clients.cascade.tags import Tag
from labsfu.wire import events
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.rtp import MediaKind, RtpCapabilities

Address: TypeAlias = tuple[str, int]
Place: TypeAlias = tuple[RouterId, ProducerId]


_CONCERNING = (
    events.ProducerMade,
    events.ProducerPaused,
    events.ProducerResumed,
    events.ProducerClosed,
    events.ConsumerMade,
    events.ConsumerResumed,
    events.ConsumerClosed,
    events.TransportMade,
    events.PipeConnected,
    events.TransportClosed,
    events.RouterClosed,
)
"""Of the engine's events those that may change what is known here."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A producer of the room.

    Attributes:
        pipe: over which it comes; None: somebody sends it to this server.
        tag: of the cascade that brought it here; None: none did.
        inner: it comes over a pipe from another router of the same server.
    """

    id: ProducerId
    router_id: RouterId
    participant_id: ParticipantId
    kind: MediaKind
    paused: bool = False
    pipe: TransportId | None = None
    tag: Tag | None = None
    inner: bool = False

    @property
    def place(self) -> Place:
        """A producer that is piped has the same id in several routers."""
        return self.router_id, self.id


@dataclass(frozen=True, slots=True)
class Sending:
    """A pipe consumer: a producer on its way into a pipe.

    Attributes:
        paused: it was made so and has never flowed, as far as is known. One that was paused later is not: somebody
            wants that.
    """

    id: ConsumerId
    router_id: RouterId
    producer_id: ProducerId
    pipe: TransportId
    tag: Tag | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Pipe:
    """One end of a pipe.

    Attributes:
        local: where it listens; None: somebody else made it, and it was not looked at.
        remote: where the other end is; None: it is not connected.
    """

    id: TransportId
    router_id: RouterId
    local: Address | None = None
    remote: Address | None = None
    srtp: bool = False
    rtx: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """How people see a participant."""

    name: str
    share_screen: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it at one moment.

    Attributes:
        server_id: id of this run of the server.
        since: it has what happened up to this event at least.
        until: and nothing that happened after this one.
        capabilities: what the routers of the server can take.
        exists: whether the room does.
        participants: of the room, and whether each is remote.
        shown: how they are shown.
    """

    server_id: str
    since: int
    until: int
    capabilities: RtpCapabilities
    exists: bool = False
    routers: tuple[RouterId, ...] = ()
    participants: dict[ParticipantId, bool] = field(default_factory=dict)
    shown: dict[ParticipantId, Shown] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()
    sendings: tuple[Sending, ...] = ()
    pipes: tuple[Pipe, ...] = ()


class Side:
    """One of the two servers.

    Args:
        name: of the server: its URL.
        room_id: which room.

    Attributes:
        stale: it has to be looked at anew.
        expected: copies that are being made here: an event does not say what is known of them.
        made: pipes that this cascade made, until they are known to be gone.
        inner: pipes that join routers of this server, as far as they were looked at.
    """

    def __init__(self, name: str, room_id: RoomId) -> None:
        self.name = name
        self.room_id = room_id
        self.server_id = ""
        self.capabilities = RtpCapabilities()
        self.exists = False
        self.stale = True
        self.routers: tuple[RouterId, ...] = ()
        self.participants: dict[ParticipantId, bool] = {}
        self.shown: dict[ParticipantId, Shown] = {}
        self.streams: dict[Place, Stream] = {}
        self.sendings: dict[ConsumerId, Sending] = {}
        self.pipes: dict[TransportId, Pipe] = {}
        self.inner: set[TransportId] = set()
        self.expected: dict[Place, Stream] = {}
        self.made: dict[TransportId, Pipe] = {}
        self._since = self._until = self._seq = 0

    @property
    def settled(self) -> bool:
        """It is what the server was a moment ago."""
        return not self.stale and self._seq >= self._until

    def take(self, snapshot: Snapshot, seq: int) -> None:
        """Know this, and nothing of before; `seq` is the last event that was read."""
        if snapshot.server_id != self.server_id:
            self.made, self.expected = {}, {}
        self._drop_gone(snapshot)
        flowed = {sending.id for sending in self.sendings.values() if not sending.paused}
        self.server_id, self.capabilities = snapshot.server_id, snapshot.capabilities
        self._since, self._until, self._seq = snapshot.since, snapshot.until, seq
        self.exists, self.routers = snapshot.exists, snapshot.routers
        self.participants, self.shown = dict(snapshot.participants), dict(snapshot.shown)
        self.pipes = {pipe.id: pipe for pipe in snapshot.pipes}
        self.inner = inner_pipes(snapshot.pipes)
        self.sendings = {
            sending.id: replace(sending, paused=sending.paused and sending.id not in flowed)
            for sending in snapshot.sendings
        }
        self.streams = {stream.place: stream for stream in mark_inner(snapshot.streams, self.inner)}
        self.stale = False

    def apply(self, seq: int, event: events.Event) -> bool:
        """Something happened. What the snapshot has already changes nothing.

        Returns:
            Whether there may be something to decide now.
        """
        was_settled = self.settled
        self._seq = max(self._seq, seq)
        concerned = False
        if seq > self._since:
            if isinstance(event, events.RoomEvent):
                concerned = event.room_id == self.room_id
                if concerned:
                    self._of_room(event)
            elif isinstance(event, _CONCERNING) and event.router_id in self.routers:
                concerned = True
                self._of_router(event)
        return concerned or self.settled != was_settled

    def forget(self) -> None:
        """There is no room, or nothing is known of it."""
        self.exists, self.routers = False, ()
        self.participants, self.shown = {}, {}
        self.streams, self.sendings, self.pipes = {}, {}, {}
        self.made, self.expected, self.inner = {}, {}, set()

    def copies_over(self, pipe: TransportId) -> list[Stream]:
        """What comes over a pipe."""
        return [stream for stream in self.streams.values() if stream.pipe == pipe]

    def sends_over(self, pipe: TransportId) -> list[Sending]:
        """What goes into a pipe."""
        return [sending for sending in self.sendings.values() if sending.pipe == pipe]

    def has(self, producer_id: ProducerId) -> bool:
        """Whether any router of the room has this producer."""
        return any(stream.id == producer_id for stream in self.streams.values())

    def _of_room(self, event: events.RoomEvent) -> None:
        match event:
            case events.RoomMade() if event.router_ids != self.routers:
                self.forget()
                self.exists, self.routers = True, event.router_ids
            case events.RoomSpread():
                self.stale = self.stale or not set(event.router_ids) <= set(self.routers)
                self.routers = event.router_ids
            case events.RoomClosed():
                self.forget()
            case events.ParticipantMade():
                self.participants[event.participant_id] = event.remote
                self.shown[event.participant_id] = Shown(event.display_name, event.share_screen)
            case events.ParticipantLeft():
                self.participants.pop(event.participant_id, None)
                self.shown.pop(event.participant_id, None)
            case _:
                pass

    def _of_router(self, event: events.EngineEvent) -> None:
        match event:
            case events.ProducerMade():
                self._producer(event)
            case events.ProducerPaused() | events.ProducerResumed():
                place = event.router_id, event.producer_id
                if place in self.streams:
                    paused = isinstance(event, events.ProducerPaused)
                    self.streams[place] = replace(self.streams[place], paused=paused)
            case events.ProducerClosed():
                self.streams.pop((event.router_id, event.producer_id), None)
            case events.ConsumerMade() if event.piped:
                made = Sending(
                    event.consumer_id, event.router_id, event.producer_id, event.transport_id, paused=event.paused
                )
                self.sendings.setdefault(made.id, made)
            case events.ConsumerResumed() if event.consumer_id in self.sendings:
                self.sendings[event.consumer_id] = replace(self.sendings[event.consumer_id], paused=False)
            case events.ConsumerClosed():
                self.sendings.pop(event.consumer_id, None)
            case _:
                self._of_pipe(event)

    def _of_pipe(self, event: events.EngineEvent) -> None:
        match event:
            case events.TransportMade() if event.pipe:
                known = self.made.get(event.transport_id)
                self.pipes.setdefault(event.transport_id, known or Pipe(event.transport_id, event.router_id))
            case events.PipeConnected() if event.transport_id in self.pipes:
                host, _, port = event.remote.rpartition(":")
                pipe = replace(self.pipes[event.transport_id], remote=(host.strip("[]"), int(port)))
                self.pipes[pipe.id] = pipe
                # of what somebody else made we must know where it listens
                self.stale = self.stale or pipe.local is None
            case events.TransportClosed():
                self.pipes.pop(event.transport_id, None)
                self.made.pop(event.transport_id, None)
            case events.RouterClosed():
                self._router_closed(event.router_id)
            case _:
                pass

    def _producer(self, event: events.ProducerMade) -> None:
        place = event.router_id, event.producer_id
        expected = self.expected.pop(place, None)
        if place in self.streams:
            return
        if expected is not None and event.piped and event.transport_id == expected.pipe:
            self.streams[place] = replace(expected, paused=event.paused)
            return
        pipe = event.transport_id if event.piped else None
        # of what somebody else brought here we must know from where; until then it is taken for the server's own doing
        inner = event.piped and (event.transport_id in self.inner or self.has(event.producer_id))
        self.stale = self.stale or (event.piped and event.transport_id not in self.inner)
        self.streams[place] = Stream(
            event.producer_id, event.router_id, event.participant_id, event.media, event.paused, pipe, inner=inner
        )

    def _router_closed(self, router_id: RouterId) -> None:
        self.routers = tuple(id_ for id_ in self.routers if id_ != router_id)
        self.streams = {k: stream for k, stream in self.streams.items() if stream.router_id != router_id}
        self.sendings = {k: sending for k, sending in self.sendings.items() if sending.router_id != router_id}
        self.pipes = {k: pipe for k, pipe in self.pipes.items() if pipe.router_id != router_id}
        self.made = {k: pipe for k, pipe in self.made.items() if pipe.router_id != router_id}
        self.expected = {place: stream for place, stream in self.expected.items() if place[0] != router_id}

    def _drop_gone(self, snapshot: Snapshot) -> None:
        """Forget what was being made on routers that are gone, what was there and is not any more, what is there now.

        A pipe that was never seen may have been made after the snapshot was begun: its event comes.
        """
        there = {pipe.id for pipe in snapshot.pipes}
        self.made = {
            id_: pipe
            for id_, pipe in self.made.items()
            if pipe.router_id in snapshot.routers and (id_ in there or id_ not in self.pipes)
        }
        known = {stream.place for stream in snapshot.streams}
        self.expected = {
            place: stream
            for place, stream in self.expected.items()
            if place[0] in snapshot.routers and place not in known
        }

    def learn_pipe(self, pipe: Pipe) -> None:
        """This cascade made a pipe here; its event comes, or came without saying where it listens."""
        self.made[pipe.id] = pipe
        if pipe.id in self.pipes:
            self.pipes[pipe.id] = replace(pipe, remote=self.pipes[pipe.id].remote)


def meet(one: Pipe, other: Pipe) -> bool:
    """Whether these are the two ends of a pipe."""
    return _is_at(one.local, other.remote) and _is_at(other.local, one.remote)


def _is_at(local: Address | None, told: Address | None) -> bool:
    """Whether an end that listens there is reached at what the other end was told."""
    if local is None or told is None or local[1] != told[1]:
        return False
    return local[0] == told[0] or ip_address(local[0]).is_unspecified


def inner_pipes(pipes: Collection[Pipe]) -> set[TransportId]:
    """Those of which both ends are here: they join routers of one server."""
    return {one.id for one in pipes for other in pipes if one is not other and meet(one, other)}


def mark_inner(streams: Iterable[Stream], inner: Collection[TransportId]) -> list[Stream]:
    """Mark those that come from another router of the same server."""
    return [replace(stream, inner=True) if stream.pipe in inner else stream for stream in streams]
