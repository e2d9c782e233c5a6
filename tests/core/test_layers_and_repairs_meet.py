"""Layers and repairs where things meet: restarts, changes of SSRC, late padding, damaged payloads, floods."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.wire import commands
from labsfu.wire.events import KeyFrameRequested
from labsfu.wire.rtp import RtpHeaderExtensionParameters
from labsfu.wire.sfu import ConsumerPayload, EncodingUpdate
from tests.support.lab import Lab, Peer
from tests.support.layers import Layer, simulcast_parameters
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    audio_parameters,
    consume,
    header_of,
    payload_of,
    produce,
    repaired_video_parameters,
    rtx_packet,
    ssrc_of,
    video_packet,
    video_parameters,
    without_rtx,
)
from tests.support.seeded import SeededEntropy
from tests.support.simulcast_call import Call, TemporalCall, layers_told


def descriptor_of(packet: bytes) -> Vp8PayloadDescriptor:
    header, descriptor = header_of(packet), Vp8PayloadDescriptor()
    descriptor.read(packet, header.payload_offset, header.payload_length)
    return descriptor


def consumer_of(call: Call) -> object:
    return next(iter(call.lab.engine._tables.routers.values())).consumer(call.consumed.consumer_id)


def plis(call: Call, index: int, since: int = 0) -> int:
    ssrc = call.layers[index].ssrc
    return sum(isinstance(p, PictureLossIndication) and p.media_ssrc == ssrc for p in call.sender.rtcp[since:])


def show_consumer(call: Call) -> ConsumerPayload:
    command = commands.GetConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id)
    return call.lab.do(command, commands.ConsumerShown).consumer


def test_late_padding_of_a_layer_leaves_its_pictures_alone() -> None:
    call = Call()
    call.layers[2].picture_id = call.layers[0].picture_id + 5000
    call.prefer(0)
    call.run(30)
    assert set(call.seen()[-10:]) == {"r0"}
    low, high = call.layers[0], call.layers[2]
    padding = encode_packet(
        b"", payload_type=96, sequence_number=low.sequence & 0xFFFF, timestamp=1, ssrc=low.ssrc, padding_size=100
    )
    low.sequence += 1
    for packet in (*low.frame(), *high.frame(), padding):
        call.sender.send_rtp(packet)
    call.lab.pump()
    before = len(call.receiver.rtp)
    call.run(30, layers=(0, 1, 2))
    assert len([p for p in call.receiver.rtp[before:] if header_of(p).payload_length]) == 60


def reused(lab: Lab, address: object) -> list[tuple[int, int]]:
    seen: dict[tuple[int, int], bytes] = {}
    twice = []
    for to, data in lab.sent:
        if to != address or not 128 <= data[0] <= 191 or 192 <= data[1] <= 223:
            continue
        key = (int.from_bytes(data[8:12], "big"), int.from_bytes(data[2:4], "big"))
        if seen.setdefault(key, data) != data:
            twice.append(key)
    return twice


def test_an_original_that_comes_long_after_its_repair_is_not_sent_under_the_same_nonce() -> None:
    lab = Lab()
    sender, up = lab.connected_peer()
    producer = produce(lab, up, repaired_video_parameters())
    viewer, down = lab.connected_peer()
    consume(lab, down, producer)
    lab.lose = lambda _data, to: to == viewer.address  # its SRTP would refuse the second one, and raise
    for number, payload in ((1, KEY_FRAME), (2, DELTA_FRAME), (4, DELTA_FRAME)):
        sender.send_rtp(video_packet(number, payload))
    lab.advance(0.05)
    sender.send_rtp(rtx_packet(1, 3, DELTA_FRAME + b"as repaired"))
    lab.advance(2.5)
    sender.send_rtp(video_packet(5))
    sender.send_rtp(video_packet(3, DELTA_FRAME + b"something else"))
    lab.pump()
    assert reused(lab, viewer.address) == []


def test_numbers_of_another_rollover_are_not_sent_under_the_same_nonce() -> None:
    lab = Lab()
    sender, up = lab.connected_peer()
    producer = produce(lab, up, video_parameters())
    viewer, down = lab.connected_peer()
    consume(lab, down, producer)
    lab.lose = lambda _data, to: to == viewer.address
    sender.send_rtp(video_packet(1, KEY_FRAME))
    for number in (0x4001, 0x8001, 0xC001):  # each too far from the last: discarded
        sender.send_rtp(video_packet(number))
    sender.send_rtp(video_packet(1, DELTA_FRAME + b"another"))
    lab.pump()
    assert reused(lab, viewer.address) == []


@pytest.mark.parametrize("rtx", [True, False])
def test_a_packet_from_before_picture_ids_began_anew_is_not_sent_again(rtx: bool) -> None:
    call = TemporalCall()
    capabilities = call.lab.capabilities if rtx else without_rtx(call.lab.capabilities)
    viewer, down = call.lab.connected_peer()
    consumed = consume(call.lab, down, call.producer, capabilities=capabilities)
    call.send(*call.pictures(9))
    missed = viewer.rtp[-1]
    call.layers[0].picture_id -= 5000  # an encoder that was made anew, in the same RTP stream
    call.send(call.layers[0].frame(key=True))
    call.lab.advance(0.2)
    newest = viewer.rtp[-1]
    viewer.send_rtcp(Nack(1, ssrc_of(consumed), (header_of(missed).sequence_number,)))
    call.lab.pump()
    assert viewer.rtp[-1] is newest  # it has no place among the numbers that began anew
    assert reused(call.lab, viewer.address) == []


def test_a_malformed_packet_leaves_no_hole_at_the_receivers() -> None:
    call = TemporalCall()
    call.send(*call.pictures(8))
    layer = call.layers[0]
    bad = encode_packet(b"\x90", payload_type=96, sequence_number=layer.sequence & 0xFFFF, timestamp=1, ssrc=layer.ssrc)
    layer.sequence += 1
    call.sender.send_rtp(bad)
    call.lab.pump()
    call.send(*call.pictures(2))
    call.assert_continuous()


def test_when_too_much_of_a_layer_is_missing_a_key_frame_of_it_is_asked_for() -> None:
    call = Call()
    call.run(30)
    asked = len(call.sender.rtcp)
    call.layers[2].sequence += 1500
    call.run(15)
    assert plis(call, 2, asked) >= 1


def test_a_receivers_pli_goes_to_the_layer_that_it_is_sent_also_while_a_switch_is_pending() -> None:
    call = Call()
    call.prefer(0)
    call.run(60)
    assert set(call.seen()[-10:]) == {"r0"}
    call.lab.advance(0)
    call.prefer(2)
    for _ in range(10):  # r2 is alive, but its key frame does not come
        for layer in call.layers:
            for packet in layer.frame():
                call.sender.send_rtp(packet)
        call.lab.advance(1 / 30)
    asked = len(call.sender.rtcp)
    call.receiver.send_rtcp(PictureLossIndication(1, ssrc_of(call.consumed)))
    call.lab.advance(0.1)
    assert plis(call, 0, asked) == 1


def test_a_sender_that_changes_its_ssrc_all_the_time_is_not_asked_each_time() -> None:
    lab = Lab()
    sender, up = lab.connected_peer()
    producer = produce(lab, up, video_parameters(None))
    _, down = lab.connected_peer()
    consume(lab, down, producer)
    for ssrc in range(5000, 5200):
        sender.send_rtp(video_packet(1, ssrc=ssrc))
    lab.pump()
    assert sum(isinstance(event, KeyFrameRequested) for event in lab.events) <= 20


def test_a_slow_upper_layer_does_not_make_layers_flap() -> None:
    """r2 has 1.5 frames a second (content that hardly moves, or a sender short of bandwidth), the others 30."""
    call = Call()
    call.run(30)
    start, answered = len(call.receiver.rtp), len(call.sender.rtcp)
    wanted: set[int] = set()
    for number in range(20 * 30):
        wanted |= {p.media_ssrc for p in call.sender.rtcp[answered:] if isinstance(p, PictureLossIndication)}
        answered = len(call.sender.rtcp)
        for layer in call.layers:
            if layer.index < 2 or number % 20 == 0:
                for packet in layer.frame(key=layer.ssrc in wanted):
                    call.sender.send_rtp(packet)
                wanted.discard(layer.ssrc)
        call.lab.advance(1 / 30)
    seen = call.seen()[start:]
    switches = sum(a != b for a, b in pairwise(seen))
    assert switches <= 2


def test_an_encoding_that_is_switched_off_by_put_is_left() -> None:
    call = Call()
    call.run(30)
    off = tuple(EncodingUpdate(active=index != 2) for index in range(3))
    command = commands.UpdateProducer(router_id=call.lab.router, producer_id=call.producer, encodings=off)
    call.lab.do(command, commands.ProducerShown)
    call.run(60)
    assert set(call.seen()[-10:]) == {"r1"}


def test_a_changed_ssrc_of_the_present_layer_does_not_cancel_a_pending_switch() -> None:
    call = Call()
    call.prefer(0)
    call.run(30)
    call.prefer(2)
    low = call.layers[0]
    low.ssrc, low.sequence = 9000, 100
    for packet in low.frame(key=True):
        call.sender.send_rtp(packet)
    call.lab.pump()
    call.run(60)
    assert set(call.seen()[-10:]) == {"r2"}


def test_what_is_told_of_a_switch_are_the_layers_that_are_sent() -> None:
    call = Call(simulcast_parameters(mode="L1T2"))
    call.run(30)
    call.prefer(0, 0)
    call.run(15)
    assert layers_told(call.lab)[-1] == ((0, 0), "preferred")


def test_going_over_to_other_temporal_layers_is_told() -> None:
    call = TemporalCall()
    call.send(*call.pictures(8))
    before = len(layers_told(call.lab))
    call.prefer(0, 0)
    call.send(*call.pictures(8))
    assert layers_told(call.lab)[before:] == [((0, 0), "preferred")]


@pytest.mark.parametrize("back", [1_000_000_000, -1_000_000_000])
def test_after_a_layer_began_its_numbers_anew_a_switch_does_not_leap_in_time(back: int) -> None:
    call = Call()
    call.run(30)
    high = call.layers[2]
    high.sequence += 20_000
    high.base -= back
    call.run(30)
    assert call.goes_over_without_a_leap(0)


def test_producer_scores_are_by_encoding() -> None:
    call = Call()
    call.run(5, layers=(2,))
    assert show_consumer(call).score.producer_scores == (0, 0, 10)


def test_the_score_of_an_encoding_that_stopped_is_0() -> None:
    call = Call()
    call.run(30)
    call.run(120, layers=(0, 1))
    command = commands.GetProducer(router_id=call.lab.router, producer_id=call.producer)
    scores = call.lab.do(command, commands.ProducerShown).producer.score
    assert {score.encoding_idx: score.score for score in scores} == {0: 10, 1: 10, 2: 0}


def test_the_score_of_an_encoding_names_its_rid() -> None:
    call = Call()
    call.run(3)
    command = commands.GetProducer(router_id=call.lab.router, producer_id=call.producer)
    scores = call.lab.do(command, commands.ProducerShown).producer.score
    assert [score.rid for score in scores] == ["r0", "r1", "r2"]


def test_a_consumers_score_begins_anew_at_a_switch() -> None:
    call = Call()
    call.run(10)
    lost = 0
    for _ in range(5):
        call.run(30)
        lost += 45
        block = ReportBlock(ssrc_of(call.consumed), 128, lost, 0, 0, 0, 0)
        call.receiver.send_rtcp(ReceiverReport(1, (block,)))
        call.lab.pump()
    assert show_consumer(call).score.score < 5
    call.prefer(0)
    call.run(15)
    assert show_consumer(call).score.score == 10


def test_transport_wide_feedback_of_a_receiver_that_negotiated_it_is_no_drop() -> None:
    lab = Lab()
    _, up = lab.connected_peer()
    producer = produce(lab, up, repaired_video_parameters(transport_cc=True))
    viewer, down = lab.connected_peer()
    consumed = consume(lab, down, producer)
    assert any(f.type == "transport-cc" for codec in consumed.rtp_parameters.codecs for f in codec.rtcp_feedback)
    feedback, _ = TransportFeedback.of_arrivals(1, ssrc_of(consumed), 0, 0, [lab.now, lab.now])
    viewer.send_rtcp(feedback)
    lab.pump()
    assert lab.drops() == {}


def test_a_nack_of_many_scattered_numbers_fits_packets() -> None:
    lab = Lab()
    sender, up = lab.connected_peer()
    producer = produce(lab, up, repaired_video_parameters())
    _, down = lab.connected_peer()
    consume(lab, down, producer)
    missing = {number for number in range(2, 9000) if number % 18 == 0}
    for number in range(1, 9000):
        if number not in missing:
            sender.send_rtp(video_packet(number, KEY_FRAME if number == 1 else DELTA_FRAME))
    lab.advance(0.05)
    asked = {number for p in sender.rtcp if isinstance(p, Nack) for number in p.sequence_numbers}
    assert asked == missing
    assert max(len(data) for to, data in lab.sent if to == sender.address) <= 1250


def test_layers_of_a_sender_that_is_silent_are_not_looked_at_for_ever() -> None:
    call = Call()
    call.run(10)
    call.lab.advance(15)
    producer = call.lab.engine._tables.routers[call.lab.router].producer(call.producer)
    assert producer.deadline() is None


def wide(layer: Layer) -> bytes:
    """A packet whose header extension (that nobody negotiated) is long: its payload lies far back."""
    (plain,) = layer.frame(parts=1)
    header = header_of(plain)
    extension = b"\x12\x34" + (430).to_bytes(2, "big") + bytes(1720)  # some other profile: no elements
    return plain[:12] + extension + plain[header.payload_offset :]


def poisoned() -> tuple[Call, Peer, bytes, Nack]:
    """A hostile sender and a friend of its that receives; and a victim, who was sent a late padding packet."""
    call = Call(simulcast_parameters(("r0",), "L1T2"))
    friend, down = call.lab.connected_peer()
    theirs = consume(call.lab, down, call.producer, capabilities=without_rtx(call.lab.capabilities))
    layer = call.layers[0]
    for packet in layer.frame(key=True):
        call.sender.send_rtp(packet)
    call.sender.send_rtp(wide(layer))
    call.lab.pump()
    asked = Nack(1, ssrc_of(theirs), (header_of(friend.rtp[-1]).sequence_number,))
    padding = encode_packet(
        b"", payload_type=96, sequence_number=layer.sequence & 0xFFFF, timestamp=1, ssrc=layer.ssrc, padding_size=9
    )
    layer.sequence += 1
    for packet in layer.frame():
        call.sender.send_rtp(packet)
    call.lab.advance(0.2)
    return call, friend, padding, asked


def test_late_padding_raises_nothing_but_malformed() -> None:
    call, friend, padding, asked = poisoned()
    call.lab.lose = lambda _data, to: to == friend.address  # a plain repetition, which its SRTP would refuse
    friend.send_rtcp(asked)
    call.lab.pump()
    call.sender.send_rtp(padding)
    call.lab.pump()  # raises what an EngineFault says


def test_asking_for_padding_again_raises_nothing() -> None:
    call, friend, padding, asked = poisoned()
    call.sender.send_rtp(padding)
    call.lab.advance(0.2)
    empty = call.receiver.rtp[-1]
    assert header_of(empty).payload_length == 0
    call.lab.lose = lambda _data, to: to == friend.address  # a plain repetition, which its SRTP would refuse
    friend.send_rtcp(asked)
    call.lab.pump()
    call.receiver.send_rtcp(Nack(1, ssrc_of(call.consumed), (header_of(empty).sequence_number,)))
    call.lab.pump()


# controls: must pass


@pytest.mark.parametrize("rtx", [True, False])
def test_control_before_picture_ids_began_anew(rtx: bool) -> None:
    call = TemporalCall()
    capabilities = call.lab.capabilities if rtx else without_rtx(call.lab.capabilities)
    viewer, down = call.lab.connected_peer()
    consumed = consume(call.lab, down, call.producer, capabilities=capabilities)
    call.send(*call.pictures(9))
    missed = viewer.rtp[-1]
    call.send(call.layers[0].frame(key=True))
    call.lab.advance(0.2)
    if not rtx:
        call.lab.lose = lambda _data, to: to == viewer.address
    viewer.send_rtcp(Nack(1, ssrc_of(consumed), (header_of(missed).sequence_number,)))
    call.lab.pump()
    if rtx:
        assert payload_of(viewer.rtp[-1])[2:] == payload_of(missed)
    else:
        assert reused(call.lab, viewer.address) == []


def test_an_id_that_another_producer_gives_another_meaning_does_not_drop_its_packets() -> None:
    lab = Lab()
    sender, up = lab.connected_peer()
    video = produce(lab, up, repaired_video_parameters(transport_cc=True))  # id 3
    lab.do(commands.CloseProducer(router_id=lab.router, producer_id=video), commands.Done)
    plain = audio_parameters()
    moved = tuple(RtpHeaderExtensionParameters(uri=e.uri, id=3 if e.id == 1 else e.id) for e in plain.header_extensions)
    producer = produce(lab, up, msgspec.structs.replace(plain, header_extensions=moved))
    viewer, down = lab.connected_peer()
    consume(lab, down, producer)
    sender.send_rtp(
        encode_packet(
            b"opus", payload_type=111, sequence_number=1, timestamp=1, ssrc=1111,
            extensions=encode_extensions([(4, b"a"), (3, b"\x85")]),
        )
    )  # fmt: skip
    lab.pump()
    assert len(viewer.rtp) == 1


def test_no_ssrc_is_drawn_that_a_producer_of_the_transport_announced_or_that_reports_come_from() -> None:
    class Stubborn(SeededEntropy):
        drawn = 0

        def integer(self, low: int, high: int) -> int:
            if high != 0xFFFFFFFF:
                return super().integer(low, high)
            self.drawn += 1
            return 2220 + self.drawn // 3

    lab = Lab(Stubborn())
    _, transport = lab.connected_peer()
    producer = produce(lab, transport, video_parameters(2222))  # nothing of it was heard yet
    ssrcs = {ssrc_of(consume(lab, transport, producer)) for _ in range(5)}
    session = lab.engine._tables.transports[transport].session
    assert not ssrcs & {2222, session._own_ssrc}


def test_a_receiver_that_asks_for_everything_again_and_again_is_heard_at_a_bearable_rate() -> None:
    call = Call()
    call.run(30)
    newest = header_of(call.receiver.rtp[-1]).sequence_number
    asked = tuple((newest - 3999 + n) & 0xFFFF for n in range(4000))
    for _ in range(3):
        call.receiver.send_rtcp(Nack(1, ssrc_of(call.consumed), asked))
    call.lab.pump()
    assert call.lab.drops()["nack-flood"] == 3 * 4000 - 500
    call.lab.advance(1)
    call.receiver.send_rtcp(Nack(1, ssrc_of(call.consumed), asked[:400]))  # each but once
    call.lab.pump()
    assert call.lab.drops()["nack-flood"] == 3 * 4000 - 500
