"""What is said of a stream that comes: each counter provoked, one by one."""

from __future__ import annotations

import msgspec
import pytest

from labsfu.core.forwarding.inbound import InboundStream
from labsfu.core.forwarding.nack_generator import NackGenerator
from labsfu.core.forwarding.packet_history import PacketHistory
from labsfu.core.forwarding.sender_clock import SenderClock
from labsfu.core.rtcp.fir import FullIntraRequest
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, ntp_from_unix
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ExtendedReport, ReceiverReferenceTime
from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.errors import NotFound
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import MediaKind, RtcpFeedback, RtpEncodingParameters
from tests.support.lab import START, UNIX_START
from tests.support.layers import simulcast_parameters
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    produce,
    repaired_video_parameters,
)
from tests.support.simulcast_call import Call as SimulcastCall
from tests.support.simulcast_call import TemporalCall
from tests.support.stats_call import StatsCall, as_dict


def test_a_producer_that_sent_nothing_shows_its_transport_and_no_stream() -> None:
    call = StatsCall()
    stats = call.producer_stats()
    assert (stats.id, stats.streams) == (call.producer, ())
    assert stats.transport.transport_id == call.upstream
    assert stats.at == round((call.lab.now - START + UNIX_START) * 1000)
    assert stats.transport.timestamp == stats.at


def test_a_producer_that_is_only_a_transport_yet_shows_that() -> None:
    call = StatsCall()
    command = commands.CreateProducer(router_id=call.lab.router, participant_id=ParticipantId("sender"))
    pending = call.lab.do(command, commands.ProducerShown).producer
    asked = commands.GetProducerStats(router_id=call.lab.router, producer_id=pending.id)
    stats = call.lab.do(asked, commands.ProducerStatsShown).stats
    assert (stats.id, stats.streams) == (pending.id, ())
    assert pending.transport_options is not ABSENT
    assert stats.transport.transport_id == pending.transport_options.id


def test_packets_and_their_bytes_are_counted_whole() -> None:
    call = StatsCall()
    call.send(10, 11, 12, size=100)
    stream = call.inbound()
    assert (stream.packet_count, stream.byte_count) == (3, sum(map(len, call.sent)))
    assert (stream.ssrc, stream.rtx_ssrc, stream.rid) == (2222, 3333, ABSENT)
    assert (stream.kind, stream.mime_type, stream.score) == (MediaKind.VIDEO, "video/VP8", 10)
    assert (stream.packets_lost_before_repair, stream.packets_lost, stream.packets_repaired) == (0, 0, 0)
    assert (stream.bitrate_by_layer, stream.drops, stream.round_trip_time) == ({}, (), ABSENT)


def test_a_producer_of_another_router_is_not_there() -> None:
    call = StatsCall()
    command = commands.CreateProducer(router_id=call.lab.router, participant_id=ParticipantId("sender"))
    pending = call.lab.do(command, commands.ProducerShown).producer
    other = call.lab.do(commands.CreateRouter(), commands.RouterCreated).router_id
    for id_ in (pending.id, call.producer):
        with pytest.raises(NotFound):
            call.lab.engine.execute(commands.GetProducerStats(router_id=other, producer_id=id_), call.lab.now)


def test_the_retransmission_ssrc_is_the_one_that_is_heard() -> None:
    plain = repaired_video_parameters()
    call = StatsCall(msgspec.structs.replace(plain, encodings=(RtpEncodingParameters(),)))
    call.send(10)
    assert call.inbound().rtx_ssrc is ABSENT
    packet = encode_packet(
        bytes(9),
        payload_type=97,
        sequence_number=1,
        timestamp=1,
        ssrc=5019,
        extensions=encode_extensions([(4, b"v")]),
    )
    call.sender.send_rtp(packet)
    call.lab.pump()
    assert call.inbound().rtx_ssrc == 5019


# ------------------------------------------------------------------ losses


