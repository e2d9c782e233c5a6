"""A worker that is kept alive: one process after the other, under one name and with the same media sockets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import structlog
import trio
from msgspec.structs import replace

from labsfu.errors import Unavailable
from labsfu.shell.absent_worker import absent_worker
from labsfu.shell.backoff import Backoff
from labsfu.shell.udp import bind_all
from labsfu.shell.worker_ledger import Ledger
from labsfu.shell.worker_messages import Begin, Ready
from labsfu.shell.worker_process import COMMAND, Obituary, WorkerProcess
from labsfu.wire.commands import Command, Result
from labsfu.wire.events import EngineEvent, WorkerDied, WorkerEvent, WorkerStarted
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.rtp import RtpCapabilities

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told what happens, in one order.

    Attributes:
        engine: of the engine's events; of those with which what a dead worker held is closed, too.
        worker: that a worker started or died.
    """

    engine: Callable[[Sequence[EngineEvent]], None]
    worker: Callable[[WorkerEvent], None]


class KeptWorker:
    """A worker in a process of its own; satisfies `labsfu.wire.worker.Worker`.

    Args:
        begin: what each of its processes is told, with the sockets that it is handed.
        ears: who is told what happens.
        patience: seconds without an answer until a process counts as hung.
        command: what to run.
    """

    def __init__(self, begin: Begin, ears: Ears, *, patience: float, command: Sequence[str] = COMMAND) -> None:
        self._begin = begin
        self._ears = ears
        self._patience = patience
        self._command = command
        self._ledger = Ledger()
        self._process: WorkerProcess | None = None
        self._ready: Ready | None = None
        self._state: Literal["starting", "running", "dead"] = "starting"
        self._pid = 0

    @property
    def id(self) -> WorkerId:
        """Stable name of this worker."""
        return self._begin.worker_id

    @property
    def listen(self) -> tuple[str, ...]:
        """Where media comes in, as "udp:address:port"; empty before it was ready."""
        return () if self._ready is None else self._ready.listen

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        """What this worker's routers offer.

        Raises:
            Unavailable: it was never ready.
        """
        if self._ready is None:
            raise self._unavailable()
        return self._ready.rtp_capabilities

    @property
    def load(self) -> float:
        """The share of a core that it used in the last second."""
        return 0.0 if self._process is None else self._process.load

    @property
    def running(self) -> bool:
        """Whether there is a process that is ready."""
        return self._state == "running"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Bind, start a process, say that it is ready, and have another whenever one ends, until cancelled.

        The sockets stay this process's, too: while no worker has them, nobody else can.

        Raises:
            Unavailable: the media port cannot be had, or the first process could not start.
        """
        media = self._begin.media
        with ExitStack() as stack:
            sockets = [stack.enter_context(sock) for sock in bind_all(media.addresses, media.port)]
            self._begin = replace(self._begin, sockets=tuple(sock.fileno() for sock in sockets))
            await self._keep(task_status)

    async def _keep(self, task_status: trio.TaskStatus[None]) -> None:
        """One process after the other."""
        backoff = Backoff()
        while True:
            began = trio.current_time()
            obituary = await self._live(task_status if self._ready is None else trio.TASK_STATUS_IGNORED)
            if self._ready is None:
                raise obituary.refusal or Unavailable(
                    f"worker '{self.id}' cannot start: {obituary.detail}", slug="worker-unavailable"
                )
            wait = backoff.after(trio.current_time() - began)
            if wait:
                _log.warning("worker is replaced later", worker=self.id, seconds=wait, reason=obituary.detail)
            await trio.sleep(wait)

    async def execute(self, command: Command) -> Result:
        """Carry a command out.

        Raises:
            CommandError: it was refused; nothing changed.
            Unavailable: there is no process, or it ended meanwhile (`worker-unavailable`).
        """
        if self._process is None or not self.running:
            await trio.lowlevel.checkpoint()
            raise self._unavailable()
        return await self._process.execute(command)

    async def info(self) -> WorkerInfo:
        """State, load and counts; of one that does not run, no more than its state."""
        if self._process is not None and self.running:
            try:
                return await self._process.info()
            except Unavailable:  # it ended meanwhile
                pass
        await trio.lowlevel.checkpoint()
        state = "dead" if self._state == "running" else self._state
        return absent_worker(self.id, state, self._pid, self.listen)

    def silent_info(self) -> WorkerInfo:
        """Its state, with its last process and where it listens."""
        state = "silent" if self._state == "running" else self._state
        return absent_worker(self.id, state, self._pid, self.listen)

    async def _live(self, task_status: trio.TaskStatus[None]) -> Obituary:
        """One process, from its start to its end; then it is buried."""
        self._state = "starting"
        process = self._process = WorkerProcess(
            self._begin, on_events=self._on_events, patience=self._patience, command=self._command
        )

        def on_ready(ready: Ready) -> None:
            self._ready, self._state, self._pid = ready, "running", process.pid
            self._ears.worker(WorkerStarted(worker_id=self.id, pid=process.pid))
            task_status.started()

        try:
            obituary = await process.run(on_ready)
        except BaseException:  # cancelled: there will be no other
            self._state = "dead"
            process.fail_open(self._unavailable())
            raise
        self._bury(process, obituary)
        return obituary

    def _bury(self, process: WorkerProcess, obituary: Obituary) -> None:
        """What it held is closed, then its death is told, then whoever waits for it knows."""
        was_ready, self._state, self._process = self.running, "dead", None
        if was_ready:
            closing = self._ledger.close()
            if closing:
                self._ears.engine(closing)
            self._ears.worker(
                WorkerDied(worker_id=self.id, pid=process.pid, reason=obituary.reason, detail=obituary.detail)
            )
        process.fail_open(self._unavailable())

    def _on_events(self, happened: Sequence[EngineEvent]) -> None:
        for event in happened:
            self._ledger.follow(event)
        self._ears.engine(happened)

    def _unavailable(self) -> Unavailable:
        return Unavailable(f"worker '{self.id}' is gone", slug="worker-unavailable")
