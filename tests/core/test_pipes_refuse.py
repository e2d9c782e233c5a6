"""What a pipe refuses: commands, strangers; and that its socket is let go of once."""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec
import pytest

from labsfu.core.outputs import Address
from labsfu.core.rtcp.reports import ReceiverReport
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.errors import CommandError, Conflict, InvalidValue, NotFound, Unavailable, Unsupported
from labsfu.wire import commands
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.commands import Command
from labsfu.wire.events import (
    ConsumerClosed,
    ConsumerMade,
    Event,
    PipeConnected,
    ProducerClosed,
    ProducerMade,
    TransportClosed,
    TransportMade,
)
from labsfu.wire.ids import ParticipantId, ProducerId, TransportId
from labsfu.wire.pipe import SrtpParameters
from labsfu.wire.rtp import ConsumerLayers, ConsumerType, MediaKind, RtcpFeedback, RtpParameters
from labsfu.wire.transport import DtlsFingerprint, DtlsParameters
from tests.support.lab import certificate
from tests.support.media import (
    KEY_FRAME,
    audio_parameters,
    consume,
    produce,
    repaired_video_parameters,
    video_packet,
    video_parameters,
    without_rtx,
)
from tests.support.piped_lab import End, PipedLab, World, carry, joined, pipe_between

STRANGER: Address = ("203.0.113.9", 9)


def refused(lab: PipedLab, command: Command, kind: type[CommandError], slug: str) -> None:
    """The command is refused so, and nothing happened."""
    with pytest.raises(kind) as refusal:
        lab.engine.execute(command, lab.now)
    assert refusal.value.slug == slug
    assert lab.engine.drain() == []


def connect(end: End, *, ip: str = "192.0.2.200", port: int = 9000, keys: SrtpParameters | Absent = ABSENT) -> Command:
    return commands.ConnectPipeTransport(
        router_id=end.router, transport_id=end.made.id, ip=ip, port=port, srtp_parameters=keys
    )


def keys(octets: bytes) -> SrtpParameters:
    return SrtpParameters(crypto_suite="AEAD_AES_256_GCM", key_base64=base64.b64encode(octets).decode())


def test_an_end_is_connected_once() -> None:
    world = World()
    here, _ = pipe_between(world.lab(), world.lab())
    refused(here.lab, connect(here), Conflict, "transport-already-connected")


@pytest.mark.parametrize(
    ("ip", "port"),
    [
        ("example.org", 9000),
        ("192.0.2.1.1", 9000),
        ("", 9000),
        ("0.0.0.0", 9000),
        ("224.0.0.1", 9000),
        ("2001:db8::1", 9000),
        ("::ffff:192.0.2.1", 9000),
        ("192.0.2.1", 0),
        ("192.0.2.1", -1),
        ("192.0.2.1", 65_536),
    ],
)
def test_the_other_end_must_be_somewhere(ip: str, port: int) -> None:
    end = World().lab().end()
    refused(end.lab, connect(end, ip=ip, port=port), InvalidValue, "invalid-remote-address")
    assert not end.show().connected


def test_an_ipv6_end_takes_no_ipv4_address() -> None:
    end = World().lab().end(ip="2001:db8::5")
    for ip in ("192.0.2.1", "::ffff:192.0.2.1", "::", "ff02::1"):
        refused(end.lab, connect(end, ip=ip), InvalidValue, "invalid-remote-address")


@pytest.mark.rfc("RFC 7714 12")
def test_keys_are_given_if_and_only_if_packets_are_protected() -> None:
    world = World()
    plain, protected = world.lab().end(), world.lab().end(srtp=True)
    refused(plain.lab, connect(plain, keys=keys(bytes(44))), InvalidValue, "srtp-parameters-not-enabled")
    refused(protected.lab, connect(protected), InvalidValue, "srtp-parameters-required")
    own = protected.made.srtp_parameters
    assert isinstance(own, SrtpParameters)
    assert len(base64.b64decode(own.key_base64, validate=True)) == 44
    wrong = [keys(bytes(43)), keys(bytes(45)), msgspec.structs.replace(own, key_base64="*" * 60), own]
    for each in (*wrong, msgspec.structs.replace(own, key_base64="ö" * 60)):
        refused(protected.lab, connect(protected, keys=each), InvalidValue, "invalid-srtp-parameters")
    assert not protected.show().connected
    protected.lab.do(connect(protected, keys=keys(bytes(44))), commands.Done)
    assert protected.show().connected


