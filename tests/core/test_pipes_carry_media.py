"""What goes into a pipe comes out of it as it was, on the other router of the other engine, or of the same one."""

from __future__ import annotations

import pytest

from labsfu.core.rtp.extensions import find_extensions
from labsfu.wire import commands
from labsfu.wire.events import TransportClosed
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import MediaKind
from labsfu.wire.transport import TransportOptions
from tests.support.media import (
    AUDIO_LEVEL_URI,
    DELTA_FRAME,
    KEY_FRAME,
    audio_packet,
    audio_parameters,
    consume,
    header_of,
    payload_of,
    produce,
    repaired_video_parameters,
    video_packet,
)
from tests.support.piped_lab import World, carry, joined, pipe_between

VARIANTS = [(False, False), (False, True), (True, False), (True, True)]


@pytest.mark.parametrize(("srtp", "rtx"), VARIANTS)
def test_sound_and_pictures_come_out_on_the_other_engine(srtp: bool, rtx: bool) -> None:
    world = World()
    near, far = world.lab(), world.lab()
    here, there = pipe_between(near, far, srtp=srtp, rtx=rtx)
    sender, upstream = near.connected_peer()
    audio = produce(near, upstream, audio_parameters())
    video = produce(near, upstream, repaired_video_parameters())
    for producer in (audio, video):
        carry(producer, here, there)
    receiver, downstream = far.connected_peer()
    heard, seen = (consume(far, downstream, producer) for producer in (audio, video))
    for number in range(65_530, 65_540):
        sender.send_rtp(audio_packet(number & 0xFFFF, timestamp=960 * number))
        frame = KEY_FRAME if number == 65_530 else DELTA_FRAME
        sender.send_rtp(video_packet(number & 0xFFFF, frame, timestamp=3000 * number))
    far.advance(0.1)
    for consumed, payloads, step in (
        (heard, [b"\x78opus"] * 10, 960),
        (seen, [KEY_FRAME] + [DELTA_FRAME] * 9, 3000),
    ):
        ssrc = consumed.rtp_parameters.encodings[0].ssrc
        packets = [packet for packet in receiver.rtp if header_of(packet).ssrc == ssrc]
        headers = [header_of(packet) for packet in packets]
        assert [payload_of(packet) for packet in packets] == payloads
        assert [h.timestamp for h in headers] == [step * number for number in range(65_530, 65_540)]
        first = headers[0].sequence_number
        assert [(h.sequence_number - first) & 0xFFFF for h in headers] == list(range(10))
    assert receiver.rtp[0] is not None
    assert world.between(here, there)
    plain = any(b"opus" in data for data in world.between(here, there))
    assert plain is not srtp
    assert here.drops() == there.drops() == {}


def test_how_loud_somebody_is_crosses_and_the_hops_own_extensions_do_not() -> None:
    world = World()
    near, far = world.lab(), world.lab()
    here, there = pipe_between(near, far)
    sender, upstream = near.connected_peer()
    audio = produce(near, upstream, audio_parameters())
    shown, _ = carry(audio, here, there)
    ids = {extension.uri: extension.id for extension in shown.rtp_parameters.header_extensions}
    sender.send_rtp(audio_packet(1))
    near.pump()
    (packet,) = world.between(here, there)
    header = header_of(packet)
    elements = find_extensions(packet, header)
    assert list(elements) == [ids[AUDIO_LEVEL_URI]]
    at, length = elements[ids[AUDIO_LEVEL_URI]]
    assert packet[at : at + length] == b"\x85"
    assert shown.rtp_parameters.rtcp.cname == "sender"


def test_two_routers_of_one_engine_have_one_producer_under_one_id() -> None:
    world = World()
    lab = world.lab()
    other = lab.new_router()
    here, there = joined(lab.end(), lab.end(router=other))
    sender, upstream = lab.connected_peer()
    video = produce(lab, upstream, repaired_video_parameters())
    carry(video, here, there)
    with lab.inside(other):
        receiver, downstream = lab.connected_peer()
        consume(lab, downstream, video)
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME]
    lab.do(commands.CloseProducer(router_id=other, producer_id=video), commands.Done)
    still = lab.do(commands.ListProducers(router_id=lab.router), commands.ProducersShown).producers
    assert [producer.id for producer in still] == [video]
    sender.send_rtp(video_packet(2))
    lab.pump()
    assert there.drops() == {"unknown-ssrc": 1}


def test_a_producer_with_a_transport_of_its_own_outlives_its_twin_in_another_router() -> None:
    world = World()
    lab = world.lab()
    other = lab.new_router()
    here, there = joined(lab.end(), lab.end(router=other))
    made = lab.do(
        commands.CreateProducer(
            router_id=lab.router,
            participant_id=ParticipantId("p"),
            kind=MediaKind.VIDEO,
            rtp_parameters=repaired_video_parameters(),
        ),
        commands.ProducerShown,
    ).producer
    carry(made.id, here, there)
    lab.do(commands.CloseProducer(router_id=other, producer_id=made.id), commands.Done)
    command = commands.RestartProducerIce(router_id=lab.router, producer_id=made.id)
    lab.do(command, commands.IceRestarted)  # its transport is there, and known as its own
    lab.do(commands.CloseProducer(router_id=lab.router, producer_id=made.id), commands.Done)
    assert isinstance(made.transport_options, TransportOptions)
    assert [e.transport_id for e in lab.events if isinstance(e, TransportClosed)] == [made.transport_options.id]
