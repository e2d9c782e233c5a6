"""Several encodings of one source: each receiver is sent one of them, as one continuous stream."""

from __future__ import annotations

import pytest

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.errors import Unsupported
from labsfu.wire import commands
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import (
    ConsumerType,
    MediaKind,
    ProducerType,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpParameters,
)
from tests.support.lab import Lab
from tests.support.layers import simulcast_parameters
from tests.support.media import (
    consume,
    header_of,
    payload_of,
    produce,
    ssrc_of,
)
from tests.support.simulcast_call import Call, TemporalCall, layers_told


def test_a_simulcast_producer_and_its_consumer_say_what_they_are() -> None:
    lab = Lab()
    _, upstream = lab.connected_peer()
    command = commands.Produce(
        router_id=lab.router,
        transport_id=upstream,
        participant_id=ParticipantId("sender"),
        kind=MediaKind.VIDEO,
        rtp_parameters=simulcast_parameters(),
        paused=False,
    )
    produced = lab.do(command, commands.Produced)
    _, downstream = lab.connected_peer()
    consumed = consume(lab, downstream, produced.producer_id)
    assert (produced.type, consumed.type) == (ProducerType.SIMULCAST, ConsumerType.SIMULCAST)
    assert consumed.rtp_parameters.encodings[0].scalability_mode == "L3T1"


def test_spatial_layers_inside_one_stream_are_refused_still() -> None:
    vp9 = RtpCodecCapability(mime_type="video/VP9", clock_rate=90000)
    lab = Lab(media_codecs=(vp9,))
    _, upstream = lab.connected_peer()
    parameters = RtpParameters(
        mid="v",
        codecs=(RtpCodecParameters(mime_type="video/VP9", payload_type=96, clock_rate=90000),),
        encodings=(RtpEncodingParameters(ssrc=1, scalability_mode="L3T3"),),
    )
    with pytest.raises(Unsupported, match="'svc'"):
        produce(lab, upstream, parameters)


@pytest.mark.rfc("RFC 8852 3", "RFC 8853 5.1")
def test_the_receiver_gets_the_highest_layer_as_one_stream() -> None:
    call = Call()
    call.run(30)
    assert set(call.seen()[-20:]) == {"r2"}
    call.assert_continuous()
    assert {header_of(packet).ssrc for packet in call.receiver.rtp} == {ssrc_of(call.consumed)}


@pytest.mark.parametrize("path", [(2, 0), (2, 1), (0, 2), (1, 2), (0, 1), (1, 0), (2, 0, 1, 2, 1, 0, 2)])
def test_a_switch_leaves_no_hole_in_any_number(path: tuple[int, ...]) -> None:
    call = Call()
    for spatial in path:
        call.prefer(spatial)
        call.run(15)
        assert set(call.seen()[-10:]) == {f"r{spatial}"}
    call.assert_continuous()
    assert layers_told(call.lab)[-len(path) + 1 :] == [((spatial, 0), "preferred") for spatial in path[1:]]


def test_a_layer_that_stops_is_followed_by_the_next_lower_one_and_comes_back() -> None:
    call = Call()
    call.run(30)
    call.run(90, layers=(0, 1))
    assert set(call.seen()[-10:]) == {"r1"}
    call.run(30)
    assert set(call.seen()[-10:]) == {"r2"}
    call.assert_continuous()


@pytest.mark.rfc("RFC 4585 6.3.1")
def test_a_sender_that_heeds_no_request_soon_after_another_is_asked_again_soon() -> None:
    """As libwebrtc's encoders: not within 300 ms of another request of the same source, whichever its encoding."""
    call = Call()
    call.run(30)
    call.prefer(0)
    call.run(2)
    assert set(call.seen()[-2:]) == {"r0"}
    call.prefer(1)
    call.answers = False
    call.run(8)
    call.answers = True
    call.run(7)
    assert set(call.seen()[-2:]) == {"r1"}
    call.assert_continuous()


