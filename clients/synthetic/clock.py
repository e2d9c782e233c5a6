"""One timer for all synthetic ends of a process, and how late it was."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import weakref
from collections import Counter
from typing import Protocol

from labsfu.wire.base import Wire

GRAIN = 0.002
"""Seconds between two rounds at least: what falls due meanwhile is done at once."""
_STEP = 0.0005


class Paced(Protocol):
    """Something that has work to do at times."""

    @property
    def due(self) -> float:
        """When `run` has something to do, loop time; infinity: never."""

    def run(self, now: float) -> None:
        """Do what is due."""

    def failed(self, error: Exception) -> None:
        """`run` raised; it will not be called again."""


class SlipReport(Wire):
    """How late the timer was: seconds from when work was due until it was done, `GRAIN` included.

    Attributes:
        rounds: how often the timer fired; runs: how much work it did.
        slip_p50: seconds; slip_p99, slip_max: the same.
        busy: seconds spent working.
    """

    rounds: int
    runs: int
    slip_p50: float
    slip_p99: float
    slip_max: float
    busy: float


class PacingClock:
    """Runs what is due, from one timer of the event loop.

    Args:
        loop: whose time counts, and whose timer is used.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Paced]] = []
        self._planned: dict[Paced, float] = {}
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._last_round = float("-inf")
        self._slips: Counter[int] = Counter()
        self._rounds = self._runs = 0
        self._slip_max = self._busy = 0.0

    def time(self) -> float:
        """Now, loop time."""
        return self._loop.time()

    def plan(self, paced: Paced) -> None:
        """See when it is due, and run it then; to be called again when it has become due earlier."""
        due = paced.due
        planned = self._planned.get(paced)
        if planned is not None and planned <= due:
            return
        if due == float("inf"):
            self._planned.setdefault(paced, due)
            return
        self._planned[paced] = due
        heapq.heappush(self._heap, (due, next(self._order), paced))
        if due < self._timer_at:
            self._set_timer()

    def forget(self, paced: Paced) -> None:
        """Run it no more. Idempotent."""
        self._planned.pop(paced, None)
        if not self._planned and self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, float("inf")
            self._heap.clear()

    def report(self) -> SlipReport:
        """How late it was so far."""
        return SlipReport(
            rounds=self._rounds,
            runs=self._runs,
            slip_p50=self._slip(0.5),
            slip_p99=self._slip(0.99),
            slip_max=self._slip_max,
            busy=self._busy,
        )

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = max(self._heap[0][0], self._last_round + GRAIN)
        self._timer = self._loop.call_at(self._timer_at, self._round)

    def _round(self) -> None:
        now = self._last_round = self._loop.time()
        self._timer, self._timer_at = None, float("inf")
        self._rounds += 1
        heap = self._heap
        ready = []
        while heap and heap[0][0] <= now:
            due, _, paced = heapq.heappop(heap)
            if self._planned.get(paced) == due:
                ready.append((due, paced))
        for due, paced in ready:
            if self._planned.get(paced) == due:
                self._run(paced, due)
        self._busy += self._loop.time() - now
        if heap and self._timer is None:
            self._set_timer()

    def _run(self, paced: Paced, due: float) -> None:
        now = self._loop.time()
        slip = now - due
        self._runs += 1
        self._slips[int(slip / _STEP)] += 1
        self._slip_max = max(self._slip_max, slip)
        self._planned[paced] = float("inf")
        try:
            paced.run(now)
        except Exception as error:
            self._planned.pop(paced, None)
            paced.failed(error)
            return
        if paced in self._planned:
            self.plan(paced)

    def _slip(self, share: float) -> float:
        left = share * self._runs
        for step in sorted(self._slips):
            left -= self._slips[step]
            if left <= 0:
                return min((step + 1) * _STEP, self._slip_max)
        return 0.0


_clocks: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, PacingClock] = weakref.WeakKeyDictionary()


def pacing_clock() -> PacingClock:
    """The clock of the running loop: one for a process, as it has one loop."""
    loop = asyncio.get_running_loop()
    clock = _clocks.get(loop)
    if clock is None:
        clock = _clocks[loop] = PacingClock(loop)
    return clock
