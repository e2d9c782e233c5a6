"""Both ends of a pipe tell the same of what crossed it, and it is what was sent."""

from __future__ import annotations

import pytest

from labsfu.core.transport.demux import PacketKind, kind_of
from labsfu.wire import commands
from labsfu.wire.stats import InboundRtpStats, OutboundRtpStats, PipeTransportStats
from tests.support.piped_calls import PipedSimulcastCall
from tests.support.piped_lab import End, World
from tests.support.simulcast_source import SimulcastOptions

TAG = 16


def octets(world: World, one: End, other: End) -> int:
    return sum(map(len, world.between(one, other)))


@pytest.mark.parametrize(("srtp", "rtx"), [(False, False), (True, True)])
def test_the_ends_agree_with_each_other_and_with_the_wire(srtp: bool, rtx: bool) -> None:
    call = PipedSimulcastCall(SimulcastOptions(), srtp=srtp, rtx=rtx)
    call.join()
    call.begin(3.0)
    call.source.stop()
    (here, there), world = call.ends[0], call.world
    call.run(0.001)
    near, far = here.stats(), there.stats()
    one, other = near.transport, far.transport
    assert (one.bytes_sent, one.bytes_received) == (other.bytes_received, other.bytes_sent)
    assert one.bytes_sent == octets(world, here, there)
    assert other.bytes_sent == octets(world, there, here)
    assert (one.srtp, one.rtx, other.srtp, other.rtx) == (srtp, rtx, srtp, rtx)
    media = [data for data in world.between(here, there) if kind_of(data, len(data)) is PacketKind.RTP]
    assert one.rtp_bytes_sent == other.rtp_bytes_received == sum(len(d) - TAG * srtp for d in media)
    sent, came = here.outbound(), there.inbound()
    assert (len(sent), len(came)) == (3, 3)
    for encoding, out, into in zip(call.source.encodings, sent, came, strict=True):
        assert (out.ssrc, out.packet_count, out.byte_count) == (into.ssrc, into.packet_count, into.byte_count)
        assert out.packet_count == len(encoding.packets)
        assert out.bitrate == pytest.approx(into.bitrate, rel=0.02)
        assert out.bitrate == pytest.approx(out.byte_count * 8 / 3, rel=0.2)
        assert into.round_trip_time is not None
    assert one.send_bitrate > one.rtp_send_bitrate > 0
    assert near.streams == tuple(sent)
    assert far.streams == tuple(came)


def test_the_consumer_is_told_with_all_its_streams_and_samples_add_them_up() -> None:
    call = PipedSimulcastCall()
    call.begin(2.0)
    here, _ = call.ends[0]
    command = commands.GetConsumerStats(router_id=here.router, consumer_id=call.carried[0].id)
    stats = here.lab.do(command, commands.ConsumerStatsShown).stats
    assert [type(stream) for stream in stats.streams] == [OutboundRtpStats] * 3 + [InboundRtpStats] * 3
    assert isinstance(stats.transport, PipeTransportStats)
    sample = here.lab.do(commands.GetSamples(), commands.Sampled).sample
    (consumer,) = sample.consumers
    assert consumer.packet_count == sum(len(encoding.packets) for encoding in call.source.encodings)
    assert consumer.byte_count == sum(stream.byte_count for stream in here.outbound())
    assert consumer.bitrate == pytest.approx(sum(stream.bitrate for stream in here.outbound()), abs=2)
    call.source.silent = {1, 2}
    call.run(5)
    assert [stream.bitrate > 0 for stream in here.outbound()] == [True, False, False]
    assert {each.transport_id for each in sample.transports} == {call.upstream, here.made.id}
    router = here.lab.do(commands.GetRouterStats(router_id=here.router), commands.RouterStatsShown).stats
    assert {type(each).__name__ for each in router.transports} == {"TransportStats", "PipeTransportStats"}
    told = commands.GetStats(router_id=here.router, transport_ids=(here.made.id,), producer_ids=(), consumer_ids=())
    assert here.lab.do(told, commands.StatsShown).transports == ()
    counts = here.lab.do(commands.GetCounts(), commands.Counted).counts
    assert (counts.transports, counts.consumers) == (2, 1)
    assert counts.forwarded_packets == sum(len(encoding.packets) for encoding in call.source.encodings)


def test_drops_of_each_stream_are_told_and_counted_once() -> None:
    call = PipedSimulcastCall(rtx=False)
    call.source.silent = {2}
    call.begin(0.2)
    (here, _), (carried,) = call.ends[0], call.carried
    call.near.do(commands.PauseConsumer(router_id=here.router, consumer_id=carried.id), commands.Done)
    call.near.do(commands.ResumeConsumer(router_id=here.router, consumer_id=carried.id), commands.Done)
    call.source._key_frames_wanted.clear()
    call.source.send_picture()
    call.near.pump()
    drops = [{drop.reason: drop.packets for drop in stream.drops} for stream in here.outbound()]
    assert drops[:2] == [{"awaiting-key-frame": 1}, {"awaiting-key-frame": 2}]
    assert drops[2] == {}
    assert call.near.drops()["awaiting-key-frame"] == 3
    call.near.do(commands.CloseConsumer(router_id=here.router, consumer_id=carried.id), commands.Done)
    assert call.near.drops()["awaiting-key-frame"] == 3