@pytest.mark.rfc("RFC 3550 6.4.1", "RFC 3550 A.3")
def test_a_packet_that_never_comes_is_lost() -> None:
    call = StatsCall()
    call.send(65534, 65535, 2)
    stream = call.inbound()
    assert (stream.packets_lost_before_repair, stream.packets_lost, stream.packets_repaired) == (2, 2, 0)


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_the_fraction_is_that_of_our_last_report_before_repair() -> None:
    call = StatsCall()
    call.lab.advance(0.4)
    call.send(*(number for number in range(100) if number % 4 != 1))
    call.lab.advance(1.2)
    assert call.inbound().fraction_lost == 64
    call.send(*range(100, 200))
    call.lab.advance(1.7)
    assert call.inbound().fraction_lost == 0


def test_a_packet_that_is_only_late_is_not_lost() -> None:
    call = StatsCall()
    call.send(10, 12, 11)
    call.lab.advance(1)
    assert call.inbound().packets_lost_before_repair == 0


def test_rtx_repairs_a_loss_and_is_counted_apart() -> None:
    call = StatsCall()
    call.send(10, 13)
    call.lab.advance(0.02)
    call.resend(11)
    stream = call.inbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (2, 1, 1)
    assert (stream.packet_count, stream.byte_count) == (2, sum(map(len, call.sent)))
    assert (stream.packets_retransmitted, stream.nack_count, stream.nack_packet_count) == (1, 1, 2)


def test_a_packet_that_is_sent_again_as_it_was_repairs_a_loss() -> None:
    call = StatsCall(rtx_up=False)
    call.send(10, 13)
    call.lab.advance(0.02)
    call.send(11)
    stream = call.inbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (2, 1, 1)
    assert (stream.packet_count, stream.packets_retransmitted, stream.rtx_ssrc) == (3, 0, ABSENT)


def test_repeated_packets_hide_no_loss() -> None:
    call = StatsCall()
    call.send(10, 12, 12, 12, 10)
    stats = call.producer_stats()
    (stream,) = stats.streams
    assert (stream.packets_lost_before_repair, stream.packets_lost, stream.packet_count) == (1, 1, 2)
    assert (stream.drops, as_dict(stats.transport.drops)) == ((), {"srtp-replay": 3})


def test_duplicates_that_srtp_does_not_know_hide_no_loss() -> None:
    stream = InboundStream(1, 90_000, SenderClock(), PacketHistory(1.0), NackGenerator(), kept=False)
    for number in (65534, 65532, 65532, 0, 0, 0, 65534):  # 65532 was not expected any more
        stream.receive(number, 0, 100, 1.0)
    assert (stream.lost_at_first, stream.duplicates, stream.packets) == (1, 3, 7)


def test_an_original_after_its_retransmission_changes_no_loss() -> None:
    call = StatsCall()
    call.send(10, 12)
    call.lab.advance(0.02)
    call.resend(11)
    call.send(11)
    stream = call.inbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (1, 1, 0)


def test_what_came_before_the_first_packet_hides_no_loss() -> None:
    call = StatsCall()
    call.send(65535, 65533, 65533, 65534, 1)
    stream = call.inbound()
    assert (stream.packets_lost_before_repair, stream.packets_lost) == (1, 1)


def test_a_retransmission_that_is_not_missed_repairs_nothing() -> None:
    call = StatsCall()
    call.send(10, 11)
    call.resend(10, 900)
    stream = call.inbound()
    assert (stream.packets_retransmitted, stream.packets_repaired, stream.packets_discarded) == (2, 0, 0)
    assert as_dict(stream.drops) == {"rtx-not-missing": 2}


def test_padding_of_the_retransmission_stream_is_no_retransmission() -> None:
    call = StatsCall()
    call.send(10)
    call.sender.send_rtp(b"\xa0\xe1\x00\x01" + bytes(4) + (3333).to_bytes(4, "big") + b"\x00\x00\x00\x04")
    call.lab.pump()
    stream = call.inbound()
    assert (stream.packets_retransmitted, as_dict(stream.drops)) == (0, {"rtx-padding-only": 1})


def test_losses_outlive_a_sender_that_begins_its_numbers_anew() -> None:
    call = StatsCall()
    call.send(10, 12)
    call.lab.advance(0.02)
    call.resend(11)
    call.send(11, 14)
    call.send(40_000, 40_001, 40_003)  # the first of two in a row is not believed
    stream = call.inbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (3, 1, 2)
    assert stream.packet_count == 6
    assert as_dict(stream.drops) == {"duplicate": 1, "sequence-jump": 1}


