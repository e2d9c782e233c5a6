"""Loss on a hop is repaired or healed; pause, restart and a new SSRC of the sender do not end what is seen there."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
from msgspec.structs import replace

from clients.network import Conditions
from labsfu.core.rtcp.ntp import ntp_from_unix, unix_from_ntp
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import SenderReport
from labsfu.core.rtcp.sdes import SourceDescription
from labsfu.wire import commands
from labsfu.wire.rtp import RtcpParameters, RtpEncodingParameters
from tests.support.continuity import assert_continuous, last_frame
from tests.support.lab import Peer
from tests.support.layers import Layer, simulcast_parameters
from tests.support.media import (
    DELTA_FRAME,
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    header_of,
    payload_of,
    produce,
    repaired_video_parameters,
    ssrc_of,
    video_packet,
    video_parameters,
)
from tests.support.piped_calls import PipedVideoCall, pause
from tests.support.piped_lab import End, Hop, World, carry, pipe_between
from tests.support.video import unix_time

ROUGH = Conditions(delay=0.02, jitter=0.005, loss=0.05, reorder=0.05, reorder_delay=0.03)


@pytest.mark.rfc("RFC 4588 4", "RFC 4585 6.2.1")
@pytest.mark.parametrize(("srtp", "hops"), [(False, 1), (True, 1), (True, 2)])
def test_with_rtx_all_that_is_lost_on_the_hops_is_repaired(srtp: bool, hops: int) -> None:
    call = PipedVideoCall(srtp=srtp, rtx=True, hops=hops)
    call.source.start()
    call.run(0.3)
    call.rough(ROUGH)
    call.run(4)
    call.settle()
    receiver = call.receivers[0]
    assert_continuous(receiver, call.source.packets)
    assert last_frame(receiver) == max(call.source.captured)
    assert call.source.key_frames == [0]
    for here, there in call.ends:
        (inbound,), (outbound,) = there.inbound(), here.outbound()
        assert inbound.packets_repaired >= 15
        assert (inbound.packets_lost, outbound.packets_retransmitted > 0) == (0, True)
        assert outbound.packet_count == len(call.source.packets.sent)
    assert call.source.nacked == []  # each hop repairs its own losses


def test_without_rtx_a_key_frame_heals_what_was_lost() -> None:
    call = PipedVideoCall(rtx=False)
    call.source.start()
    call.run(0.3)
    call.rough(Conditions(delay=ROUGH.delay, loss=0.02))
    call.run(4)
    call.settle()
    book = call.receivers[0].book
    assert call.source.key_frame_requests >= 1
    assert len(call.source.key_frames) > 1
    assert book.shown[-1][1] == max(call.source.captured)


def test_a_pause_on_either_side_stops_the_hop_and_resuming_starts_at_a_key_frame() -> None:
    call = PipedVideoCall()
    (here, there), (carried, _) = call.ends[0], call.carried[0]
    call.source.start()
    call.run(1.0)

    def producer(end: End, paused: bool) -> None:
        kind = commands.PauseProducer if paused else commands.ResumeProducer
        end.lab.do(kind(router_id=end.router, producer_id=call.producer), commands.Done)

    def consumer(paused: bool) -> None:
        pause(call.near, carried.id, paused=paused)

    for stop in (partial(producer, here), consumer):
        stop(True)
        before, shown = here.outbound()[0].packet_count, len(call.receivers[0].book.shown)
        keys = len(call.source.key_frames)
        call.run(0.5)
        assert here.outbound()[0].packet_count == before
        stop(False)
        call.run(0.5)
        assert len(call.receivers[0].book.shown) > shown + 10
        assert len(call.source.key_frames) == keys + 1
    producer(there, True)
    seen = len(call.receivers[0].outputs)
    call.run(0.5)
    assert len(call.receivers[0].outputs) == seen
    producer(there, False)
    call.run(0.5)
    assert call.receivers[0].book.shown[-1][1] >= max(call.source.captured) - 1
    assert_continuous_numbers(call.receivers[0].peer)


def assert_continuous_numbers(peer: Peer) -> None:
    """Sequence numbers of a peer's one stream of media have no hole and are used once."""
    numbers = sorted(header_of(packet).sequence_number for packet in peer.rtp if payload_of(packet))
    assert [(n - numbers[0]) & 0xFFFF for n in numbers] == list(range(len(numbers)))


def test_closing_the_producer_ends_its_consumer_here_and_leaves_the_other_side_to_those_who_carry_it() -> None:
    call = PipedVideoCall()
    here, there = call.ends[0]
    call.source.start()
    call.run(0.5)
    call.near.do(commands.CloseProducer(router_id=here.router, producer_id=call.producer), commands.Done)
    assert here.outbound() == []
    listed = call.near.do(commands.ListConsumers(router_id=here.router), commands.ConsumersShown)
    assert listed.consumers == ()
    requests = len(call.world.between(there, here))
    call.run(3)
    later = call.world.between(there, here)[requests:]
    assert not [data for data in later if data[1] == 206]  # BYE was sent: nothing is asked of it any more
    call.far.do(commands.CloseProducer(router_id=there.router, producer_id=call.producer), commands.Done)
    assert there.inbound() == []


