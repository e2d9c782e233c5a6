"""All workers of a server: each command goes to the one that it concerns."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import trio
from msgspec.structs import replace

from labsfu.errors import NotFound, Unavailable, Unsupported
from labsfu.shell.kept_worker import Ears
from labsfu.shell.placement import LOAD_LAG, Standing, choose_worker
from labsfu.wire import commands, events
from labsfu.wire.commands import Command, Result
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import RouterId, WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.rtp import RtpCapabilities
from labsfu.wire.sfu import RouterPayload
from labsfu.wire.worker import Worker


class RunnableWorker(Worker, Protocol):
    """A worker that the pool runs."""

    @property
    def listen(self) -> tuple[str, ...]:
        """Where media comes in."""

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        """What its routers offer; known once it was ready."""

    @property
    def load(self) -> float:
        """The share of a core that it used in the last second."""

    @property
    def running(self) -> bool:
        """Whether it carries commands out."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Say when it is ready; run until cancelled. Raises Unavailable: it cannot start."""


class MakeWorker(Protocol):
    """Makes the worker of a place, 0 the first."""

    def __call__(self, place: int, ears: Ears, /) -> RunnableWorker:
        """A worker, to be run; it tells these what happens."""


class WorkerPool:
    """Runs workers; satisfies `labsfu.wire.worker.Workers`.

    Args:
        count: how many.
        make: makes each.
        ears: who is told what happens.
    """

    def __init__(self, count: int, make: MakeWorker, ears: Ears) -> None:
        self._ears = ears
        self._by_router: dict[RouterId, _Seat] = {}
        self._seats: list[_Seat] = []
        for place in range(count):
            seat = _Seat()
            seat.worker = make(place, Ears(partial(self._on_events, seat), ears.worker))
            self._seats.append(seat)

    @property
    def all(self) -> Sequence[Worker]:
        """All of them, those too that are being replaced."""
        return self._seats

    @property
    def listen(self) -> tuple[str, ...]:
        """Where media comes in, worker by worker, each as "udp:address:port"."""
        return tuple(place for seat in self._seats for place in seat.worker.listen)

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        """What all routers offer."""
        return self._seats[0].worker.rtp_capabilities

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start all at once, say when all are ready, keep them until cancelled.

        Raises:
            Unavailable: one cannot start; the others are not waited for.
        """
        refusals: list[Unavailable] = []
        async with trio.open_nursery() as nursery:

            async def start(seat: _Seat) -> None:
                try:
                    await nursery.start(seat.worker.run)
                except Unavailable as error:
                    refusals.append(error)
                    nursery.cancel_scope.cancel()

            async with trio.open_nursery() as starting:
                for seat in self._seats:
                    starting.start_soon(start, seat)
            if not refusals:
                task_status.started()
        if refusals:  # what is raised in a nursery leaves it in a group
            raise refusals[0]

    async def execute(self, command: Command) -> Result:
        """Carry a command out, on the worker that it concerns.

        Raises:
            CommandError: it was refused; nothing changed.
            NotFound: no worker has the router.
            Unavailable: no worker runs, or it went while it was asked (`worker-unavailable`).
        """
        match command:
            case commands.RouterCommand():
                seat = self._by_router.get(command.router_id)
                if seat is None:
                    await trio.lowlevel.checkpoint()
                    raise NotFound.of("router", command.router_id)
                return show_worker(await seat.execute(command), seat.id)
            case commands.CreateRouter():
                return await self._create(command)
            case commands.ListRouters():
                return await self._list(command)
        await trio.lowlevel.checkpoint()
        raise Unsupported(f"'{type(command).__name__}' is to be asked of each worker", slug="unknown-command")

    async def _create(self, command: commands.CreateRouter) -> Result:
        running = [seat for seat in self._seats if seat.worker.running]
        if not running:
            await trio.lowlevel.checkpoint()
            raise Unavailable("no worker runs; another is being started", slug="worker-unavailable")
        seat = running[choose_worker([seat.standing for seat in running], command.participant_count)]
        seat.in_making += command.participant_count
        seat.placed.append((trio.current_time(), command.participant_count))
        try:
            created = await seat.execute(command)
            if isinstance(created, commands.RouterCreated) and created.router_id in seat.routers:
                seat.routers[created.router_id] = command.participant_count
        finally:
            seat.in_making -= command.participant_count
        return created

    async def _list(self, command: commands.ListRouters) -> Result:
        """A worker that is gone has none."""
        found: list[RouterPayload] = []

        async def ask(seat: _Seat) -> None:
            try:
                shown = await seat.execute(command)
            except Unavailable:
                return
            assert isinstance(shown, commands.RoutersShown), "what ListRouters answers"
            found.extend(_of_worker(router, seat.id) for router in shown.routers)

        async with trio.open_nursery() as nursery:
            for seat in self._seats:
                nursery.start_soon(ask, seat)
        return commands.RoutersShown(routers=tuple(sorted(found, key=lambda router: router.created_at)))

    def _on_events(self, seat: _Seat, happened: Sequence[EngineEvent]) -> None:
        for event in happened:
            if isinstance(event, events.RouterMade):
                seat.routers[event.router_id] = 0
                self._by_router[event.router_id] = seat
            elif isinstance(event, events.RouterClosed):
                seat.routers.pop(event.router_id, None)
                self._by_router.pop(event.router_id, None)
        self._ears.engine(happened)


class _Seat:
    """A worker of the pool, and what the pool knows of it."""

    worker: RunnableWorker

    def __init__(self) -> None:
        self.routers: dict[RouterId, int] = {}
        self.in_making = 0
        self.placed: deque[tuple[float, int]] = deque()
        """When, and for how many, routers were placed; those of the last seconds."""

    @property
    def id(self) -> WorkerId:
        return self.worker.id

    @property
    def standing(self) -> Standing:
        return Standing(self.participant_count, self.worker.load, self._unmeasured())

    @property
    def participant_count(self) -> int:
        return sum(self.routers.values()) + self.in_making

    def _unmeasured(self) -> int:
        while self.placed and self.placed[0][0] <= trio.current_time() - LOAD_LAG:
            self.placed.popleft()
        return min(sum(count for _, count in self.placed), self.participant_count)

    async def execute(self, command: Command) -> Result:
        return await self.worker.execute(command)

    async def info(self) -> WorkerInfo:
        return replace(await self.worker.info(), participant_count=self.participant_count)

    def silent_info(self) -> WorkerInfo:
        return replace(self.worker.silent_info(), participant_count=self.participant_count)


def show_worker(result: Result, worker_id: WorkerId) -> Result:
    """A result; routers in it are shown with their worker, which an engine does not know."""
    match result:
        case commands.RouterShown():
            return commands.RouterShown(router=_of_worker(result.router, worker_id))
        case commands.RoutersShown():
            return commands.RoutersShown(routers=tuple(_of_worker(router, worker_id) for router in result.routers))
    return result


def _of_worker(router: RouterPayload, worker_id: WorkerId) -> RouterPayload:
    return router if router.worker_id else replace(router, worker_id=worker_id)
