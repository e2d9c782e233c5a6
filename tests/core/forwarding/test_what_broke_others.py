"""Orders of events that froze pictures in other SFUs. Each test fails when what makes it pass is taken out."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from clients.network import Conditions
from labsfu.core.rtcp.nack import Nack
from labsfu.wire import commands
from tests.support.continuity import assert_continuous, assert_identical
from tests.support.media import header_of
from tests.support.nack_receiver import OWN_SSRC, NackReceiver
from tests.support.synthetic_vp8 import Fragment, Packetizer, StreamOptions
from tests.support.video_call import VideoCall


class Script(VideoCall):
    """A call in which the test says what is sent and in which order it arrives; NACKs are answered by the source."""

    def make(self, parts: int, *, key: bool = False) -> list[bytes]:
        """A frame's datagrams, in the order of their numbers."""
        return [self.sender.protect(packet) for packet in self.source.packets.frame(self.lab.now, parts, key=key)]

    def arrive(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            self.lab.send(self.sender.address, datagram)
        self.lab.pump()

    def send(self, packets: Iterable[bytes]) -> None:
        self.arrive(*(self.sender.protect(packet) for packet in packets))

    def padding(self) -> bytes:
        return self.sender.protect(self.source.packets.padding(self.lab.now))


def shown(receiver: NackReceiver) -> list[int]:
    return [frame for _, frame in receiver.book.shown]


def resent_to(receiver: NackReceiver) -> int:
    return sum(header_of(packet).ssrc == receiver.rtx_ssrc for packet in receiver.peer.rtp)


# ---------------------------------------------------------------- key frames that come in pieces


def test_a_key_frame_whose_second_packet_overtakes_its_first_is_shown_at_once() -> None:
    call = Script(receivers=2)
    first, second, third = call.make(3, key=True)
    call.arrive(second, first, third, *call.make(2))
    for receiver in call.receivers:
        assert shown(receiver) == [0, 1]
        assert_continuous(receiver, call.source.packets)
    assert_identical(call.receivers)


def test_a_key_frame_whose_first_packet_comes_last_of_all_is_shown_with_the_frames_behind_it() -> None:
    call = Script(receivers=2)
    first, *others = call.make(3, key=True)
    call.arrive(*others, *call.make(2), *call.make(2))
    assert [receiver.outputs for receiver in call.receivers] == [{}, {}]
    call.arrive(first)
    for receiver in call.receivers:
        assert shown(receiver) == [0, 1, 2]
        assert_continuous(receiver, call.source.packets)


def test_when_the_very_first_packet_is_lost_a_key_frame_is_asked_for_at_once() -> None:
    call = Script(receivers=2)
    _, *others = call.make(3, key=True)
    call.arrive(*others, *call.make(2))
    assert call.source.key_frame_requests == 1
    call.arrive(*call.make(3, key=True), *call.make(2))
    for receiver in call.receivers:
        assert shown(receiver) == [2, 3]
        assert_continuous(receiver, call.source.packets)


@pytest.mark.rfc("RFC 4585 6.2.1", "RFC 4588 4")
@pytest.mark.parametrize("rtx_ssrc", [2223, None])
def test_when_the_second_packet_of_the_stream_is_lost_it_is_asked_for_and_no_key_frame_is(rtx_ssrc: int | None) -> None:
    call = Script(options=StreamOptions(rtx_ssrc=rtx_ssrc), receivers=2)
    first, _, third = call.make(3, key=True)
    call.arrive(first, third, *call.make(2))
    call.run(0.05)
    assert call.source.nacked == [call.source.options.first_sequence + 1]
    assert call.source.key_frame_requests == 0
    for receiver in call.receivers:
        assert shown(receiver) == [0, 1]
        assert_continuous(receiver, call.source.packets)


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_who_joins_while_a_key_frame_is_being_repaired_begins_with_it(lost: int) -> None:
    call = Script(receivers=1)
    call.source.answers = False
    call.arrive(*call.make(3, key=True), *call.make(2))
    asked = call.source.packets.next_number + lost
    parts = call.make(3, key=True)
    before, after = parts[:lost], parts[lost + 1 :]
    call.arrive(*before)
    if lost == 0:
        call.arrive(*after)
    late = call.join()
    call.arrive(*(() if lost == 0 else after), *call.make(2))
    call.run(0.015)
    assert call.source.nacked == [asked & 0xFFFF]
    repair = call.source.packets.again(asked & 0xFFFF, call.lab.now)
    assert repair is not None
    call.send([repair])
    call.arrive(*call.make(2))
    assert shown(call.receivers[0]) == [0, 1, 2, 3, 4]
    assert_continuous(call.receivers[0], call.source.packets)
    if lost == 0:
        assert shown(late) == [2, 3, 4]
        assert_continuous(late, call.source.packets)
    else:
        assert late.outputs == {}
        assert call.source.key_frame_requests == 1


# ---------------------------------------------------------------- padding


def test_padding_leaves_no_trace_in_the_numbers() -> None:
    call = Script(receivers=2)
    call.arrive(*call.make(3, key=True), call.padding(), call.padding(), *call.make(2), call.padding(), *call.make(2))
    for receiver in call.receivers:
        assert len(receiver.outputs) == 7
        assert_continuous(receiver, call.source.packets)


def test_padding_that_comes_too_late_leaves_no_hole() -> None:
    call = Script(receivers=2)
    call.arrive(*call.make(3, key=True))
    padding = call.padding()
    call.arrive(*call.make(2), padding, *call.make(2))
    call.run(0.3)
    for receiver in call.receivers:
        numbers = sorted(receiver.outputs)
        assert numbers == list(range(numbers[0], numbers[0] + 8))
        assert receiver.nacked == 0
        assert shown(receiver) == [0, 1, 2]
        assert_continuous(receiver, call.source.packets)


def test_padding_of_a_stream_that_was_replaced_leaves_the_new_one_alone() -> None:
    options = StreamOptions(announced=False, rtx_ssrc=None, first_sequence=100)
    call = Script(options=options, receivers=2)
    call.arrive(*call.make(3, key=True), *call.make(2))
    late = call.padding()  # its number, 105, is one that the new stream has still before it
    fresh = StreamOptions(announced=False, rtx_ssrc=None, first_sequence=100, ssrc=3333)
    call.source.packets = Packetizer(fresh, next_frame=2)
    call.arrive(*call.make(4, key=True), late, *call.make(3))
    call.run(0.3)
    for receiver in call.receivers:
        numbers = sorted(receiver.outputs)
        assert shown(receiver) == [0, 1, 2, 3]
        assert numbers == list(range(numbers[0], numbers[0] + 12))
    assert call.source.key_frame_requests == 0
    assert call.lab.drops()["padding-before-media"] == 1


def test_padding_alone_does_not_begin_a_stream() -> None:
    call = Script(options=StreamOptions(announced=False, rtx_ssrc=None), receivers=2)
    call.arrive(*call.make(3, key=True), *call.make(2))
    probe = Packetizer(StreamOptions(announced=False, rtx_ssrc=None, ssrc=3333))
    call.send([probe.padding(call.lab.now)])
    call.arrive(*call.make(2))
    for receiver in call.receivers:
        assert shown(receiver) == [0, 1, 2]
        assert_continuous(receiver, call.source.packets)
    assert call.lab.drops()["padding-before-media"] == 1


def test_padding_in_the_stream_of_retransmissions_is_nobodys_packet() -> None:
    call = Script(receivers=2)
    call.arrive(*call.make(3, key=True))
    call.send([call.source.packets.rtx_padding(call.lab.now)])
    call.arrive(*call.make(2))
    for receiver in call.receivers:
        assert len(receiver.outputs) == 5
        assert_continuous(receiver, call.source.packets)
    assert call.lab.drops()["rtx-padding-only"] == 1


# ---------------------------------------------------------------- what is asked for, and what comes twice


def test_a_storm_of_nacks_is_answered_once_per_round_trip() -> None:
    call = Script(receivers=1)
    receiver = call.receivers[0]
    call.arrive(*call.make(20, key=True))
    asked = Nack(OWN_SSRC, receiver.ssrc, tuple(number & 0xFFFF for number in sorted(receiver.outputs)[:3]))
    for _ in range(50):
        receiver.peer.send_rtcp(asked)
    call.lab.pump()
    assert resent_to(receiver) == 3
    for _ in range(30):  # 390 ms; the round trip is 100 ms as long as nobody has measured it
        call.run(0.013)
        receiver.peer.send_rtcp(asked)
        call.lab.pump()
    assert resent_to(receiver) == 3 * 6  # once in three quarters of it
    assert receiver.conflicts == []


def test_a_sender_is_asked_once_per_round_trip_however_many_miss_the_packet() -> None:
    call = Script(receivers=5)
    call.source.answers = False
    call.arrive(*call.make(3, key=True))
    call.make(1)
    call.arrive(*call.make(2))
    call.run(0.35)
    assert all(receiver.nacked >= 3 for receiver in call.receivers)
    assert len(call.source.nacked) == 4


@pytest.mark.rfc("RFC 4588 4")
def test_a_packet_whose_original_comes_after_its_repair_is_forwarded_once() -> None:
    call = Script(receivers=2)
    first, second, third = call.make(3, key=True)
    call.arrive(first, third)
    call.run(0.02)
    assert call.source.resent == 1
    call.arrive(second, *call.make(2))
    for receiver in call.receivers:
        assert receiver.duplicates == 0
        assert_continuous(receiver, call.source.packets)
    assert call.lab.refused == {}  # SRTP would have taken a second one for a replay
    assert call.lab.drops()["duplicate"] == 1


def test_a_packet_whose_repair_comes_after_its_original_is_forwarded_once() -> None:
    call = Script(receivers=2)
    call.source.answers = False
    first, second, third = call.make(3, key=True)
    call.arrive(first, third)
    call.run(0.02)
    asked = call.source.nacked[0]
    call.arrive(second)
    repair = call.source.packets.again(asked, call.lab.now)
    assert repair is not None
    call.send([repair])
    for receiver in call.receivers:
        assert receiver.duplicates == 0
        assert_continuous(receiver, call.source.packets)
    assert call.lab.refused == {}
    assert call.lab.drops()["rtx-not-missing"] == 1


# ---------------------------------------------------------------- nothing twice


def test_who_asks_for_what_is_on_its_way_is_not_sent_it_twice() -> None:
    call = Script(receivers=1)
    receiver = call.receivers[0]
    call.lab.rough(receiver.peer, Conditions(delay=0.04), Conditions(delay=0.04))
    call.source.answers = False
    first, second, third = call.make(3, key=True)
    call.arrive(first, third)
    call.run(0.070)  # the receiver has asked, but the question has not come yet
    call.arrive(second)
    call.run(0.2)
    assert receiver.nacked == 1
    assert receiver.duplicates == 0


def test_who_was_paused_does_not_see_again_what_was_seen() -> None:
    call = Script(receivers=1)
    call.source.answers = False
    call.arrive(*call.make(3, key=True), *call.make(2))
    lost, *others = call.make(3, key=True)
    call.arrive(*others, *call.make(2))
    receiver, consumer = call.receivers[0], call.consumed[0].consumer_id
    call.lab.do(commands.PauseConsumer(router_id=call.lab.router, consumer_id=consumer), commands.Done)
    call.lab.do(commands.ResumeConsumer(router_id=call.lab.router, consumer_id=consumer), commands.Done)
    call.arrive(lost)
    call.arrive(*call.make(3, key=True))
    fragments = [Fragment.decode(receiver.outputs[number].payload) for number in sorted(receiver.outputs)]
    seen = [(fragment.frame, fragment.index) for fragment in fragments]
    assert len(set(seen)) == len(seen)
    assert seen[-1] == (4, 2)


@pytest.mark.rfc("RFC 7714 8.1")
def test_without_rtx_a_packet_that_is_sent_again_is_the_same_bit_for_bit() -> None:
    call = Script(receivers=0)
    receiver = call.join(rtx=False)
    call.arrive(*call.make(3, key=True))
    at_first = [data for address, data in call.lab.sent if address == receiver.peer.address][-3:]
    call.run(0.3)
    call.lab.sent.clear()
    receiver.peer.send_rtcp(Nack(1, receiver.ssrc, tuple(number & 0xFFFF for number in sorted(receiver.outputs))))
    call.lab.pump()
    assert [data for address, data in call.lab.sent if address == receiver.peer.address] == at_first
