"""One timer for all synthetic ends, on a loop whose time stands still until it is moved."""

from __future__ import annotations

import asyncio

import pytest

from clients.synthetic.clock import GRAIN, PacingClock


class InventedLoop(asyncio.SelectorEventLoop):
    """Time passes only from one timer to the next, and by `late`."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0

    def time(self) -> float:
        return self.now

    def pass_until(self, end: float, late: float = 0.0) -> None:
        """Let timers fire, each `late` seconds after its time."""
        while self._scheduled and self._scheduled[0].when() <= end:  # type: ignore[attr-defined] # asyncio's heap
            self.now = max(self.now, self._scheduled[0].when() + late)  # type: ignore[attr-defined] # the same
            self.call_soon(self.stop)
            self.run_forever()
        self.now = end


class Beat:
    """Work each `every` seconds."""

    def __init__(self, first: float, every: float, *, fails: bool = False) -> None:
        self.due = first
        self.every = every
        self.ran: list[float] = []
        self.error: Exception | None = None
        self.fails = fails

    def run(self, now: float) -> None:
        if self.fails:
            raise RuntimeError("encoder")
        self.ran.append(now)
        self.due += self.every

    def failed(self, error: Exception) -> None:
        self.error = error


@pytest.fixture
def loop() -> object:
    loop = InventedLoop()
    yield loop
    loop.close()


def test_everyone_is_run_when_due(loop: InventedLoop) -> None:
    clock = PacingClock(loop)
    beats = [Beat(100.005, 0.02), Beat(100.01, 0.05)]
    for beat in beats:
        clock.plan(beat)
    loop.pass_until(100.1)
    assert beats[0].ran == pytest.approx([100.005, 100.025, 100.045, 100.065, 100.085])
    assert beats[1].ran == pytest.approx([100.01, 100.06])
    assert clock.report().runs == 7
    assert clock.report().slip_max == pytest.approx(0, abs=1e-6)


def test_what_falls_due_within_a_grain_is_done_in_one_round(loop: InventedLoop) -> None:
    clock = PacingClock(loop)
    beats = [Beat(100.01 + index * GRAIN / 100, 0.02) for index in range(50)]
    for beat in beats:
        clock.plan(beat)
    loop.pass_until(101)
    report = clock.report()
    assert report.runs == pytest.approx(50 * 50, rel=0.03)
    assert report.rounds <= 105
    assert report.slip_max <= GRAIN + 1e-6


def test_being_late_is_measured(loop: InventedLoop) -> None:
    clock = PacingClock(loop)
    clock.plan(Beat(100.01, 0.02))
    loop.pass_until(101, late=0.004)
    report = clock.report()
    assert report.slip_max == pytest.approx(0.004, abs=1e-6)
    assert report.slip_p50 == pytest.approx(0.004, abs=0.0006)


def test_who_becomes_due_earlier_is_run_earlier_and_not_twice(loop: InventedLoop) -> None:
    clock = PacingClock(loop)
    beat = Beat(100.5, 10)
    clock.plan(beat)
    beat.due = 100.1
    clock.plan(beat)
    loop.pass_until(101)
    assert beat.ran == pytest.approx([100.1])


def test_who_is_forgotten_is_not_run_and_the_timer_goes(loop: InventedLoop) -> None:
    clock = PacingClock(loop)
    beat = Beat(100.5, 10)
    clock.plan(beat)
    clock.forget(beat)
    clock.forget(beat)
    loop.pass_until(101)
    assert beat.ran == []
    assert clock.report().rounds == 0


def test_who_fails_is_told_and_stops_nobody_else(loop: InventedLoop) -> None:
    clock = PacingClock(loop)
    bad, good = Beat(100.01, 0.02, fails=True), Beat(100.01, 0.02)
    clock.plan(bad)
    clock.plan(good)
    loop.pass_until(100.1)
    assert isinstance(bad.error, RuntimeError)
    assert len(good.ran) == 5
