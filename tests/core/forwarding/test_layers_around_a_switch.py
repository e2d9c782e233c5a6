"""What is late, lost or asked for again around a switch of layers, case by case."""

from __future__ import annotations

from itertools import pairwise

import pytest

from clients.network import Conditions, Fault
from labsfu.wire.events import ConsumerLayersChanged
from tests.support.layer_continuity import FRAME, Bounds, Findings, assert_layers_continuous
from tests.support.rough_simulcast_call import RoughSimulcastCall
from tests.support.shown_frames import ShownFrame, frames_of, signed
from tests.support.simulcast_encoding import place_of
from tests.support.simulcast_source import Order, SimulcastOptions
from tests.support.synthetic_vp8 import CLOCK_RATE

UP, DOWN = 0.02, 0.06
"""Seconds: a receiver's question comes back later than a switch takes."""

LOOK = 0.6 + 0.1
"""Seconds within which a layer is found to have stopped."""


def going(options: SimulcastOptions | None = None, *, rtx: bool = True) -> RoughSimulcastCall:
    """A call with one receiver over a network that only delays, which has sent ten pictures."""
    call = RoughSimulcastCall(options)
    call.join(rtx=rtx)
    call.rough(Conditions(delay=UP), Conditions(delay=DOWN))
    call.begin()
    return call


def settled(call: RoughSimulcastCall, index: int = 0, *, black: float = 1.0) -> Findings:
    """What the property says, exact bounds given, of a call that ends now."""
    call.run(0.5)
    call.settle()
    return assert_layers_continuous(call, index, Bounds.of(call, lossy=False, whole=True, black=black))


def shown(call: RoughSimulcastCall, index: int = 0) -> list[ShownFrame]:
    return frames_of(call.receivers[index], call.source.encodings)


def place(call: RoughSimulcastCall, index: int, layer: int, picture: int, part: int = 0) -> int:
    """The output number of a packet."""
    receiver = call.receivers[index]
    for number, output in receiver.outputs.items():
        of, fragment = place_of(output.payload)
        if (of, fragment.frame, fragment.index) == (layer, picture, part):
            return number
    raise AssertionError(f"part {part} of frame {picture} of r{layer} never came")


# ---------------------------------------------------------------- late packets


@pytest.mark.rfc("RFC 4588 4")
@pytest.mark.parametrize("answers_lost", [0, 1, 3])
def test_a_packet_of_the_layer_that_was_left_is_repaired_after_the_switch_under_its_old_number(
    answers_lost: int,
) -> None:
    call = going()
    call.fate(Fault.DROP, 2, 20, 1)
    answers = iter(range(answers_lost))
    rtx_ssrc = call.source.encodings[2].rtx_ssrc.to_bytes(4, "big")
    call.lab.lose = lambda data, _to: data[8:12] == rtx_ssrc and next(answers, None) is not None
    call.run_to(20)
    call.prefer(0, 0)
    assert settled(call).switches[-1] == (2, 0)
    lost, key_frame = place(call, 0, 2, 20, 1), place(call, 0, 0, 21)
    assert lost < key_frame
    assert call.receivers[0].arrived[lost] > call.receivers[0].arrived[key_frame]
    assert call.source.resent == 1 + answers_lost


def test_a_packet_of_the_layer_that_was_left_comes_late_by_itself() -> None:
    call = going()
    call.source.silent_to_questions = True
    call.fate(Fault.HOLD, 2, 20, 1)
    call.run_to(20)
    call.prefer(0, 0)
    call.run_to(25)
    call.release()
    assert settled(call).switches[-1] == (2, 0)
    assert call.source.resent == 0


def test_what_is_lost_of_a_layer_after_everybody_left_it_is_not_asked_for() -> None:
    call = going()
    call.fate(Fault.DROP, 2, 24, 0, 1, 2)
    call.run_to(20)
    call.prefer(0, 0)
    settled(call)
    assert call.source.resent == 0


