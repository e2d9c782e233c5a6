"""Scores: 10 is everything, 0 is nothing."""

from __future__ import annotations

import pytest

from labsfu.core.forwarding.score import HISTORY, Score


@pytest.mark.parametrize(
    ("expected", "lost", "score"),
    [(100, 0, 10), (100, 100, 0), (100, 10, 7), (100, 50, 1), (0, 0, 10), (100, -3, 10), (10, 20, 0)],
)
def test_one_report(expected: int, lost: int, score: int) -> None:
    made = Score()
    made.report(expected, lost)
    assert made.value == score


def test_nobody_has_reported_yet() -> None:
    assert Score().value == 10


def test_the_newest_weighs_most_and_the_oldest_are_forgotten() -> None:
    falling, rising = Score(), Score()
    for step in range(10):
        falling.report(100, 0 if step < 5 else 100)
        rising.report(100, 100 if step < 5 else 0)
    assert falling.value < rising.value
    for _ in range(HISTORY):
        falling.report(100, 0)
    assert falling.value == 10
