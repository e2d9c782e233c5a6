"""Layers, whatever peers do: no number is used twice, no event floods, nothing that is told or shown is untrue."""

from __future__ import annotations

import gc

import msgspec
import pytest

from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.outputs import Address
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.ntp import ntp_from_unix
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.wire import commands
from labsfu.wire.events import ConsumerScored, ProducerScored
from labsfu.wire.rtp import ConsumerLayers, RtpCodecParameters
from labsfu.wire.sfu import EncodingUpdate
from tests.support.lab import START, UNIX_START, Lab
from tests.support.layers import simulcast_parameters
from tests.support.media import consume, header_of, produce, ssrc_of, video_packet, video_parameters, without_rtx
from tests.support.simulcast_call import Call, TemporalCall, layers_told


def reused(lab: Lab, address: Address) -> list[tuple[int, int]]:
    """SSRC and number of packets that differ from another with the same ones (RFC 7714 8.1)."""
    seen: dict[tuple[int, int], bytes] = {}
    twice: list[tuple[int, int]] = []
    for to, data in lab.sent:
        if to != address or not 128 <= data[0] <= 191 or 192 <= data[1] <= 223:
            continue
        key = (int.from_bytes(data[8:12], "big"), int.from_bytes(data[2:4], "big"))
        if seen.setdefault(key, data) != data:
            twice.append(key)
    return twice


def put(call: Call, *active: bool) -> None:
    """Switch encodings on and off."""
    command = commands.UpdateProducer(
        router_id=call.lab.router,
        producer_id=call.producer,
        encodings=tuple(EncodingUpdate(active=a) for a in active),
    )
    call.lab.do(command, commands.ProducerShown)


def current(call: Call) -> int | None:
    """The spatial layer that the API shows as sent."""
    command = commands.GetConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id)
    layers = call.lab.do(command, commands.ConsumerShown).consumer.current_layers
    return layers.spatial_layer if isinstance(layers, ConsumerLayers) else None


def test_a_picture_of_two_layers_is_not_sent_again_as_something_else() -> None:
    """A picture whose packets say different TIDs: sent whole at first, again as a filler."""
    call = TemporalCall()
    viewer, down = call.lab.connected_peer()
    consumed = consume(call.lab, down, call.producer, capabilities=without_rtx(call.lab.capabilities))
    call.send(*call.pictures(5))
    command = commands.UpdateConsumer(
        router_id=call.lab.router,
        consumer_id=consumed.consumer_id,
        preferred_layers=ConsumerLayers(spatial_layer=0, temporal_layer=0),
    )
    call.lab.do(command, commands.ConsumerShown)
    call.send(*call.pictures(4))
    low = call.layers[0]
    low.picture_id += 1
    low.tl0 += 1
    first = low.packet(parts=2, part=0, tid=0)
    low.sequence += 1
    second = low.packet(parts=2, part=1, tid=2)
    low.sequence += 1
    call.send([first, second])
    missed = viewer.rtp[-1]
    call.send(low.frame(tid=0))
    call.lab.advance(0.2)
    call.lab.lose = lambda _data, to: to == viewer.address
    viewer.send_rtcp(Nack(1, ssrc_of(consumed), (header_of(missed).sequence_number,)))
    call.lab.pump()
    assert reused(call.lab, viewer.address) == []


def test_a_very_late_picture_is_not_sent_again_as_something_else() -> None:
    """More than 128 pictures late: a filler at first, whole when asked for again."""
    call = TemporalCall()
    viewer, down = call.lab.connected_peer()
    consumed = consume(call.lab, down, call.producer, capabilities=without_rtx(call.lab.capabilities))
    call.send(*call.pictures(5))
    low = call.layers[0]
    late = low.frame(tid=0, parts=1)
    for _ in range(140):
        call.send(low.frame(tid=0, parts=1))
        call.lab.advance(0.02)
    number = (header_of(viewer.rtp[-1]).sequence_number - 140) & 0xFFFF
    before = len(viewer.rtp)
    call.send(late)
    assert len(viewer.rtp) == before + 1
    call.lab.advance(0.2)
    call.lab.lose = lambda _data, to: to == viewer.address
    viewer.send_rtcp(Nack(1, ssrc_of(consumed), (number,)))
    call.lab.pump()
    assert reused(call.lab, viewer.address) == []


def test_a_lost_link_is_told() -> None:
    call = Call()
    call.run(30)
    for _ in range(35):  # the receiver sends no checks: consent is gone; the sender goes on
        assert call.sender.options is not None
        call.sender.check(call.sender.options)
        call.run(30)
    assert current(call) is None
    assert layers_told(call.lab)[-1] == (None, "stopped")