def test_packets_of_the_new_layer_from_before_its_key_frame_never_reach_the_receiver() -> None:
    call = going()
    call.fate(Fault.HOLD, 1, 20, 0, 1)
    call.run_to(20)
    call.prefer(0, 1)
    call.run_to(23)
    call.release()
    settled(call)
    assert [frame.sent.number for frame in shown(call) if frame.sent.layer == 1][1] == 21


@pytest.mark.parametrize("rtx", [True, False])
def test_a_late_packet_of_a_layer_that_was_left_and_is_sent_again_has_its_old_number(rtx: bool) -> None:
    call = going(rtx=rtx)
    call.source.silent_to_questions = True
    call.fate(Fault.HOLD, 2, 20, 1)
    call.run_to(20)
    call.prefer(0, 0)
    call.run_to(25)
    call.prefer(0, 2)
    call.run_to(30)
    call.release()
    assert settled(call).switches[-2:] == [(2, 0), (0, 2)]


@pytest.mark.parametrize("left", [True, False])
def test_a_late_key_frame_from_before_a_layer_was_left_is_no_place_to_go_back_to(left: bool) -> None:
    """`left`: it has its place among what was sent; else it is from before all of it."""
    call = going()
    call.source.silent_to_questions = True
    call.run_to(10)
    if not left:
        call.source.ask(0)
        call.fate(Fault.HOLD, 0, 11, 0)
    call.run_to(13)
    call.prefer(0, 0)
    call.run_to(18)
    if left:
        call.source.ask(0)
        call.fate(Fault.HOLD, 0, 19, 0)
    call.run_to(22)
    call.prefer(0, 2)
    call.run_to(27)
    call.prefer(0, 0)
    call.run(0.001)
    call.release()
    assert settled(call).switches[-3:] == [(2, 0), (0, 2), (2, 0)]


@pytest.mark.parametrize(("pictures_late", "switched_at"), [(2, 21), (8, 31)])
def test_a_key_frame_is_gone_over_to_if_it_is_a_little_late_and_asked_for_again_if_it_is_old(
    pictures_late: int, switched_at: int
) -> None:
    call = going()
    call.source.silent_to_questions = True
    call.run_to(20)
    call.fate(Fault.HOLD, 0, 21, 0)
    call.prefer(0, 0)
    call.run_to(21 + pictures_late)
    call.release()
    found = settled(call)
    assert found.back < 0.075
    assert next(frame.sent.number for frame in shown(call) if frame.sent.layer == 0 and frame.sent.number > 20) == (
        switched_at
    )


@pytest.mark.rfc("RFC 7741 4.2")
def test_a_late_picture_of_the_base_layer_counts_before_the_switch() -> None:
    call = going(SimulcastOptions(temporal_layers=3))
    call.prefer(0, 0, 0)
    call.run_to(20)
    base = next(n for n in range(21, 30) if (n - first_key(call, 0)) % 4 == 0)
    call.fate(Fault.HOLD, 0, base, 0)
    call.run_to(base + 1)  # which is left out
    call.release()
    call.prefer(0, 1, 0)
    assert settled(call).switches[-1] == (0, 1)


def first_key(call: RoughSimulcastCall, layer: int) -> int:
    """The newest key frame of a layer."""
    return max(number for number, frame in call.source.encodings[layer].frames.items() if frame.key)


@pytest.mark.rfc("RFC 7714 8.1")
def test_numbers_that_a_layer_began_anew_after_it_was_left_have_no_place_in_the_past() -> None:
    call = RoughSimulcastCall()
    call.join()
    call.rough(Conditions(delay=UP), Conditions(delay=DOWN))
    high = call.source.encodings[2]
    high.next_number = 1000
    call.begin()
    call.run_to(20)
    again = high.next_number - 12
    call.prefer(0, 0)
    call.run_to(25)
    for picture, number in enumerate((20_000, 40_000, 65_536 + again), 26):  # too far from the last: it begins anew
        high.next_number = number
        call.run_to(picture)
    call.fate(Fault.HOLD, 2, 29, 1)
    call.run_to(30)
    call.release()
    settled(call)


# ---------------------------------------------------------------- asked for again


