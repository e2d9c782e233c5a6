"""Who comes, goes, leaves for a while and comes back."""

from __future__ import annotations

import random

import pytest

from clients.swarm.churn import Churn
from clients.swarm.population import Move, Population, Programme
from clients.swarm.stages import Stage, changes
from labsfu.errors import InvalidValue


def played(
    stages: list[Stage], *, churn: Churn | None = None, seed: int = 1, obedient: bool = True
) -> tuple[Population, list[tuple[float, Move]]]:
    """All moves of a programme; with `obedient` each is followed at once."""
    coming = changes(stages, rate=1000)
    people = Population()
    programme = Programme(coming, sum(stage.seconds for stage in stages), churn, random.Random(seed))
    moves = []
    while (at := programme.next_at) is not None:
        move = programme.step(people)
        if move is not None:
            moves.append((at, move))
            if obedient and move.comes:
                people.joined(move.number)
            elif obedient:
                people.gone(move.number, failed=False)
    return people, moves


def test_the_lowest_free_number_comes_and_the_highest_goes() -> None:
    people, moves = played([Stage(3, 1.0), Stage(1, 1.0), Stage(2, 1.0)])
    assert [(move.number, move.comes) for _, move in moves] == [
        (0, True), (1, True), (2, True), (2, False), (1, False), (1, True),
    ]  # fmt: skip
    assert people.present == people.wanted == {0, 1}
    assert people.settled


def test_it_is_settled_only_when_everyone_has_followed() -> None:
    people = Population()
    states = []
    people.one_more()
    states.append(people.settled)
    people.joined(0)
    states.append(people.settled)
    people.one_less()
    states.append(people.settled)
    people.gone(0, failed=False)
    states.append(people.settled)
    assert states == [False, True, False, True]


def test_one_that_fails_is_not_waited_for_and_its_number_not_given_again() -> None:
    people = Population()
    people.one_more()
    people.gone(0, failed=True)
    assert people.settled
    assert people.wanted == set()
    assert people.one_more() == Move(1, comes=True)


def test_one_that_joins_after_it_was_asked_to_go_is_not_counted() -> None:
    people = Population()
    people.one_more()
    people.one_less()
    people.joined(0)
    assert people.present == set()


def test_churn_brings_back_everyone_who_left_and_leaves_the_number_as_it_was() -> None:
    people, moves = played([Stage(5, 0.1), Stage(5, 100.0)], churn=Churn(1.0, away=2.0))
    left = [(at, move.number) for at, move in moves if not move.comes]
    back = [(at - 2.0, move.number) for at, move in moves if move.comes][5:]
    assert 70 < len(left) < 130, "one a second on the average"
    assert [n for _, n in back] == [n for _, n in left]
    assert [at for at, _ in back] == pytest.approx([at for at, _ in left])
    assert len({number for _, number in left}) == 5
    assert people.present == {0, 1, 2, 3, 4}


def test_the_same_seed_has_the_same_people_leave() -> None:
    stages = [Stage(9, 0.1), Stage(9, 20.0)]
    churn = Churn(2.0, away=0.5)
    assert played(stages, churn=churn, seed=4)[1] == played(stages, churn=churn, seed=4)[1]
    assert played(stages, churn=churn, seed=4)[1] != played(stages, churn=churn, seed=5)[1]


def test_one_who_is_given_up_while_away_does_not_come_back() -> None:
    people = Population()
    for _ in range(2):
        people.joined(people.one_more().number)
    people.goes(1, to_return=True)
    assert people.one_less() is None
    assert people.returns(1) is None
    assert people.wanted == {0}


@pytest.mark.parametrize(("rate", "away"), [(0.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (float("inf"), 1.0)])
def test_what_is_no_churn_is_refused(rate: float, away: float) -> None:
    with pytest.raises(InvalidValue):
        Churn(rate, away)
