"""`labsfu serve --workers 2`: processes that die and hang, what their people are told, and that nobody else notices."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from clients.api import ApiClient
from clients.errors import Refused, ServerFailed
from clients.events import EventFeed
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.synthetic.reports import FrameReport
from clients.synthetic.video import SyntheticVideo
from labsfu.wire import socket as wire
from labsfu.wire.events import RoomClosed, RouterClosed, WorkerDied, WorkerStarted
from labsfu.wire.feed import Happened
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.rtp import MediaKind

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

PATIENCE = 15.0


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether it is there, and not just waits for somebody to ask how it ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


class Conversation:
    """Two in a room who see each other."""

    def __init__(self, url: str, room: str) -> None:
        self.url = url
        self.room = room
        self.people: list[LabClient] = []

    async def begin(self, stack: AsyncExitStack, api: ApiClient) -> WorkerInfo:
        """Both join and send; the worker that they are on."""
        for number in (1, 2):
            person = LabClient(self.url, room=self.room, name=f"{self.room}-{number}", synthetic=True)
            self.people.append(await stack.enter_async_context(person))
            await person.publish(SyntheticVideo(number))
        await self.see(20)
        router = await api.router((await api.room(self.room)).router_ids[0])
        (worker,) = (info for info in (await api.sfu_info()).workers if info.id == router.worker_id)
        return worker

    def seen(self) -> int:
        """Pictures of the one who sees fewest."""
        return min(sum(frames.frames_decoded for frames in self._frames(person)) for person in self.people)

    async def see(self, more: int) -> None:
        """Wait until so many more pictures came to both."""
        enough = self.seen() + more
        await until(lambda: self.seen() >= enough)

    def missing(self) -> int:
        """Pictures that were sent and never came."""
        return sum(frames.stamped_missing for person in self.people for frames in self._frames(person))

    async def over(self, seconds: float) -> set[object]:
        """The reasons that they are told why the room is closed, before they are hung up."""
        async with asyncio.timeout(seconds):
            codes = [(await person.wait_disconnected()).code for person in self.people]
        assert codes == [1000, 1000]
        told = [person.events[-1].message for person in self.people]
        return {message.reason if isinstance(message, wire.RoomClosed) else message for message in told}

    def _frames(self, person: LabClient) -> list[FrameReport]:
        remotes = [remote for remote in person.tracks.values() if remote.kind is MediaKind.VIDEO]
        return [remote.reception.report().frames for remote in remotes if remote.reception is not None]


async def test_a_worker_that_is_killed_and_one_that_hangs_are_replaced_and_the_other_call_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LABSFU_WORKER_PATIENCE", "1")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerProcess("--workers", "2", "--log-level", "warning"))
        api = await stack.enter_async_context(ApiClient(server.url))
        feed = await stack.enter_async_context(EventFeed(server.url, since=0))
        one, two, three = (Conversation(server.url, room) for room in ("one", "two", "three"))
        (first, second) = [await one.begin(stack, api), await two.begin(stack, api)]
        assert first.id != second.id
        assert {*first.listen, *second.listen} == set(server.media)

        os.kill(first.pid, signal.SIGKILL)
        assert await one.over(1.0) == {"worker-died"}
        assert {room.id for room in await api.rooms()} == {"two"}
        await two.see(20)

        await _ready(api)
        third = await three.begin(stack, api)
        assert (third.id, third.listen) == (first.id, first.listen)
        assert third.pid != first.pid

        os.kill(second.pid, signal.SIGSTOP)
        assert await two.over(3.0) == {"worker-died"}
        await three.see(20)
        assert (two.missing(), three.missing()) == (0, 0)
        await _ready(api)
        assert [info.state for info in (await api.sfu_info()).workers] == ["running", "running"]
        await _check_told(feed, [first, second], third.pid)
    assert server.exit_code == 0
    assert not any(alive(worker.pid) for worker in (first, second, third))


async def _ready(api: ApiClient) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await api.readyz()
            except Refused:  # it is starting
                await asyncio.sleep(0.02)
            else:
                return


async def _check_told(feed: EventFeed, dead: list[WorkerInfo], replacement: int) -> None:
    """What watchers know: whose router, then whose room, then which worker; then its replacement."""
    told: list[object] = []
    async with asyncio.timeout(PATIENCE):
        async for seen in feed:
            if isinstance(seen, Happened):
                told.append(seen.event)
            starts = [event for event in told if isinstance(event, WorkerStarted)]
            if len(starts) == 4:
                break
    deaths = [event for event in told if isinstance(event, WorkerDied)]
    assert [(death.worker_id, death.pid, death.reason) for death in deaths] == [
        (dead[0].id, dead[0].pid, "ended"),
        (dead[1].id, dead[1].pid, "hung"),
    ]
    assert starts[2].pid == replacement
    routers = [event for event in told if isinstance(event, RouterClosed)]
    rooms = [event for event in told if isinstance(event, RoomClosed)]
    assert [event.reason for event in routers] == [event.reason for event in rooms] == ["worker-died"] * 2
    for router, room, death in zip(routers, rooms, deaths, strict=True):
        assert told.index(router) < told.index(room) < told.index(death)


async def _workers(server: ServerProcess) -> list[int]:
    async with ApiClient(server.url) as api:
        workers = (await api.sfu_info()).workers
    assert [worker.state for worker in workers] == ["running"] * 2
    return [worker.pid for worker in workers]


async def test_workers_end_with_a_server_that_is_killed() -> None:
    async with ServerProcess("--workers", "2", "--log-level", "info") as server:
        pids = await _workers(server)
        assert len({server.pid, *pids}) == 3
        for pid in pids:
            os.kill(pid, signal.SIGINT)  # as a terminal's Ctrl-C does; the server decides
            os.kill(pid, signal.SIGTERM)  # as a supervisor does that stops all of a service
        await asyncio.sleep(0.1)
        assert await _workers(server) == pids
        began = time.monotonic()
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: not any(map(alive, pids)), 2.0)
        assert time.monotonic() - began < 1.0


async def test_a_port_that_a_worker_cannot_have_keeps_the_server_from_starting() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        server = ServerProcess("--media-port", str(port - 1), "--workers", "2")
        with pytest.raises(ServerFailed) as failed:
            await server.__aenter__()
    assert server.exit_code == 2
    assert f"labsfu: cannot listen on udp 127.0.0.1 port {port}: Address already in use" in str(failed.value)