def test_the_end_of_the_last_usable_encoding_is_told() -> None:
    call = Call()
    call.run(30)
    put(call, False, False, True)
    call.run(90, layers=(0, 1))
    assert current(call) is None
    assert layers_told(call.lab)[-1] == (None, "stopped")


def test_that_nothing_is_sent_is_told_though_another_encoding_is_on() -> None:
    call = Call()
    call.run(30, layers=(0,))
    put(call, False, True, True)
    assert current(call) is None
    assert layers_told(call.lab)[-1] == (None, "stopped")


def test_a_sender_that_changes_its_ssrc_all_the_time_does_not_flood_watchers() -> None:
    call = Call()
    call.run(30)
    before = sum(isinstance(e, ProducerScored) for e in call.lab.events)
    low = call.layers[0]
    for turn in range(300):
        low.ssrc = 9000 + turn % 2
        for packet in low.frame(parts=1):
            call.sender.send_rtp(packet)
        call.lab.advance(0.002)
    told = sum(isinstance(e, ProducerScored) for e in call.lab.events) - before
    assert told < 20, told


def test_a_receiver_that_reports_nonsense_does_not_flood_watchers() -> None:
    call = Call()
    call.run(30)
    before = sum(isinstance(e, ConsumerScored) for e in call.lab.events)
    lost = 0
    for _ in range(60):
        call.run(1)
        lost += 2
        block = ReportBlock(
            ssrc=ssrc_of(call.consumed),
            fraction_lost=0,
            packets_lost=lost,
            highest_sequence=0,
            jitter=0,
            last_sr=0,
            delay_since_last_sr=0,
        )
        for _ in range(2):
            call.receiver.send_rtcp(ReceiverReport(1, (block,) * 31))
        call.lab.pump()
    told = sum(isinstance(e, ConsumerScored) for e in call.lab.events) - before
    assert told < 20, told


@pytest.mark.parametrize("back", [-1_000_000_000])
def test_a_hidden_layer_that_began_anew_after_its_report_is_gone_over_to_without_a_leap(back: int) -> None:
    call = Call()

    def report() -> None:
        for layer in call.layers:
            unix = UNIX_START + call.lab.now - START
            timestamp = layer.base + round(call.lab.now * 90_000) & 0xFFFFFFFF
            call.sender.send_rtcp(SenderReport(layer.ssrc, ntp_from_unix(unix), timestamp, 1, 1))
        call.lab.pump()

    call.run(10)
    report()
    call.run(30)
    low = call.layers[0]
    low.sequence += 20_000
    low.base -= back
    call.run(10)
    assert call.goes_over_without_a_leap(0)


def test_layers_go_on_where_vp8_is_one_of_two_codecs() -> None:
    plain = simulcast_parameters()
    h264 = RtpCodecParameters(
        mime_type="video/H264",
        payload_type=100,
        clock_rate=90000,
        parameters={"packetization-mode": 1, "profile-level-id": "42e01f", "level-asymmetry-allowed": 1},
        rtcp_feedback=plain.codecs[0].rtcp_feedback,
    )
    call = Call(msgspec.structs.replace(plain, codecs=(*plain.codecs, h264)))
    for path in (2, 0, 1):
        call.prefer(path)
        call.run(15)
    call.assert_continuous()


def test_a_switched_off_encoding_is_not_asked_for_key_frames_whatever_its_ssrc() -> None:
    call = Call()
    call.run(30, layers=(0,))
    put(call, False, True, True)
    asked = len(call.sender.rtcp)
    low = call.layers[0]
    low.ssrc = 9000
    call.run(90, layers=(0,))
    plis = [p for p in call.sender.rtcp[asked:] if isinstance(p, PictureLossIndication)]
    assert plis == []


def test_what_came_late_after_a_switch_is_not_sent_twice() -> None:
    call = Call()
    call.run(30)
    high = call.layers[2]
    held, rest = high.frame()
    call.sender.send_rtp(rest)
    call.run(1)
    call.prefer(0)
    call.run(6)
    assert call.seen()[-1] == "r0"
    numbers = [header_of(p).sequence_number for p in call.receiver.rtp]
    (hole,) = (number for number in range(numbers[0], numbers[-1]) if number not in numbers)
    call.sender.send_rtp(held)
    call.receiver.send_rtcp(Nack(1, ssrc_of(call.consumed), (hole,)))
    before = len(call.receiver.rtp)
    call.lab.pump()
    assert len(call.receiver.rtp) - before == 1


