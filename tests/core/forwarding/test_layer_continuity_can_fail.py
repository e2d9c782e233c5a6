"""The continuity of layers is judged by something that can fail: each fault in the engine turns it red."""

from __future__ import annotations

import pytest

from clients.network import Conditions
from tests.support.layer_continuity import assert_layers_continuous
from tests.support.planted_layer_faults import FAULTS, Fault
from tests.support.rough_simulcast_call import RoughSimulcastCall
from tests.support.simulcast_source import SimulcastOptions

NETWORK = Conditions(loss=0.08, delay=0.03, jitter=0.01, reorder=0.1, reorder_delay=0.04)


def judge(receivers: int = 2) -> None:
    """A call with much of what can happen on the way."""
    call = RoughSimulcastCall(SimulcastOptions(seed=5, temporal_layers=3))
    for receiver in range(receivers):
        call.join(rtx=receiver == 0)
    call.begin()
    call.rough(NETWORK, NETWORK)
    call.walk_all_paths()
    call.walk_at_random(12)
    for receiver, spatial in enumerate(call.told()):
        call.prefer(receiver, (spatial + 1) % 3)
    call.settle()
    for index in range(receivers):
        assert_layers_continuous(call, index)


def test_without_a_fault_the_call_is_continuous() -> None:
    judge()


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_planted_fault_breaks_continuity(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    fault.plant(monkeypatch)
    with pytest.raises(AssertionError, match=fault.shows):
        judge(fault.receivers)
