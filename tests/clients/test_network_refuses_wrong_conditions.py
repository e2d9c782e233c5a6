from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from clients.network import PERFECT, PRESETS, Conditions, Direction, GilbertElliott, Path
from labsfu.errors import InvalidValue

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize("name", ["loss", "reorder", "duplicate", "corrupt"])
@pytest.mark.parametrize("value", [-0.01, 1.01, NAN, INFINITE])
def test_a_probability_is_between_0_and_1(name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(InvalidValue, match=f"{name} is {value:g}"):
        Conditions(**wrong)


@pytest.mark.parametrize("name", ["delay", "jitter", "reorder_delay", "queue_bytes"])
@pytest.mark.parametrize("value", [-0.01, NAN, INFINITE])
def test_times_and_sizes_are_finite_and_not_negative(name: str, value: float) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(InvalidValue, match=f"{name} is"):
        Conditions(**wrong)


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": -1.0}, {"rate": INFINITE}, {"burst_bytes": 0}])
def test_a_bottleneck_lets_something_through(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        Conditions(**wrong)


@pytest.mark.parametrize("name", ["enter", "leave", "good_loss", "bad_loss"])
@pytest.mark.parametrize("value", [-0.01, 1.01, NAN])
def test_a_chain_is_made_of_probabilities(name: str, value: float) -> None:
    wrong: dict[str, Any] = {"enter": 0.1, "leave": 0.1, name: value}
    with pytest.raises(InvalidValue, match=f"{name} is"):
        GilbertElliott(**wrong)


@pytest.mark.parametrize(("loss", "burst"), [(1.0, 3.0), (-0.1, 3.0), (0.1, 0.5), (0.8, 2.0), (NAN, 2.0), (0.1, NAN)])
def test_loss_and_burst_must_go_together(loss: float, burst: float) -> None:
    with pytest.raises(InvalidValue):
        GilbertElliott.of(loss, burst)


def test_a_chain_that_never_moves_stays_good() -> None:
    assert GilbertElliott(enter=0.0, leave=0.0, good_loss=0.2).stationary_loss == 0.2


def test_conditions_cannot_be_changed_only_replaced() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PERFECT.delay = 1.0  # type: ignore[misc]  # that is what is tested
    with pytest.raises(InvalidValue):
        dataclasses.replace(PERFECT, delay=-1.0)
    assert dataclasses.replace(PERFECT, delay=1.0).delay == 1.0


def test_the_presets_have_names() -> None:
    assert list(PRESETS) == ["wifi", "lte", "3g", "satellite", "congested", "broken"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_call_gets_through_every_preset(name: str) -> None:
    """Audio alone (50 packets/s) must fit into all of them."""
    network = Path(1, "alice", Direction.UP, PRESETS[name].up)
    for number in range(3000):
        network.send(bytes(120), number * 0.02)
        network.receive(number * 0.02)
    assert network.counts.queue_dropped == 0
    assert network.counts.delivered > 3000 * 0.75
