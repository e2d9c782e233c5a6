"""The conductor's hold on one worker process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from clients.swarm.errors import WorkerDied
from clients.swarm.messages import Begin, Channel, FromWorker, Stop, ToWorker, from_worker_decoder
from clients.swarm.plan import Orders

TAIL_LINES = 50
WORKER = (sys.executable, "-m", "clients.swarm.worker")


class WorkerProcess:
    """A worker, from `start` to `stop`. It has a session of its own: an interrupt from the terminal reaches only us.

    Args:
        orders: its.
        command: what to run, with the socket's descriptor and our process id as its last arguments.

    Attributes:
        ready: set by who listens, when it has said so.
    """

    def __init__(self, orders: Orders, command: Sequence[str] = WORKER) -> None:
        self.number = orders.worker
        self.ready = asyncio.Event()
        self._orders = orders
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None
        self._channel: Channel[FromWorker] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Id of the process; None before `start`."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Have it run; it says when it is ready."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                "--socket",
                str(theirs.fileno()),
                "--parent",
                str(os.getpid()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._pump = asyncio.create_task(self._read_stderr(), name=f"worker {self.number} stderr")
        reader, writer = await asyncio.open_connection(sock=ours)
        self._channel = Channel(reader, writer, from_worker_decoder())
        self._channel.send(Begin(self._orders))

    def send(self, message: ToWorker) -> None:
        """Tell it something. One that is gone does not hear it; who listens finds out."""
        if self._channel is not None and not self._stopping:
            self._channel.send(message)

    async def receive(self) -> FromWorker | None:
        """What it says; None: it was stopped, and has ended.

        Raises:
            WorkerDied: it ended by itself.
            SwarmFailed: it says what cannot be understood.
        """
        assert self._channel is not None, "it was started"
        message = await self._channel.receive()
        if message is None and not self._stopping:
            raise await self._obituary()
        return message

    async def stop(self, patience: float) -> int | None:
        """Have everyone leave and the process end; after so many seconds it is killed. Idempotent.

        Returns:
            Its exit code; None if it never ran.
        """
        process = self._process
        if process is None:
            return None
        if not self._stopping and self._channel is not None:
            self._channel.send(Stop())
        self._stopping = True
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
        code = await process.wait()
        if self._pump is not None:
            await asyncio.wait([self._pump])
        if self._channel is not None:
            self._channel.close()
        return code

    async def died(self) -> WorkerDied:
        """What to say of one that does not answer; it is killed."""
        code = None if self._process is None else self._process.returncode
        await self.stop(0.0)
        return WorkerDied(self.number, code, "\n".join(self._tail))

    async def _obituary(self) -> WorkerDied:
        assert self._process is not None, "it was started"
        assert self._pump is not None, "it was started"
        code = await self._process.wait()
        await asyncio.wait([self._pump])
        return WorkerDied(self.number, code, "\n".join(self._tail))

    async def _read_stderr(self) -> None:
        assert self._process is not None, "it was started"
        stream = self._process.stderr
        assert stream is not None, "it was piped"
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than the reader's limit, which has dropped it
                continue
            if not line:
                return
            self._tail.append(line.decode(errors="replace").rstrip("\n"))
