"""Which worker is asked, what is put together of several, what is known of each: over engines in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from labsfu.errors import CommandError, NotFound, Unavailable, Unsupported
from labsfu.shell.kept_worker import Ears
from labsfu.shell.placement import LOAD_LAG
from labsfu.shell.worker_pool import WorkerPool
from labsfu.wire import commands, events
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import RouterId, WorkerId
from labsfu.wire.rtp import RtpCapabilities
from tests.support.engine_worker import EngineWorker
from tests.support.fake_worker import CAPABILITIES
from tests.support.sole_worker import SoleWorker

pytestmark = pytest.mark.trio


class Engines(EngineWorker):
    """One of several; `refusal` is why it cannot start, `running` and `load` are as the test says."""

    def __init__(self, place: int, ears: Ears) -> None:
        super().__init__(seed=place + 1)
        self.place = place
        self.ears = ears
        self.on_events = ears.engine
        self.running = True
        self.load = 0.0
        self.refusal: Unavailable | None = None
        self.started = trio.Event()

    @property
    def id(self) -> WorkerId:
        return WorkerId(f"w{self.place}")

    @property
    def listen(self) -> tuple[str, ...]:
        return (f"udp:127.0.0.1:{self.place}",)

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        return CAPABILITIES

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await trio.lowlevel.checkpoint()
        if self.refusal is not None:
            raise self.refusal
        self.started.set()
        task_status.started()
        await trio.sleep_forever()

    async def execute(self, command: commands.Command) -> commands.Result:
        if not self.running:
            raise Unavailable(f"worker '{self.id}' is gone", slug="worker-unavailable")
        return await super().execute(command)


class World:
    """A pool of engines, not run yet."""

    def __init__(self, count: int = 2) -> None:
        self.workers: list[Engines] = []
        self.happened: list[EngineEvent] = []
        self.pool = WorkerPool(count, self._make, Ears(self.happened.extend, lambda _event: None))

    def _make(self, place: int, ears: Ears) -> Engines:
        self.workers.append(Engines(place, ears))
        return self.workers[-1]

    async def router(self, participant_count: int = 1) -> tuple[RouterId, WorkerId]:
        """A new router, and whose it is shown to be."""
        made = await self.pool.execute(commands.CreateRouter(participant_count=participant_count))
        assert isinstance(made, commands.RouterCreated)
        shown = await self.pool.execute(commands.GetRouter(router_id=made.router_id))
        assert isinstance(shown, commands.RouterShown)
        assert shown.router.id == made.router_id
        return made.router_id, shown.router.worker_id

    async def counts(self) -> list[int]:
        return [(await worker.info()).participant_count for worker in self.pool.all]


@asynccontextmanager
async def running(world: World) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        await nursery.start(world.pool.run)
        yield world
        nursery.cancel_scope.cancel()


async def test_all_run_when_it_says_so() -> None:
    async with running(World(3)) as world:
        assert all(worker.started.is_set() for worker in world.workers)
        assert world.pool.listen == ("udp:127.0.0.1:0", "udp:127.0.0.1:1", "udp:127.0.0.1:2")
        assert [worker.id for worker in world.pool.all] == ["w0", "w1", "w2"]
        assert world.pool.rtp_capabilities == CAPABILITIES


async def test_one_that_cannot_start_is_the_refusal_of_all() -> None:
    world = World(3)
    world.workers[1].refusal = Unavailable("port 7 is in use", slug="address-unavailable")
    refused: list[Unavailable] = []

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        try:
            await world.pool.run(task_status=task_status)
        except Unavailable as error:
            refused.append(error)
            task_status.started()

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
    assert refused == [world.workers[1].refusal]


async def test_when_one_cannot_start_the_others_are_not_waited_for() -> None:
    world = World(2)
    world.workers[0].refusal = Unavailable("port 7 is in use", slug="address-unavailable")

    async def never_ready(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        del task_status
        await trio.sleep_forever()

    world.workers[1].run = never_ready  # type: ignore[method-assign]  # of this one only
    with trio.fail_after(1), pytest.raises(Unavailable, match="port 7 is in use"):
        await world.pool.run()


async def test_routers_spread_and_what_concerns_one_goes_to_its_worker() -> None:
    async with running(World()) as world:
        (first, one), (second, other) = await world.router(2), await world.router(2)
        assert {one, other} == {"w0", "w1"}
        for router, worker_id in ((first, one), (second, other)):
            (worker,) = [worker for worker in world.workers if worker.id == worker_id]
            made = await world.pool.execute(commands.CreateWebRtcTransport(router_id=router))
            assert isinstance(made, commands.TransportCreated)
            counted = await worker.execute(commands.GetCounts())
            assert isinstance(counted, commands.Counted)
            assert counted.counts.transports == 1


async def test_a_router_is_placed_where_fewer_people_are_and_less_is_used() -> None:
    async with running(World()) as world:
        assert (await world.router(6))[1] == "w0"
        assert (await world.router(2))[1] == "w1"
        assert (await world.router(2))[1] == "w1"
        assert await world.counts() == [6, 4]
        world.workers[1].load = 0.5
        assert (await world.router(2))[1] == "w0"
        assert await world.counts() == [8, 4]


async def test_who_was_placed_counts_beside_the_load_until_that_can_show_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(World()) as world:
        world.workers[0].load, world.workers[1].load = 0.30, 0.45
        for _ in range(4):
            assert (await world.router(2))[1] == "w0"
        assert (await world.router(2))[1] == "w1", "w0 is expected to be as busy soon"
        await trio.sleep(LOAD_LAG)
        assert (await world.router(2))[1] == "w0", "all of them show in the load by now"


async def test_one_that_is_silent_is_shown_with_its_people() -> None:
    async with running(World()) as world:
        await world.router(3)
        assert [(worker.silent_info().state, worker.silent_info().participant_count) for worker in world.pool.all] == [
            ("silent", 3),
            ("silent", 0),
        ]


async def test_routers_in_the_making_count() -> None:
    async with running(World()) as world:
        for worker in world.workers:
            worker.hold = commands.CreateRouter
        made: list[tuple[RouterId, WorkerId]] = []

        async def make() -> None:
            made.append(await world.router(3))

        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(make)
            for worker in world.workers:
                await worker.held.wait()
                worker.hold = None
            assert await world.counts() == [6, 6]
            for worker in world.workers:
                worker.released.set()
        assert sorted(worker for _, worker in made) == ["w0", "w0", "w1", "w1"]
        assert await world.counts() == [6, 6]


async def test_a_router_that_is_refused_counts_no_more() -> None:
    async with running(World(1)) as world:
        world.workers[0].hold = commands.CreateRouter
        world.workers[0].released.set()

        def refuse(_command: commands.Command, _now: float) -> commands.Result:
            raise Unsupported("planted")

        with pytest.MonkeyPatch.context() as planted:
            planted.setattr(world.workers[0].engine, "execute", refuse)
            with pytest.raises(Unsupported, match="planted"):
                await world.pool.execute(commands.CreateRouter(participant_count=9))
        assert await world.counts() == [0]


async def test_a_closed_router_counts_no_more_and_is_nowhere() -> None:
    async with running(World()) as world:
        router, _ = await world.router(4)
        assert await world.counts() == [4, 0]
        await world.pool.execute(commands.CloseRouter(router_id=router))
        assert await world.counts() == [0, 0]
        with pytest.raises(NotFound, match=f"router '{router}' does not exist") as refused:
            await world.pool.execute(commands.GetRouter(router_id=router))
        assert refused.value.slug == "router-not-found"


async def test_all_routers_are_listed_the_oldest_first_each_with_its_worker() -> None:
    async with running(World()) as world:
        made = [await world.router() for _ in range(5)]
        listed = await world.pool.execute(commands.ListRouters())
        assert isinstance(listed, commands.RoutersShown)
        assert {(router.id, router.worker_id) for router in listed.routers} == set(made)
        born = [router.created_at for router in listed.routers]
        assert born == sorted(born)


async def test_routers_of_a_worker_that_is_gone_are_not_listed_and_it_gets_no_new_ones() -> None:
    async with running(World()) as world:
        (first, one), (second, _) = await world.router(), await world.router()
        world.workers[1].running = False
        listed = await world.pool.execute(commands.ListRouters())
        assert isinstance(listed, commands.RoutersShown)
        assert ([router.id for router in listed.routers], one) == ([first], "w0")
        assert [(await world.router(50))[1] for _ in range(3)] == ["w0"] * 3
        with pytest.raises(Unavailable) as refused:
            await world.pool.execute(commands.GetRouter(router_id=second))
        assert refused.value.slug == "worker-unavailable"


async def test_without_any_worker_a_new_router_is_refused() -> None:
    async with running(World()) as world:
        for worker in world.workers:
            worker.running = False
        with pytest.raises(Unavailable) as refused:
            await world.pool.execute(commands.CreateRouter())
        assert refused.value.slug == "worker-unavailable"


async def test_when_a_worker_tells_the_end_of_a_router_it_is_nowhere() -> None:
    """As a dead one's is told for it."""
    async with running(World()) as world:
        router, _ = await world.router(4)
        world.workers[0].ears.engine([events.RouterClosed(router_id=router, reason="worker-died")])
        assert await world.counts() == [0, 0]
        with pytest.raises(NotFound):
            await world.pool.execute(commands.GetRouter(router_id=router))
        assert isinstance(world.happened[-1], events.RouterClosed)


async def test_what_concerns_each_worker_is_to_be_asked_of_each() -> None:
    async with running(World()) as world:
        with pytest.raises(Unsupported) as refused:
            await world.pool.execute(commands.GetCounts())
        assert refused.value.slug == "unknown-command"


async def test_one_worker_alone_shows_its_routers_as_its_own() -> None:
    alone = SoleWorker(worker := EngineWorker())
    made = await alone.execute(commands.CreateRouter())
    assert isinstance(made, commands.RouterCreated)
    shown = await alone.execute(commands.GetRouter(router_id=made.router_id))
    listed = await alone.execute(commands.ListRouters())
    assert isinstance(shown, commands.RouterShown)
    assert isinstance(listed, commands.RoutersShown)
    assert shown.router.worker_id == worker.id
    assert listed.routers == (shown.router,)
    assert alone.all == (worker,)
    with pytest.raises(CommandError):
        await alone.execute(commands.GetRouter(router_id=RouterId("none")))
