"""Which worker a new router is made on, by how the workers stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.shell.placement import FULL, LOAD_OF_ONE, Standing, choose_worker

STANDINGS = st.lists(st.builds(Standing, st.integers(0, 500), st.floats(0, 1.2)), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("standings", "count", "chosen"),
    [
        ([(0, 0.0)], 2, 0),
        ([(0, 0.0), (0, 0.0)], 2, 0),
        # people who are expected count before they come
        ([(2, 0.0), (0, 0.0)], 2, 1),
        ([(2, 0.0), (4, 0.0), (3, 0.0)], 2, 0),
        # who does more than expected counts as he does; who does less, as expected
        ([(2, 0.6), (12, 0.05)], 2, 1),
        ([(2, 0.2), (12, 0.05)], 2, 0),
        # as many, as busy as expected: the fewest people, then the first
        ([(4, 0.5), (2, 0.5), (2, 0.5)], 2, 1),
        # idle people on one, a busy one that has no room for so many
        ([(5, 0.8), (60, 0.2)], 2, 0),
        ([(5, 0.8), (60, 0.2)], 10, 1),
        # no room anywhere: the least loaded all the same
        ([(5, 1.0), (60, 0.95)], 10, 0),
        ([(5, 1.0), (5, 0.95)], 10, 1),
    ],
)
def test_the_worker_is(standings: list[tuple[int, float]], count: int, chosen: int) -> None:
    assert choose_worker([Standing(*standing) for standing in standings], count) == chosen


def test_rooms_that_come_all_at_once_spread_by_their_size() -> None:
    """Nothing is measured yet; each is placed where the fewest are expected."""
    counts = [0, 0, 0]
    for size in [6, 2, 2, 2, 4, 2, 6, 2, 2, 2]:
        counts[choose_worker([Standing(count, 0.0) for count in counts], size)] += size
    assert max(counts) - min(counts) <= 4


def test_who_was_placed_counts_before_the_load_shows_it() -> None:
    """The load is that of some seconds ago; a burst of calls does not go to the worker that was idler then."""
    placed = [0, 0]
    for _ in range(20):
        standings = [Standing(count, load, count) for count, load in zip(placed, (0.5, 0.45), strict=True)]
        placed[choose_worker(standings, 1)] += 1
    assert placed == [9, 11]
    assert choose_worker([Standing(10, 0.5, 20), Standing(60, 0.6)], 2) == 1, "no room for them soon"


@given(STANDINGS, st.integers(0, 100))
def test_nobody_who_stands_worse_in_everything_is_chosen(standings: list[Standing], count: int) -> None:
    chosen = standings[choose_worker(standings, count)]
    assert not any(
        other.participant_count < chosen.participant_count and other.load < chosen.load for other in standings
    )


@given(STANDINGS, st.integers(0, 20))
def test_a_worker_without_room_is_chosen_only_when_none_has_room(standings: list[Standing], count: int) -> None:
    fits = [standing.load + count * LOAD_OF_ONE <= FULL for standing in standings]
    assert fits[choose_worker(standings, count)] or not any(fits)
