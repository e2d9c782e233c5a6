"""Producers and consumers with a transport of their own, as the HTTP API makes them: the engine on invented time."""

from __future__ import annotations

import pytest

from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.errors import CommandError, Conflict, InvalidValue, NotFound, Unsupported
from labsfu.wire import commands
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import ParticipantId, ProducerId
from labsfu.wire.rtp import MediaKind, RtpCapabilities
from labsfu.wire.sfu import ConsumerPayload, EncodingUpdate, ProducerPayload
from labsfu.wire.transport import TransportOptions
from tests.support.lab import Lab, Peer
from tests.support.media import (
    KEY_FRAME,
    audio_parameters,
    header_of,
    payload_of,
    produce,
    video_packet,
    video_parameters,
)

ANN, BEN = ParticipantId("ann"), ParticipantId("ben")


def create_producer(lab: Lab, **fields: object) -> ProducerPayload:
    command = commands.CreateProducer(router_id=lab.router, participant_id=ANN, **fields)  # type: ignore[arg-type]  # whatever the case is about
    return lab.do(command, commands.ProducerShown).producer


def update_producer(lab: Lab, id_: ProducerId, **fields: object) -> ProducerPayload:
    command = commands.UpdateProducer(router_id=lab.router, producer_id=id_, **fields)  # type: ignore[arg-type]  # whatever the case is about
    return lab.do(command, commands.ProducerShown).producer


def create_consumer(lab: Lab, producer_id: ProducerId, **fields: object) -> ConsumerPayload:
    command = commands.CreateConsumer(
        router_id=lab.router,
        producer_id=producer_id,
        participant_id=BEN,
        rtp_capabilities=lab.capabilities,
        **fields,  # type: ignore[arg-type]  # whatever the case is about
    )
    return lab.do(command, commands.ConsumerShown).consumer


def shake_hands(lab: Lab, options: TransportOptions | Absent) -> Peer:
    assert options is not ABSENT
    peer = lab.peer()
    peer.check(options)
    peer.start_dtls()
    lab.pump()
    return peer


def video(lab: Lab) -> ProducerPayload:
    return create_producer(lab, kind=MediaKind.VIDEO, rtp_parameters=video_parameters())


def snapshot(lab: Lab) -> object:
    """All that the engine shows."""
    return (
        lab.do(commands.ListRouters(), commands.RoutersShown),
        lab.do(commands.ListProducers(router_id=lab.router), commands.ProducersShown),
        lab.do(commands.ListConsumers(router_id=lab.router), commands.ConsumersShown),
        len(lab.engine._tables.transports),
    )


@pytest.mark.parametrize("at_once", [True, False])
def test_media_flows_whether_the_producer_is_made_at_once_or_completed_later(at_once: bool) -> None:
    lab = Lab()
    made = video(lab) if at_once else create_producer(lab)
    assert made.state == ("producing" if at_once else "transport")
    sender = shake_hands(lab, made.transport_options)
    parameters = sender.dtls_parameters()
    lab.do(
        commands.ConnectProducer(router_id=lab.router, producer_id=made.id, dtls_parameters=parameters), commands.Done
    )
    if not at_once:
        completed = update_producer(lab, made.id, kind=MediaKind.VIDEO, rtp_parameters=video_parameters())
        assert (completed.id, completed.state, completed.created_at) == (made.id, "producing", made.created_at)
    consumer = create_consumer(lab, made.id)
    assert consumer.paused
    receiver = shake_hands(lab, consumer.transport_options)
    lab.do(
        commands.ConnectConsumer(
            router_id=lab.router, consumer_id=consumer.id, dtls_parameters=receiver.dtls_parameters()
        ),
        commands.Done,
    )
    lab.do(commands.ResumeConsumer(router_id=lab.router, consumer_id=consumer.id), commands.Done)
    sender.send_rtp(video_packet(1, KEY_FRAME))
    lab.pump()
    assert [payload_of(packet) for packet in receiver.rtp] == [KEY_FRAME]
    shown = lab.do(commands.GetConsumer(router_id=lab.router, consumer_id=consumer.id), commands.ConsumerShown)
    assert (shown.consumer.ice_state, shown.consumer.dtls_state) == ("completed", "connected")