def test_no_two_ends_have_the_same_key() -> None:
    lab = World().lab()
    shown = [lab.end(srtp=True).made.srtp_parameters for _ in range(20)]
    assert len({parameters.key_base64 for parameters in shown if isinstance(parameters, SrtpParameters)}) == 20


def test_without_a_socket_there_is_no_pipe() -> None:
    lab = World().lab()
    refused(lab, commands.CreatePipeTransport(router_id=lab.router), Unavailable, "address-unavailable")


def test_pipes_and_transports_of_clients_are_not_mistaken_for_each_other() -> None:
    lab = World().lab()
    pipe, client = lab.end(), lab.transport()
    router = lab.router
    for id_ in (client.id, TransportId("none")):
        asked: tuple[Command, ...] = (
            commands.GetPipeTransport(transport_id=id_, router_id=router),
            commands.ClosePipeTransport(transport_id=id_, router_id=router),
            commands.GetPipeTransportStats(transport_id=id_, router_id=router),
            commands.ConnectPipeTransport(transport_id=id_, ip="192.0.2.1", port=1, router_id=router),
        )
        for command in asked:
            refused(lab, command, NotFound, "pipe-transport-not-found")
    parameters = DtlsParameters(
        fingerprints=(DtlsFingerprint(algorithm="sha-256", value=certificate("x").fingerprint()),)
    )
    asked = (
        commands.CloseTransport(transport_id=pipe.made.id, router_id=router),
        commands.RestartIce(transport_id=pipe.made.id, router_id=router),
        commands.ConnectWebRtcTransport(transport_id=pipe.made.id, dtls_parameters=parameters, router_id=router),
    )
    for command in asked:
        refused(lab, command, NotFound, "transport-not-found")
    other = lab.new_router()
    refused(
        lab, commands.GetPipeTransport(router_id=other, transport_id=pipe.made.id), NotFound, "pipe-transport-not-found"
    )


def from_pipe(end: End, id_: str, parameters: RtpParameters) -> Command:
    return commands.ProduceFromPipe(
        router_id=end.router,
        transport_id=end.made.id,
        producer_id=ProducerId(id_),
        participant_id=ParticipantId("p"),
        kind=MediaKind.AUDIO,
        rtp_parameters=parameters,
    )


def test_a_producer_id_is_there_once_in_a_router() -> None:
    lab = World().lab()
    end = lab.end()
    _, upstream = lab.connected_peer()
    made = produce(lab, upstream, audio_parameters())
    refused(lab, from_pipe(end, made, audio_parameters(5)), Conflict, "producer-exists")
    pending = lab.do(
        commands.CreateProducer(router_id=lab.router, participant_id=ParticipantId("p")), commands.ProducerShown
    ).producer
    refused(lab, from_pipe(end, pending.id, audio_parameters(5)), Conflict, "producer-exists")
    command = commands.ConsumeForPipe(
        router_id=lab.router, transport_id=end.made.id, producer_id=pending.id, rtp_capabilities=lab.capabilities
    )
    refused(lab, command, Conflict, "producer-incomplete")
    parameters = msgspec.structs.replace(audio_parameters(5), mid=ABSENT)
    lab.do(from_pipe(end, "one", parameters), commands.PipeProduced)
    refused(lab, from_pipe(end, "one", msgspec.structs.replace(parameters, encodings=())), Conflict, "producer-exists")
    refused(lab, from_pipe(end, "two", parameters), Conflict, "ssrc-in-use")


def test_a_router_that_knows_no_codec_of_the_producer_gets_none() -> None:
    world = World()
    here, _ = pipe_between(world.lab(), world.lab())
    lab = here.lab
    _, upstream = lab.connected_peer()
    video = produce(lab, upstream, video_parameters())
    audio_only = tuple(codec for codec in lab.capabilities.codecs if codec.mime_type.startswith("audio/"))
    command = commands.ConsumeForPipe(
        router_id=here.router,
        transport_id=here.made.id,
        producer_id=video,
        rtp_capabilities=msgspec.structs.replace(lab.capabilities, codecs=audio_only),
    )
    refused(lab, command, Unsupported, "no-common-codec")
    refused(lab, msgspec.structs.replace(command, producer_id=ProducerId("none")), NotFound, "producer-not-found")