def test_a_sender_that_changes_its_ssrc_begins_at_zero() -> None:
    lab = StatsCall().lab
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, audio_parameters(ssrc=None))
    for ssrc, numbers in ((5, (1, 2, 4)), (6, (7, 8))):
        for number in numbers:
            sender.send_rtp(audio_packet(number, ssrc=ssrc))
    lab.pump()
    asked = commands.GetProducerStats(router_id=lab.router, producer_id=producer)
    (stream,) = lab.do(asked, commands.ProducerStatsShown).stats.streams
    assert (stream.ssrc, stream.packet_count, stream.packets_lost) == (6, 2, 0)


# ------------------------------------------------------------------ what is asked


@pytest.mark.rfc("RFC 4585 6.2.1")
def test_each_nack_is_counted_and_each_number_in_it() -> None:
    call = StatsCall()
    call.send(10, 14)
    call.lab.advance(0.25)  # 10 ms after the gap, then once in 100 ms
    stream = call.inbound()
    sent = [packet for packet in call.sender.rtcp if isinstance(packet, Nack)]
    assert (stream.nack_count, stream.nack_packet_count) == (3, 9) == (len(sent), 3 * len(sent))


@pytest.mark.rfc("RFC 4585 6.3.1")
def test_requests_for_key_frames_are_counted() -> None:
    call = StatsCall()
    call.send(10)
    call.lab.advance(2)
    call.ask_key_frame()
    stream = call.inbound()
    sent = sum(isinstance(packet, PictureLossIndication) for packet in call.sender.rtcp)
    assert (stream.pli_count, stream.fir_count) == (sent, 0)
    assert sent > 0


@pytest.mark.rfc("RFC 5104 4.3.1")
def test_of_who_takes_no_pli_firs_are_counted() -> None:
    plain = repaired_video_parameters()
    codecs = tuple(
        msgspec.structs.replace(codec, rtcp_feedback=(RtcpFeedback(type="ccm", parameter="fir"),))
        if codec.mime_type == "video/VP8"
        else codec
        for codec in plain.codecs
    )
    call = StatsCall(msgspec.structs.replace(plain, codecs=codecs))
    call.send(10)
    call.lab.advance(2)
    call.ask_key_frame()
    sent = sum(isinstance(packet, FullIntraRequest) for packet in call.sender.rtcp)
    stream = call.inbound()
    assert (stream.pli_count, stream.fir_count) == (0, sent)
    assert sent > 0


# ------------------------------------------------------------------ what goes no further


def test_of_a_paused_producer_packets_come_and_are_dropped() -> None:
    call = StatsCall()
    call.send(10)
    command = commands.PauseProducer(router_id=call.lab.router, producer_id=call.producer)
    call.lab.do(command, commands.Done)
    call.send(11, 12)
    stream = call.inbound()
    assert (stream.packet_count, stream.packets_discarded) == (3, 2)
    assert as_dict(stream.drops) == {"producer-paused": 2}


def test_drops_are_told_of_the_stream_that_they_are_of() -> None:
    call = SimulcastCall()
    call.run(30)
    asked = commands.GetProducerStats(router_id=call.lab.router, producer_id=call.producer)
    streams = call.lab.do(asked, commands.ProducerStatsShown).stats.streams
    dropped = [as_dict(stream.drops).get("layer-not-chosen", 0) for stream in streams]
    assert [stream.packets_discarded for stream in streams] == dropped
    assert dropped[0] > 50
    assert dropped[2] < 10
    assert sum(dropped) == call.lab.drops()["layer-not-chosen"]


# ------------------------------------------------------------------ how it comes


@pytest.mark.rfc("RFC 3550 A.8")
def test_jitter_is_in_units_of_the_clock_and_of_a_sample_in_milliseconds() -> None:
    call = StatsCall()
    producer = produce(call.lab, call.upstream, audio_parameters())
    expected = 0.0
    for number in range(50):
        call.sender.send_rtp(audio_packet(number, timestamp=number * 960))
        call.lab.pump()
        call.lab.now += 0.02 if number % 2 else 0.04
        late = 0.0 if number % 2 == 0 else 0.02 * 48_000  # D: every other packet comes 20 ms after its time
        expected += (abs(late) - expected) / 16 if number else 0
    asked = commands.GetProducerStats(router_id=call.lab.router, producer_id=producer)
    (stream,) = call.lab.do(asked, commands.ProducerStatsShown).stats.streams
    assert stream.jitter == int(expected)
    (sampled,) = (p for p in call.sample().producers if p.producer_id == producer)
    assert sampled.encodings[0].jitter == pytest.approx(int(expected) / 48, abs=0.001)


