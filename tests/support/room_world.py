"""Rooms on invented time with a fake engine: flows run to their end, or step by step to interleave them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Generic, TypeVar
from uuid import UUID

from labsfu.errors import CommandError
from labsfu.rooms.opening import ParticipantPlan, RoomPlan
from labsfu.rooms.registry import Rooms
from labsfu.rooms.wishes import AskWorker, ConnectionId, Flow, Hangup, Publish, Tell
from labsfu.wire import socket as wire
from labsfu.wire.events import Event
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId
from labsfu.wire.payloads import ParticipantType, RoomPayload, RoomType
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import CAPABILITIES, OPUS, FakeEngine

T = TypeVar("T")
S = TypeVar("S", bound=wire.ServerMessage)

EPOCH = 1_700_000_000_000
ROOM = RoomId("room")


class Paused(Generic[T]):
    """A flow that is moved on by hand: each `step` carries out one command.

    Attributes:
        done: it has ended; then `result` or `error` is what came of it.
    """

    def __init__(self, world: World, flow: Flow[T]) -> None:
        self._world = world
        self._flow = flow
        self.done = False
        self.result: T | None = None
        self.error: CommandError | None = None
        self._wish: AskWorker | None = None
        self._advance(partial(next, flow))

    def step(self) -> None:
        assert self._wish is not None, "nothing is asked for"
        try:
            answer = self._world.engine.execute(self._wish.command)
        except CommandError as refused:
            self._advance(partial(self._flow.throw, refused))
        else:
            self._world.pump()
            self._advance(partial(self._flow.send, answer))

    def finish(self) -> T:
        while not self.done:
            self.step()
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # done without an error: it is there

    def _advance(self, resume: Callable[[], AskWorker]) -> None:
        try:
            self._wish = resume()
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except CommandError as error:
            self.done, self.error = True, error
        self._world.pump()


class World:
    """Rooms, an engine, a time, and what everybody was told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.engine = FakeEngine()
        ids = count(1000)
        self.rooms = Rooms(
            new_id=lambda: str(UUID(int=next(ids))), epoch_at_zero=EPOCH, participant_grace=10, room_grace=30
        )
        self.told: dict[ConnectionId, list[wire.ServerMessage | Hangup]] = {}
        self.published: list[Event] = []
        self._connections = count(1)

    def start(self, flow: Flow[T]) -> Paused[T]:
        return Paused(self, flow)

    def do(self, flow: Flow[T]) -> T:
        return self.start(flow).finish()

    def pump(self) -> None:
        """Events of the engine into the rooms, wishes of the rooms to the people; watchers see what a server shows."""
        for event in self.engine.drain():
            self.published.append(event)
            self.rooms.on_event(event)
            self._deliver()
        self._deliver()

    def _deliver(self) -> None:
        for wish in self.rooms.drain():
            if isinstance(wish, Publish):
                self.published.append(wish.event)
                continue
            told = self.told.setdefault(wish.connection, [])
            told.append(wish.signal if isinstance(wish, Tell) else wish)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.do(self.rooms.tick(self.now))

    # ------------------------------------------------------------------ shorthands

    def room(self, type_: RoomType = RoomType.CONFERENCE, size: int | None = None, id_: RoomId = ROOM) -> RoomPayload:
        return self.do(self.rooms.create_room(RoomPlan(type_, size, id_), self.now))

    def connection(self) -> ConnectionId:
        return ConnectionId(next(self._connections))

    def joining(
        self,
        name: str,
        type_: ParticipantType = ParticipantType.HOST,
        *,
        share_screen: bool = False,
        room_type: RoomType = RoomType.CONFERENCE,
    ) -> tuple[ConnectionId, Paused[wire.Init]]:
        connection = self.connection()
        plan = ParticipantPlan(ParticipantId(name), type_, name.title(), share_screen)
        flow = self.rooms.create_and_connect(connection, RoomPlan(room_type, None, ROOM), plan, self.now)
        return connection, self.start(flow)

    def join(
        self,
        name: str,
        type_: ParticipantType = ParticipantType.HOST,
        *,
        share_screen: bool = False,
        room_type: RoomType = RoomType.CONFERENCE,
    ) -> ConnectionId:
        connection, flow = self.joining(name, type_, share_screen=share_screen, room_type=room_type)
        flow.finish()
        return connection

    def say(self, connection: ConnectionId, message: wire.ClientMessage) -> None:
        self.do(self.rooms.receive(connection, message, self.now))

    def produce(self, connection: ConnectionId) -> ProducerId:
        self.say(connection, wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
        return self.last(connection, wire.Produced).id

    def consume(self, connection: ConnectionId, producer_id: ProducerId) -> wire.Consumed:
        self.say(connection, wire.InitRequest(rtp_capabilities=CAPABILITIES))
        self.say(connection, wire.ConsumeRequest(producer_id=producer_id))
        return self.last(connection, wire.Consumed)

    def heard(self, connection: ConnectionId) -> list[wire.ServerMessage | Hangup]:
        """What this connection was told since this was asked last."""
        return self.told.pop(connection, [])

    def names(self, connection: ConnectionId) -> list[str]:
        """The same, by the names of the signals."""
        return [type(item).__name__ for item in self.heard(connection)]

    def last(self, connection: ConnectionId, type_: type[S]) -> S:
        signal = self.told[connection][-1]
        assert isinstance(signal, type_), signal
        return signal

    def hush(self) -> None:
        """Forget what was told so far."""
        self.told.clear()
