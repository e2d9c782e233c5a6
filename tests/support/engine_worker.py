"""A real engine behind the `Worker` protocol, without a network; a command that `hold` names waits for `released`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import trio

from labsfu.core.engine import Engine
from labsfu.errors import CommandError
from labsfu.shell.absent_worker import absent_worker
from labsfu.wire import commands
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.transport import IceCandidate
from tests.support.invented_ports import InventedPorts
from tests.support.lab import SERVER, UNIX_START, certificate
from tests.support.seeded import SeededEntropy


class EngineWorker:
    """Carries commands out on Trio's clock; datagrams go nowhere."""

    def __init__(self, seed: int = 1) -> None:
        candidate = IceCandidate(
            foundation="f", priority=1, ip=SERVER[0], address=SERVER[0], protocol="udp", port=SERVER[1]
        )
        self.ports = InventedPorts()
        self.engine = Engine(
            entropy=SeededEntropy(seed),
            unix_offset=UNIX_START,
            certificate=certificate("server"),
            transmit=lambda _socket, _buffer, _length, _address: None,
            candidates=[candidate],
            release=self.ports,
        )
        self.on_events: Callable[[Sequence[EngineEvent]], None] | None = None
        self.hold: type[commands.Command] | None = None
        self.held = trio.Event()
        self.released = trio.Event()

    @property
    def id(self) -> WorkerId:
        return WorkerId("engine-1")

    async def execute(self, command: commands.Command) -> commands.Result:
        await trio.lowlevel.checkpoint()
        if self.hold is not None and isinstance(command, self.hold):
            self.held.set()
            await self.released.wait()
        try:
            return self._execute(command)
        finally:
            drained = self.engine.drain()
            if drained and self.on_events is not None:
                self.on_events(drained)

    def _execute(self, command: commands.Command) -> commands.Result:
        now = trio.current_time()
        if not isinstance(command, commands.CreatePipeTransport):
            return self.engine.execute(command, now)
        bound = self.ports.bind(command)
        try:
            return self.engine.execute(command, now, bound)
        except CommandError:
            self.ports(bound.id)
            raise

    def silent_info(self) -> WorkerInfo:
        return absent_worker(self.id, "silent", os.getpid())

    async def info(self) -> WorkerInfo:
        counted = await self.execute(commands.GetCounts())
        assert isinstance(counted, commands.Counted)
        counts = counted.counts
        return WorkerInfo(
            id=self.id,
            pid=os.getpid(),
            state="running",
            cpu_seconds=0.0,
            rss_bytes=0,
            router_count=counts.routers,
            producer_count=counts.producers,
            consumer_count=counts.consumers,
            forwarded_packets_per_second=0.0,
            media=counts,
        )
