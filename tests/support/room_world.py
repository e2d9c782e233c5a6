"""Rooms on invented time with a fake engine: flows run to their end, or step by step to interleave them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Generic, TypeVar
from uuid import UUID

from labsfu.errors import CommandError
from labsfu.rooms.opening import ParticipantPlan, RoomPlan
from labsfu.rooms.registry import Rooms
from labsfu.rooms.wishes import AskWorker, ConnectionId, Flow, Hangup, Order, Publish, Tell, WaitFor
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.events import Event
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId
from labsfu.wire.payloads import ParticipantType, RoomPayload, RoomType
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import CAPABILITIES, OPUS, FakeEngine

T = TypeVar("T")
R = TypeVar("R", bound=commands.Result)
S = TypeVar("S", bound=wire.ServerMessage)

EPOCH = 1_700_000_000_000
ROOM = RoomId("room")


def command_of(wish: AskWorker | WaitFor | None) -> commands.Command:
    """What a flow asks for, which is to be a worker's answer."""
    assert isinstance(wish, AskWorker), wish
    return wish.command


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
        self._wish: AskWorker | WaitFor | None = None
        self._advance(partial(next, flow))

    @property
    def waits(self) -> bool:
        """It goes on when another flow has made what it needs."""
        return not self.done and isinstance(self._wish, WaitFor) and not self._wish.gate.is_open

    @property
    def asks(self) -> type[commands.Command] | None:
        """What `step` will have carried out."""
        return type(self._wish.command) if isinstance(self._wish, AskWorker) and not self.done else None

    def step(self) -> None:
        assert self._wish is not None, "nothing is asked for"
        if isinstance(self._wish, WaitFor):
            if self._wish.gate.is_open:
                self._advance(partial(next, self._flow))
            return
        try:
            answer = self._world.execute(self._wish.command)
        except CommandError as refused:
            self._advance(partial(self._flow.throw, refused))
        else:
            self._world.pump()
            self._advance(partial(self._flow.send, answer))

    def finish(self) -> T:
        while not self.done:
            assert not self.waits, "it waits for another flow"
            self.step()
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]  # done without an error: it is there

    def until(self, command: type[commands.Command]) -> Paused[T]:
        """Go on until this is what is asked for next."""
        while self.asks is not command:
            assert not self.done, f"nobody asked for {command.__name__}"
            self.step()
        return self

    def answer(self, result: commands.Result) -> None:
        """What it asked for, which was carried out before."""
        self._advance(partial(self._flow.send, result))

    @property
    def command(self) -> commands.Command:
        """What it asks for, which is to be a worker's answer."""
        return command_of(self._wish)

    def _advance(self, resume: Callable[[], AskWorker | WaitFor]) -> None:
        try:
            self._wish = resume()
        except StopIteration as stop:
            self.done, self.result = True, stop.value
        except CommandError as error:
            self.done, self.error = True, error
        self._world.pump()


class World:
    """Rooms, engines, a time, and what everybody was told.

    Args:
        engines: how many workers there are; a new router goes to one that has the fewest.
        router_capacity: participants on one router of a room.

    Attributes:
        orders: what the rooms ordered and nobody has carried out yet; at once, unless `hold_orders` is set.
    """

    def __init__(self, engines: int = 1, router_capacity: int = 100) -> None:
        self.now = 100.0
        self._engine_ids = count(1)
        self.engines = [FakeEngine(_numbers=self._engine_ids) for _ in range(engines)]
        self.dead: list[FakeEngine] = []
        self.orders: list[Order] = []
        self.hold_orders = False
        ids = count(1_000_000)
        self.rooms = Rooms(
            new_id=lambda: str(UUID(int=next(ids))),
            epoch_at_zero=EPOCH,
            participant_grace=10,
            room_grace=30,
            router_capacity=router_capacity,
        )
        self.told: dict[ConnectionId, list[wire.ServerMessage | Hangup]] = {}
        self.published: list[Event] = []
        self._connections = count(1)

    def start(self, flow: Flow[T]) -> Paused[T]:
        return Paused(self, flow)

    def do(self, flow: Flow[T]) -> T:
        return self.start(flow).finish()

    def pump(self) -> None:
        """Events of the engines into the rooms, wishes of the rooms to the people; watchers see what a server shows."""
        self._deliver()
        while True:
            happened = [event for engine in self.engines for event in engine.drain()]
            for event in happened:
                self.published.append(event)
                self.rooms.on_event(event, self.now)
                self._deliver()
            if self.orders and not self.hold_orders:
                self._carry_out(self.orders.pop(0))
            elif not happened:
                return

    def carry_out_orders(self) -> None:
        """All that is held back, and what it leads to."""
        held, self.hold_orders = self.hold_orders, False
        self.pump()
        self.hold_orders = held

    def _carry_out(self, order: Order) -> None:
        with suppress(CommandError):
            self.execute(order.command)
        order.over.open()

    # ------------------------------------------------------------------ workers

    @property
    def engine(self) -> FakeEngine:
        """The only one, or the first."""
        return self.engines[0]

    def execute(self, command: commands.Command) -> commands.Result:
        """On the worker that has the router."""
        if not isinstance(command, commands.RouterCommand):
            return min(self.engines, key=lambda engine: len(engine.routers)).execute(command)
        return self.engine_of(command.router_id).execute(command)

    def engine_of(self, router_id: RouterId) -> FakeEngine:
        return next((engine for engine in self.engines if router_id in engine.routers), self.engine)

    def kill(self, engine: FakeEngine) -> None:
        """A worker dies and is replaced."""
        engine.die()
        self.pump()
        self.engines[self.engines.index(engine)] = FakeEngine(_numbers=self._engine_ids)
        self.dead.append(engine)

    def _deliver(self) -> None:
        for wish in self.rooms.drain():
            if isinstance(wish, Publish):
                self.published.append(wish.event)
                continue
            if isinstance(wish, Order):
                self.orders.append(wish)
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

    def of_engine(self, command: commands.Command, expected: type[R]) -> R:
        """What a worker answers to one who asks it, as the HTTP API does."""
        result = self.execute(command)
        self.pump()
        assert isinstance(result, expected)
        return result

    def router(self) -> RouterId:
        """One that is no room's."""
        return self.of_engine(commands.CreateRouter(), commands.RouterCreated).router_id

    def origin(self, router_id: RouterId, name: str = "ann", *, paused: bool = False) -> ProducerId:
        """A producer that is no room's."""
        transport = self.of_engine(commands.CreateWebRtcTransport(router_id=router_id), commands.TransportCreated)
        command = commands.Produce(
            router_id=router_id,
            transport_id=transport.options.id,
            participant_id=ParticipantId(name),
            kind=MediaKind.AUDIO,
            rtp_parameters=OPUS,
            paused=paused,
            app_data={"of": name},
        )
        return self.of_engine(command, commands.Produced).producer_id

    def user(self, router_id: RouterId, producer_id: ProducerId) -> ConsumerId:
        """Somebody who consumes over HTTP."""
        transport = self.of_engine(commands.CreateWebRtcTransport(router_id=router_id), commands.TransportCreated)
        command = commands.Consume(
            router_id=router_id,
            transport_id=transport.options.id,
            producer_id=producer_id,
            participant_id=ParticipantId("somebody"),
            rtp_capabilities=CAPABILITIES,
        )
        return self.of_engine(command, commands.Consumed).consumer_id

    def tell(self, command: commands.Command) -> None:
        """Have something done over HTTP."""
        self.of_engine(command, commands.Done)

    def hush(self) -> None:
        """Forget what was told so far."""
        self.told.clear()
