"""`labsfu serve` and signals that come while it starts, or once more while it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

import labsfu.api.socket_loop
import labsfu.server
from labsfu.config import Config, MediaListen
from labsfu.server import Server, _obey, _run
from tests.support.until import until

HANDSHAKE = (
    b"GET /sfu/events HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def workers(pid: int) -> list[int]:
    """Its children that are workers: imports may have others for a moment."""
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(word) for word in words if "labsfu.shell.child" in command_of(word)]


def command_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):  # gone meanwhile
        return ""


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_waits_for_its_workers_ends_at_once_and_they_with_it(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "labsfu", "serve", "--port", "0", "--media-port", "0", "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        while not (started := workers(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(started[0], signal.SIGSTOP)  # so that it will never be ready
        began = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert time.monotonic() - began < 2
    assert (process.returncode, err) == (0, "")
    assert not Path(f"/proc/{started[0]}").exists()


@pytest.mark.trio
async def test_the_second_signal_does_not_wait_for_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labsfu.server, "PARTING_PATIENCE", 60.0)
    monkeypatch.setattr(labsfu.api.socket_loop, "CLOSE_PATIENCE", 60.0)
    send, signals = trio.open_memory_channel[int](10)
    server = Server(Config(port=0, media=MediaListen(("127.0.0.1",), 0), workers=0))
    running, ended = trio.CancelScope(), trio.Event()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, server, running)

            async def run() -> None:
                with running:
                    await _run(server)
                ended.set()

            nursery.start_soon(run)
            await until(lambda: server._ready)
            host, port = server.url.removeprefix("http://").split(":")
            async with await trio.open_tcp_stream(host, int(port)) as slow:
                await slow.send_all(HANDSHAKE)
                assert (await slow.receive_some()).startswith(b"HTTP/1.1 101")
                send.send_nowait(signal.SIGINT)
                await trio.sleep(0.3)
                assert not ended.is_set(), "it waits for the client to say goodbye, too"
                send.send_nowait(signal.SIGINT)
                await ended.wait()
            nursery.cancel_scope.cancel()
