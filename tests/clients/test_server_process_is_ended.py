"""A child process that plays the server: its ready line, its end, its refusal to end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from clients.errors import ServerFailed
from clients.server import ServerProcess

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

READY = "print('labsfu: ready at http://127.0.0.1:41234 media udp:127.0.0.1:40000', file=sys.stderr, flush=True)"


def playing(*lines: str, timeout: float = 10.0, patience: float = 5.0) -> ServerProcess:
    script = "\n".join(("import os, signal, subprocess, sys, time", *lines))
    return ServerProcess(command=(sys.executable, "-c", script), timeout=timeout, patience=patience)


async def test_is_ready_when_it_says_so_and_ends_on_sigterm() -> None:
    server = playing("print('starting', file=sys.stderr)", READY, "time.sleep(60)")
    async with server:
        assert (server.url, server.media) == ("http://127.0.0.1:41234", ("udp:127.0.0.1:40000",))
        assert server.stderr_tail[0] == "starting"
        os.kill(server.pid, 0)
    assert server.exit_code == -signal.SIGTERM
    assert await server.stop() == -signal.SIGTERM


async def test_its_own_exit_code_is_kept() -> None:
    async with playing(READY, "sys.exit(4)") as server:
        assert await server.wait() == 4
    assert server.exit_code == 4


async def test_ending_before_it_is_ready_is_a_failure_with_its_last_words() -> None:
    server = playing("sys.exit('port in use')")
    with pytest.raises(ServerFailed, match="ended with 1 before it was ready:\nport in use"):
        await server.__aenter__()
    assert server.exit_code == 1


async def test_never_being_ready_is_a_failure_and_leaves_no_process() -> None:
    server = playing("time.sleep(60)", timeout=0.3)
    with pytest.raises(ServerFailed, match=r"not ready in 0\.3 s"):
        await server.__aenter__()
    assert server.exit_code == -signal.SIGTERM


async def test_one_that_ignores_sigterm_is_killed_with_its_children() -> None:
    server = playing(
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
        "print(child.pid, file=sys.stderr)",
        READY,
        "time.sleep(60)",
        patience=0.2,
    )
    async with server:
        child = int(server.stderr_tail[0])
    assert server.exit_code == -signal.SIGKILL
    await dead(child)


async def test_a_child_that_outlives_it_is_ended_too() -> None:
    server = playing(
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])",
        "print(child.pid, file=sys.stderr)",
        READY,
    )
    async with server:
        child = int(server.stderr_tail[0])
        await server.wait()
    await dead(child)


async def test_it_is_ended_when_the_body_is_interrupted() -> None:
    server = playing(READY, "time.sleep(60)")
    with pytest.raises(KeyError):
        async with server:
            raise KeyError
    assert server.exit_code == -signal.SIGTERM


async def test_a_line_longer_than_the_readers_limit_does_not_stop_the_reading() -> None:
    async with playing("print('x' * 200_000, file=sys.stderr)", READY, "time.sleep(60)") as server:
        assert server.url == "http://127.0.0.1:41234"


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_it_does_not_outlive_us_when_we_are_killed() -> None:
    child = f"import sys, time; {READY}; time.sleep(60)"
    script = (
        "import asyncio, sys; from clients.server import ServerProcess\n"
        "async def main():\n"
        f"    async with ServerProcess(command=(sys.executable, '-c', {child!r})) as server:\n"
        "        print(server.pid, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.communicate()
    await dead(pid)


async def dead(pid: int) -> None:
    """Wait until a process that is not ours has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(5):
            await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
