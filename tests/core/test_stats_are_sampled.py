"""Rates in an engine on invented time, totals of routers, and when the engine is woken for them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from msgspec.structs import replace

from labsfu.core.forwarding.rate_window import INTERVAL
from labsfu.wire import commands
from labsfu.wire.ids import RouterId
from labsfu.wire.rtp import RtpCodecParameters
from labsfu.wire.stats import RouterStatsPayload
from tests.support.lab import Lab
from tests.support.layers import simulcast_parameters
from tests.support.media import audio_packet, audio_parameters, produce
from tests.support.simulcast_call import Call as SimulcastCall
from tests.support.simulcast_call import TemporalCall
from tests.support.stats_call import StatsCall, as_dict


def test_a_constant_stream_has_its_bitrate_everywhere() -> None:
    call = StatsCall()
    call.stream(10, 6)
    expected = len(call.sent[-1]) * 50 * 8
    inbound, outbound = call.inbound(), call.outbound()
    assert inbound.bitrate == pytest.approx(expected, rel=0.02)
    down = len(call.receiver.rtp[-1]) * 50 * 8
    assert outbound.bitrate == pytest.approx(down, rel=0.02)
    transport = call.producer_stats().transport
    assert transport.rtp_recv_bitrate == pytest.approx(expected, rel=0.02)
    assert transport.recv_bitrate == pytest.approx(expected + 16 * 50 * 8, rel=0.05)  # the tag, and some RTCP
    assert call.consumer_stats().transport.rtp_send_bitrate == pytest.approx(down, rel=0.02)


@pytest.mark.parametrize("age", [0.5, 1.0, 2.0])
def test_a_young_stream_is_judged_by_its_age(age: float) -> None:
    call = StatsCall()
    call.lab.advance(7.3)
    call.stream(10, age)
    for stream, packets in ((call.inbound(), call.sent), (call.outbound(), call.receiver.rtp)):
        assert stream.bitrate == pytest.approx(sum(map(len, packets)) * 8 / age, rel=0.03)


def test_a_young_stream_of_layers_too() -> None:
    call = SimulcastCall()
    call.lab.advance(7.3)
    while not call.receiver.rtp:
        call.run(1)
    began = call.lab.now - 1 / 30
    call.run(20)
    (consumer,) = call.lab.do(commands.GetSamples(), commands.Sampled).sample.consumers
    expected = sum(map(len, call.receiver.rtp)) * 8 / (call.lab.now - began)
    assert consumer.bitrate == pytest.approx(expected, rel=0.03)


def test_a_stream_that_stops_is_at_zero_after_its_window() -> None:
    call = StatsCall()
    call.stream(10, 5)
    call.lab.advance(2)
    assert call.inbound().bitrate > 0
    assert call.outbound().bitrate > 0
    assert call.producer_stats().transport.rtp_recv_bitrate == 0
    call.lab.advance(0.8)
    assert call.inbound().bitrate == call.outbound().bitrate == 0


def test_a_consumer_that_is_resumed_long_after_has_no_rate_from_before() -> None:
    call = StatsCall()
    command = commands.PauseConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id)
    call.lab.do(command, commands.Done)
    number = call.stream(10, 4)
    assert (call.outbound().bitrate, call.outbound().packet_count) == (0, 0)
    call.lab.do(
        commands.ResumeConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id), commands.Done
    )
    call.send(number, key=True, size=500)
    call.stream(number + 1, 1)
    expected = len(call.receiver.rtp[-1]) * 50 * 8
    assert call.outbound().bitrate == pytest.approx(expected, rel=0.05)


def test_retransmissions_have_a_rate_of_their_own() -> None:
    call = StatsCall()
    call.send(10)
    for number in range(12, 112, 2):
        call.send(number)
        call.lab.advance(0.02)
        call.resend(number - 1, rtx=number)
        call.ask(call.numbers()[-2])
    up, down = call.producer_stats().transport, call.consumer_stats().transport
    resent = (len(call.resend(5)[0])) * 50 * 8
    assert up.rtx_recv_bitrate == pytest.approx(resent, rel=0.1)
    assert down.rtx_send_bitrate == pytest.approx(len(call.receiver.rtp[-1]) * 50 * 8, rel=0.1)
    sent = sum(map(len, call.sent[-50:])) * 8
    assert up.rtp_recv_bitrate == pytest.approx(sent, rel=0.1)


def test_rates_of_layers_are_a_pure_question() -> None:
    call = TemporalCall()
    for _ in range(30):
        call.send(*call.pictures(4))
    producer = call.lab.engine._tables.routers[call.lab.router].producer(call.producer)
    (stream,) = producer.streams.values()
    now = call.lab.now
    first = stream.layer_bitrates(now, 3)
    assert first == stream.layer_bitrates(now, 3) == (*stream.layer_bitrates(now, 3)[:2], stream.bitrate(now))
    assert sorted(first) == list(first)
    assert stream.layer_bitrates(now, 1) == (stream.bitrate(now),)
    assert stream.layer_bitrates(now, 2) == (first[0], first[2])


def test_layers_that_no_packet_tells_apart_are_told_together() -> None:
    plain = simulcast_parameters(mode="L1T3")
    h264 = RtpCodecParameters(
        mime_type="video/H264",
        payload_type=96,
        clock_rate=90000,
        parameters={"packetization-mode": 1, "profile-level-id": "42e01f"},
        rtcp_feedback=plain.codecs[0].rtcp_feedback,
    )
    call = SimulcastCall(replace(plain, codecs=(h264,)))
    call.run(60)
    asked = commands.GetProducerStats(router_id=call.lab.router, producer_id=call.producer)
    streams = call.lab.do(asked, commands.ProducerStatsShown).stats.streams
    assert [stream.bitrate_by_layer for stream in streams] == [
        {f"{place}.2": stream.bitrate} for place, stream in enumerate(streams)
    ]
    assert len(streams) == 3
    assert all(stream.bitrate for stream in streams)


# ------------------------------------------------------------------ samples


def test_a_sample_has_what_the_stats_have() -> None:
    call = StatsCall()
    call.stream(10, 3)
    call.report(lost=3, fraction=9)
    sample = call.sample()
    inbound, outbound, router = call.inbound(), call.outbound(), call.router_stats()
    (producer,), (consumer,) = sample.producers, sample.consumers
    (encoding,) = producer.encodings
    for name in encoding.__struct_fields__:
        if name != "jitter":
            assert getattr(encoding, name) == getattr(inbound, name), name
    assert (producer.producer_id, consumer.consumer_id) == (call.producer, call.consumed.consumer_id)
    for name in consumer.__struct_fields__:
        if name not in ("consumer_id", "current_layers"):
            assert getattr(consumer, name) == getattr(outbound, name), name
    for short, long in zip(sample.transports, router.transports, strict=True):
        assert all(getattr(short, name) == getattr(long, name) for name in short.__struct_fields__)


# ------------------------------------------------------------------ routers


def totals(lab: Lab, router_id: RouterId | None = None) -> RouterStatsPayload:
    command = commands.GetRouterStats(router_id=router_id or lab.router)
    return lab.do(command, commands.RouterStatsShown).stats


def test_a_router_adds_up_its_transports_and_what_was_closed() -> None:
    call = StatsCall()
    call.stream(10, 3)
    before = call.router_stats()
    assert {t.transport_id for t in before.transports} == {call.upstream, call.downstream}
    assert before.totals.bytes_received == sum(t.bytes_received for t in before.transports)
    assert before.totals.recv_bitrate == pytest.approx(sum(t.recv_bitrate for t in before.transports), abs=2)
    assert before.totals.send_bitrate == pytest.approx(sum(t.send_bitrate for t in before.transports), abs=2)
    command = commands.CloseTransport(router_id=call.lab.router, transport_id=call.downstream)
    call.lab.do(command, commands.Done)
    after = call.router_stats()
    assert [t.transport_id for t in after.transports] == [call.upstream]
    farewell = after.totals.bytes_sent - before.totals.bytes_sent  # BYE and close_notify
    assert 0 < farewell < 300
    for name in ("packets_received", "bytes_received"):
        assert getattr(after.totals, name) == getattr(before.totals, name)
    call.lab.advance(0.6)
    assert call.router_stats().totals.send_bitrate <= before.totals.send_bitrate
    call.lab.advance(1)
    assert call.router_stats().totals.send_bitrate < 2000
    after = call.router_stats()
    sent, received = call.lab.from_engine.values(), call.lab.to_engine.values()
    assert [after.totals.packets_sent, after.totals.bytes_sent] == [sum(column) for column in zip(*sent, strict=True)]
    assert [after.totals.packets_received, after.totals.bytes_received] == [
        sum(column) for column in zip(*received, strict=True)
    ]


def test_the_drops_of_a_router_are_those_of_all_that_it_holds_and_held() -> None:
    call = StatsCall()
    call.send(10)
    call.ask(call.numbers()[0] + 900)
    call.lab.send(call.sender.address, b"\xff" * 30)
    call.lab.pump()
    held = as_dict(call.router_stats().totals.drops)
    assert held == {"nack-not-kept": 1, "unknown-packet": 1}
    for transport_id in (call.upstream, call.downstream):
        command = commands.CloseTransport(router_id=call.lab.router, transport_id=transport_id)
        call.lab.do(command, commands.Done)
    assert as_dict(call.router_stats().totals.drops) == held
    assert held.items() <= call.lab.drops().items()


def test_a_router_has_nothing_of_another() -> None:
    call = StatsCall()
    call.stream(10, 1)
    other = call.lab.do(commands.CreateRouter(), commands.RouterCreated).router_id
    stats = totals(call.lab, other)
    assert stats.transports == ()
    assert (stats.totals.bytes_received, stats.totals.send_bitrate, stats.totals.drops) == (0, 0, ())


def test_what_an_engine_counts_outlives_its_routers() -> None:
    call = StatsCall()
    call.send(10, 11)
    call.ask(call.numbers()[0] + 900)
    before = call.lab.do(commands.GetCounts(), commands.Counted).counts
    call.lab.do(commands.CloseRouter(router_id=call.lab.router), commands.Done)
    after = call.lab.do(commands.GetCounts(), commands.Counted).counts
    assert (after.transports, after.forwarded_packets, after.drops) == (0, before.forwarded_packets, before.drops)
    assert after.packets_sent > before.packets_sent


# ------------------------------------------------------------------ when


def test_an_engine_without_anything_up_is_not_woken() -> None:
    lab = Lab()
    assert lab.engine.deadline() is None
    lab.transport()
    lab.advance(1)
    assert lab.engine.deadline() is None


def test_it_looks_four_times_a_second_while_something_is_up_and_ends_with_that() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    produce(lab, upstream, audio_parameters())
    sender.send_rtp(audio_packet(1))
    lab.pump()
    looks = []
    for _ in range(8):
        at = lab.engine._sampler.deadline()
        assert at is not None
        looks.append(at)
        lab.now = at
        lab.engine.tick(at)
    assert [b - a for a, b in pairwise(looks)] == pytest.approx([INTERVAL] * 7)
    lab.do(commands.CloseTransport(router_id=lab.router, transport_id=upstream), commands.Done)
    assert lab.engine.deadline() is None


def test_a_transport_that_comes_up_by_a_command_is_looked_at() -> None:
    lab = Lab()
    options = lab.transport()
    peer = lab.peer()
    peer.check(options)
    peer.start_dtls()
    lab.pump()
    assert lab.engine._sampler.deadline() is None
    lab.connect(options.id, peer)  # the handshake is done: only the fingerprint was missing
    at = lab.now + INTERVAL
    assert lab.engine._sampler.deadline() == at
    lab.advance(INTERVAL / 2)
    lab.connected_peer()  # another one changes nothing
    assert lab.engine._sampler.deadline() == at
