"""What is said of a stream that goes: each counter provoked, one by one."""

from __future__ import annotations

import msgspec
import pytest

from labsfu.core.forwarding.consumer import NACK_BURST
from labsfu.core.forwarding.repaired import CAPACITY, MEMORY, Repaired
from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, ntp_from_unix
from labsfu.core.rtcp.reports import SenderReport
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import ConsumerLayers, MediaKind, RtpCapabilities
from labsfu.wire.stats import InboundRtpStats, OutboundRtpStats
from tests.support.lab import START, UNIX_START
from tests.support.media import consume, rtx_ssrc_of, ssrc_of, video_parameters, without_rtx
from tests.support.simulcast_call import Call as SimulcastCall
from tests.support.stats_call import StatsCall, as_dict


def without_nack(capabilities: RtpCapabilities) -> RtpCapabilities:
    codecs = tuple(
        msgspec.structs.replace(c, rtcp_feedback=tuple(f for f in c.rtcp_feedback if f.parameter or f.type != "nack"))
        for c in without_rtx(capabilities).codecs
    )
    return msgspec.structs.replace(capabilities, codecs=codecs)


def pause(call: StatsCall, *, resume: bool = False) -> None:
    type_ = commands.ResumeConsumer if resume else commands.PauseConsumer
    call.lab.do(type_(router_id=call.lab.router, consumer_id=call.consumed.consumer_id), commands.Done)


def test_a_consumer_that_was_sent_nothing_shows_zeros_and_nothing_of_its_producer() -> None:
    call = StatsCall()
    stats = call.consumer_stats()
    assert (stats.id, stats.transport.transport_id) == (call.consumed.consumer_id, call.downstream)
    (stream,) = stats.streams
    assert isinstance(stream, OutboundRtpStats)
    assert (stream.ssrc, stream.rtx_ssrc, stream.rid) == (call.ssrc, rtx_ssrc_of(call.consumed), ABSENT)
    assert (stream.kind, stream.mime_type, stream.score) == (MediaKind.VIDEO, "video/VP8", 10)
    zeros = [name for name in stream.__struct_fields__ if name.endswith("count") or "packets" in name]
    assert len(zeros) == 11
    assert not any(getattr(stream, name) for name in (*zeros, "bitrate", "fraction_lost"))
    assert (stream.round_trip_time, stream.drops) == (ABSENT, ())


def test_what_is_sent_is_counted_whole_and_the_producers_stream_shown_beside_it() -> None:
    call = StatsCall()
    call.send(10, 11, 12, size=100)
    outbound, inbound = call.consumer_stats().streams
    assert (outbound.packet_count, outbound.byte_count) == (3, sum(map(len, call.receiver.rtp)))
    assert isinstance(inbound, InboundRtpStats)
    assert inbound == call.inbound()


def test_a_consumer_of_layers_shows_the_one_that_it_is_sent() -> None:
    call = SimulcastCall()
    call.run(60)
    sent = []
    for spatial in (2, 0):
        call.prefer(spatial)
        call.run(30)
        asked = commands.GetConsumerStats(router_id=call.lab.router, consumer_id=call.consumed.consumer_id)
        outbound, inbound = call.lab.do(asked, commands.ConsumerStatsShown).stats.streams
        assert (inbound.ssrc, inbound.rid) == (7000 + spatial, f"r{spatial}")
        assert outbound.byte_count == sum(map(len, call.receiver.rtp))
        sent.append(outbound.packet_count)
        sample = call.lab.do(commands.GetSamples(), commands.Sampled).sample
        assert sample.consumers[0].current_layers == ConsumerLayers(spatial_layer=spatial, temporal_layer=0)
    assert sent == sorted(sent)  # one stream, whatever it is made of
    assert sent[1] == len(call.receiver.rtp)


# ------------------------------------------------------------------ losses


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_losses_are_what_the_receiver_reports() -> None:
    call = StatsCall()
    call.send(10, 11)
    call.report(lost=5, fraction=64)
    stream = call.outbound()
    assert (stream.packets_lost_before_repair, stream.packets_lost, stream.fraction_lost) == (5, 5, 64)


def test_a_report_of_less_than_nothing_lost_is_nothing_lost() -> None:
    call = StatsCall()
    call.send(10)
    call.report(lost=-3)
    stream = call.outbound()
    assert (stream.packets_lost_before_repair, stream.packets_lost, stream.packets_repaired) == (0, 0, 0)


def test_what_was_sent_again_and_is_not_asked_for_any_more_is_repaired() -> None:
    call = StatsCall()
    call.send(10)
    call.lose_down(11, 12, 13)
    call.send(14)
    first = call.numbers()[0]
    call.ask(first + 1, first + 2)
    call.report(lost=3)
    stream = call.outbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (3, 2, 1)
    assert (stream.packets_retransmitted, stream.nack_count, stream.nack_packet_count) == (2, 1, 2)
    assert stream.packet_count == 5


def test_a_packet_that_is_sent_again_twice_is_repaired_once() -> None:
    call = StatsCall()
    call.send(10)
    call.lose_down(11)
    call.report(lost=4)
    missing = call.numbers()[0] + 1
    call.ask(missing)
    call.ask(missing)  # crosses with the retransmission
    assert call.outbound().packets_repaired == 1
    call.lab.advance(0.2)
    call.ask(missing)
    stream = call.outbound()
    assert (stream.packets_retransmitted, stream.packets_repaired, stream.packets_lost) == (2, 1, 3)
    assert as_dict(stream.drops) == {"resent-just-now": 1}


