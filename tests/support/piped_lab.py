"""Several engines of one clock, joined by pipes over networks that can be made rough; peers are those of a lab."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from clients.network import Conditions, Direction, Path
from labsfu.core.outputs import Address, BoundSocket
from labsfu.wire import commands
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId
from labsfu.wire.pipe import PipeConsumerPayload, PipeProducerPayload, PipeTransportPayload
from labsfu.wire.rtp import RtpCapabilities
from labsfu.wire.stats import InboundRtpStats, OutboundRtpStats, PipeTransportStatsPayload
from tests.support.lab import START, Lab
from tests.support.seeded import SeededEntropy

Hop = tuple[Address, Address]
"""From one socket of a pipe to the other."""


class World:
    """The clock of all labs, and the network between their pipes.

    `sent` has what was put on its way from pipe to pipe, as it left; `lose` says of which of it nothing arrives.
    """

    def __init__(self, seed: int = 1) -> None:
        self.seed = seed
        self.now = START
        self.labs: list[PipedLab] = []
        self.sockets: dict[Address, tuple[PipedLab, int]] = {}
        self.sent: list[tuple[Hop, bytes]] = []
        self.lose: Callable[[Hop, bytes], bool] = lambda _hop, _data: False
        self.paths: dict[Hop, Path] = {}
        self._flying: deque[tuple[Hop, bytes]] = deque()

    def lab(self) -> PipedLab:
        """One engine more, with a router."""
        return PipedLab(self)

    def send(self, hop: Hop, data: bytes) -> None:
        """Put a datagram on its way."""
        self.sent.append((hop, data))
        self._flying.append((hop, data))

    def rough(self, one: End, other: End, conditions: Conditions) -> None:
        """Give the network between two ends these conditions from now on, both ways."""
        for hop, direction in (
            ((one.address, other.address), Direction.UP),
            ((other.address, one.address), Direction.DOWN),
        ):
            if hop not in self.paths:
                self.paths[hop] = Path(self.seed, one.address[0], direction, conditions)
            self.paths[hop].conditions = conditions

    def between(self, one: End, other: End) -> list[bytes]:
        """What left `one` for `other`."""
        return [data for hop, data in self.sent if hop == (one.address, other.address)]

    def pump(self) -> None:
        """Deliver what flies until nothing does."""
        moved = True
        while moved:
            moved = False
            for lab in self.labs:
                moved = lab.pump_own() or moved
            while self._flying:
                moved = True
                self._dispatch(*self._flying.popleft())
            for hop, path in self.paths.items():
                for data in path.receive(self.now):
                    moved = True
                    self._arrive(hop, data)

    def _dispatch(self, hop: Hop, data: bytes) -> None:
        if self.lose(hop, data):
            return
        if hop in self.paths:
            self.paths[hop].send(data, self.now)
        else:
            self._arrive(hop, data)

    def _arrive(self, hop: Hop, data: bytes) -> None:
        if hop[1] in self.sockets:
            lab, socket = self.sockets[hop[1]]
            lab.arrive_by_pipe(hop[0], socket, data)

    def advance(self, seconds: float) -> None:
        """Let time pass, from deadline to deadline."""
        end = self.now + seconds
        while True:
            self.pump()
            due = [at for lab in self.labs for at in lab.deadlines()]
            due += [path.deadline() for path in self.paths.values()]
            at = min((at for at in due if at is not None), default=None)
            if at is None or at > end:
                break
            self.now = max(self.now + 1e-4, at)
            for lab in self.labs:
                lab.tick()
        self.now = max(self.now, end)


class PipedLab(Lab):
    """One engine of a world, its peers, and the sockets of its pipes."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.labs.append(self)
        self.number = len(world.labs)
        self._sockets: dict[int, Address] = {}
        self._next_port = 41_000
        super().__init__(entropy=SeededEntropy(world.seed * 1000 + self.number))

    @property
    def now(self) -> float:
        return self.world.now

    @now.setter
    def now(self, now: float) -> None:
        self.world.now = now

    def bind(self, ip: str | None = None) -> BoundSocket:
        """A socket of its own for a pipe."""
        self._next_port += 1
        socket = BoundSocket(self._next_port, f"192.0.2.{100 + self.number}" if ip is None else ip, self._next_port)
        address: Address = (socket.ip, socket.port, 0, 0) if ":" in socket.ip else (socket.ip, socket.port)
        self._sockets[socket.id] = address
        self.world.sockets[address] = self, socket.id
        return socket

    def new_router(self) -> RouterId:
        """One router more in this engine."""
        return self.do(commands.CreateRouter(), commands.RouterCreated).router_id

    @contextmanager
    def inside(self, router: RouterId) -> Iterator[None]:
        """What is done meanwhile is done in this router."""
        before, self.router = self.router, router
        try:
            yield
        finally:
            self.router = before

    def end(
        self, *, srtp: bool = False, rtx: bool = False, router: RouterId | None = None, ip: str | None = None
    ) -> End:
        """One end of a pipe, not connected."""
        router = router or self.router
        socket = self.bind(ip)
        made = self.do(
            commands.CreatePipeTransport(router_id=router, enable_srtp=srtp, enable_rtx=rtx),
            commands.PipeTransportShown,
            socket,
        )
        return End(self, router, socket, made.pipe_transport)

    def arrive_by_pipe(self, source: Address, socket: int, data: bytes) -> None:
        """Hand the engine a datagram that came on a pipe's socket."""
        self.engine.received_by_pipe(self.engine.inbox.load(data), source, socket, self.now)
        self.drain()

    def pump_own(self) -> bool:
        """Deliver what flies between this engine and its peers; whether there was anything."""
        anything = bool(self._flying)
        super().pump()
        return anything

    def pump(self) -> None:
        self.world.pump()

    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    def _transmit(self, socket: int, buffer: bytearray | bytes, length: int, address: Address, /) -> None:
        if socket == 0:
            super()._transmit(socket, buffer, length, address)
        else:
            assert socket not in self.released
            self.world.send((self._sockets[socket], address), bytes(buffer[:length]))


