"""Servers without media, network and time, and cascades between them; when they read and act is for the test to say."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from clients.cascade.errands import Errands
from clients.cascade.plan import (
    Action,
    CloseCopy,
    ClosePipe,
    CloseSending,
    Copy,
    JoinRouters,
    Letter,
    Planner,
    ResumeSending,
    SetPaused,
    Terms,
)
from clients.cascade.state import Pipe, Sending, Side, Snapshot, Stream
from labsfu.wire import events
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.rtp import MediaKind, RtpCapabilities

ROOM = RoomId("tea")


def is_inner(stream: Stream) -> bool:
    """Whether a stream comes from another router of its server."""
    return stream.pipe is not None and stream.pipe.startswith("inner")


class RefusedHere(Exception):
    """The invented server says no."""


class InventedServer:
    """One room, its streams and pipes; every change is an event."""

    def __init__(self, name: str, ids: Iterator[int]) -> None:
        self.name = name
        self._ids = ids
        self.start()

    def start(self) -> None:
        """Begin anew, with nothing."""
        self.id = f"{self.name}-run-{next(self._ids)}"
        self.log: list[events.Event] = []
        self.gone: set[ProducerId] = set()
        self._empty()

    def _empty(self) -> None:
        self.routers: tuple[RouterId, ...] = ()
        self.participants: dict[ParticipantId, bool] = {}
        self.streams: dict[tuple[RouterId, ProducerId], Stream] = {}
        self.sendings: dict[ConsumerId, Sending] = {}
        self.pipes: dict[TransportId, Pipe] = {}

    def snapshot(self) -> Snapshot:
        """As `read_snapshot` would give it."""
        return Snapshot(
            server_id=self.id,
            since=len(self.log),
            until=len(self.log),
            capabilities=RtpCapabilities(),
            exists=bool(self.routers),
            routers=self.routers,
            participants=dict(self.participants),
            streams=tuple(replace(stream, inner=False) for stream in self.streams.values()),
            sendings=tuple(self.sendings.values()),
            pipes=tuple(self.pipes.values()),
        )

    # ------------------------------------------------------------------ what people do

    def open_room(self) -> None:
        """The first person comes."""
        if not self.routers:
            self.routers = (RouterId(f"{self.name}-router-{next(self._ids)}"),)
            made = events.RoomMade(room_id=ROOM, type=RoomType.CONFERENCE, size=9, router_ids=self.routers)
            self.log.append(made)

    def close_room(self) -> None:
        """All of it ends."""
        if self.routers:
            self.log.append(events.RoomClosed(room_id=ROOM, reason="deleted"))
            self._empty()

    def spread(self) -> None:
        """The room gets one more router."""
        if self.routers and len(self.routers) < 3:
            self.routers = (*self.routers, RouterId(f"{self.name}-router-{next(self._ids)}"))
            self.log.append(events.RoomSpread(room_id=ROOM, router_ids=self.routers))

    def join(self, name: ParticipantId) -> bool:
        """A person of this server comes, unless the name is in use."""
        if not self.routers or name in self.participants:
            return False
        self._meet(name, remote=False)
        return True

    def leave(self, name: ParticipantId) -> None:
        """A person of this server goes, with its streams."""
        if self.participants.get(name) is not False:
            return
        for stream in [s for s in self.streams.values() if s.participant_id == name and s.pipe is None]:
            self.close(stream)
        del self.participants[name]
        self.log.append(events.ParticipantLeft(room_id=ROOM, participant_id=name, reason="left"))

    def publish(self, name: ParticipantId, *, on_last_router: bool) -> None:
        """A person of this server sends one more stream."""
        if self.participants.get(name) is not False:
            return
        router = self.routers[-1 if on_last_router else 0]
        self._add(Stream(ProducerId(f"stream-{next(self._ids)}"), router, name, MediaKind.VIDEO))

    def set_paused(self, stream: Stream, paused: bool) -> None:
        """A stream is paused, or resumed; what the server itself took to another router does the same."""
        for each in [s for s in self.streams.values() if s.id == stream.id]:
            if each.paused != paused and (is_inner(each) or each == stream):
                self.streams[each.router_id, each.id] = replace(each, paused=paused)
                kind = events.ProducerPaused if paused else events.ProducerResumed
                self.log.append(kind(router_id=each.router_id, producer_id=each.id))

    def consume_elsewhere(self, stream: Stream) -> None:
        """Somebody on the last router wants a stream, so the server takes it there."""
        router = self.routers[-1]
        if (router, stream.id) not in self.streams and not is_inner(stream):
            pipe = self._inner_pipe(stream.router_id, router)
            self._add(replace(stream, router_id=router, pipe=pipe))

    def _inner_pipe(self, one: RouterId, other: RouterId) -> TransportId:
        """The end on the other router of the pipe between two; the server joins them once."""
        names = (TransportId(f"inner-{one}-{other}"), TransportId(f"inner-{other}-{one}"))
        if names[1] not in self.pipes:
            ports = ("127.0.0.1", next(self._ids)), ("127.0.0.1", next(self._ids))
            for name, router, here, there in ((names[0], one, *ports), (names[1], other, *ports[::-1])):
                self.pipes[name] = Pipe(name, router, here, there)
                self.log.append(events.TransportMade(router_id=router, transport_id=name, pipe=True))
                remote = f"{there[0]}:{there[1]}"
                self.log.append(events.PipeConnected(router_id=router, transport_id=name, remote=remote))
        return names[1]

    def close(self, stream: Stream) -> None:
        """A stream ends, with what is sent of it."""
        if self.streams.pop((stream.router_id, stream.id), None) is None:
            return
        for sending in [s for s in self.sendings.values() if (s.router_id, s.producer_id) == stream.place]:
            self._stop(sending, "producer-closed")
        closed = events.ProducerClosed(router_id=stream.router_id, producer_id=stream.id, reason="asked")
        self.log.append(closed)
        if not is_inner(stream):
            for other in [s for s in self.streams.values() if s.id == stream.id and is_inner(s)]:
                self.close(other)
        owner = stream.participant_id
        if self.participants.get(owner) and not any(s.participant_id == owner for s in self.streams.values()):
            del self.participants[owner]
            left = events.ParticipantLeft(room_id=ROOM, participant_id=owner, reason="pipe-closed")
            self.log.append(left)

    # ------------------------------------------------------------------ what cascades ask

    def make_pipe(self, router: RouterId, terms: Terms) -> Pipe:
        """An end that listens on a port of its own."""
        self._check(router in self.routers)
        number = next(self._ids)
        pipe = Pipe(TransportId(f"pipe-{number}"), router, ("127.0.0.1", number), srtp=terms.srtp, rtx=terms.rtx)
        self.pipes[pipe.id] = pipe
        self.log.append(events.TransportMade(router_id=router, transport_id=pipe.id, pipe=True))
        return pipe

    def connect_pipe(self, pipe: Pipe, remote: Pipe) -> None:
        """Say where the other end is."""
        self._check(pipe.id in self.pipes and remote.local is not None)
        assert remote.local is not None
        self.pipes[pipe.id] = replace(pipe, remote=remote.local)
        at = f"{remote.local[0]}:{remote.local[1]}"
        self.log.append(events.PipeConnected(router_id=pipe.router_id, transport_id=pipe.id, remote=at))

    def close_pipe(self, id_: TransportId) -> None:
        """With all that goes over it."""
        pipe = self.pipes.get(id_)
        if pipe is None:
            return
        for sending in [s for s in self.sendings.values() if s.pipe == id_]:
            self._stop(sending, "transport-closed")
        for stream in [s for s in self.streams.values() if s.pipe == id_]:
            self.close(stream)
        del self.pipes[id_]
        closed = events.TransportClosed(router_id=pipe.router_id, transport_id=id_, reason="asked")
        self.log.append(closed)

    def send(self, action: Copy) -> Sending:
        """A pipe consumer."""
        pipe = action.near
        self._check(pipe.id in self.pipes and (pipe.router_id, action.stream.id) in self.streams)
        id_ = ConsumerId(f"sending-{next(self._ids)}")
        sending = Sending(id_, pipe.router_id, action.stream.id, pipe.id, action.tag, paused=True)
        self.sendings[id_] = sending
        self.log.append(
            events.ConsumerMade(
                router_id=pipe.router_id,
                transport_id=pipe.id,
                consumer_id=id_,
                producer_id=action.stream.id,
                participant_id=action.stream.participant_id,
                paused=True,
                piped=True,
            )
        )
        return sending

    def resume(self, id_: ConsumerId) -> None:
        """Let a pipe consumer flow."""
        if id_ in self.sendings:
            self.sendings[id_] = replace(self.sendings[id_], paused=False)
            self.log.append(events.ConsumerResumed(router_id=self.sendings[id_].router_id, consumer_id=id_))

    def hold_back(self, id_: ConsumerId) -> None:
        """Somebody else pauses a pipe consumer."""
        self.sendings[id_] = replace(self.sendings[id_], paused=True)
        self.log.append(events.ConsumerPaused(router_id=self.sendings[id_].router_id, consumer_id=id_))

    def stop(self, id_: ConsumerId) -> None:
        """Close a pipe consumer."""
        if id_ in self.sendings:
            self._stop(self.sendings[id_], "asked")

    def receive(self, action: Copy, paused: bool) -> None:
        """A remote producer."""
        name, pipe = action.participant_id, action.far
        self._check(pipe.id in self.pipes and (pipe.router_id, action.stream.id) not in self.streams)
        self._check(self.participants.get(name) is not False)
        if name not in self.participants:
            self._meet(name, remote=True)
        stream = Stream(action.stream.id, pipe.router_id, name, action.stream.kind, paused, pipe.id, action.tag)
        self._add(stream)

    @staticmethod
    def _check(right: bool) -> None:
        if not right:
            raise RefusedHere

    def _stop(self, sending: Sending, reason: events.CloseReason) -> None:
        del self.sendings[sending.id]
        closed = events.ConsumerClosed(router_id=sending.router_id, consumer_id=sending.id, reason=reason)
        self.log.append(closed)

    def _meet(self, name: ParticipantId, *, remote: bool) -> None:
        self.participants[name] = remote
        self.log.append(
            events.ParticipantMade(
                room_id=ROOM,
                participant_id=name,
                type=ParticipantType.HOST,
                display_name=name,
                share_screen=False,
                remote=remote,
            )
        )

    def _add(self, stream: Stream) -> None:
        self.streams[stream.place] = stream
        self.log.append(
            events.ProducerMade(
                router_id=stream.router_id,
                transport_id=TransportId("webrtc") if stream.pipe is None else stream.pipe,
                producer_id=stream.id,
                participant_id=stream.participant_id,
                media=stream.kind,
                paused=stream.paused,
                piped=stream.pipe is not None,
            )
        )


@dataclass
class InventedCascade:
    """The deciding half of a cascade, with feeds that are read when the test says so."""

    servers: dict[Letter, InventedServer]
    terms: Terms = field(default_factory=Terms)
    now: float = 0.0
    seen: dict[Letter, int] = field(default_factory=dict)
    runs: dict[Letter, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sides: dict[Letter, Side] = {letter: Side(server.name, ROOM) for letter, server in self.servers.items()}
        self.planner = Planner(self.sides["a"], self.sides["b"], self.terms)
        self.errands = Errands()
        self.waiting: list[Action] = []

    def read(self, letter: Letter, count: int = 1_000_000) -> None:
        """Read that many events of a feed."""
        side, server = self.sides[letter], self.servers[letter]
        if self.runs.get(letter) != server.id:  # a gap: another epoch
            self.runs[letter], self.seen[letter] = server.id, 0
            side.stale = True
        for _ in range(count):
            if side.stale:
                side.take(server.snapshot(), self.seen[letter])
            if self.seen[letter] >= len(server.log):
                return
            self.seen[letter] += 1
            side.apply(self.seen[letter], server.log[self.seen[letter] - 1])

    def decide(self) -> bool:
        """Plan; what is begun waits to be carried out. Whether anything was planned."""
        for letter, server in self.servers.items():
            if self.runs.get(letter) != server.id:
                return True  # it is away
        if self.errands.unseen(self.sides["a"], self.sides["b"], self.now):
            self._look_again()
        planned = self.planner.plan(self.errands.busy())
        complete = all(side.settled for side in self.sides.values())
        for action in self.errands.due(planned, self.now, complete=complete):
            self.errands.begin(action)
            self.waiting.append(action)
        return bool(planned) or not self.errands.idle or any(side.stale for side in self.sides.values())

    def carry_out(self, index: int = 0) -> None:
        """Carry one out that was begun."""
        if not self.waiting:
            return
        action = self.waiting.pop(index % len(self.waiting))
        try:
            self._do(action)
        except RefusedHere:
            self.errands.failed(action, self.now)
            self._look_again()
        else:
            self.errands.done(action, self.now)

    def _look_again(self) -> None:
        for side in self.sides.values():
            side.stale = True

    def _do(self, action: Action) -> None:
        match action:
            case ClosePipe():
                self.servers[action.side].close_pipe(action.pipe)
            case CloseCopy():
                server = self.servers[action.side]
                found = server.streams.get(action.stream.place)
                if found is not None:
                    server.close(found)
            case CloseSending():
                self.servers[action.side].stop(action.consumer_id)
            case ResumeSending():
                self.servers[action.side].resume(action.consumer_id)
            case SetPaused():
                server = self.servers[action.side]
                found = server.streams.get(action.stream.place)
                if found is not None:
                    server.set_paused(found, action.paused)
            case JoinRouters():
                self._join(action)
            case Copy():
                self._copy(action)

    def _join(self, action: JoinRouters) -> None:
        a = self.servers["a"].make_pipe(action.a, self.terms)
        try:
            b = self.servers["b"].make_pipe(action.b, self.terms)
        except RefusedHere:
            self.servers["a"].close_pipe(a.id)
            raise
        self.sides["a"].learn_pipe(a)
        self.sides["b"].learn_pipe(b)
        self.servers["a"].connect_pipe(a, b)
        self.servers["b"].connect_pipe(b, a)

    def _copy(self, action: Copy) -> None:
        far: Letter = "b" if action.source == "a" else "a"
        near_server, far_server = self.servers[action.source], self.servers[far]
        sending = near_server.send(action)
        origin = near_server.streams[action.near.router_id, action.stream.id]
        place = action.far.router_id, action.stream.id
        copy = replace(action.stream, router_id=place[0], participant_id=action.participant_id)
        self.sides[far].expected[place] = replace(copy, pipe=action.far.id, tag=action.tag)
        try:
            far_server.receive(action, origin.paused)
        except RefusedHere:
            self.sides[far].expected.pop(place, None)
            near_server.stop(sending.id)
            raise
        near_server.resume(sending.id)

    def die_copying(self, steps: int) -> None:
        """Carry out that much of the first copy that waits: 1: it is sent, 2: it is received; then nothing more."""
        action = next((each for each in self.waiting if isinstance(each, Copy)), None)
        self.waiting.clear()
        if action is not None:
            with suppress(RefusedHere):
                self.servers[action.source].send(action)
                if steps > 1:
                    self.servers["b" if action.source == "a" else "a"].receive(action, paused=False)

    def end(self) -> None:
        """Asked to end, it undoes what it made."""
        for action in self.planner.ours():
            self._do(action)


class CascadeWorld:
    """Servers, and cascades between some of them.

    Args:
        names: of the servers.
        joins: pairs of them.
    """

    def __init__(self, names: str, joins: tuple[str, ...], terms: Terms = Terms()) -> None:  # noqa: B008 - it is frozen
        self.ids = itertools.count(1)
        self.servers = {name: InventedServer(name, self.ids) for name in names}
        self.joins = joins
        self.terms = terms
        self.now = 0.0
        self.cascades = [self.cascade(join) for join in joins]

    def cascade(self, join: str) -> InventedCascade:
        """A new one, which knows nothing yet."""
        return InventedCascade({"a": self.servers[join[0]], "b": self.servers[join[1]]}, self.terms, self.now)

    def restart(self, index: int) -> None:
        """Kill a cascade and start it again."""
        self.cascades[index] = self.cascade(self.joins[index])

    def settle(self, steps: int = 400) -> None:
        """Let everything happen that is to happen."""
        for _ in range(steps):
            restless = False
            for cascade in self.cascades:
                cascade.now = self.now
                cascade.read("a")
                cascade.read("b")
                restless = cascade.decide() or restless
                while cascade.waiting:
                    cascade.carry_out()
            if not restless:
                return
            self.now += 0.3
        raise AssertionError("it never comes to rest")

    def origins(self, name: str) -> dict[ProducerId, Stream]:
        """What people of a server send."""
        return {stream.id: stream for stream in self.servers[name].streams.values() if stream.pipe is None}

    def copies(self, name: str) -> list[Stream]:
        """What came to a server from another one."""
        streams = self.servers[name].streams.values()
        return [stream for stream in streams if stream.pipe is not None and not is_inner(stream)]
