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


@pytest.mark.parametrize(
    ("lost", "repaired", "retransmitted", "score"),
    [
        # Of 100 expected; the exact figures were reckoned by hand from mediasoup's formula.
        pytest.param(20, 0, 0, 4, id="nothing repaired: 4.10"),
        pytest.param(20, 0, 40, 4, id="sent again in vain: 4.10"),
        pytest.param(20, 20, 20, 6, id="all repaired, nothing wasted: 6.46"),
        pytest.param(20, 20, 0, 6, id="all repaired, nobody counted what was sent for it: 6.46"),
        pytest.param(20, 20, 5, 6, id="all repaired, with fewer than that, which cannot be: 6.46"),
        pytest.param(20, 20, 40, 5, id="half of it wasted: 5.17"),
        pytest.param(10, 10, 10, 9, id="little to repair: 8.79"),
        pytest.param(10, 10, 100, 7, id="most of it wasted: 6.76"),
        pytest.param(50, 50, 50, 1, id="much to repair: 1.29"),
        pytest.param(5, 100, 0, 10, id="more than was lost counts as what was lost: 9.65"),
        pytest.param(0, 10, 10, 10, id="nothing was lost"),
        pytest.param(20, -3, 0, 4, id="less than none: 4.10"),
    ],
)
def test_a_repaired_loss_counts_less(lost: int, repaired: int, retransmitted: int, score: int) -> None:
    made = Score()
    made.report(100, lost, repaired, retransmitted)
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
