"""Deadlines, one a key."""

from __future__ import annotations

from labsfu.core.timers import Timers


def test_keys_come_due_in_their_order() -> None:
    timers: Timers[str] = Timers()
    timers.schedule("late", 3.0)
    timers.schedule("early", 1.0)
    timers.schedule("never", None)
    assert timers.deadline() == 1.0
    assert timers.due(0.5) == []
    assert timers.due(3.0) == ["early", "late"]
    assert timers.deadline() is None


def test_an_earlier_time_counts_and_a_later_one_is_left_to_the_wake_up() -> None:
    timers: Timers[str] = Timers()
    timers.schedule("a", 5.0)
    timers.schedule("a", 2.0)
    timers.schedule("a", 9.0)
    assert timers.due(2.0) == ["a"]
    assert timers.due(10.0) == []


def test_what_is_forgotten_never_comes_due() -> None:
    timers: Timers[str] = Timers()
    timers.schedule("a", 1.0)
    timers.forget("a")
    assert timers.deadline() is None
    timers.schedule("a", 4.0)
    assert timers.due(4.0) == ["a"]


def test_a_deadline_that_moves_back_often_fills_no_memory() -> None:
    timers: Timers[str] = Timers()
    for n in range(10_000):
        timers.schedule("a", 100.0 + n)
    assert len(timers._heap) == 1
