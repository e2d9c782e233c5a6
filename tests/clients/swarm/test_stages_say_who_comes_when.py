"""Stages and rates, as text and as single changes."""

from __future__ import annotations

import pytest

from clients.swarm.stages import Change, Stage, changes, duration, rate_of, stages_of
from labsfu.errors import InvalidValue


@pytest.mark.parametrize("arrow", ["→", "->", " → "])
def test_a_ramp_and_a_hold(arrow: str) -> None:
    assert stages_of(f"0{arrow}50 in 30s, hold 1m") == (Stage(50, 30.0), Stage(50, 60.0))


def test_a_ramp_goes_on_from_where_the_one_before_ended() -> None:
    assert stages_of("4 in 500ms,hold 1.5s, 4→1 in 2s") == (Stage(4, 0.5), Stage(4, 1.5), Stage(1, 2.0))


def test_a_first_ramp_may_begin_with_people() -> None:
    assert stages_of("10→20 in 5s") == (Stage(10, 0.0), Stage(20, 5.0))


@pytest.mark.parametrize("text", ["", "50", "hold", "50 in 30", "0→50 in 30s, 40→60 in 1s", "-1 in 3s"])
def test_what_is_no_stage_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        stages_of(text)


def test_rates() -> None:
    assert [rate_of(text) for text in ("10/s", "30/m", "1/ms", 2.5)] == [10.0, 0.5, 1000.0, 2.5]


@pytest.mark.parametrize("text", ["10", "/s", "0/s", 0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(text: str | float) -> None:
    with pytest.raises(InvalidValue):
        rate_of(text)


def test_a_ramp_is_even_up_and_down() -> None:
    assert changes([Stage(2, 1.0), Stage(2, 1.0), Stage(0, 4.0)], rate=100) == [
        Change(0.0, joins=True),
        Change(0.5, joins=True),
        Change(2.0, joins=False),
        Change(4.0, joins=False),
    ]


def test_who_would_come_faster_than_the_rate_comes_later() -> None:
    coming = changes([Stage(3, 0.0), Stage(3, 1.0), Stage(4, 0.0)], rate=2)
    assert coming == [Change(0.0, True), Change(0.5, True), Change(1.0, True), Change(1.5, True)]
    assert duration([Stage(3, 0.0), Stage(3, 1.0), Stage(4, 0.0)], coming) == 1.5
