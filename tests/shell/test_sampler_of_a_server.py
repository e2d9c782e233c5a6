"""One measurement for all watchers whose time has come, and no more than they can read."""

from __future__ import annotations

import json
import os
from typing import cast

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from labsfu.errors import Unavailable
from labsfu.shell.inquiry import Inquiry
from labsfu.shell.mailbox import Farewell, Mailbox
from labsfu.shell.sampler import PATIENCE, Sampler
from labsfu.wire import commands
from labsfu.wire.feed import Sample, decode_frame
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import EngineCounts
from labsfu.wire.worker import Workers
from tests.support.engine_worker import EngineWorker
from tests.support.sole_worker import SoleWorker

pytestmark = pytest.mark.trio


class CountedWorker(EngineWorker):
    """Counts how often it is measured; can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.measured: list[float] = []
        self.fails = False

    async def execute(self, command: commands.Command) -> commands.Result:
        if isinstance(command, commands.GetSamples):
            if self.fails:
                raise Unavailable("it does not answer", slug="worker-unavailable")
            self.measured.append(trio.current_time())
        return await super().execute(command)


@pytest.fixture
def worker() -> CountedWorker:
    return CountedWorker()


@pytest.fixture
def sampler(worker: CountedWorker) -> Sampler:
    return Sampler(SoleWorker(worker), epoch_ms=lambda: round(trio.current_time() * 1000))


def taken(mailbox: Mailbox) -> list[Sample]:
    """All samples that wait; nothing else does."""
    found = []
    while mailbox._waiting:
        text = mailbox._waiting.popleft()
        mailbox._sample = None
        frame = decode_frame(text)
        assert isinstance(frame, Sample)
        found.append(frame)
    return found


async def test_a_sample_has_all_there_is(sampler: Sampler, worker: CountedWorker) -> None:
    router = await worker.execute(commands.CreateRouter())
    assert isinstance(router, commands.RouterCreated)
    made = await worker.execute(commands.CreateWebRtcTransport(router_id=router.router_id))
    assert isinstance(made, commands.TransportCreated)
    mailbox = Mailbox(100)
    with trio.move_on_after(0.05):
        await sampler.tell(mailbox, 500)
    (sample,) = taken(mailbox)
    assert (sample.interval, [w.id for w in sample.workers]) == (500, ["engine-1"])
    assert [t.transport_id for t in sample.transports] == [made.options.id]
    assert isinstance(sample.workers[0].media, EngineCounts)
    assert (sample.producers, sample.consumers) == ((), ())


async def test_samples_come_at_once_and_then_at_their_interval(
    sampler: Sampler, worker: CountedWorker, autojump_clock: MockClock
) -> None:
    mailbox = Mailbox(100)
    start = trio.current_time()
    with trio.move_on_after(1.05):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sampler.tell, mailbox, 250)
            while True:
                item = await mailbox.take()
                assert not isinstance(item, Farewell)
                assert isinstance(decode_frame(item), Sample)
    assert [round(at - start, 3) for at in worker.measured] == [0, 0.25, 0.5, 0.75, 1.0]


async def test_watchers_share_what_is_young_enough(
    sampler: Sampler, worker: CountedWorker, autojump_clock: MockClock
) -> None:
    async def read(mailbox: Mailbox, into: list[Sample]) -> None:
        while True:
            item = await mailbox.take()
            assert not isinstance(item, Farewell)
            frame = decode_frame(item)
            assert isinstance(frame, Sample)
            into.append(frame)

    intervals = (1000, 1000, 250, 400)
    seen: list[list[Sample]] = [[] for _ in intervals]
    with trio.move_on_after(4.01):
        async with trio.open_nursery() as nursery:
            for interval, into in zip(intervals, seen, strict=True):
                mailbox = Mailbox(100)
                nursery.start_soon(read, mailbox, into)
                nursery.start_soon(sampler.tell, mailbox, interval)
    assert [len(samples) for samples in seen] == [5, 5, 17, 11]
    assert [{s.interval for s in samples} for samples in seen] == [{interval} for interval in intervals]
    assert len(worker.measured) < 24  # of 38 samples
    for interval, samples in zip(intervals, seen, strict=True):
        due = [round(samples[0].at + place * interval) for place in range(len(samples))]
        assert all(0 <= at - s.at <= interval / 2 for at, s in zip(due, samples, strict=True))


async def test_watchers_of_one_interval_get_the_same(
    sampler: Sampler, worker: CountedWorker, autojump_clock: MockClock
) -> None:
    mailboxes = [Mailbox(100) for _ in range(5)]
    async with trio.open_nursery() as nursery:
        for mailbox in mailboxes:
            nursery.start_soon(sampler.tell, mailbox, 1000)
            await trio.sleep(0.1)  # they need not come at one moment
        samples = [taken(mailbox) for mailbox in mailboxes]
        nursery.cancel_scope.cancel()
    assert all(sample == samples[0] for sample in samples)
    assert len(worker.measured) == 1


async def test_who_does_not_read_has_one_sample_waiting_and_is_not_given_up(
    sampler: Sampler, worker: CountedWorker, autojump_clock: MockClock
) -> None:
    mailbox = Mailbox(10)  # less than a sample: samples do not count
    with trio.move_on_after(5):
        await sampler.tell(mailbox, 100)
    assert len(mailbox._waiting) == 1
    assert not mailbox.overflowed.is_set()
    assert len(worker.measured) == 1
    item = await mailbox.take()
    assert not isinstance(item, Farewell)
    with trio.move_on_after(0.05):
        await sampler.tell(mailbox, 100)
    assert len(taken(mailbox)) == 1


async def test_events_keep_their_order_and_their_limit_beside_samples() -> None:
    mailbox = Mailbox(10)
    mailbox.put_text(b"12345")
    mailbox.put_sample(b"a sample of any length")
    mailbox.put_text(b"67890")
    mailbox.put_sample(b"another")
    assert [await mailbox.take() for _ in range(3)] == [b"12345", b"a sample of any length", b"67890"]
    mailbox.put_text(b"1234567890")
    mailbox.put_sample(b"again")
    assert not mailbox.overflowed.is_set()
    mailbox.put_text(b"x")
    assert mailbox.overflowed.is_set()
    mailbox.put_sample(b"too late")
    assert isinstance(await mailbox.take(), Farewell)


async def test_after_a_farewell_nothing_is_queued() -> None:
    mailbox = Mailbox(10)
    mailbox.hang_up(1001, "the server ends")
    mailbox.put_sample(b"too late")
    assert isinstance(await mailbox.take(), Farewell)


async def test_a_worker_that_does_not_answer_is_shown_so_and_ends_no_watcher(
    sampler: Sampler, worker: CountedWorker, autojump_clock: MockClock
) -> None:
    worker.fails = True
    mailbox = Mailbox(100)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sampler.tell, mailbox, 200)
        await trio.sleep(1.1)
        assert [worker.state for sample in taken(mailbox) for worker in sample.workers] == ["silent"]
        worker.fails = False
        await trio.sleep(0.2)
        assert [worker.state for sample in taken(mailbox) for worker in sample.workers] == ["running"]
        nursery.cancel_scope.cancel()


class Silent(EngineWorker):
    """It never says how it does."""

    async def info(self) -> WorkerInfo:
        await trio.sleep_forever()
        raise AssertionError


async def test_one_that_is_silent_does_not_keep_the_others_from_being_shown(autojump_clock: MockClock) -> None:
    class Several:
        all = (EngineWorker(), Silent(), EngineWorker(seed=2))

    router = await Several.all[2].execute(commands.CreateRouter())
    assert isinstance(router, commands.RouterCreated)
    await Several.all[2].execute(commands.CreateWebRtcTransport(router_id=router.router_id))
    began = trio.current_time()
    found = json.loads(await Sampler(cast("Workers", Several()), epoch_ms=lambda: 0).measure(1))
    assert trio.current_time() - began == PATIENCE
    assert [worker["state"] for worker in found["workers"]] == ["running", "silent", "running"]
    assert found["workers"][1]["pid"] == os.getpid()
    assert len(found["transports"]) == 1


async def test_who_missed_the_last_sample_is_not_waited_for_and_not_asked_again_until_it_answers(
    autojump_clock: MockClock,
) -> None:
    class Slow(EngineWorker):
        asked = 0

        async def info(self) -> WorkerInfo:
            self.asked += 1
            await self.released.wait()
            return await super().info()

    slow = Slow()
    mailbox = Mailbox(100)
    sampler = Sampler(SoleWorker(slow), epoch_ms=lambda: 0)
    seen: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sampler.tell, mailbox, 500)
        for _ in range(40):
            await trio.sleep(0.1)
            seen += [worker.state for sample in taken(mailbox) for worker in sample.workers]
        assert seen == ["silent"] * 7, "one a second late, then one each half second"
        assert slow.asked == 1
        slow.released.set()
        await trio.sleep(1)
        assert [worker.state for sample in taken(mailbox) for worker in sample.workers][-1] == "running"
        nursery.cancel_scope.cancel()


async def test_a_bug_that_shows_in_an_answer_is_whose_who_asked() -> None:
    async def ask() -> None:
        raise ValueError("a bug")

    inquiry = Inquiry(ask, 1.0)
    for _ in range(2):
        with pytest.raises(ValueError, match="a bug"):
            await inquiry.answer()


async def test_two_at_once_measure_once_also_when_the_first_goes_away(sampler: Sampler, worker: CountedWorker) -> None:
    worker.hold = commands.GetSamples
    first = trio.CancelScope()

    async def go_away() -> None:
        with first:
            await sampler.measure(1)

    found: list[bytes] = []

    async def measure() -> None:
        found.append(await sampler.measure(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_away)
        await wait_all_tasks_blocked()
        nursery.start_soon(measure)
        nursery.start_soon(measure)
        await wait_all_tasks_blocked()
        first.cancel()
        await wait_all_tasks_blocked()
        worker.released.set()
    assert len(found) == 2
    assert found[0] is found[1]
    assert json.loads(found[0]).keys() == {"at", "workers", "transports", "producers", "consumers"}
    assert msgspec.json.decode(found[0])["transports"] == []