@pytest.mark.parametrize("rtx", [True, False])
def test_what_is_asked_for_again_after_a_switch_is_the_packet_of_the_layer_that_was_left(rtx: bool) -> None:
    def walk(lost: int | None) -> RoughSimulcastCall:
        call = RoughSimulcastCall(SimulcastOptions(temporal_layers=3))
        receiver = call.join(rtx=rtx)
        call.rough(Conditions(delay=UP), Conditions(delay=DOWN))
        losses = [] if lost is None else [lost & 0xFFFF]

        def lose(data: bytes, to: object) -> bool:
            number, ssrc = int.from_bytes(data[2:4], "big"), int.from_bytes(data[8:12], "big")
            hit = to == receiver.peer.address and ssrc == receiver.ssrc and number in losses
            if hit:
                losses.clear()
            return hit

        call.lab.lose = lose
        call.begin()
        call.run_to(20)
        call.prefer(0, 0)
        call.run_to(28)
        assert not losses
        return call

    lost = place(walk(None), 0, 2, 20, 1)
    call = walk(lost)
    settled(call)
    receiver = call.receivers[0]
    assert receiver.arrived[lost] > receiver.arrived[place(call, 0, 0, 21)]
    assert (receiver.nacked, receiver.repaired, call.source.resent) == (1, 1, 0)


# ---------------------------------------------------------------- there and back


def test_going_back_before_the_key_frame_came_is_no_switch() -> None:
    call = going()
    call.run_to(20)
    call.prefer(0, 0)
    call.run(UP)
    call.prefer(0, 2)
    assert settled(call).switches == [(0, 1), (1, 2)]  # as the call began
    assert any(frame.key for number, frame in call.source.encodings[0].frames.items() if number >= 20)


def test_of_two_wishes_the_last_counts_though_the_key_frame_for_the_first_comes_sooner() -> None:
    call = going(SimulcastOptions(order=Order.RISING))
    call.run_to(20)
    call.prefer(0, 0)
    call.run(FRAME / 2)
    call.prefer(0, 1)
    assert settled(call).switches == [(0, 1), (1, 2), (2, 1)]


def test_a_layer_that_stops_is_left_and_taken_up_again_when_it_comes_back() -> None:
    call = going()
    call.run_to(20)
    call.source.silent.add(2)
    call.run(2.0)
    call.source.silent.clear()
    found = settled(call, black=LOOK + 2 * UP + 2 * FRAME)
    assert found.switches[-2:] == [(2, 1), (1, 2)]
    reasons = [event.reason for event in call.lab.events if isinstance(event, ConsumerLayersChanged)]
    assert reasons[-2:] == ["available", "available"]


# ---------------------------------------------------------------- timestamps


def steps_at_switches(call: RoughSimulcastCall) -> list[tuple[float, float]]:
    """Of each switch, the step in timestamps and that in time of capture, seconds."""
    return [
        (signed(after.timestamp - before.timestamp) / CLOCK_RATE, after.sent.captured - before.sent.captured)
        for before, after in pairwise(shown(call))
        if before.sent.layer != after.sent.layer
    ]


@pytest.mark.rfc("RFC 3550 6.4.1")
@pytest.mark.parametrize("reported", [(), (0,), (2,), (0, 1, 2)])
def test_timestamps_go_on_in_step_whichever_layers_have_reports(reported: tuple[int, ...]) -> None:
    call = going(SimulcastOptions(temporal_layers=3))
    ssrcs = [(7000 + layer).to_bytes(4, "big") for layer in range(3) if layer not in reported]
    call.lab.lose = lambda data, _to: len(data) > 8 and data[1] == 200 and data[4:8] in ssrcs
    call.prefer(0, 2, 0)
    call.run_to(42)
    call.prefer(0, 0, 0)
    call.run(0.5)
    call.settle()
    step, true = steps_at_switches(call)[-1]
    assert true > 2.5 * FRAME  # only every fourth picture is sent of the old layer
    assert step == pytest.approx(true, abs=0.005)  # switches before may have made it run ahead by less