@dataclass(frozen=True, slots=True)
class End:
    """One end of a pipe, as it was made."""

    lab: PipedLab
    router: RouterId
    socket: BoundSocket
    made: PipeTransportPayload

    @property
    def address(self) -> Address:
        """Where it listens."""
        ip, port = self.socket.ip, self.socket.port
        return (ip, port, 0, 0) if ":" in ip else (ip, port)

    def connect(self, other: End) -> None:
        """Say where the other end is, and its keys."""
        command = commands.ConnectPipeTransport(
            router_id=self.router,
            transport_id=self.made.id,
            ip=other.socket.ip,
            port=other.socket.port,
            srtp_parameters=other.made.srtp_parameters,
        )
        self.lab.do(command, commands.Done)

    def consume(
        self, producer: ProducerId, *, capabilities: RtpCapabilities | None = None, paused: bool = False
    ) -> PipeConsumerPayload:
        """Send a producer of this end's router into the pipe."""
        command = commands.ConsumeForPipe(
            router_id=self.router,
            transport_id=self.made.id,
            producer_id=producer,
            rtp_capabilities=self.lab.capabilities if capabilities is None else capabilities,
            paused=paused,
        )
        return self.lab.do(command, commands.PipeConsumed).consumer

    def produce(
        self, consumer: PipeConsumerPayload, *, participant: str = "sender", paused: bool | None = None
    ) -> PipeProducerPayload:
        """Make a producer of what comes out of the pipe."""
        command = commands.ProduceFromPipe(
            router_id=self.router,
            transport_id=self.made.id,
            producer_id=consumer.producer_id,
            participant_id=ParticipantId(participant),
            kind=consumer.kind,
            rtp_parameters=consumer.rtp_parameters,
            paused=consumer.producer_paused if paused is None else paused,
        )
        return self.lab.do(command, commands.PipeProduced).producer

    def show(self) -> PipeTransportPayload:
        """As it is now."""
        command = commands.GetPipeTransport(router_id=self.router, transport_id=self.made.id)
        return self.lab.do(command, commands.PipeTransportShown).pipe_transport

    def stats(self) -> PipeTransportStatsPayload:
        """What it says of itself."""
        command = commands.GetPipeTransportStats(router_id=self.router, transport_id=self.made.id)
        return self.lab.do(command, commands.PipeTransportStatsShown).stats

    def drops(self) -> dict[str, int]:
        """What it dropped, by reason."""
        return {drop.reason: drop.packets for drop in self.stats().transport.drops}

    def outbound(self) -> list[OutboundRtpStats]:
        """The streams that go."""
        return [stream for stream in self.stats().streams if isinstance(stream, OutboundRtpStats)]

    def inbound(self) -> list[InboundRtpStats]:
        """The streams that come."""
        return [stream for stream in self.stats().streams if isinstance(stream, InboundRtpStats)]

    def close(self) -> None:
        """Close it."""
        command = commands.ClosePipeTransport(router_id=self.router, transport_id=self.made.id)
        self.lab.do(command, commands.Done)


def joined(one: End, other: End) -> tuple[End, End]:
    """Connect two ends."""
    one.connect(other)
    other.connect(one)
    return one, other


def pipe_between(near: PipedLab, far: PipedLab, *, srtp: bool = False, rtx: bool = False) -> tuple[End, End]:
    """A pipe between the routers of two labs."""
    return joined(near.end(srtp=srtp, rtx=rtx), far.end(srtp=srtp, rtx=rtx))


def carry(producer: ProducerId, near: End, far: End) -> tuple[PipeConsumerPayload, PipeProducerPayload]:
    """Send a producer from one end to the other, where it is made before the first packet comes."""
    consumer = near.consume(producer, paused=True)
    made = far.produce(consumer)
    command = commands.ResumeConsumer(router_id=near.router, consumer_id=consumer.id)
    near.lab.do(command, commands.Done)
    return consumer, made