# ---------------------------------------------------------------- begun anew


@pytest.mark.parametrize("announced", [True, False])
def test_a_stream_that_begins_anew_goes_on_as_one_behind_the_pipe(announced: bool) -> None:
    """Announced: the same SSRC with other numbers, as after a restart; else another SSRC too."""
    world = World()
    near, far = world.lab(), world.lab()
    here, there = pipe_between(near, far, srtp=True, rtx=True)
    sender, upstream = near.connected_peer()
    video = produce(near, upstream, video_parameters(2222 if announced else None))
    carried, _ = carry(video, here, there)
    receiver, downstream = far.connected_peer()
    consumed = consume(far, downstream, video)
    ssrc_in_pipe = (carried.rtp_parameters.encodings[0].ssrc or 0).to_bytes(4, "big")

    def run(first: int, timestamp: int, ssrc: int) -> None:
        for number in range(20):
            frame = KEY_FRAME if number in (0, 4) else DELTA_FRAME
            sender.send_rtp(video_packet(first + number, frame, ssrc=ssrc, timestamp=timestamp + 3000 * number))
            far.advance(1 / 30)

    run(100, 90_000, 2222)
    far.advance(1.0)
    passed: list[bytes] = []

    def lose_one(_hop: Hop, data: bytes) -> bool:
        if data[8:12] == ssrc_in_pipe and not 192 <= data[1] <= 223:
            passed.append(data)
            return len(passed) == 10
        return False

    world.lose = lose_one
    run(30_000, 3_000_000_000, 2222 if announced else 9999)
    headers = sorted((header_of(packet) for packet in receiver.rtp), key=lambda h: h.sequence_number)
    assert len(headers) >= 20 + 16
    assert here.outbound()[0].packets_retransmitted == 1
    assert_continuous_numbers(receiver)
    assert len({(h.ssrc, h.sequence_number) for h in headers}) == len(headers)
    far.advance(1.5)
    report = [p for p in receiver.rtcp if isinstance(p, SenderReport) and p.ssrc == ssrc_of(consumed)][-1]
    assert 0 <= (report.rtp_timestamp - headers[-1].timestamp) & 0xFFFFFFFF < 3 * 90_000
    steps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(headers)]
    leap = max(steps)
    assert steps.count(3000) == len(steps) - 1
    assert 90_000 < leap < 90_000 * 1.3  # the second that passed, and what was missed of the new beginning
    assert len(there.inbound()) == 1


def test_a_new_beginning_after_hours_of_silence_follows_on_what_was_sent_last() -> None:
    """More than half of the space of RTP timestamps passed meanwhile."""
    world = World()
    near = world.lab()
    here, there = pipe_between(near, world.lab())
    sender, upstream = near.connected_peer()
    video = produce(near, upstream, video_parameters())
    carry(video, here, there)
    sender.send_rtp(video_packet(100, KEY_FRAME, timestamp=90_000))
    near.pump()
    near.do(commands.PauseProducer(router_id=near.router, producer_id=video), commands.Done)
    world.now += 25_000
    near.do(commands.ResumeProducer(router_id=near.router, producer_id=video), commands.Done)
    sender.send_rtp(video_packet(101, KEY_FRAME, timestamp=25_001 * 90_000))
    for number in range(3):
        sender.send_rtp(video_packet(30_000 + number, KEY_FRAME, timestamp=5))
    near.pump()
    packets = [header_of(data) for data in world.between(here, there) if not 192 <= data[1] <= 223]
    assert (packets[1].timestamp - packets[0].timestamp) & 0xFFFFFFFF == 25_000 * 90_000
    assert 0 < (packets[2].timestamp - packets[1].timestamp) & 0xFFFFFFFF < 9000


