"""Several encodings, one stream: whatever is lost, reordered or duplicated, and however often layers are changed."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clients.network import Conditions, GilbertElliott
from tests.support.layer_continuity import FRAME, Bounds, assert_layers_continuous
from tests.support.rough_simulcast_call import RoughSimulcastCall
from tests.support.simulcast_encoding import place_of
from tests.support.simulcast_source import Order, SimulcastOptions

UP, DOWN = 0.037, 0.021
"""Seconds to the server, and from it to a receiver; a request takes as long back."""

BAD_NETWORKS = st.builds(
    Conditions,
    loss=st.floats(0, 0.12),
    delay=st.floats(0.001, 0.05),
    jitter=st.floats(0, 0.02),
    reorder=st.floats(0, 0.2),
    reorder_delay=st.floats(0.001, 0.06),
    duplicate=st.floats(0, 0.2),
)
LAYERED = st.builds(
    SimulcastOptions,
    seed=st.integers(0, 2**32),
    temporal_layers=st.sampled_from([1, 3]),
    by_rid=st.booleans(),
    picture_id_bits=st.sampled_from([7, 15]),
    order=st.sampled_from(Order),
)
bounded = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # the seed is the case: a smaller one would be another network
    suppress_health_check=[HealthCheck.too_slow],
)


def check(call: RoughSimulcastCall) -> None:
    """After the call has settled: everybody has one continuous stream, and what was wished for last."""
    call.settle()
    for index in range(len(call.receivers)):
        assert_layers_continuous(call, index)


def two_receivers(options: SimulcastOptions) -> RoughSimulcastCall:
    """One with RTX and one without; the sender has begun."""
    call = RoughSimulcastCall(options)
    call.join()
    call.join(rtx=False)
    call.begin()
    return call


@pytest.mark.rfc("RFC 8853 5.1", "RFC 7741 4.2")
@bounded
@given(options=LAYERED, up=BAD_NETWORKS, down=BAD_NETWORKS)
def test_every_path_between_layers_is_continuous_whatever_happens_on_the_way(
    options: SimulcastOptions, up: Conditions, down: Conditions
) -> None:
    call = two_receivers(options)
    call.rough(up, down)
    call.walk_all_paths()
    check(call)


@bounded
@given(options=LAYERED, up=BAD_NETWORKS, down=BAD_NETWORKS)
def test_changing_ones_mind_before_the_switch_has_happened_breaks_nothing(
    options: SimulcastOptions, up: Conditions, down: Conditions
) -> None:
    call = two_receivers(options)
    call.rough(up, down)
    call.walk_at_random(40)
    check(call)


@pytest.mark.rfc("RFC 3550 6.4.1")
@bounded
@given(seed=st.integers(0, 2**32), up=BAD_NETWORKS, has_tl0=st.booleans())
def test_without_sender_reports_timestamps_go_on_by_arrival(seed: int, up: Conditions, has_tl0: bool) -> None:
    call = two_receivers(SimulcastOptions(seed=seed, reports=False, has_tl0=has_tl0))
    call.rough(up, Conditions(delay=DOWN))
    call.walk_all_paths()
    check(call)


@pytest.mark.parametrize("seed", range(4))
def test_bursts_of_loss_around_switches_are_repaired_on_both_sides(seed: int) -> None:
    call = two_receivers(SimulcastOptions(seed=seed, temporal_layers=3))
    bursts = Conditions(loss=GilbertElliott.of(0.08, 4), delay=0.03)
    call.rough(bursts, bursts)
    call.walk_all_paths()
    call.walk_at_random(20)
    check(call)


@pytest.mark.parametrize("order", [Order.RISING, Order.FALLING])
@pytest.mark.parametrize("temporal_layers", [1, 3])
def test_on_a_good_network_no_picture_is_missing_at_a_switch(temporal_layers: int, order: Order) -> None:
    call = two_receivers(SimulcastOptions(temporal_layers=temporal_layers, order=order))
    call.rough(Conditions(delay=UP), Conditions(delay=DOWN))
    call.walk_all_paths()
    call.walk_at_random(30)
    call.settle()
    for index in range(2):
        found = assert_layers_continuous(call, index, Bounds.of(call, lossy=False, whole=True))
        assert found.drift[1] < 0.01
        assert found.longest_gap < (4.5 if temporal_layers == 3 else 1.5) * FRAME  # of T0 alone, every fourth comes


@pytest.mark.parametrize("phase", [0.0, 0.3, 0.9])
@pytest.mark.parametrize(("before", "after"), list(permutations(range(3), 2)))
def test_a_switch_takes_one_key_frame_round_trip(before: int, after: int, phase: float) -> None:
    call = RoughSimulcastCall()
    receiver = call.join()
    call.rough(Conditions(delay=UP), Conditions(delay=DOWN))
    call.begin()
    call.prefer(0, before)
    call.run_to(30)
    call.run(phase * FRAME)
    asked, requests = call.lab.now, len(call.source.requests)
    call.prefer(0, after)
    call.run(0.5)
    assert [ssrc for _, ssrc in call.source.requests[requests:]] == [call.source.encodings[after].ssrc]
    switched = min(
        at for n, at in receiver.arrived.items() if at > asked and place_of(receiver.outputs[n].payload)[0] == after
    )
    captured = next(at for at in call.source.captured if at >= asked + UP)
    assert switched == pytest.approx(captured + UP + DOWN, abs=0.001)
    assert switched - asked <= UP + FRAME + UP + DOWN + 0.001


def test_a_switch_of_one_asks_nothing_of_others() -> None:
    call = RoughSimulcastCall()
    for _ in range(3):
        call.join()
    call.rough(Conditions(delay=UP), Conditions(delay=DOWN))
    call.begin()
    for receiver in range(3):
        call.prefer(receiver, receiver)
    call.run_to(30)
    requests = len(call.source.requests)
    call.prefer(0, 2)
    call.settle()
    assert [ssrc for _, ssrc in call.source.requests[requests:]] == [call.source.encodings[2].ssrc]
    assert [len(assert_layers_continuous(call, index).switches) for index in range(3)] == [4, 3, 2]
