"""What fails again and again is tried ever more rarely, and never at once without end."""

from __future__ import annotations

from labsfu.shell.backoff import LONGEST, STEADY, Backoff


def test_the_first_time_there_is_no_wait() -> None:
    assert Backoff().after(0.1) == 0


def test_waits_get_longer_up_to_a_limit() -> None:
    backoff = Backoff()
    waits = [backoff.after(0.1) for _ in range(9)]
    assert waits == [0, 0.5, 1, 2, 4, 8, 15, 15, 15]
    assert waits[-1] == LONGEST


def test_what_lasted_long_is_tried_again_at_once_and_then_waits_begin_anew() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.after(1)
    assert [backoff.after(STEADY), backoff.after(1), backoff.after(1)] == [0, 0.5, 1]
