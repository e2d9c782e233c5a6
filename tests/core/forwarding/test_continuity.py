"""Whatever is lost, reordered or duplicated at the input: one continuous sequence at each output."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from clients.network import Conditions, GilbertElliott
from tests.support.continuity import assert_continuous, assert_identical, last_frame
from tests.support.lab import SERVER
from tests.support.synthetic_vp8 import StreamOptions
from tests.support.video_call import DELAY, VideoCall

STARTS = [0, 1, 32767, 65530, 65535]

BAD_NETWORKS = st.builds(
    Conditions,
    loss=st.floats(0, 0.15),
    delay=st.floats(0.001, 0.05),
    jitter=st.floats(0, 0.02),
    reorder=st.floats(0, 0.2),
    reorder_delay=st.floats(0.001, 0.06),
    duplicate=st.floats(0, 0.2),
)
bounded = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # the seed is the case: a smaller one would be another network
    suppress_health_check=[HealthCheck.too_slow],
)


def check(call: VideoCall, *, padding_was_lost: bool = False) -> None:
    """After the call has settled: everybody has everything, and the same."""
    call.settle()
    for receiver in call.receivers:
        assert_continuous(receiver, call.source.packets, padding_was_lost=padding_was_lost)
        assert last_frame(receiver) == call.source.packets.next_frame - 1
    assert_identical(call.receivers)


@bounded
@given(
    seed=st.integers(0, 2**32),
    network=BAD_NETWORKS,
    start=st.sampled_from(STARTS),
    parts=st.integers(1, 5),
    rtx=st.booleans(),
    padding_every=st.sampled_from([0, 1, 3, 7]),
)
def test_outputs_are_continuous_and_identical_whatever_happens_on_the_way_in(
    seed: int, network: Conditions, start: int, parts: int, rtx: bool, padding_every: int
) -> None:
    call = VideoCall(seed, StreamOptions(first_sequence=start, rtx_ssrc=2223 if rtx else None), receivers=3)
    call.source.parts, call.source.key_frame_parts = parts, 2 * parts
    call.source.padding_every = padding_every
    call.rough(network, DELAY)
    call.source.start()
    call.run(1.5)
    check(call, padding_was_lost=True)


@bounded
@given(seed=st.integers(0, 2**32), up=BAD_NETWORKS, down=BAD_NETWORKS, rtx=st.booleans(), rtx_out=st.booleans())
def test_outputs_are_repaired_until_they_are_continuous_and_identical(
    seed: int, up: Conditions, down: Conditions, rtx: bool, rtx_out: bool
) -> None:
    call = VideoCall(seed, StreamOptions(rtx_ssrc=2223 if rtx else None), receivers=1)
    call.join(rtx=rtx_out)
    for receiver in call.receivers:
        receiver.missing.tries = 60  # close to us, it would give up before what the sender's bad link lost is there
    call.source.rtx_padding_every = 5 * rtx
    call.source.start()
    call.run(0.2)  # a receiver cannot know of what is lost before its first packet
    call.rough(up, down)
    call.run(1.5)
    check(call)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("start", STARTS)
def test_reordering_alone_leaves_no_hole_even_around_padding(start: int, seed: int) -> None:
    call = VideoCall(seed, StreamOptions(first_sequence=start), receivers=2)
    call.source.padding_every = 1
    call.rough(Conditions(delay=0.01, reorder=0.3, reorder_delay=0.035, duplicate=0.1), DELAY)
    call.source.start()
    call.run(1.0)
    check(call)


@pytest.mark.parametrize("seed", range(4))
def test_bursts_of_loss_are_repaired_on_both_sides(seed: int) -> None:
    call = VideoCall(seed, receivers=2)
    call.source.start()
    call.run(0.2)
    bursts = Conditions(loss=GilbertElliott.of(0.1, 8), delay=0.03)
    call.rough(bursts, bursts)
    call.run(2.0)
    check(call)


@pytest.mark.rfc("RFC 3550 5.1")
def test_continuity_survives_the_wrap_of_everything_after_a_long_stream() -> None:
    call = VideoCall(7, StreamOptions(first_sequence=64000, first_timestamp=0xFFFF_0000), receivers=2)
    call.source.start()
    call.run(0.2)
    rough = Conditions(loss=0.05, delay=0.02, reorder=0.05)
    call.rough(rough, rough)
    call.run(20.0)
    assert call.source.packets.next_number > 65536 + 500
    check(call)


@pytest.mark.rfc("RFC 4585 6.2.1")
def test_a_packet_that_never_comes_is_the_only_hole_for_everybody_and_a_key_frame_ends_it() -> None:
    call = VideoCall(receivers=3)
    call.rough(DELAY, DELAY)
    lost = call.source.packets.next_number + 20
    call.source.packets.forgotten.add(lost)
    number = (lost & 0xFFFF).to_bytes(2, "big")
    call.lab.lose = lambda data, to: to == SERVER and data[2:4] == number and data[8:12] == (2222).to_bytes(4, "big")
    call.source.start()
    call.run(3.0)
    call.settle()
    for receiver in call.receivers:
        numbers = sorted(receiver.outputs)
        assert [n for n in range(numbers[0], numbers[-1]) if n not in receiver.outputs] == [numbers[0] + 20]
        assert last_frame(receiver) == receiver.book.shown[-1][1] == call.source.packets.next_frame - 1
    assert_identical(call.receivers)
    assert len(call.source.key_frames) == 2
