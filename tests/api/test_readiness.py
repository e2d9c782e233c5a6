"""`GET /readyz`: whether every worker runs, its media port bound."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from msgspec.structs import replace

from labsfu.api.health import PATIENCE
from labsfu.config import Config, MediaListen
from labsfu.errors import Unavailable
from labsfu.shell.clock import Clock
from labsfu.shell.driver import InProcessWorker
from labsfu.shell.entropy import SystemEntropy
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.worker import Worker
from tests.support.api_world import ApiWorld
from tests.support.fake_worker import FakeWorker

pytestmark = pytest.mark.trio


class Gone(FakeWorker):
    """Its process has ended."""

    async def info(self) -> WorkerInfo:
        await trio.lowlevel.checkpoint()
        raise Unavailable("worker 'gone' is not running", slug="worker-unavailable")


class Dead(FakeWorker):
    """It is known to have died."""

    async def info(self) -> WorkerInfo:
        return replace(await super().info(), state="dead")


class Stuck(FakeWorker):
    """It never answers."""

    async def info(self) -> WorkerInfo:
        await trio.sleep_forever()
        raise AssertionError


class Several:
    """Workers that are asked how they do, and nothing else."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.all = workers


def world_of(*workers: FakeWorker | InProcessWorker, config: Config | None = None) -> ApiWorld:
    world = ApiWorld(config or Config())
    object.__setattr__(world.api, "workers", Several(workers))
    return world


async def test_it_is_ready_when_all_workers_run() -> None:
    assert await world_of(FakeWorker(), FakeWorker()).ask("GET", "/readyz") == (200, {"message": "ready"})


async def test_it_names_each_that_does_not(autojump_clock: object) -> None:
    world = world_of(FakeWorker(), Gone(), Dead(), Stuck())
    began = trio.current_time()
    problem = await world.refused("GET", "/readyz")
    assert (problem.status, problem.type) == (503, "/problems/worker-unavailable")
    assert problem.detail.split("; ") == [
        "worker 'fake-1' does not answer",
        "worker 'fake-1' is dead",
        "worker 'gone' is not running",
    ]
    assert trio.current_time() - began == pytest.approx(PATIENCE)


async def test_a_real_worker_is_ready_while_its_media_port_is_bound() -> None:
    worker = InProcessWorker(
        WorkerId("worker-1"),
        MediaListen(("127.0.0.1",), 0),
        entropy=SystemEntropy(),
        clock=Clock(),
        on_events=lambda _events: None,
    )
    world = world_of(worker)
    assert (await world.refused("GET", "/readyz")).detail == "worker 'worker-1' is not running"
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        assert (await world.ask("GET", "/readyz"))[0] == 200
        nursery.cancel_scope.cancel()
    assert (await world.refused("GET", "/readyz")).status == 503


async def test_it_takes_no_token() -> None:
    world = world_of(Gone(), config=Config(token="s3cret"))
    assert (await world.refused("GET", "/readyz")).status == 503
    assert (await world.ask("GET", "/healthz"))[0] == 200