def test_what_is_asked_for_again_and_cannot_be_sent_again_is_lost() -> None:
    call = StatsCall()
    call.send(10)
    call.lose_down(11)
    call.report(lost=1)
    missing = call.numbers()[0] + 1
    call.ask(missing)
    assert call.outbound().packets_lost == 0
    call.lab.advance(2.5)  # it is kept for 2 s
    call.ask(missing)
    stream = call.outbound()
    assert (stream.packets_repaired, stream.packets_lost, as_dict(stream.drops)) == (0, 1, {"nack-not-kept": 1})


def test_what_is_drowned_in_a_flood_of_requests_is_lost() -> None:
    call = StatsCall()
    call.send(*range(10, 20))
    call.report(lost=10)
    first = call.numbers()[0]
    call.ask(first)
    assert call.outbound().packets_repaired == 1
    call.ask(*range(first + 30_000, first + 30_000 + NACK_BURST), first)
    stream = call.outbound()
    assert stream.packets_repaired == 0
    assert stream.nack_packet_count == 1 + NACK_BURST + 1


def test_of_who_gets_packets_again_as_they_were_reports_count_what_repairs_left_over() -> None:
    call = StatsCall(rtx_down=False)
    call.send(10)
    call.lose_down(11, 12)
    call.send(13)
    first = call.numbers()[0]
    call.ask(first + 1)
    call.report(lost=1)  # 12; 11 has come meanwhile, on the same SSRC
    stream = call.outbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (2, 1, 1)
    assert (stream.packet_count, stream.packets_retransmitted) == (4, 1)


def test_repairs_are_never_more_than_losses() -> None:
    call = StatsCall()
    call.send(10, 11, 12)
    call.ask(*call.numbers())  # it was impatient: nothing was lost
    call.report(lost=1)
    stream = call.outbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (1, 1, 0)


def test_what_is_remembered_of_repairs_is_bounded_and_stays_counted() -> None:
    repaired = Repaired()
    for number in range(3 * CAPACITY):
        repaired.sent(number & 0xFFFF, 100.0)
    assert (repaired.count, len(repaired._sent)) == (3 * CAPACITY, CAPACITY)
    repaired.sent(5, 100.1 + MEMORY)
    assert (repaired.count, len(repaired._sent)) == (3 * CAPACITY + 1, 1)
    repaired.in_vain(5)
    repaired.in_vain(6)
    assert repaired.count == 3 * CAPACITY


# ------------------------------------------------------------------ what is asked


@pytest.mark.rfc("RFC 4585 6.3.1", "RFC 5104 4.3.1")
def test_requests_of_a_receiver_are_counted_by_their_kind_also_while_it_is_paused() -> None:
    call = StatsCall()
    call.send(10)
    call.ask_key_frame()
    call.ask_key_frame(fir=True)
    pause(call)
    call.ask_key_frame()
    stream = call.outbound()
    assert (stream.pli_count, stream.fir_count) == (2, 1)


def test_requests_are_no_packets_that_were_dropped() -> None:
    call = StatsCall()
    call.send(10)
    call.ask(call.numbers()[0] + 900)
    stream = call.outbound()
    assert (as_dict(stream.drops), stream.packets_discarded) == ({"nack-not-kept": 1}, 0)


# ------------------------------------------------------------------ what is left out


def test_what_is_left_out_until_a_key_frame_is_discarded() -> None:
    call = StatsCall()
    call.send(10)
    pause(call)
    call.send(11, 12)  # nobody counts what is not for it
    pause(call, resume=True)
    call.send(13, 14)
    call.send(15, key=True)
    stream = call.outbound()
    assert (stream.packet_count, stream.packets_discarded) == (2, 2)
    assert as_dict(stream.drops) == {"awaiting-key-frame": 2}


# ------------------------------------------------------------------ how it gets through


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_the_round_trip_is_that_of_receiver_reports() -> None:
    call = StatsCall()
    call.stream(10, 3)
    *_, sent = (packet for packet in call.receiver.rtcp if isinstance(packet, SenderReport))
    last = middle32(sent.ntp_timestamp)
    call.lab.now += 0.25
    unix_now = call.lab.now - START + UNIX_START
    ago = ((middle32(ntp_from_unix(unix_now)) - last) & 0xFFFFFFFF) / 65536
    call.report(lost=0, last_sr=last, delay=delay_from_seconds(ago - 0.05))
    assert call.outbound().round_trip_time == pytest.approx(50, abs=0.05)
    (consumer,) = call.sample().consumers
    assert consumer.round_trip_time == call.outbound().round_trip_time


def test_who_may_not_ask_has_losses_and_no_repairs() -> None:
    call = StatsCall(video_parameters())
    capabilities = without_nack(call.lab.capabilities)
    consumed = consume(call.lab, call.downstream, call.producer, capabilities=capabilities)
    call.ssrc, call.consumed = ssrc_of(consumed), consumed
    call.send(10, 11)
    call.ask(call.numbers()[0])
    call.report(lost=2)
    stream = call.outbound()
    assert (stream.packets_lost_before_repair, stream.packets_repaired, stream.packets_lost) == (2, 0, 2)
    assert (stream.nack_count, stream.packets_retransmitted) == (0, 0)
