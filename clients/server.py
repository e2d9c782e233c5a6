"""A labsfu server as a child process, for as long as a context lasts."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

from clients.errors import ServerFailed

READY = re.compile(r"^labsfu: ready at (?P<url>https?://\S+) media (?P<media>.+?)\s*$")
"""`labsfu: ready at http://127.0.0.1:41234 media udp:127.0.0.1:40000`, on stderr."""

TAIL_LINES = 200

_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: outlives exec
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Run first in the child (Linux): ties its life to ours, should we be killed and leave no context in order."""


class ServerProcess:
    """Starts `labsfu serve` on free ports, and ends it.

    It has a session of its own, so that an interrupt from the terminal reaches only us, and we end it in order.

    Args:
        arguments: further flags of `labsfu serve`.
        command: what to run in place of `python -m labsfu serve --port 0 --media-port 0`.
        timeout: seconds until it must be ready.
        patience: seconds between SIGTERM and SIGKILL.

    Attributes:
        url: base URL, once entered.
        media: where media comes in, each `udp:address:port`.
        stderr_tail: the last lines of its stderr.

    Raises:
        ServerFailed: on entering: it ended, or was not ready in time.
    """

    def __init__(
        self, *arguments: str, command: Sequence[str] | None = None, timeout: float = 20.0, patience: float = 5.0
    ) -> None:
        default = (sys.executable, "-m", "labsfu", "serve", "--port", "0", "--media-port", "0")
        self._command = (*(default if command is None else command), *arguments)
        self._timeout = timeout
        self._patience = patience
        self.url = ""
        self.media: tuple[str, ...] = ()
        self.stderr_tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._pipe: asyncio.ReadTransport | None = None

    async def __aenter__(self) -> Self:
        # a pipe of our own: asyncio's process only counts as ended when its pipes are closed by all who inherited them
        ours, theirs = os.pipe()
        with os.fdopen(theirs, "wb") as stderr:
            lines, self._pipe = await _read_pipe(ours)
            try:
                self._process = await self._start(stderr)
            except BaseException:
                self._pipe.close()
                raise
        self._pump = asyncio.create_task(self._read_stderr(lines), name="server stderr")
        try:
            await self._wait_ready(self._pump)
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative signal number when one ended it."""
        return None if self._process is None else self._process.returncode

    async def wait(self) -> int:
        """Wait until it has ended by itself, and give its exit code."""
        return await self._started().wait()

    async def stop(self) -> int:
        """End it, if it has not ended: SIGTERM, and SIGKILL to all of its session when that takes too long. Idempotent.

        Returns:
            Its exit code.
        """
        process = self._started()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(self._patience):
                await process.wait()
        except TimeoutError:
            self._kill_session(process)
        except asyncio.CancelledError:
            self._kill_session(process)
            await self._reap(process)
            raise
        return await self._reap(process)

    async def _start(self, stderr: IO[bytes]) -> asyncio.subprocess.Process:
        tied = (sys.executable, "-c", _TIED, str(os.getpid())) if sys.platform == "linux" else ()
        return await asyncio.create_subprocess_exec(
            *tied,
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )

    async def _wait_ready(self, pump: asyncio.Task[None]) -> None:
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait([ready, pump], timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if self._ready.is_set():
            return
        tail = "\n".join(self.stderr_tail)
        if pump.done():
            code = await self._started().wait()
            raise ServerFailed(f"the server ended with {code} before it was ready:\n{tail}")
        raise ServerFailed(f"the server was not ready in {self._timeout:g} s:\n{tail}")

    async def _read_stderr(self, lines: asyncio.StreamReader) -> None:
        while line := await _line(lines):
            text = line.decode(errors="replace").rstrip("\n")
            self.stderr_tail.append(text)
            match = READY.match(text)
            if match is not None and not self._ready.is_set():
                self.url = match["url"]
                self.media = tuple(match["media"].replace(",", " ").split())
                self._ready.set()

    async def _reap(self, process: asyncio.subprocess.Process) -> int:
        """Its stderr ends with it, unless a child of its own holds it; that one is ended with its session."""
        code = await process.wait()
        if self._pump is not None:
            await asyncio.wait([self._pump], timeout=1.0)
            if not self._pump.done():
                self._kill_session(process)
            await asyncio.wait([self._pump])
        if self._pipe is not None:
            self._pipe.close()
        return code

    @staticmethod
    def _kill_session(process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise ServerFailed("the server was not started")
        return self._process


async def _read_pipe(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    lines = asyncio.StreamReader()
    pipe = os.fdopen(descriptor, "rb")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), pipe)
    return lines, transport


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line, or what fits of one that is too long for the reader; empty at the end."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(error.consumed or 1)