def test_a_sender_whose_link_is_down_has_no_score_and_its_receivers_no_layers() -> None:
    call = Call()
    call.run(30)
    for _ in range(40):  # the sender is gone altogether; its consent runs out
        assert call.receiver.options is not None
        call.receiver.check(call.receiver.options)
        call.lab.advance(1)
    command = commands.GetProducer(router_id=call.lab.router, producer_id=call.producer)
    shown = call.lab.do(command, commands.ProducerShown).producer
    assert shown.ice_state != "completed", shown.ice_state
    assert current(call) is None
    assert {s.score for s in shown.score} == {0}


def test_streams_that_are_gone_are_not_kept() -> None:
    call = Call()
    call.run(30)
    low = call.layers[2]
    for ssrc in (9000, 9001, 9002, 9003, 9004):
        low.ssrc = ssrc
        call.run(30)
    call.run(600)
    gc.collect()
    gone = (7002, 9000, 9001, 9002, 9003)
    streams = [s for s in gc.get_objects() if isinstance(s, InboundStream) and s.ssrc in gone]
    kept = [stream for stream in streams if stream.history._by_number]
    assert kept == []


def test_of_temporal_layers_that_cannot_be_told_apart_all_are_sent_and_shown() -> None:
    plain = simulcast_parameters(mode="L1T3")
    h264 = RtpCodecParameters(
        mime_type="video/H264",
        payload_type=96,
        clock_rate=90000,
        parameters={"packetization-mode": 1, "profile-level-id": "42e01f", "level-asymmetry-allowed": 1},
        rtcp_feedback=plain.codecs[0].rtcp_feedback,
    )
    call = Call(msgspec.structs.replace(plain, codecs=(h264, plain.codecs[1])))
    for n in range(30):
        for layer in call.layers:
            packet = encode_packet(
                b"\x67\x42\xe0\x1f" if n % 10 == 0 else b"\x61abc",
                payload_type=96,
                sequence_number=n,
                timestamp=3000 * n,
                ssrc=layer.ssrc,
                marker=True,
                extensions=encode_extensions([(4, b"v"), (10, f"r{layer.index}".encode())]),
            )
            call.sender.send_rtp(packet)
        call.lab.advance(1 / 30)
    command = commands.GetConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id)
    shown = call.lab.do(command, commands.ConsumerShown).consumer
    assert shown.current_layers == shown.target_layers


def test_a_picture_with_a_short_id_is_not_sent_again_as_something_else() -> None:
    """PictureIDs of 7 bits, more than 128 pictures in 2 s, some of which were left out between."""
    call = TemporalCall()
    viewer, down = call.lab.connected_peer()
    consumed = consume(call.lab, down, call.producer, capabilities=without_rtx(call.lab.capabilities))
    command = commands.UpdateConsumer(
        router_id=call.lab.router,
        consumer_id=consumed.consumer_id,
        preferred_layers=ConsumerLayers(spatial_layer=0, temporal_layer=0),
    )
    call.lab.do(command, commands.ConsumerShown)

    def picture(n: int) -> bytes:
        tid = 2 if n % 2 else 0
        body = b"\x00\x00\x00\x9d\x01\x2a\x80\x02\x68\x01" if n == 0 else b"\x01\x00\x00"
        descriptor = bytes((0x90, 0xE0, n & 0x7F, n // 2 & 0xFF, tid << 6))
        return encode_packet(
            descriptor + body,
            payload_type=96,
            sequence_number=n,
            timestamp=900 * n,
            ssrc=7000,
            marker=True,
            extensions=encode_extensions([(4, b"v"), (10, b"r0")]),
        )

    for n in range(300):
        call.send([picture(n)])
        call.lab.advance(0.005)
    missed = viewer.rtp[-100]
    call.lab.lose = lambda _data, to: to == viewer.address
    viewer.send_rtcp(Nack(1, ssrc_of(consumed), (header_of(missed).sequence_number,)))
    call.lab.pump()
    assert reused(call.lab, viewer.address) == []


def test_new_ssrcs_of_a_simple_producer_do_not_flood_watchers() -> None:
    lab = Lab()
    sender, up = lab.connected_peer()
    produce(lab, up, video_parameters(None))
    for turn in range(300):
        sender.send_rtp(video_packet(1, ssrc=5000 + turn))
    lab.pump()
    assert sum(isinstance(e, ProducerScored) for e in lab.events) < 20
