"""A crowd over worker processes: what it finds, that its bad health is noticed, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from clients.api import ApiClient
from clients.server import ServerProcess
from clients.swarm.churn import Churn
from clients.swarm.errors import WorkerDied
from clients.swarm.plan import Media
from clients.swarm.swarm import Swarm
from labsfu.errors import InvalidValue
from labsfu.wire.base import to_json

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

LEAN = Media(fps=15, bitrates=(60_000, 120_000, 240_000))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ServerProcess]:
    async with ServerProcess("--log-level", "warning") as running:
        yield running
    assert running.exit_code == 0, "\n".join(running.stderr_tail)


async def dead(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(10):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


async def test_four_in_two_rooms_over_two_workers_see_and_hear_each_other(server: ServerProcess) -> None:
    async with (
        ApiClient(server.url) as api,
        Swarm(server.url, room_size=2, stages="0→4 in 400ms, hold 3s", workers=2, seed=3, media=LEAN) as swarm,
    ):
        pids = swarm.pids
        report = await swarm.run()
        assert (swarm.people, report.people) == (4, 4)
        rooms = {room.id for room in await api.rooms()}
        assert rooms == {f"{swarm.layout.tag}-room-0", f"{swarm.layout.tag}-room-1"}
        await swarm.close()
        await swarm.close()
        assert (await api.sfu_info()).counts.transports == 0
    assert (report.errors, report.joins.joined, report.joins.seconds.count) == ((), 4, 4)
    seats = [(client.number, client.room[-1], client.worker) for client in report.clients]
    assert seats == [(0, "0", 0), (1, "0", 1), (2, "1", 0), (3, "1", 1)]
    for media in (report.audio, report.video, *(c.audio for c in report.clients), *(c.video for c in report.clients)):
        assert (media.streams, media.standing, media.mixed, media.untrue) == (media.streams_seen, 0, 0, 0)
        assert media.frames_complete > 0.9 * media.frames_expected > 20
        assert media.latency.p50 is not None
        assert 0 < media.latency.p50 < 0.4
    assert (report.audio.streams, report.video.streams, report.video.streams_sent) == (4, 4, 12)
    assert [worker.pid for worker in report.workers] == [os.getpid(), *pids]
    assert all(worker.cpu > 0 and worker.slip.count > 50 for worker in report.workers)
    assert msgspec.json.decode(to_json(report))["verdict"]["reasons"] is not None
    for pid in pids:
        await dead(pid)


async def test_churn_has_people_leave_and_come_back_and_encoders_are_counted_alike(server: ServerProcess) -> None:
    stages = "0→2 in 100ms, hold 1800ms"
    async with Swarm(
        server.url, room_size=2, stages=stages, churn=Churn(2.0, away=0.2), workers=1, seed=2, synthetic=False
    ) as swarm:
        await swarm.play()
        await swarm.settled()
        report = await swarm.report()
    assert report.errors == ()
    assert report.joins.joined == 2 + report.joins.left > 2
    assert sum(client.stays for client in report.clients) == report.joins.joined
    assert report.people == 2
    assert report.audio.frames_complete > 50
    assert report.video.frames_complete > 10
    assert report.video.latency.count == report.video.frames_complete
    assert report.video.mixed == 0


async def test_a_worker_that_stood_still_makes_the_run_invalid(server: ServerProcess) -> None:
    async with Swarm(server.url, people=2, room_size=2, rate="20/s", workers=1, media=LEAN) as swarm:
        await swarm.play()
        await swarm.settled()
        before = await swarm.read()
        os.kill(swarm.pids[0], signal.SIGSTOP)
        await asyncio.sleep(0.6)
        os.kill(swarm.pids[0], signal.SIGCONT)
        report = await swarm.report(before)
    reasons = {reason.what: reason for reason in report.verdict.reasons if reason.worker == 0}
    assert reasons["stall"].measured >= 0.5
    assert reasons["slots_skipped"].measured > 0.1
    assert str(report.verdict).startswith("INVALID: ")


async def test_a_worker_that_is_killed_is_named_and_the_rest_ends() -> None:
    swarm = Swarm("http://127.0.0.1:9", workers=2)

    async def body() -> None:
        async with swarm:
            os.kill(swarm.pids[1], signal.SIGKILL)
            await asyncio.sleep(30)

    with pytest.raises(WorkerDied, match="worker 1 ended with -9") as died:
        await body()
    assert (died.value.worker, died.value.exit_code) == (1, -signal.SIGKILL)
    for pid in swarm.pids:
        await dead(pid)


async def test_a_worker_that_cannot_begin_is_a_failure_with_its_last_words() -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no codecs here')")
    with pytest.raises(WorkerDied, match="worker 0 ended with 1:\nno codecs here"):
        async with Swarm("http://127.0.0.1:9", people=1, workers=1, command=command):
            pass


async def test_clients_that_cannot_join_are_told_and_end_nothing() -> None:
    async with Swarm("http://127.0.0.1:9", people=2, rate="50/s", workers=1) as swarm:
        await swarm.play()
        await swarm.settled()
        report = await swarm.report()
    assert (report.joins.asked, report.joins.failed, report.people) == (2, 2, 0)
    assert sorted(error.partition(":")[0] for error in report.errors) == [
        f"{swarm.layout.tag}-0",
        f"{swarm.layout.tag}-1",
    ]


async def conductor(url: str, *, people: int) -> tuple[asyncio.subprocess.Process, list[int]]:
    """A program in a session of its own that leads two workers, and their ids."""
    program = (
        "import asyncio\n"
        "from clients.swarm.swarm import Swarm\n"
        "async def main():\n"
        f"    async with Swarm({url!r}, people={people}, room_size=2, rate='20/s', workers=2) as swarm:\n"
        "        await swarm.play(); await swarm.settled()\n"
        "        print(*swarm.pids, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    assert len(pids) == 2
    return parent, pids


async def ended_by_interrupt(parent: asyncio.subprocess.Process, pids: list[int]) -> None:
    """Wait for the end of all; nothing else may be complained of."""
    async with asyncio.timeout(10):
        _, stderr = await parent.communicate()
    assert stderr.rstrip().endswith(b"KeyboardInterrupt")
    assert stderr.count(b"Traceback") == 2, "the interrupt, and the cancellation that it is made of"
    for pid in pids:
        await dead(pid)


async def test_ctrl_c_for_the_conductor_alone_has_everyone_leave_and_leaves_no_process(server: ServerProcess) -> None:
    parent, pids = await conductor(server.url, people=2)
    parent.send_signal(signal.SIGINT)
    await ended_by_interrupt(parent, pids)
    async with ApiClient(server.url) as api:
        assert (await api.sfu_info()).counts.participants == 0, "they said that they left"


async def test_ctrl_c_for_all_of_the_group_leaves_no_process() -> None:
    parent, pids = await conductor("http://127.0.0.1:9", people=0)
    os.killpg(parent.pid, signal.SIGINT)
    for pid in pids:
        os.kill(pid, signal.SIGINT)
    await ended_by_interrupt(parent, pids)


async def test_workers_do_not_outlive_a_conductor_that_is_killed() -> None:
    parent, pids = await conductor("http://127.0.0.1:9", people=0)
    parent.kill()
    await parent.communicate()
    for pid in pids:
        await dead(pid)


async def test_a_network_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no network is called 'carrier pigeon'"):
        Swarm("http://127.0.0.1:9", people=1, network="carrier pigeon")
