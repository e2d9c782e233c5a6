"""A worker that is kept alive, with children that play its processes: how each ends, what is told, what comes next."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from labsfu.config import MediaListen
from labsfu.errors import InvalidValue, Unavailable
from labsfu.shell import worker_process
from labsfu.shell.frames import frame, pack
from labsfu.shell.kept_worker import Ears, KeptWorker
from labsfu.shell.worker_messages import PROGRAM, Answer, Begin, CannotStart, Happened
from labsfu.shell.worker_process import WorkerFault
from labsfu.wire import commands, events
from labsfu.wire.events import EngineEvent, WorkerDied, WorkerEvent, WorkerStarted
from labsfu.wire.ids import ParticipantId, RouterId, TransportId, WorkerId
from labsfu.wire.rtp import RtpCapabilities
from tests.support.playing_child import LISTEN, playing
from tests.support.until import until

pytestmark = pytest.mark.trio

ROUTER, TRANSPORT = RouterId("r"), TransportId("t")
HOLDS = Happened(
    events=(events.RouterMade(router_id=ROUTER), events.TransportMade(router_id=ROUTER, transport_id=TRANSPORT))
)
SERVES = ("end.sendall(READY)", "obey()")


class World:
    """A worker, and all that is told of it, in order."""

    def __init__(self, command: Sequence[str], patience: float = 3.0, port: int = 0) -> None:
        begin = Begin(
            program=PROGRAM,
            worker_id=WorkerId("w"),
            media=MediaListen(("127.0.0.1",), port),
            media_codecs=(),
            boot=0.0,
            log_level="warning",
            log_format="text",
        )
        self.told: list[EngineEvent | WorkerEvent] = []
        self.worker = KeptWorker(begin, Ears(self.told.extend, self.told.append), patience=patience, command=command)
        self.pids: list[int] = []

    @property
    def pid(self) -> int:
        return self.started[-1].pid

    @property
    def started(self) -> list[WorkerStarted]:
        return [event for event in self.told if isinstance(event, WorkerStarted)]

    @property
    def died(self) -> list[WorkerDied]:
        return [event for event in self.told if isinstance(event, WorkerDied)]

    async def refusal(self) -> Unavailable:
        """Why it cannot start."""
        with pytest.raises(Unavailable) as refused:
            await self.worker.run()
        return refused.value


@asynccontextmanager
async def running(*lines: str, patience: float = 3.0, port: int = 0) -> AsyncIterator[World]:
    async with running_command(playing(*lines), patience, port) as world:
        yield world


@asynccontextmanager
async def running_command(command: Sequence[str], patience: float = 3.0, port: int = 0) -> AsyncIterator[World]:
    world = World(command, patience, port)
    async with trio.open_nursery() as nursery:
        await nursery.start(world.worker.run)
        yield world
        nursery.cancel_scope.cancel()
    for started in world.started:
        assert not alive(started.pid)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.bind(("127.0.0.1", port))
        return True
    return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# ---------------------------------------------------------------- that cannot start


async def test_one_that_says_that_it_cannot_start_is_refused_with_what_it_says() -> None:
    said = frame(CannotStart(slug="address-unavailable", detail="port 7 is in use"))
    world = World(playing(f"end.sendall({said!r})"))
    refusal = await world.refusal()
    assert (refusal.slug, refusal.detail) == ("address-unavailable", "port 7 is in use")
    assert world.told == []


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("sys.exit(7)", "ended with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("end.sendall(b'\\xff' * 8); time.sleep(60)", "what it said makes no sense: frame-too-long"),
        ("end.sendall(b'\\0\\0\\0\\1\\xc0'); time.sleep(60)", "what it said makes no sense: frame-undecodable"),
        ("end.close(); time.sleep(60)", "ended by SIGKILL"),
    ],
)
async def test_one_that_ends_before_it_is_ready_cannot_start(line: str, detail: str) -> None:
    world = World(playing(line))
    assert (await world.refusal()).detail == f"worker 'w' cannot start: {detail}"
    assert world.told == []
    assert not world.worker.running


async def test_one_that_is_never_ready_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "START_PATIENCE", 0.2)
    world = World(playing("time.sleep(60)"))
    assert (await world.refusal()).detail == "worker 'w' cannot start: not ready within 0.2 s"


async def test_a_port_in_use_is_found_before_a_process_is_started() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        refusal = await World(("/nowhere/python",), port=port).refusal()
    assert refusal.slug == "address-unavailable"
    assert refusal.detail == f"cannot listen on udp 127.0.0.1 port {port}: Address already in use"


async def test_a_program_that_is_not_there_cannot_start() -> None:
    refusal = await World(("/nowhere/python",)).refusal()
    assert refusal.detail == "cannot start a process for worker 'w': No such file or directory"


# ---------------------------------------------------------------- that ends


async def test_its_start_is_told_and_where_it_listens_is_known() -> None:
    async with running(*SERVES) as world:
        assert world.told == [WorkerStarted(worker_id=WorkerId("w"), pid=world.pid)]
        assert (world.worker.running, world.worker.listen) == (True, (LISTEN,))
        assert world.worker.rtp_capabilities == RtpCapabilities(codecs=())


async def test_when_it_is_killed_all_it_held_is_closed_then_its_death_is_told_then_another_starts() -> None:
    async with running("end.sendall(READY)", f"end.sendall({frame(HOLDS)!r})", "obey()") as world:
        await until(lambda: len(world.told) == 3)
        first = world.pid
        os.kill(first, signal.SIGKILL)
        began = trio.current_time()
        await until(lambda: len(world.died) == 1)
        assert trio.current_time() - began < 0.5
        assert world.told[3:6] == [
            events.TransportClosed(router_id=ROUTER, transport_id=TRANSPORT, reason="worker-died"),
            events.RouterClosed(router_id=ROUTER, reason="worker-died"),
            WorkerDied(worker_id=WorkerId("w"), pid=first, reason="ended", detail="ended by SIGKILL"),
        ]
        await until(lambda: len(world.started) == 2)
        assert world.pid != first
        assert world.worker.running


async def test_one_that_ends_by_itself_is_told_with_its_exit_code() -> None:
    async with running("end.sendall(READY)", "time.sleep(0.05)", "sys.exit(3)") as world:
        await until(lambda: bool(world.died))
        assert (world.died[0].reason, world.died[0].detail) == ("ended", "ended with exit code 3")


async def test_one_that_talks_nonsense_is_ended() -> None:
    async with running("end.sendall(READY + b'\\xff' * 4)", "time.sleep(60)") as world:
        await until(lambda: bool(world.died))
        assert world.died[0].detail == "what it said makes no sense: frame-too-long"


async def test_an_answer_to_nothing_is_nonsense() -> None:
    answer = frame(Answer(number=99, result=pack(commands.Done())))
    async with running(f"end.sendall(READY + {answer!r})", "obey()") as world:
        await until(lambda: bool(world.died))
        assert world.died[0].detail == "what it said makes no sense: frame-out-of-order"


async def test_one_that_stands_still_is_found_killed_and_replaced() -> None:
    async with running(*SERVES, patience=0.2) as world:
        stopped = world.pid
        os.kill(stopped, signal.SIGSTOP)
        began = trio.current_time()
        await until(lambda: len(world.started) == 2)
        assert world.died == [
            WorkerDied(worker_id=WorkerId("w"), pid=stopped, reason="hung", detail="no answer within 0.2 s")
        ]
        assert trio.current_time() - began < 2
        assert not alive(stopped)


async def test_one_that_has_much_to_tell_and_answers_late_is_not_hung() -> None:
    chatter = frame(Happened(events=(events.AudioLevels(router_id=ROUTER, levels=(), silent=True),)))
    lines = (
        "end.sendall(READY)",
        f"for _ in range(30): end.sendall({chatter!r}); time.sleep(0.02)",
        "obey()",
    )
    async with running(*lines, patience=0.2) as world:
        await until(lambda: world.worker.load > 0)
        assert len(world.told) == 31
        assert world.died == []


async def test_one_that_tells_events_but_does_not_listen_hangs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "TALK_PATIENCES", 2)
    chatter = frame(Happened(events=(events.AudioLevels(router_id=ROUTER, levels=(), silent=True),)))
    lines = ("end.sendall(READY)", "while True:", f"    end.sendall({chatter!r})", "    time.sleep(0.01)")
    async with running(*lines, patience=0.2) as world:
        await until(lambda: bool(world.died))
        assert (world.died[0].reason, world.died[0].detail) == ("hung", "talks, but no answer within 0.4 s")


async def test_while_the_server_itself_stands_still_nobody_hangs() -> None:
    async with running(*SERVES, patience=0.2) as world:
        subprocess.run(("sleep", "0.4"), check=True)  # noqa: ASYNC221 - nothing of this process is to go on
        await trio.sleep(0.4)  # who answers lives on, too
        assert world.died == []


async def test_its_port_is_never_anybody_elses_while_the_server_lives(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "may-start"
    file.touch()
    may = f"if not os.path.exists({str(file)!r}): sys.exit(1)"
    async with running(may, *SERVES, port=port) as world:
        file.unlink()
        os.kill(world.pid, signal.SIGKILL)
        await until(lambda: bool(world.died))
        assert not is_free(port)
        file.touch()
        await until(lambda: len(world.started) == 2)
        assert not is_free(port)
        assert sum(link.startswith("socket:") for link in open_files(world.pid)) == 2
    assert is_free(port)


async def test_one_that_ends_again_and_again_is_started_ever_more_rarely(tmp_path: Path) -> None:
    count = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')"
    async with running(count, "end.sendall(READY)", "sys.exit(1)") as world:
        await trio.sleep(0.7)
        starts = len((tmp_path / "starts").read_text())
        assert 2 <= starts <= 3
        assert len(world.died) == len(world.started) == starts


async def test_a_replacement_that_cannot_start_is_tried_again_and_shown_as_dead(tmp_path: Path) -> None:
    file = tmp_path / "may-start"
    file.touch()
    said = frame(CannotStart(slug="address-unavailable", detail="port 7 is in use"))
    may = f"if not os.path.exists({str(file)!r}): end.sendall({said!r}); sys.exit()"
    async with running(may, *SERVES) as world:
        file.unlink()
        os.kill(world.pid, signal.SIGKILL)
        await until(lambda: bool(world.died))
        await trio.sleep(0.3)
        info = await world.worker.info()
        assert (info.state, info.listen, info.router_count) == ("dead", (LISTEN,), 0)
        with pytest.raises(Unavailable) as refused:
            await world.worker.execute(commands.CreateRouter())
        assert refused.value.slug == "worker-unavailable"
        assert len(world.died) == 1, "one that never ran does not die"
        file.touch()
        await until(lambda: len(world.started) == 2)
        assert world.worker.running


# ---------------------------------------------------------------- that is asked


async def test_what_waits_for_a_dead_worker_is_refused_after_its_end_is_told() -> None:
    async with running("end.sendall(READY)", f"end.sendall({frame(HOLDS)!r})", "while True: hear()") as world:
        told: list[int] = []

        async def ask() -> None:
            with pytest.raises(Unavailable, match="worker 'w' is gone") as refused:
                await world.worker.execute(commands.CreateRouter())
            assert refused.value.slug == "worker-unavailable"
            told.append(len(world.died))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
            await wait_all_tasks_blocked(0.05)
            os.kill(world.pid, signal.SIGKILL)
        assert told == [1] * 5


async def test_so_many_may_ask_at_once_and_more_wait_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "ASKS", 3)
    answer = [frame(Answer(number=number, result=pack(commands.Done()))) for number in range(1, 9)]
    lines = (
        "end.sendall(READY)",
        "asked = 0",
        "hear()",
        f"answers = {answer!r}",
        "end.settimeout(0.3)",
        "try:",
        "    while True: asked += b'router' in hear()",
        "except TimeoutError: pass",
        "end.settimeout(None)",
        "assert asked == 3, asked",
        "for one in answers: end.sendall(one) if asked >= answers.index(one) + 1 else None",
        "for one in answers[3:]:",
        "    while b'router' not in hear(): pass",
        "    end.sendall(one)",
        "obey()",
    )
    async with running(*lines, patience=60) as world, trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(world.worker.execute, commands.CloseRouter(router_id=ROUTER))
    assert world.died == []


async def test_whoever_does_not_wait_any_more_does_not_confuse_the_others() -> None:
    answer = [frame(Answer(number=number, result=pack(commands.Done()))) for number in (1, 2)]
    lines = ("end.sendall(READY)", "while b'router' not in hear(): pass", "while b'router' not in hear(): pass")
    async with running(*lines, f"end.sendall({b''.join(answer)!r})", "obey()") as world:
        close = commands.CloseRouter(router_id=ROUTER)
        with trio.move_on_after(0.1) as scope:
            await world.worker.execute(close)
        assert scope.cancelled_caught
        assert await world.worker.execute(close) == commands.Done()


async def test_a_result_that_cannot_be_read_is_a_fault() -> None:
    answer = frame(Answer(number=1, result=b"\xc0"))
    lines = ("end.sendall(READY)", "while b'router' not in hear(): pass", f"end.sendall({answer!r})", "obey()")
    async with running(*lines) as world:
        with pytest.raises(WorkerFault):
            await world.worker.execute(commands.CloseRouter(router_id=ROUTER))
        assert world.died == []


async def test_what_is_nested_too_deep_is_refused_before_it_is_sent() -> None:
    deep: object = 1
    for _ in range(2000):
        deep = [deep]
    command = commands.CreateProducer(router_id=ROUTER, participant_id=ParticipantId("p"), app_data={"x": deep})
    async with running(*SERVES) as world:
        with pytest.raises(InvalidValue):
            await world.worker.execute(command)


async def test_a_command_that_no_frame_has_room_for_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_process, "MAX_VALUE_BYTES", 10)
    async with running(*SERVES) as world:
        with pytest.raises(InvalidValue):
            await world.worker.execute(commands.CloseRouter(router_id=ROUTER))


async def test_its_load_is_what_it_said_last() -> None:
    async with running(*SERVES, patience=0.4) as world:
        await until(lambda: world.worker.load == 0.25)


# ---------------------------------------------------------------- that is to end


@pytest.mark.parametrize(
    ("line", "least", "most"),
    [
        ("obey()", 0.0, 0.5),
        ("time.sleep(60)", 0.1, 0.9),
        ("os.kill(os.getpid(), signal.SIGSTOP)", 0.1, 0.9),
    ],
)
async def test_it_is_told_to_end_then_killed(
    line: str, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "STOP_PATIENCE", 0.1)
    async with running("end.sendall(READY)", line) as world:
        await trio.sleep(0.02)
        began = trio.current_time()
    assert least <= trio.current_time() - began <= most
    assert world.died == [], "its end was wanted"


def open_files(pid: int) -> list[str]:
    return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]


async def test_it_has_nothing_open_of_its_parent() -> None:
    planted = os.dup(0)
    os.set_inheritable(planted, True)
    async with running(*SERVES) as world:
        links = open_files(world.pid)
    os.close(planted)
    assert sum(link.startswith("socket:") for link in links) == 2, "the stream, and where media comes in"
    assert len(links) == 5


# ---------------------------------------------------------------- where its modules are


async def test_no_file_of_the_working_directory_is_taken_for_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("structlog", "labsfu", "trio"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    async with running_command(worker_process.COMMAND) as world:
        assert world.worker.running


async def test_its_modules_are_where_this_process_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").touch()
    monkeypatch.syspath_prepend(tmp_path.name)
    monkeypatch.chdir(tmp_path.parent)
    *_, script = playing("import only_here", *SERVES)
    async with running_command((sys.executable, "-P", "-S", "-c", script)) as world:
        assert world.worker.running