def test_switches_to_and_fro_do_not_make_time_run_ahead() -> None:
    call = Call()
    call.run(30)
    first = header_of(call.receiver.rtp[-1]).timestamp
    began = call.lab.now
    for turn in range(40):
        call.prefer(turn % 2)
        call.run(5)
    passed = (header_of(call.receiver.rtp[-1]).timestamp - first & 0xFFFFFFFF) / 90_000
    assert passed == pytest.approx(call.lab.now - began, abs=0.005)


def test_a_packet_of_the_right_stream_is_sent_again() -> None:
    call = Call()
    call.run(30)
    call.prefer(0)
    call.run(10)
    missed = call.receiver.rtp[-3]
    call.receiver.send_rtcp(Nack(1, ssrc_of(call.consumed), (header_of(missed).sequence_number,)))
    call.lab.pump()
    again = call.receiver.rtp[-1]
    assert payload_of(again)[2:] == payload_of(missed)
    assert header_of(again).timestamp == header_of(missed).timestamp


def test_only_layers_that_somebody_is_sent_are_asked_for_what_is_missing() -> None:
    call = Call()
    call.run(30)
    for layer in call.layers:
        layer.sequence += 1
    call.run(3)
    nacked = {packet.media_ssrc for packet in call.sender.rtcp if isinstance(packet, Nack)}
    assert nacked == {call.layers[2].ssrc}


# ---------------------------------------------------------------- temporal layers


@pytest.mark.rfc("RFC 7741 4.2")
def test_temporal_layers_are_left_out_without_a_hole_and_come_back() -> None:
    call = TemporalCall()
    call.send(*call.pictures(8))
    assert set(call.temporal_layers()) == {0, 1, 2}
    for temporal in (0, 1, 2, 0, 2):
        call.prefer(0, temporal)
        call.send(*call.pictures(8))
        settled = len(call.temporal_layers())
        call.send(*call.pictures(8))
        assert set(call.temporal_layers()[settled:]) == set(range(temporal + 1))
    call.assert_continuous()


def test_a_left_out_packet_that_comes_too_late_is_filled_and_filled_again_when_that_is_lost() -> None:
    call = TemporalCall()
    call.send(*call.pictures(8))
    call.prefer(0, 0)
    call.send(*call.pictures(3))
    (late, following), count = call.pictures(2), len(call.receiver.rtp)  # a T2 frame, and the T0 frame behind it
    call.send(following, late)
    sequences = [header_of(packet).sequence_number for packet in call.receiver.rtp[count:]]
    assert sorted(sequences) == [min(sequences) + n for n in range(4)]
    empty = [header_of(p).sequence_number for p in call.receiver.rtp[count:] if not header_of(p).payload_length]
    assert len(empty) == 2
    call.lab.advance(0.2)
    call.receiver.send_rtcp(Nack(1, ssrc_of(call.consumed), tuple(empty)))
    call.lab.pump()
    assert [payload_of(packet) for packet in call.receiver.rtp[-2:]] == [n.to_bytes(2, "big") for n in empty]


def test_going_over_to_fewer_temporal_layers_of_another_encoding_keeps_all_of_the_present_one_until_then() -> None:
    call = Call(simulcast_parameters(mode="L1T2"))
    for number in range(40):
        for layer in call.layers:
            wanted = any(isinstance(p, PictureLossIndication) and p.media_ssrc == layer.ssrc for p in call.sender.rtcp)
            for packet in layer.frame(key=number in (0, 10) and wanted, tid=number % 2, sync=number % 2 == 1):
                call.sender.send_rtp(packet)
        if number == 20:
            call.prefer(0, 0)
        call.lab.advance(1 / 30)
    assert call.seen()[-1] == "r2"  # no key frame of r0 has come
    descriptors = []
    for packet in call.receiver.rtp[-8:]:
        header, descriptor = header_of(packet), Vp8PayloadDescriptor()
        descriptor.read(packet, header.payload_offset, header.payload_length)
        descriptors.append(descriptor.temporal_id)
    assert set(descriptors) == {0, 1}