def test_an_encoding_that_gets_another_ssrc_goes_on_behind_the_pipe() -> None:
    world = World()
    near, far = world.lab(), world.lab()
    here, there = pipe_between(near, far, rtx=True)
    sender, upstream = near.connected_peer()
    video = produce(near, upstream, simulcast_parameters())
    layers = [Layer(sender, index) for index in range(3)]
    carry(video, here, there)
    receiver, downstream = far.connected_peer()
    consume(far, downstream, video)

    def run(frames: int, *, keys: frozenset[int] = frozenset()) -> None:
        for number in range(frames):
            for layer in layers:
                for packet in layer.frame(key=number in keys):
                    sender.send_rtp(packet)
            far.advance(1 / 30)

    run(30, keys=frozenset({0, 12, 24}))
    count = len(receiver.rtp)
    layers[2] = Layer(sender, 2)
    layers[2].ssrc, layers[2].base = 8888, 5
    run(5)
    asked = {packet.media_ssrc for packet in sender.rtcp if isinstance(packet, PictureLossIndication)}
    assert 8888 in asked
    run(30, keys=frozenset({0, 5, 15}))
    assert len(receiver.rtp) > count + 40
    assert {payload_of(packet)[-2:] for packet in receiver.rtp[-10:]} == {b"r2"}
    assert_continuous_numbers(receiver)
    headers = [header_of(packet) for packet in receiver.rtp]
    steps = [(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(headers)]
    assert max(steps[20:]) < 90_000  # a second
    assert len(there.inbound()) == 3


def test_no_ssrc_is_sent_with_twice_while_the_keys_are_the_same() -> None:
    world = World()
    here, _ = pipe_between(world.lab(), world.lab(), srtp=True, rtx=True)
    _, upstream = here.lab.connected_peer()
    video = produce(here.lab, upstream, simulcast_parameters())
    audio = produce(here.lab, upstream, audio_parameters())
    seen: list[int] = []
    for _ in range(50):
        for producer in (video, audio):
            consumer = here.consume(producer)
            for encoding in consumer.rtp_parameters.encodings:
                seen += [n for n in (encoding.ssrc, getattr(encoding.rtx, "ssrc", None)) if isinstance(n, int)]
            command = commands.CloseConsumer(router_id=here.router, consumer_id=consumer.id)
            here.lab.do(command, commands.Done)
    assert len(seen) == len(set(seen)) == 50 * (6 + 1)


def test_encodings_that_are_off_at_first_are_not_off_for_ever_behind_the_pipe() -> None:
    world = World()
    here, _ = pipe_between(world.lab(), world.lab())
    _, upstream = here.lab.connected_peer()
    parameters = simulcast_parameters()
    encodings = (*parameters.encodings[:2], replace(parameters.encodings[2], active=False))
    video = produce(here.lab, upstream, replace(parameters, encodings=encodings))
    consumer = here.consume(video)
    assert [encoding.active for encoding in consumer.rtp_parameters.encodings] == [RtpEncodingParameters().active] * 3


# ---------------------------------------------------------------- in step


@pytest.mark.rfc("RFC 3550 6.4.1")
@pytest.mark.parametrize("hops", [1, 3])
def test_audio_and_video_stay_in_step_over_hops(hops: int) -> None:
    """A sender whose clock is off says what belongs together; behind the hops it is the same that belongs together."""
    world = World()
    labs = [world.lab() for _ in range(hops + 1)]
    ends = [pipe_between(near, far, srtp=True) for near, far in pairwise(labs)]
    for index, pair in enumerate(ends):
        world.rough(*pair, Conditions(delay=0.03 * (index + 1)))
    near, far = labs[0], labs[-1]
    sender, upstream = near.connected_peer()
    producers = [
        produce(near, upstream, parameters) for parameters in (audio_parameters(), repaired_video_parameters())
    ]
    for producer in producers:
        for pair in ends:
            carry(producer, *pair)
    receiver, downstream = far.connected_peer()
    consumed = [consume(far, downstream, producer) for producer in producers]
    skew, audio_base, video_base = 12.5, 777, 4_000_000_000
    for number in range(150 * (hops + 1)):
        at = near.now
        audio_ts = audio_base + round(at * 48_000) & 0xFFFFFFFF
        video_ts = video_base + round(at * 90_000) & 0xFFFFFFFF
        sender.send_rtp(audio_packet(number, timestamp=audio_ts))
        sender.send_rtp(video_packet(number, KEY_FRAME if number == 0 else DELTA_FRAME, timestamp=video_ts))
        if number % 50 == 0:
            ntp = ntp_from_unix(unix_time(at) + skew)
            for ssrc, timestamp in ((1111, audio_ts), (2222, video_ts)):
                sender.send_rtcp(SenderReport(ssrc, ntp, timestamp, 1, 1))
        near.advance(0.02)
    captured = []
    for each, base, rate in zip(consumed, (audio_base, video_base), (48_000, 90_000), strict=True):
        reports = [p for p in receiver.rtcp if isinstance(p, SenderReport) and p.ssrc == ssrc_of(each)]
        last = reports[-1]
        true = ((last.rtp_timestamp - base) & 0xFFFFFFFF) / rate  # when it was captured, modulo what wraps
        wrap = (1 << 32) / rate
        told = unix_from_ntp(last.ntp_timestamp) - unix_time(0.0)
        captured.append((told - true + wrap / 2) % wrap - wrap / 2)
    assert captured[0] == pytest.approx(captured[1], abs=1e-3)
    assert abs(captured[1]) < 0.01 + 0.1 * hops * (hops + 1)
    names = {chunk.items[0].value for p in receiver.rtcp if isinstance(p, SourceDescription) for chunk in p.chunks}
    assert names == {b"sender"}


@pytest.mark.rfc("RFC 7022 4.2")
def test_streams_of_several_senders_keep_their_names_in_one_pipe() -> None:
    world = World()
    near, far = world.lab(), world.lab()
    here, there = pipe_between(near, far)
    _, downstream = far.connected_peer()
    for name in ("alice", "bob"):
        _, upstream = near.connected_peer()
        parameters = replace(audio_parameters(), rtcp=RtcpParameters(cname=name))
        producer = produce(near, upstream, parameters)
        carry(producer, here, there)
        consumed = consume(far, downstream, producer)
        assert consumed.rtp_parameters.rtcp.cname == name
