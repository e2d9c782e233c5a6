"""Plans, names of networks, and conditions that change by time and by event; on invented time."""

from __future__ import annotations

from typing import Any

import pytest

from clients.network import NETWORKS, PERFECT, PRESETS, Conditions, Direction, NetworkPlan, Path, Step, blackout
from clients.network.plan import Schedule
from labsfu.errors import InvalidValue

UP, DOWN = Direction.UP, Direction.DOWN
SLOW = Conditions(delay=1.0)
START = 100.0


class Network:
    """Two paths and a schedule."""

    def __init__(self, *steps: Step, up: Conditions = PERFECT) -> None:
        self.paths = {UP: Path(1, "al", UP, up), DOWN: Path(1, "al", DOWN)}
        self.schedule = Schedule(steps, START)

    def at(self, now: float) -> tuple[Conditions, Conditions]:
        self.schedule.change(now, self.paths)
        return self.paths[UP].conditions, self.paths[DOWN].conditions


def test_a_plan_takes_conditions_or_names() -> None:
    plan = NetworkPlan(seed=1, up="lte", down=SLOW)
    assert plan.conditions(UP) is PRESETS["lte"].up
    assert plan.conditions(DOWN) is SLOW
    both = NetworkPlan.of("3g", seed=1)
    assert (both.conditions(UP), both.conditions(DOWN)) == (PRESETS["3g"].up, PRESETS["3g"].down)
    assert NetworkPlan(seed=1).conditions(UP) == PERFECT
    assert NetworkPlan.of("blackout", seed=1).conditions(UP) == Conditions(loss=1.0)
    for name in NETWORKS:
        NetworkPlan.of(name, seed=1)


@pytest.mark.parametrize("wrong", [{"up": "5g"}, {"down": "5g"}])
def test_a_name_of_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match="no network is called '5g'"):
        NetworkPlan(seed=1, **wrong)
    with pytest.raises(InvalidValue, match="wifi"):
        Step(**wrong)


@pytest.mark.parametrize("wrong", [{"at": -1.0}, {"at": float("nan")}, {"seconds": -0.1}, {"seconds": float("inf")}])
def test_a_time_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        Step(**wrong)


def test_steps_come_at_their_time_and_change_what_they_name() -> None:
    network = Network(Step(at=5.0, up=SLOW), Step(at=2.0, down="wifi"))
    assert network.schedule.deadline() == START + 2.0
    assert network.at(START + 1.9) == (PERFECT, PERFECT)
    assert network.at(START + 2.0) == (PERFECT, PRESETS["wifi"].down)
    assert network.schedule.deadline() == START + 5.0
    assert network.at(START + 5.0) == (SLOW, PRESETS["wifi"].down)
    assert network.schedule.deadline() is None


def test_a_step_at_once_is_due_at_the_start() -> None:
    assert Network(Step(up=SLOW)).at(START) == (SLOW, PERFECT)


def test_a_blackout_keeps_all_but_the_loss_and_goes_away() -> None:
    before = Conditions(loss=0.1, delay=0.2, rate=1e6)
    network = Network(blackout(3.0, at=1.0), up=before)
    assert network.at(START + 1.0) == (Conditions(loss=1.0, delay=0.2, rate=1e6), Conditions(loss=1.0))
    assert network.schedule.deadline() == START + 4.0
    assert network.at(START + 3.9)[0].loss == 1.0
    assert network.at(START + 4.0) == (before, PERFECT)
    assert network.schedule.deadline() is None


def test_a_late_look_leaves_nothing_out() -> None:
    assert Network(blackout(3.0, at=1.0), Step(at=6.0, up=SLOW)).at(START + 9.0) == (SLOW, PERFECT)


def test_steps_wait_for_their_event_and_only_its_first_time_counts() -> None:
    network = Network(Step(at=1.0, after="published", up=SLOW), Step(at=1.0, after="other", up="lte"))
    assert network.schedule.deadline() is None
    network.schedule.event("published", START + 50.0)
    assert network.schedule.deadline() == START + 51.0
    assert network.at(START + 51.0) == (SLOW, PERFECT)
    network.schedule.event("published", START + 60.0)
    network.schedule.event("nothing waits for it", START + 60.0)
    assert network.schedule.deadline() is None