def test_a_producer_that_is_only_a_transport_is_listed_paused_and_closed_like_any_other() -> None:
    lab = Lab()
    made = create_producer(lab, app_data={"a": 1})
    names = {"router_id": lab.router, "producer_id": made.id}
    lab.do(commands.PauseProducer(**names), commands.Done)  # type: ignore[arg-type]  # a dictionary of both ids
    listed = lab.do(commands.ListProducers(router_id=lab.router), commands.ProducersShown).producers
    assert [(p.id, p.state, p.paused, p.app_data) for p in listed] == [(made.id, "transport", True, {"a": 1})]
    assert lab.do(commands.GetRouter(router_id=lab.router), commands.RouterShown).router.producer_count == 1
    assert update_producer(lab, made.id, kind=MediaKind.AUDIO, rtp_parameters=audio_parameters()).paused
    second = create_producer(lab)
    lab.do(commands.CloseProducer(router_id=lab.router, producer_id=second.id), commands.Done)
    with pytest.raises(NotFound):
        lab.do(commands.GetProducer(router_id=lab.router, producer_id=second.id), commands.ProducerShown)
    assert len(lab.engine._tables.transports) == 1


def test_closing_a_producer_closes_its_transport_its_consumers_and_theirs() -> None:
    lab = Lab()
    producer = video(lab)
    consumers = [create_consumer(lab, producer.id) for _ in range(3)]
    lab.do(commands.CloseConsumer(router_id=lab.router, consumer_id=consumers[0].id), commands.Done)
    assert len(lab.engine._tables.transports) == 3
    lab.do(commands.CloseProducer(router_id=lab.router, producer_id=producer.id), commands.Done)
    tables = lab.engine._tables
    assert [len(t) for t in (tables.transports, tables.by_ufrag, tables.by_address)] == [0, 0, 0]
    assert lab.engine._executor._standalone._own == {}


def test_closing_the_router_takes_all_of_them_along() -> None:
    lab = Lab()
    create_consumer(lab, video(lab).id)
    create_producer(lab)
    lab.do(commands.CloseRouter(router_id=lab.router), commands.Done)
    alone = lab.engine._executor._standalone
    assert (alone._own, alone._pending, len(lab.engine._tables.transports)) == ({}, {}, 0)


def test_what_a_producer_sends_is_settled_once_but_the_rest_may_change() -> None:
    lab = Lab()
    made = video(lab)
    changed = update_producer(
        lab, made.id, paused=True, encodings=(EncodingUpdate(max_bitrate=300_000),), app_data={"b": 2}
    )
    assert (changed.paused, changed.app_data) == (True, {"b": 2})
    assert changed.rtp_parameters is not ABSENT
    assert changed.rtp_parameters.encodings[0].max_bitrate == 300_000
    assert not update_producer(lab, made.id, paused=False).paused
    assert update_producer(lab, made.id, kind=MediaKind.VIDEO, rtp_parameters=video_parameters()).id == made.id
    with pytest.raises(Conflict, match=made.id):
        update_producer(lab, made.id, kind=MediaKind.AUDIO, rtp_parameters=audio_parameters())


def test_an_inactive_encoding_is_not_forwarded_until_it_is_active_again() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, video_parameters())
    receiver, downstream = lab.connected_peer()
    lab.do(
        commands.Consume(
            router_id=lab.router,
            transport_id=downstream,
            producer_id=producer,
            participant_id=BEN,
            rtp_capabilities=lab.capabilities,
            paused=False,
        ),
        commands.Consumed,
    )
    for number, active in enumerate((True, False, True), 1):
        update_producer(lab, producer, encodings=(EncodingUpdate(active=active),))
        sender.send_rtp(video_packet(number, KEY_FRAME))
        lab.pump()
    numbers = [header_of(packet).sequence_number for packet in receiver.rtp]
    assert numbers == [numbers[0], numbers[0] + 1]
    assert any(isinstance(packet, PictureLossIndication) for packet in sender.rtcp), "switched on: a key frame"


