"""The conductor: many clients over worker processes, led from one asyncio program."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from secrets import token_hex
from types import TracebackType
from typing import Self

from clients.closing import to_its_end
from clients.network import NETWORKS
from clients.swarm.churn import Churn
from clients.swarm.errors import SwarmFailed
from clients.swarm.health import HealthProbe
from clients.swarm.messages import Depart, FromWorker, Gone, Join, Joined, Measure, Measured, Ready
from clients.swarm.plan import Layout, Media, Orders
from clients.swarm.population import Move, Population, Programme
from clients.swarm.process import WORKER, WorkerProcess
from clients.swarm.report import Reading, SwarmReport, report
from clients.swarm.stages import Stage, changes, duration, rate_of, stages_of
from clients.swarm.verdict import Limits
from labsfu.errors import InvalidValue

START_PATIENCE = 30.0
"""Seconds that a worker may take to be ready: it imports codecs."""
STOP_PATIENCE = 10.0
"""Seconds that a worker may take for everyone to leave."""
ANSWER_PATIENCE = 10.0
"""Seconds that a worker may take to say what it has: it may be very busy."""
MOST_ERRORS = 100


class Swarm:
    """A crowd, as an async context manager: entering starts the workers, leaving has everyone leave and ends them.

    A worker that dies cancels the body and is raised as `WorkerDied`, after the others were ended in order. A client
    that fails is counted, and told by the report. An interrupted body (Ctrl-C) leaves nothing behind.

    Args:
        url: base URL of the server.
        people: how many, if `stages` do not say.
        room_size: people in each room.
        rate: how many may join a second, e.g. `10/s`.
        stages: how many people when, e.g. `0→50 in 30s, hold 1m`.
        churn: people who leave and come back while the stages are played.
        synthetic: media without codecs.
        media: what everyone sends.
        network: name of everyone's network; None: as it is.
        workers: how many processes; None: one for each core.
        seed: of everything that is drawn.
        limits: of the generator's own health.
        token: bearer token of the server.
        tag: begins all names; None: drawn, so that two swarms do not meet.
        timeout: seconds of each client for joining, for each request and each transport.
        command: what to run as a worker.

    Attributes:
        errors: of clients that failed, the first hundred.

    Raises:
        InvalidValue: a rate, a stage or a network that is none.
    """

    def __init__(
        self,
        url: str,
        *,
        people: int = 0,
        room_size: int = 5,
        rate: str | float = "10/s",
        stages: str | Sequence[Stage] | None = None,
        churn: Churn | None = None,
        synthetic: bool = True,
        media: Media | None = None,
        network: str | None = None,
        workers: int | None = None,
        seed: int = 0,
        limits: Limits | None = None,
        token: str | None = None,
        tag: str | None = None,
        timeout: float = 15.0,
        command: Sequence[str] = WORKER,
    ) -> None:
        if network is not None and network not in NETWORKS:
            raise InvalidValue(f"no network is called '{network}': there are {', '.join(NETWORKS)}")
        self.errors: list[str] = []
        self.seed = seed
        self.synthetic = synthetic
        self.limits = Limits() if limits is None else limits
        self.layout = Layout(tag=f"swarm-{token_hex(3)}" if tag is None else tag, room_size=room_size)
        self._rate = rate_of(rate)
        self._stages = _stages(stages, people)
        self._churn = churn
        count = (os.cpu_count() or 1) if workers is None else workers
        self._workers = [
            WorkerProcess(
                Orders(
                    worker=number,
                    url=url,
                    token=token,
                    layout=self.layout,
                    media=Media() if media is None else media,
                    synthetic=synthetic,
                    network=network,
                    seed=seed,
                    timeout=timeout,
                ),
                command,
            )
            for number in range(count)
        ]
        self._population = Population()
        self._changed = asyncio.Event()
        self._questions = itertools.count()
        self._answers: dict[tuple[int, int], asyncio.Future[Measured]] = {}
        self._health: HealthProbe | None = None
        self._began: Reading | None = None
        self._ending: asyncio.Task[None] | None = None
        self._session: AbstractAsyncContextManager[None] | None = None

    async def __aenter__(self) -> Self:
        self._session = self._run()
        await self._session.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._session is not None, "set on entering"
        return await self._session.__aexit__(kind, error, traceback)

    # ------------------------------------------------------------------ who is there

    @property
    def people(self) -> int:
        """How many are in their rooms and send."""
        return len(self._population.present)

    @property
    def wanted(self) -> int:
        """How many have been asked to be there, and have not failed."""
        return len(self._population.wanted)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the worker processes."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    # ------------------------------------------------------------------ what to do

    async def run(self) -> SwarmReport:
        """Play the stages, and report on that time."""
        await self.play()
        return await self.report()

    async def play(self) -> None:
        """Have people come and go as the stages and the churn say; ends with the last stage."""
        coming = changes(self._stages, rate=self._rate)
        seconds = duration(self._stages, coming)
        programme = Programme(coming, seconds, self._churn, random.Random(f"{self.seed}/churn"))
        begin = time.monotonic()
        while (at := programme.next_at) is not None:
            await asyncio.sleep(max(0.0, begin + at - time.monotonic()))
            self._do(programme.step(self._population))
        await asyncio.sleep(max(0.0, begin + seconds - time.monotonic()))

    async def set_people(self, people: int) -> None:
        """Have this many: the others come at the rate, or go at once; those who come are not waited for."""
        pause = 1 / self._rate
        while self.wanted > people:
            self._do(self._population.one_less())
        while self.wanted < people:
            self._do(self._population.one_more())
            await asyncio.sleep(pause)

    async def settled(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - always bounded
        """Wait until everyone who was asked to come or go has, or has failed.

        Raises:
            TimeoutError: not in `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not self._population.settled:
                await self._changed.wait()

    async def read(self) -> Reading:
        """All counts as they are now."""
        assert self._health is not None, "set on entering"
        number = next(self._questions)
        loop = asyncio.get_running_loop()
        futures = [self._answers.setdefault((number, w.number), loop.create_future()) for w in self._workers]
        for worker in self._workers:
            worker.send(Measure(number))
        try:
            async with asyncio.timeout(ANSWER_PATIENCE):
                workers = [await future for future in futures]
        finally:
            for worker in self._workers:
                self._answers.pop((number, worker.number), None)
        return Reading(at=time.monotonic(), pid=os.getpid(), health=self._health.counts(), workers=workers)

    async def report(self, since: Reading | None = None) -> SwarmReport:
        """What was found since a reading; None: since all workers were ready.

        Raises:
            TimeoutError: a worker does not answer.
        """
        before = self._began if since is None else since
        assert before is not None, "set on entering"
        after = await self.read()
        return report(
            after, before, limits=self.limits, seed=self.seed, synthetic=self.synthetic, errors=tuple(self.errors)
        )

    async def close(self) -> None:
        """Have everyone leave, and end the workers. Idempotent; leaving the context does it too.

        It goes on when the wait for it is cancelled; leaving the context waits for its end in any case.
        """
        await asyncio.shield(self._end())

    # ------------------------------------------------------------------ how

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    await self._start(group)
                    yield
                finally:
                    await to_its_end(self._end())
        except BaseExceptionGroup as errors:
            alike = all(isinstance(error, SwarmFailed) for error in errors.exceptions)
            raise errors.exceptions[0] if alike or len(errors.exceptions) == 1 else errors from None

    async def _start(self, group: asyncio.TaskGroup) -> None:
        self._health = HealthProbe()
        for worker in self._workers:
            await worker.start()
            group.create_task(self._listen(worker), name=f"worker {worker.number}")
        for worker in self._workers:
            try:
                async with asyncio.timeout(START_PATIENCE):
                    await worker.ready.wait()
            except TimeoutError:
                raise await worker.died() from None
        self._health.start()
        self._began = await self.read()

    async def _listen(self, worker: WorkerProcess) -> None:
        while (message := await worker.receive()) is not None:
            self._hear(worker, message)

    def _hear(self, worker: WorkerProcess, message: FromWorker) -> None:
        match message:
            case Ready():
                worker.ready.set()
            case Joined(number):
                self._population.joined(number)
            case Gone(number, error):
                self._population.gone(number, failed=error is not None)
                if error is not None and len(self.errors) < MOST_ERRORS:
                    self.errors.append(error)
            case Measured(question):
                future = self._answers.get((question, worker.number))
                if future is not None and not future.done():
                    future.set_result(message)
        self._changed.set()
        self._changed = asyncio.Event()

    def _do(self, move: Move | None) -> None:
        if move is None:
            return
        worker = self._workers[move.number % len(self._workers)]
        worker.send(Join(self.layout.seat(move.number)) if move.comes else Depart(move.number))

    def _end(self) -> asyncio.Task[None]:
        if self._ending is None:
            self._ending = asyncio.create_task(self._stop(), name="swarm ends")
        return self._ending

    async def _stop(self) -> None:
        if self._health is not None:
            self._health.stop()
        await asyncio.gather(*(worker.stop(STOP_PATIENCE) for worker in self._workers))


def _stages(stages: str | Sequence[Stage] | None, people: int) -> tuple[Stage, ...]:
    if stages is None:
        return (Stage(people, 0.0),)
    return stages_of(stages) if isinstance(stages, str) else tuple(stages)