@pytest.mark.rfc("RFC 4588 8.1")
def test_a_router_that_knows_no_rtx_is_sent_lost_packets_as_they_were() -> None:
    world = World()
    here, _ = pipe_between(world.lab(), world.lab(), rtx=True)
    _, upstream = here.lab.connected_peer()
    video = produce(here.lab, upstream, repaired_video_parameters())
    for capabilities, codecs in (
        (here.lab.capabilities, ["video/VP8", "video/rtx"]),
        (without_rtx(here.lab.capabilities), ["video/VP8"]),
    ):
        parameters = here.consume(video, capabilities=capabilities).rtp_parameters
        assert [codec.mime_type for codec in parameters.codecs] == codecs
        assert (parameters.encodings[0].rtx is ABSENT) is (len(codecs) == 1)
        assert RtcpFeedback(type="nack") in parameters.codecs[0].rtcp_feedback


def test_what_goes_over_a_pipe_is_shown_and_changed_as_all_else() -> None:
    world = World()
    here, there = pipe_between(world.lab(), world.lab())
    _, upstream = here.lab.connected_peer()
    video = produce(here.lab, upstream, video_parameters())
    carried, _ = carry(video, here, there)
    consumer = here.lab.do(
        commands.GetConsumer(router_id=here.router, consumer_id=carried.id), commands.ConsumerShown
    ).consumer
    assert (consumer.type, consumer.pipe_transport_id) == (ConsumerType.PIPE, here.made.id)
    assert (consumer.transport_options, consumer.ice_state, consumer.dtls_state) == (ABSENT, ABSENT, ABSENT)
    assert (consumer.participant_id, consumer.rtp_parameters) == ("sender", carried.rtp_parameters)
    assert (consumer.score.score, consumer.score.producer_score) == (10, 10)
    producer = there.lab.do(
        commands.GetProducer(router_id=there.router, producer_id=video), commands.ProducerShown
    ).producer
    assert (producer.pipe_transport_id, producer.transport_options) == (there.made.id, ABSENT)
    assert (producer.participant_id, producer.id) == ("sender", video)
    parameters = DtlsParameters(
        fingerprints=(DtlsFingerprint(algorithm="sha-256", value=certificate("x").fingerprint()),)
    )
    shared = "transport-shared"
    far, near = there.router, here.router
    refused(there.lab, commands.RestartProducerIce(producer_id=video, router_id=far), Conflict, shared)
    refused(
        there.lab,
        commands.ConnectProducer(producer_id=video, dtls_parameters=parameters, router_id=far),
        Conflict,
        shared,
    )
    refused(here.lab, commands.RestartConsumerIce(consumer_id=carried.id, router_id=near), Conflict, shared)
    command = commands.ConnectConsumer(consumer_id=carried.id, dtls_parameters=parameters, router_id=near)
    refused(here.lab, command, Conflict, shared)
    update = commands.UpdateConsumer(
        consumer_id=carried.id,
        preferred_layers=ConsumerLayers(spatial_layer=0),
        priority=3,
        paused=True,
        router_id=near,
    )
    changed = here.lab.do(update, commands.ConsumerShown).consumer
    assert (changed.preferred_layers, changed.priority, changed.paused) == (ABSENT, 3, True)
    router = here.lab.do(commands.GetRouter(router_id=near), commands.RouterShown).router
    assert (router.pipe_transport_count, router.consumer_count) == (1, 1)
    listed = here.lab.do(commands.ListPipeTransports(router_id=near), commands.PipeTransportsShown).pipe_transports
    assert listed == (here.show(),)
    assert (listed[0].addresses.remote_ip, listed[0].addresses.remote_port) == (there.socket.ip, there.socket.port)


# ---------------------------------------------------------------- strangers