REFUSALS = [
    ("only a kind", {"kind": MediaKind.AUDIO}, InvalidValue, "incomplete-producer"),
    ("only parameters", {"rtp_parameters": audio_parameters()}, InvalidValue, "incomplete-producer"),
    ("another kind", {"kind": MediaKind.VIDEO, "rtp_parameters": audio_parameters()}, InvalidValue, None),
]


@pytest.mark.parametrize(("fields", "error", "slug"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_a_refused_producer_leaves_nothing(fields: dict[str, object], error: type[CommandError], slug: str) -> None:
    lab = Lab()
    before = snapshot(lab)
    events = len(lab.events)
    with pytest.raises(error) as refused:
        create_producer(lab, **fields)
    assert slug in (None, refused.value.slug)
    assert (snapshot(lab), len(lab.events)) == (before, events)


def test_a_refused_consumer_leaves_nothing() -> None:
    lab = Lab()
    producer, pending = video(lab), create_producer(lab)
    before, events = snapshot(lab), len(lab.events)
    nothing = commands.CreateConsumer(
        router_id=lab.router, producer_id=producer.id, participant_id=BEN, rtp_capabilities=RtpCapabilities()
    )
    with pytest.raises(Unsupported):
        lab.do(nothing, commands.ConsumerShown)
    with pytest.raises(Conflict, match="sends nothing yet"):
        create_consumer(lab, pending.id)
    with pytest.raises(NotFound):
        create_consumer(lab, ProducerId("none"))
    assert (snapshot(lab), len(lab.events)) == (before, events)


def test_connecting_twice_and_connecting_what_shares_a_transport_are_refused() -> None:
    lab = Lab()
    own = video(lab)
    _, upstream = lab.connected_peer()
    shared = produce(lab, upstream, audio_parameters())
    parameters = lab.peer().dtls_parameters()
    for id_, refusal in ((own.id, None), (own.id, "transport-already-connected"), (shared, "transport-shared")):
        command = commands.ConnectProducer(router_id=lab.router, producer_id=id_, dtls_parameters=parameters)
        if refusal is None:
            lab.do(command, commands.Done)
            continue
        with pytest.raises(Conflict) as refused:
            lab.do(command, commands.Done)
        assert refused.value.slug == refusal


def test_ice_is_restarted_on_ones_own_transport() -> None:
    lab = Lab()
    made = video(lab)
    command = commands.RestartProducerIce(router_id=lab.router, producer_id=made.id)
    restarted = lab.do(command, commands.IceRestarted).ice_parameters
    assert made.transport_options is not ABSENT
    assert restarted.username_fragment != made.transport_options.ice_parameters.username_fragment
    shown = lab.do(commands.GetProducer(router_id=lab.router, producer_id=made.id), commands.ProducerShown).producer
    assert shown.transport_options is not ABSENT
    assert shown.transport_options.ice_parameters == restarted


def test_a_producer_of_another_router_is_not_found() -> None:
    lab = Lab()
    made, pending = video(lab), create_producer(lab)
    other = lab.do(commands.CreateRouter(), commands.RouterCreated).router_id
    for id_ in (made.id, pending.id):
        for command in (
            commands.GetProducer(router_id=other, producer_id=id_),
            commands.CloseProducer(router_id=other, producer_id=id_),
            commands.RestartProducerIce(router_id=other, producer_id=id_),
            commands.UpdateProducer(router_id=other, producer_id=id_, paused=True),
        ):
            with pytest.raises(NotFound, match=id_):
                lab.engine.execute(command, lab.now)
