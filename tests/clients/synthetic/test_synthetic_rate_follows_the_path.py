"""The simple controller of synthetic ends: up with the path, down with delay and loss; on invented time."""

from __future__ import annotations

import pytest

from clients.network import Conditions
from clients.synthetic.layers import SIMULCAST, allocate, share_out, simulcast_layers
from clients.synthetic.rate import HOLD, LossDelayController
from clients.synthetic.video import SyntheticVideo
from tests.support.synthetic_call import Call


def test_a_narrow_path_gets_the_layers_that_fit_and_its_queue_stays_short() -> None:
    call = Call(up=Conditions(delay=0.02, rate=1_000_000, queue_bytes=60_000), start=600_000)
    source = SyntheticVideo(1, rids=("r0", "r1", "r2"))
    call.send(source)
    call.run(8)
    began = call.now
    full = 0
    while call.now < began + 20:
        call.run(0.1)
        full += call.path.queued_bytes > 12_500
    assert full < 20  # of 200: when a higher layer is tried
    assert source.bitrates[:2] == (150_000, 500_000)
    assert call.path.counts.queue_dropped == 0


def test_a_path_that_widens_gets_all_layers() -> None:
    call = Call(up=Conditions(delay=0.02, rate=500_000), start=400_000)
    source = SyntheticVideo(1, rids=("r0", "r1", "r2"))
    call.send(source)
    call.run(10)
    assert not source.bitrates[2]
    call.path.conditions = Conditions(delay=0.02, rate=5_000_000)
    call.run(40)
    assert source.bitrates == (150_000, 500_000, 1_500_000)


def test_loss_above_ten_per_cent_is_obeyed_and_a_little_is_not() -> None:
    def settle(loss: float) -> float:
        call = Call(up=Conditions(delay=0.02, loss=loss), start=1_000_000)
        source = SyntheticVideo(1)
        call.send(source)
        call.run(15)
        return source.bitrates[0]

    assert settle(0.005) == 1_500_000
    assert settle(0.25) < 600_000


def test_the_rate_stays_between_its_limits() -> None:
    controller = LossDelayController(start=100_000, minimum=50_000, maximum=200_000)
    for step in range(100):
        controller.on_loss(0.0, step * 1.0)
    assert controller.target == 200_000
    controller.on_remb(1)
    assert controller.target == 50_000
    controller.on_remb(1e9)
    for step in range(100, 200):
        controller.on_loss(1.0, step * 1.0)
    assert controller.target == 50_000


def test_for_some_time_after_a_cut_the_rate_does_not_pass_what_was_full() -> None:
    controller = LossDelayController(start=1_000_000)
    controller.on_loss(0.0, 0.0)
    controller.on_loss(0.2, 1.0)
    cut = controller.target
    assert cut == pytest.approx(900_000)
    for tenth in range(11, int(10 * HOLD)):
        controller.on_loss(0.0, tenth / 10)
    assert cut < controller.target <= 1_000_000
    for tenth in range(int(10 * HOLD), int(10 * HOLD) + 50):
        controller.on_loss(0.0, tenth / 10)
    assert controller.target > 1_200_000


@pytest.mark.parametrize(
    ("budget", "active", "expected"),
    [
        (2_150_000, (True, True, True), (150_000, 500_000, 1_500_000)),
        (5_000_000, (True, True, True), (150_000, 500_000, 1_500_000)),
        (1_300_000, (True, True, True), (150_000, 500_000, 650_000)),
        (1_300_000, (True, True, False), (150_000, 500_000, 0)),
        (1_400_000, (True, True, False), (150_000, 500_000, 750_000)),
        (310_000, (True, True, True), (150_000, 160_000, 0)),
        (310_000, (True, False, False), (150_000, 0, 0)),
        (10_000, (True, True, True), (30_000, 0, 0)),
    ],
)
def test_the_lowest_layers_come_first(budget: float, active: tuple[bool, ...], expected: tuple[float, ...]) -> None:
    assert tuple(allocate(SIMULCAST, budget, active)) == expected


def test_what_one_source_does_not_need_is_left_to_the_others() -> None:
    assert share_out(900, [1000, 100, 1000]) == [400, 100, 400]
    assert share_out(5000, [1000, 100]) == [1000, 100]
    assert share_out(100, []) == []


def test_layers_have_the_rids_that_were_asked_for() -> None:
    assert [layer.rid for layer in simulcast_layers(("a", "b"))] == ["a", "b"]
    assert simulcast_layers(())[0].rid is None
    with pytest.raises(ValueError, match="4 rids"):
        simulcast_layers(("a", "b", "c", "d"))