def test_only_the_other_ends_packets_are_taken() -> None:
    world = World()
    here, there = pipe_between(world.lab(), world.lab())
    _, upstream = here.lab.connected_peer()
    video = produce(here.lab, upstream, video_parameters())
    carried, _ = carry(video, here, there)
    ssrc = carried.rtp_parameters.encodings[0].ssrc
    assert isinstance(ssrc, int)
    receiver, downstream = there.lab.connected_peer()
    consume(there.lab, downstream, video)
    packet = bytearray(video_packet(7, KEY_FRAME, ssrc=ssrc))
    packet[1] = packet[1] & 0x80 | carried.rtp_parameters.codecs[0].payload_type
    other_port: Address = (str(here.address[0]), int(here.address[1]) + 1)
    for source in (STRANGER, other_port, ("203.0.113.9", here.address[1])):
        there.lab.arrive_by_pipe(source, there.socket.id, bytes(packet))
        there.lab.arrive_by_pipe(source, there.socket.id, ReceiverReport(1).encode())
    assert there.drops() == {"pipe-unknown-source": 6}
    assert there.stats().transport.bytes_received == 0
    assert (receiver.rtp, there.inbound()) == ([], [])
    there.lab.arrive_by_pipe(here.address, there.socket.id, bytes(packet))
    assert len(there.inbound()) == 1
    there.lab.pump()
    assert len(receiver.rtp) == 1


def test_before_it_is_connected_nothing_is_taken() -> None:
    end = World().lab().end()
    end.lab.arrive_by_pipe(STRANGER, end.socket.id, video_packet(1))
    end.lab.arrive_by_pipe(("", 0), end.socket.id, video_packet(1))
    assert end.drops()["pipe-not-connected"] >= 1


@pytest.mark.parametrize("srtp", [False, True])
def test_whatever_the_other_end_sends_is_counted_or_understood(srtp: bool) -> None:
    world = World()
    here, there = pipe_between(world.lab(), world.lab(), srtp=srtp)
    junk = [b"", b"\x80", b"\x00\x01" + bytes(30), b"\x16" + bytes(30), b"\xff" * 40, bytes(2048), b"\x80" + b"x" * 11]
    junk += [b"\x80\xc8\xff\xff", b"\x90\x60" + b"\xff" * 20, video_packet(1), b"\x81\xce\x00\x02" + bytes(8)]
    for data in junk:
        there.lab.arrive_by_pipe(here.address, there.socket.id, data)
    counted = there.drops()
    assert sum(counted.values()) == len(junk)
    assert {"unknown-packet", "too-long"} <= set(counted)


def test_an_ipv6_source_is_known_whatever_its_scope() -> None:
    world = World()
    one, other = world.lab().end(ip="2001:db8::1"), world.lab().end(ip="2001:db8::2")
    joined(one, other)
    event = next(event for event in one.lab.events if isinstance(event, PipeConnected))
    assert event.remote == f"[2001:db8::2]:{other.socket.port}"
    one.lab.arrive_by_pipe(("2001:db8::2", other.socket.port, 7, 3), one.socket.id, video_packet(1))
    assert one.drops() == {"unknown-ssrc": 1}


# ---------------------------------------------------------------- ends


def close_pipe(end: End) -> None:
    end.close()


def close_router(end: End) -> None:
    end.lab.do(commands.CloseRouter(router_id=end.router), commands.Done)


def break_it(end: End) -> None:
    """A bug of the engine's."""
    end.lab.faults_allowed = True
    pipe = end.lab.engine._tables.pipe(end.router, end.made.id)
    pipe.session.receive_rtcp = None  # type: ignore[method-assign,assignment]  # a planted fault
    pipe._host, pipe._port = str(STRANGER[0]), int(STRANGER[1])
    end.lab.arrive_by_pipe(STRANGER, end.socket.id, ReceiverReport(1).encode())