@pytest.mark.rfc("RFC 3611 4.5")
def test_the_round_trip_is_that_of_extended_reports() -> None:
    call = StatsCall()
    call.send(10, 11)
    call.lab.advance(1.1)
    reports = [packet for packet in call.sender.rtcp if isinstance(packet, ExtendedReport)]
    (reference,) = (b for b in reports[0].blocks if isinstance(b, ReceiverReferenceTime))
    last = middle32(reference.ntp_timestamp)
    unix_now = call.lab.now - START + UNIX_START
    ago = ((middle32(ntp_from_unix(unix_now)) - last) & 0xFFFFFFFF) / 65536
    item = DlrrItem(reports[0].ssrc, last, delay_from_seconds(ago - 0.042))
    call.sender.send_rtcp(ExtendedReport(2222, (Dlrr((item,)),)))
    call.lab.pump()
    assert call.inbound().round_trip_time == pytest.approx(42, abs=0.05)
    (producer,) = call.sample().producers
    assert producer.encodings[0].round_trip_time == pytest.approx(42, abs=0.05)


# ------------------------------------------------------------------ layers


def test_each_encoding_is_a_stream_in_their_order() -> None:
    call = SimulcastCall()
    call.run(90, layers=(2, 0))
    asked = commands.GetProducerStats(router_id=call.lab.router, producer_id=call.producer)
    streams = call.lab.do(asked, commands.ProducerStatsShown).stats.streams
    assert [(stream.ssrc, stream.rid) for stream in streams] == [(7000, "r0"), (7002, "r2")]
    assert [list(stream.bitrate_by_layer) for stream in streams] == [["0.0"], ["2.0"]]
    assert all(s.bitrate_by_layer[f"{i}.0"] == s.bitrate > 0 for i, s in zip((0, 2), streams, strict=True))


def test_the_bitrate_up_to_each_temporal_layer_is_told() -> None:
    call = TemporalCall()
    for _ in range(40):
        call.send(*call.pictures(4))
    asked = commands.GetProducerStats(router_id=call.lab.router, producer_id=call.producer)
    (stream,) = call.lab.do(asked, commands.ProducerStatsShown).stats.streams
    up_to = stream.bitrate_by_layer
    assert list(up_to) == ["0.0", "0.1", "0.2"]
    assert up_to["0.2"] == stream.bitrate
    assert up_to["0.0"] / up_to["0.2"] == pytest.approx(1 / 4, abs=0.05)
    assert up_to["0.1"] / up_to["0.2"] == pytest.approx(1 / 2, abs=0.05)


def test_what_says_no_temporal_layer_is_of_the_lowest() -> None:
    call = StatsCall(simulcast_parameters(("r0",), "L1T2"))
    for number in range(100):
        extensions = encode_extensions([(4, b"v"), (10, b"r0")])
        frame = KEY_FRAME if number == 0 else DELTA_FRAME
        packet = encode_packet(
            frame, payload_type=96, sequence_number=number, timestamp=number * 3000, ssrc=7, extensions=extensions
        )
        call.sender.send_rtp(packet)
        call.lab.advance(0.02)
    stream = call.inbound()
    assert stream.bitrate_by_layer == {"0.0": stream.bitrate, "0.1": stream.bitrate}


def test_two_producers_of_one_transport_are_told_apart() -> None:
    call = StatsCall()
    audio = produce(call.lab, call.upstream, audio_parameters())
    consume(call.lab, call.downstream, audio)
    call.send(10, 12)
    call.sender.send_rtp(audio_packet(1))
    call.lab.pump()
    asked = commands.GetProducerStats(router_id=call.lab.router, producer_id=audio)
    (stream,) = call.lab.do(asked, commands.ProducerStatsShown).stats.streams
    assert (stream.mime_type, stream.packet_count, stream.packets_lost) == ("audio/opus", 1, 0)
    assert call.inbound().packets_lost == 1
