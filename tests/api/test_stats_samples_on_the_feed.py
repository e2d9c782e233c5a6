"""Samples between the events of `WS /sfu/events`, over a real loopback connection."""

from __future__ import annotations

import pytest
import trio

from labsfu.wire.feed import Happened, Hello, Sample
from tests.api.test_event_socket import Watcher, noise
from tests.support.api_world import serving, serving_engine
from tests.support.fake_worker import FakeEngine

pytestmark = pytest.mark.trio


async def test_who_asks_for_an_interval_gets_samples_between_the_events() -> None:
    async with serving() as served:
        watcher = await Watcher.connect(served, "?interval=100")
        assert isinstance(await watcher.read(), Hello)
        first = await watcher.read()
        assert isinstance(first, Sample)
        assert (first.at, first.interval, [w.id for w in first.workers]) == (1000, 100, ["fake-1"])
        noise(served, 3)
        frames = [await watcher.read() for _ in range(5)]
        assert [frame.seq for frame in frames if isinstance(frame, Happened)] == [1, 2, 3]
        assert sum(isinstance(frame, Sample) for frame in frames) == 2


async def test_nobody_else_gets_them_nor_are_they_told_again() -> None:
    async with serving() as served:
        watcher, other = await Watcher.connect(served, "?interval=100"), await Watcher.connect(served)
        assert [type(await watcher.read()) for _ in range(4)] == [Hello, Sample, Sample, Sample]
        await other.hello()
        noise(served, 1)
        assert [item.seq for item in await other.events(1)] == [1]
        again = await Watcher.connect(served, "?since=0&epoch=epoch-1")
        assert (await again.hello()).seq == 2
        assert [item.seq for item in await again.events(1)] == [1]


async def test_they_end_with_the_watcher() -> None:
    async with serving() as served:
        watcher = await Watcher.connect(served, "?interval=100")
        await watcher.hello()
        await watcher.peer.vanish()
        with trio.fail_after(5):
            while served.events._watchers:
                await served.ask("GET", "/healthz")
        engine = served.worker.engine
        assert isinstance(engine, FakeEngine)
        measured = len(engine.asked)
        await trio.sleep(0.25)
        assert len(engine.asked) == measured


async def test_what_an_engine_holds_is_in_them() -> None:
    async with serving_engine() as served:
        await served.join("ann")
        watcher = Watcher(await served.connect("/sfu/events?interval=60000"))
        await watcher.hello()
        sample = await watcher.read()
        assert isinstance(sample, Sample)
        assert len(sample.transports) == sample.workers[0].media.transports == 2