@pytest.mark.parametrize("end_it", [close_pipe, close_router, break_it])
def test_what_went_over_it_ends_with_it_and_its_socket_is_let_go_of_once(end_it: Callable[[End], None]) -> None:
    world = World()
    here, there = pipe_between(world.lab(), world.lab())
    _, upstream = here.lab.connected_peer()
    carry(produce(here.lab, upstream, video_parameters()), here, there)
    for end in (here, there):
        end.lab.events.clear()
        end_it(end)
        kinds: tuple[type[Event], ...] = (ConsumerClosed, ProducerClosed, TransportClosed)
        ended = [event for event in end.lab.events if isinstance(event, kinds)]
        at = next(i for i, e in enumerate(ended) if isinstance(e, TransportClosed) and e.transport_id == end.made.id)
        assert isinstance(ended[at - 1], ConsumerClosed if end is here else ProducerClosed)
        assert getattr(ended[at - 1], "reason", None) == "transport-closed"
        assert end.lab.released == [end.socket.id]
        end.lab.arrive_by_pipe(STRANGER, end.socket.id, b"late")
        assert end.lab.drops()["pipe-closed"] == 1
        world.advance(3)
        assert end.lab.released == [end.socket.id]


def test_it_is_told_what_is_piped_and_what_is_paused() -> None:
    world = World()
    here, there = pipe_between(world.lab(), world.lab())
    _, upstream = here.lab.connected_peer()
    video = produce(here.lab, upstream, video_parameters(), paused=True)
    consumer = here.consume(video, paused=True)
    assert (consumer.paused, consumer.producer_paused) == (True, True)
    there.produce(consumer)
    near, far = here.lab.events, there.lab.events
    assert [e.pipe for e in near if isinstance(e, TransportMade)] == [True, False]
    assert [(e.paused, e.piped) for e in near if isinstance(e, ProducerMade)] == [(True, False)]
    made = [(e.paused, e.piped, e.participant_id) for e in near if isinstance(e, ConsumerMade)]
    assert made == [(True, True, "sender")]
    assert [(e.paused, e.piped, e.producer_id) for e in far if isinstance(e, ProducerMade)] == [(True, True, video)]
    assert [e.remote for e in near if isinstance(e, PipeConnected)] == [f"{there.socket.ip}:{there.socket.port}"]


def test_pipes_that_came_and_went_leave_nothing_behind() -> None:
    world = World()
    near, far = world.lab(), world.lab()
    sender, upstream = near.connected_peer()
    video = produce(near, upstream, repaired_video_parameters())
    for number in range(20):
        here, there = pipe_between(near, far, srtp=True, rtx=True)
        carry(video, here, there)
        sender.send_rtp(video_packet(number, KEY_FRAME))
        world.advance(0.2)
        assert len(there.inbound()) == 1
        here.close()
        there.close()
    for lab in (near, far):
        tables, router = lab.engine._tables, lab.engine._tables.routers[lab.router]
        assert (tables.by_socket, tables.pipes(lab.router), router.consumers) == ({}, [], {})
        assert all(isinstance(transport, WebRtcTransport) for transport in tables.transports.values())
        assert len(lab.released) == len(set(lab.released)) == 20
    assert far.engine._tables.routers[far.router].producers == {}
    world.advance(3)
    assert far.engine.deadline() is None


def test_a_piped_producer_with_the_id_of_a_consumer_does_not_take_its_transport_along() -> None:
    world = World()
    lab = world.lab()
    other = lab.new_router()
    here, there = joined(lab.end(), lab.end(router=other))
    _, upstream = lab.connected_peer()
    video = produce(lab, upstream, repaired_video_parameters())
    create = commands.CreateConsumer(
        router_id=lab.router,
        participant_id=ParticipantId("viewer"),
        producer_id=video,
        rtp_capabilities=lab.capabilities,
    )
    mine = lab.do(create, commands.ConsumerShown).consumer
    with lab.inside(other):
        _, up = lab.connected_peer()
        away = produce(lab, up, audio_parameters())
    sent = there.consume(away)
    produce_same = commands.ProduceFromPipe(
        router_id=lab.router,
        transport_id=here.made.id,
        producer_id=ProducerId(mine.id),
        participant_id=ParticipantId("speaker"),
        kind=MediaKind.AUDIO,
        rtp_parameters=sent.rtp_parameters,
    )
    lab.do(produce_same, commands.PipeProduced)
    restart = commands.RestartProducerIce(router_id=lab.router, producer_id=ProducerId(mine.id))
    refused(lab, restart, Conflict, "transport-shared")
    lab.do(commands.CloseProducer(router_id=lab.router, producer_id=ProducerId(mine.id)), commands.Done)
    assert not [event for event in lab.events if isinstance(event, TransportClosed)]
