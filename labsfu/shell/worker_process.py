"""One worker process, from its start to its end, as the server knows it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import trio

from labsfu.errors import CommandError, InvalidValue, Malformed, Unavailable
from labsfu.shell.frames import MAX_VALUE_BYTES, FrameReader, frame, pack
from labsfu.shell.outbox import Outbox
from labsfu.shell.worker_messages import (
    Answer,
    Ask,
    AskInfo,
    Begin,
    Broken,
    CannotStart,
    FromWorker,
    Happened,
    Ping,
    Pong,
    Ready,
    Refused,
    Told,
    from_worker,
    refusal_of,
    result_unpacker,
)
from labsfu.wire.commands import Command, Result
from labsfu.wire.events import EngineEvent
from labsfu.wire.payloads import WorkerInfo

COMMAND = (sys.executable, "-P", "-m", "labsfu.shell.child")
"""With `-P` no file of the working directory is taken for a module; where modules are, see `_environment`."""

ASKS = 256
"""Questions that a worker may have to answer at one time; more wait."""

START_PATIENCE = 30.0
"""Seconds until it must be ready: a machine may be busy."""

STOP_PATIENCE = 1.0
"""Seconds that it has to end when it is told to."""

END_PATIENCE = 0.2
"""Seconds from the end of its stream to its own; one that was killed needs none."""

REAP_PATIENCE = 2.0
"""Seconds that the kernel gets for a process that was killed; then it is left to itself."""

BEATS = 4
"""So many questions in a row without a word, and it counts as hung."""

TALK_PATIENCES = 10
"""So many times as long it may talk without an answer: it has much to tell, or tells it to a server that was asleep."""

_POLL = 0.003
_OUTBOX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Obituary:
    """Why a process is no more. `refusal`: it could not start at all."""

    reason: Literal["ended", "hung"]
    detail: str
    refusal: Unavailable | None = None


class WorkerFault(Exception):
    """A bug came to light in a worker; its message is a traceback."""


class _Question:
    """Something that a worker is to answer."""

    __slots__ = ("_answer", "_asked")

    def __init__(self) -> None:
        self._asked = trio.Event()
        self._answer: FromWorker | Exception | None = None

    def settle(self, answer: FromWorker | Exception) -> None:
        self._answer = answer
        self._asked.set()

    async def answer(self) -> FromWorker:
        await self._asked.wait()
        assert self._answer is not None, "it is settled"
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class WorkerProcess:
    """A child process with an engine.

    Args:
        begin: what it is told first; it inherits the sockets in it.
        on_events: is given what its engine tells.
        patience: seconds without a word until it counts as hung.
        command: what to run, with `--socket FD --parent PID` behind it.

    Attributes:
        pid: id of the process; 0 before it is started.
        load: the share of a core that it used in the last second, as it said last.
    """

    def __init__(
        self,
        begin: Begin,
        *,
        on_events: Callable[[Sequence[EngineEvent]], None],
        patience: float,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.pid = 0
        self.load = 0.0
        self._name = f"worker '{begin.worker_id}'"
        self._begin = begin
        self._on_events = on_events
        self._patience = patience
        self._command = tuple(command)
        self._outbox = Outbox(_OUTBOX_BYTES)
        self._slots = trio.Semaphore(ASKS)
        self._questions: dict[int, _Question] = {}
        self._numbers = count(1)
        self._heard = False
        self._answered = False
        self._gone = False
        self._ready = False

    async def run(self, on_ready: Callable[[Ready], None]) -> Obituary:
        """Start it, and return when it is gone; questions that are open then are for `fail_open`. Cancelled: end it."""
        try:
            ours, popen = self._spawn()
        except OSError as error:
            return _refuse(f"cannot start a process for {self._name}: {error.strerror}")
        self.pid = popen.pid
        obituary: Obituary | None = None
        try:
            async with trio.SocketStream(trio.socket.from_stdlib_socket(ours)) as stream:
                self._outbox.put(frame(self._begin))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._outbox.write_forever, stream)
                    obituary = await self._follow(stream, on_ready)
                    nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                if obituary is None:
                    code = await _kill(popen, STOP_PATIENCE if self._ready else 0.0)
                else:
                    code = await _kill(popen, 0.0 if obituary.reason == "hung" else END_PATIENCE)
        assert obituary is not None, "it was not cancelled"
        return obituary if obituary.detail else Obituary(obituary.reason, _how(code), obituary.refusal)

    async def execute(self, command: Command) -> Result:
        """Have it carry a command out.

        Raises:
            CommandError: it was refused; nothing changed.
            Unavailable: the process ended meanwhile (`worker-unavailable`).
            WorkerFault: a bug of the worker's.
        """
        try:
            packed = pack(command)
        except RecursionError:
            raise InvalidValue("a value is nested too deep", slug="not-json") from None
        if len(packed) > MAX_VALUE_BYTES:
            raise InvalidValue(f"a command of {len(packed)} bytes is too long", slug="wrong-shape")
        answer = await self._ask(lambda number: Ask(number=number, command=packed))
        match answer:
            case Answer():
                return _unpacked(answer.result)
            case Refused():
                raise refusal_of(answer)
            case Broken():
                raise WorkerFault(answer.detail)
        raise WorkerFault(f"{self._name} answered {type(answer).__name__}")

    async def info(self) -> WorkerInfo:
        """How it goes.

        Raises:
            Unavailable: the process ended meanwhile.
        """
        answer = await self._ask(lambda number: AskInfo(number=number))
        if not isinstance(answer, Told):
            raise WorkerFault(f"{self._name} answered {type(answer).__name__}")
        return answer.info

    def fail_open(self, error: CommandError) -> None:
        """Let every open question end with this, and every new one."""
        self._gone = True
        self._outbox.close()
        for question in self._questions.values():
            self._slots.release()
            question.settle(error)
        self._questions.clear()

    # ------------------------------------------------------------------ questions

    async def _ask(self, ask: Callable[[int], Ask | AskInfo]) -> FromWorker:
        """Waits for its turn, then for the answer; whoever does not wait any more leaves its turn taken until then."""
        await self._slots.acquire()
        try:
            await self._outbox.wait_room()
            if self._gone:
                raise Unavailable(f"{self._name} is gone", slug="worker-unavailable")
        except BaseException:
            self._slots.release()
            raise
        number = next(self._numbers)
        question = self._questions[number] = _Question()
        self._outbox.put(frame(ask(number)))
        return await question.answer()

    def _settle(self, number: int, answer: FromWorker) -> None:
        question = self._questions.pop(number, None)
        if question is None:
            raise Malformed("frame-out-of-order")
        self._slots.release()
        question.settle(answer)

    # ------------------------------------------------------------------ what it says

    async def _follow(self, stream: trio.SocketStream, on_ready: Callable[[Ready], None]) -> Obituary:
        """Hear it until it falls silent."""
        obituary = Obituary("hung", f"not ready within {START_PATIENCE:g} s")
        with trio.move_on_after(START_PATIENCE) as starting:
            async with trio.open_nursery() as nursery:

                def ready(message: Ready) -> None:
                    starting.deadline = float("inf")
                    on_ready(message)
                    nursery.start_soon(watch)

                async def watch() -> None:
                    nonlocal obituary
                    obituary = Obituary("hung", await self._watch())
                    nursery.cancel_scope.cancel()

                obituary = await self._hear(stream, ready)
                nursery.cancel_scope.cancel()
        return obituary

    async def _hear(self, stream: trio.SocketStream, ready: Callable[[Ready], None]) -> Obituary:
        reader = FrameReader(from_worker)
        try:
            while data := await stream.receive_some():
                self._heard = True
                for message in reader.feed(data):
                    if isinstance(message, CannotStart):
                        return _refuse(message.detail, message.slug)
                    self._take(message, ready)
        except Malformed as error:
            return Obituary("ended", f"what it said makes no sense: {error.reason}")
        except trio.BrokenResourceError:
            pass
        return Obituary("ended", "")

    def _take(self, message: FromWorker, ready: Callable[[Ready], None]) -> None:
        match message:
            case Happened():
                self._on_events(message.events)
                return
            case Answer() | Refused() | Broken() | Told():
                self._settle(message.number, message)
            case Pong():
                self.load = message.load
            case Ready():
                self._ready = True
                ready(message)
        self._answered = True

    async def _watch(self) -> str:
        """How it hangs, when it does. What counts are our own turns: while we stand still, it is not silent."""
        silent = unanswered = 0
        while silent < BEATS:
            if unanswered >= BEATS * TALK_PATIENCES:
                return f"talks, but no answer within {self._patience * TALK_PATIENCES:g} s"
            self._heard = self._answered = False
            self._outbox.put(frame(Ping()))
            await trio.sleep(self._patience / BEATS)
            silent = 0 if self._heard else silent + 1
            unanswered = 0 if self._answered else unanswered + 1
        return f"no answer within {self._patience:g} s"

    # ------------------------------------------------------------------ the process

    def _spawn(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """In this very thread: the kernel ends a child of a thread that ended (PR_SET_PDEATHSIG)."""
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as undo:
            undo.callback(ours.close)
            arguments = "--socket", str(theirs.fileno()), "--parent", str(os.getpid())
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # until it ignores it
            try:
                popen = subprocess.Popen(
                    (*self._command, *arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), *self._begin.sockets),
                    env=_environment(),
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            undo.pop_all()
        ours.setblocking(False)
        return ours, popen


def _environment() -> dict[str, str]:
    """This process's own; modules are where they are here, however it came to know."""
    places = [str(Path(place).absolute()) for place in sys.path if os.pathsep not in place]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


def _refuse(detail: str, slug: str = "worker-unavailable") -> Obituary:
    return Obituary("ended", detail, Unavailable(detail, slug=slug))


def _unpacked(result: bytes) -> Result:
    try:
        return result_unpacker.unpack(result)
    except (Malformed, RecursionError) as error:
        raise WorkerFault(f"a result cannot be read: {error}") from error


async def _kill(popen: subprocess.Popen[bytes], patience: float) -> int | None:
    """Its exit code, or how a signal ended it, unless the kernel is still at it; killed, if it does not end itself."""
    if not await _ended(popen, patience):
        popen.kill()
        await _ended(popen, REAP_PATIENCE)
    code: int | None = popen.returncode
    return code


async def _ended(popen: subprocess.Popen[bytes], patience: float) -> bool:
    deadline = trio.current_time() + patience
    while popen.poll() is None:
        if trio.current_time() >= deadline:
            return False
        await trio.sleep(_POLL)
    return True


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"ended by {signal.Signals(-code).name}"
    return "ended" if code is None else f"ended with exit code {code}"
