"""Which layers are sent, of those that are there and wanted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.forwarding.layers import NOTHING, Available, Layers, LayerState, choose_layers, clamp_preferred


def states(alive: str, temporal_layers: int = 3) -> Available:
    """`x` for a layer that can be sent, `-` for one that is dead, `o` for one that is switched off."""
    bitrates = (100_000, 400_000, 1_600_000)
    return tuple(
        LayerState(alive=letter != "-", temporal_layers=temporal_layers, bitrate=bitrate, active=letter != "o")
        for letter, bitrate in zip(alive, bitrates, strict=False)
    )


@pytest.mark.parametrize(
    ("preferred", "alive", "chosen"),
    [
        ((2, 2), "xxx", (2, 2)),
        ((2, 0), "xxx", (2, 0)),
        ((1, 1), "xxx", (1, 1)),
        ((0, 0), "xxx", (0, 0)),
        # the best below has all its temporal layers
        ((2, 0), "xx-", (1, 2)),
        ((2, 1), "x--", (0, 2)),
        ((2, 0), "xxo", (1, 2)),
        ((1, 0), "xox", (0, 2)),
        # nothing below: the lowest above
        ((0, 0), "-xx", (1, 2)),
        ((0, 1), "--x", (2, 2)),
        ((1, 0), "--x", (2, 2)),
        ((0, 0), "ox-", (1, 2)),
        # nothing there, nothing wanted
        ((2, 2), "---", (-1, -1)),
        ((2, 2), "oo-", (-1, -1)),
        ((2, 2), "", (-1, -1)),
        ((-1, -1), "xxx", (-1, -1)),
        # more wanted than there is
        ((7, 0), "xxx", (2, 2)),
        ((2, 7), "xxx", (2, 2)),
        # all of a layer above the preferred one are too many
        ((1, 1), "x-x", (0, 2)),
    ],
)
def test_the_highest_up_to_the_preferred_layers_is_chosen(
    preferred: tuple[int, int], alive: str, chosen: tuple[int, int]
) -> None:
    assert choose_layers(Layers(*preferred), states(alive)) == Layers(*chosen)


@pytest.mark.parametrize(
    ("preferred", "budget", "chosen"),
    [
        # shares of 1.6 Mbit/s up to T0, T1, T2: 40, 60, 100 %
        ((2, 2), 1_600_000, (2, 2)),
        ((2, 2), 1_599_999, (2, 1)),
        ((2, 2), 960_000, (2, 1)),
        ((2, 2), 959_999, (2, 0)),
        ((2, 2), 640_000, (2, 0)),
        ((2, 2), 639_999, (1, 2)),
        ((2, 0), 640_000, (2, 0)),
        ((2, 0), 639_999, (1, 2)),
        ((2, 2), 399_999, (1, 1)),
        ((1, 1), 399_999, (1, 1)),
        ((1, 2), 10_000_000, (1, 2)),
        ((2, 2), 159_999, (0, 2)),
        ((2, 2), 99_999, (0, 1)),
        ((2, 2), 40_000, (0, 0)),
        # nothing fits: the least there is
        ((2, 2), 39_999, (0, 0)),
        ((2, 2), 0, (0, 0)),
    ],
)
def test_the_highest_layers_that_fit_the_budget_are_chosen(
    preferred: tuple[int, int], budget: float, chosen: tuple[int, int]
) -> None:
    assert choose_layers(Layers(*preferred), states("xxx"), budget) == Layers(*chosen)


def test_the_least_there_is_is_sent_whatever_it_costs() -> None:
    assert choose_layers(Layers(2, 2), states("-xx"), 1) == Layers(1, 0)
    assert choose_layers(Layers(0, 0), states("--x"), 1) == Layers(2, 0)
    assert choose_layers(Layers(2, 2), states("---"), 1) == NOTHING


def test_a_layer_that_was_not_measured_yet_fits() -> None:
    new = (*states("xx"), LayerState(alive=True, temporal_layers=3, bitrate=0, active=True))
    assert choose_layers(Layers(2, 2), new, 1) == Layers(2, 2)


@pytest.mark.parametrize(
    ("temporal_layers", "budget", "temporal"),
    [(1, 1_599_999, -1), (2, 960_000, 0), (4, 400_000, 0), (4, 640_000, 1), (4, 960_000, 2), (6, 1_600_000, 5)],
)
def test_the_share_of_a_temporal_layer_depends_on_how_many_there_are(
    temporal_layers: int, budget: float, temporal: int
) -> None:
    chosen = choose_layers(Layers(2, 9), states("--x", temporal_layers), budget)
    assert chosen == Layers(2, max(temporal, 0))
    assert (states("--x", temporal_layers)[2].cost(max(temporal, 0)) <= budget) == (temporal >= 0)


@given(
    st.builds(Layers, st.integers(0, 3), st.integers(0, 3)),
    st.lists(st.builds(LayerState, st.booleans(), st.integers(1, 4), st.integers(0, 1000), st.booleans()), max_size=4),
    st.floats(0, 1000),
)
def test_more_budget_never_gives_less_and_no_choice_is_of_what_is_not_there(
    preferred: Layers, layers: list[LayerState], budget: float
) -> None:
    available = tuple(layers)
    unlimited, chosen = choose_layers(preferred, available), choose_layers(preferred, available, budget)
    assert (chosen.spatial, chosen.temporal) <= (unlimited.spatial, unlimited.temporal)
    usable = [n for n, state in enumerate(available) if state.usable]
    if not usable:
        assert chosen == unlimited == NOTHING
        return
    state = available[chosen.spatial]
    assert state.usable
    assert 0 <= chosen.temporal < state.temporal_layers
    assert chosen.spatial <= preferred.spatial or chosen.spatial == usable[0]
    assert state.cost(chosen.temporal) <= budget or chosen == Layers(usable[0], 0)


@pytest.mark.parametrize(
    ("spatial", "temporal", "spatial_layers", "temporal_layers", "clamped"),
    [
        (1, 1, 3, 3, (1, 1)),
        (2, None, 3, 3, (2, 2)),
        (0, None, 3, 1, (0, 0)),
        (9, 9, 3, 2, (2, 1)),
        (1, 0, 1, 3, (0, 0)),
        (-1, -1, 3, 3, (0, 0)),
    ],
)
def test_preferred_layers_are_cut_to_what_there_is(
    spatial: int, temporal: int | None, spatial_layers: int, temporal_layers: int, clamped: tuple[int, int]
) -> None:
    assert clamp_preferred(spatial, temporal, spatial_layers, temporal_layers) == Layers(*clamped)
