"""Sending and receiving: rights, answers, who is told, and what ends with what."""

import pytest

from labsfu.errors import Unavailable
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import CAPABILITIES, DTLS, OPUS, SPEEX
from tests.support.room_world import ROOM, World, command_of

NOBODYS = "00000000-0000-0000-0000-00000000ffff"
PRODUCE = wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS, request_id=7)


@pytest.fixture
def world() -> World:
    return World()


def test_a_producer_is_answered_to_its_owner_and_added_for_the_others(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    world.say(ann, PRODUCE)
    (produced,) = world.heard(ann)
    assert isinstance(produced, wire.Produced)
    assert produced.request_id == 7
    (added,) = world.heard(ben)
    assert added == wire.ProducerAdded(
        participant_id=ParticipantId("ann"),
        producer_id=produced.id,
        kind=MediaKind.AUDIO,
        paused=False,
        share_screen=False,
    )


@pytest.mark.parametrize(
    ("room_type", "type_"),
    [
        (RoomType.CALL, ParticipantType.VIEWER),
        (RoomType.CONFERENCE, ParticipantType.VIEWER),
        (RoomType.BROADCAST, ParticipantType.VIEWER),
        (RoomType.BROADCAST, ParticipantType.GUEST),
    ],
)
def test_whoever_may_not_send_is_refused_and_lives_on(
    world: World, room_type: RoomType, type_: ParticipantType
) -> None:
    connection = world.join("eve", type_, room_type=room_type)
    world.say(connection, PRODUCE)
    error = world.last(connection, wire.Error)
    assert (error.request_action, error.request_id, error.type) == ("Produce", 7, "/problems/may-not-send")
    assert world.engine.producers == {}
    world.say(connection, wire.InitRequest(rtp_capabilities=CAPABILITIES, request_id="i"))
    assert world.last(connection, wire.Initialized).request_id == "i"


@pytest.mark.parametrize(
    ("room_type", "type_"),
    [
        (RoomType.CALL, ParticipantType.GUEST),
        (RoomType.CONFERENCE, ParticipantType.GUEST),
        (RoomType.BROADCAST, ParticipantType.HOST),
    ],
)
def test_whoever_may_send_does(world: World, room_type: RoomType, type_: ParticipantType) -> None:
    assert world.produce(world.join("ann", type_, room_type=room_type)) in world.engine.producers


def test_a_codec_that_the_router_lacks_is_an_error_with_the_workers_problem(world: World) -> None:
    ann = world.join("ann")
    world.say(ann, wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=SPEEX))
    error = world.last(ann, wire.Error)
    assert error.type == "/problems/unsupported-codec"
    assert "speex" in error.detail
    world.produce(ann)


def test_a_consumer_is_made_paused_and_flows_when_asked(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    consumed = world.consume(ben, producer_id)
    assert (consumed.producer_id, consumed.participant_id) == (producer_id, "ann")
    assert world.engine.consumers[consumed.id].paused
    world.say(ben, wire.ConsumerResume(id=consumed.id, request_id=1))
    assert world.last(ben, wire.ConsumerResumed).request_id == 1
    assert not world.engine.consumers[consumed.id].paused
    world.hush()
    world.say(ben, wire.ConsumerPause(id=consumed.id))
    assert world.names(ben) == ["ConsumerPaused"]


def test_consume_before_init_is_refused(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.say(ben, wire.ConsumeRequest(producer_id=world.produce(ann)))
    assert world.last(ben, wire.Error).type == "/problems/not-initialized"


def test_ones_own_and_unknown_producers_cannot_be_consumed(world: World) -> None:
    ann = world.join("ann")
    mine = world.produce(ann)
    world.say(ann, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    world.say(ann, wire.ConsumeRequest(producer_id=mine))
    assert world.last(ann, wire.Error).type == "/problems/own-producer"
    world.say(ann, wire.ConsumeRequest(producer_id=ProducerId(NOBODYS)))
    assert world.last(ann, wire.Error).type == "/problems/producer-not-found"


def test_a_producer_is_consumed_once_at_a_time(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    world.say(ben, wire.ConsumeRequest(producer_id=producer))
    first = world.last(ben, wire.Consumed).id
    world.say(ben, wire.ConsumeRequest(producer_id=producer))
    refusal = world.last(ben, wire.Error)
    assert refusal.type == "/problems/already-consumed"
    assert first in refusal.detail
    world.say(ben, wire.ConsumerClose(id=first))
    world.say(ben, wire.ConsumeRequest(producer_id=producer))
    assert world.last(ben, wire.Consumed).id != first


@pytest.mark.parametrize("action", [wire.ProducerPause, wire.ProducerResume, wire.ProducerClose])
def test_somebody_elses_producer_is_not_ones_own_to_change(world: World, action: type[wire.ProducerPause]) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.say(ben, action(id=world.produce(ann)))
    assert world.last(ben, wire.Error).type == "/problems/producer-not-found"


@pytest.mark.parametrize(
    "action", [wire.ConsumerPause, wire.ConsumerResume, wire.ConsumerClose, wire.RequestKeyFrameRequest]
)
def test_an_unknown_consumer_is_refused(world: World, action: type[wire.ConsumerPause]) -> None:
    ann = world.join("ann")
    world.say(ann, action(id=ConsumerId(NOBODYS)))
    assert world.last(ann, wire.Error).type == "/problems/consumer-not-found"


def test_pausing_is_answered_once_and_told_to_the_others_once(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    world.hush()
    world.say(ann, wire.ProducerPause(id=producer_id, request_id=3))
    paused = wire.ProducerPaused(participant_id=ParticipantId("ann"), producer_id=producer_id)
    assert world.heard(ben) == [paused]
    assert [getattr(answer, "request_id", None) for answer in world.heard(ann)] == [3]
    world.say(ann, wire.ProducerPause(id=producer_id))
    assert world.heard(ben) == []
    world.say(ann, wire.ProducerResume(id=producer_id))
    assert world.names(ben) == ["ProducerResumed"]


def test_a_refused_pause_changes_nothing(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    world.hush()
    world.engine.refusals[commands.PauseProducer] = [Unavailable("gone")]
    world.say(ann, wire.ProducerPause(id=producer_id))
    assert world.names(ann) == ["Error"]
    world.say(ann, wire.ProducerPause(id=producer_id))
    assert world.names(ben) == ["ProducerPaused"]


def test_a_closed_producer_takes_its_consumers_along_and_each_is_told_once(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    consumer_id = world.consume(ben, producer_id).id
    world.hush()
    world.say(ann, wire.ProducerClose(id=producer_id, request_id=5))
    closed, removed = world.heard(ben)
    assert closed == wire.ConsumerClosed(id=consumer_id, reason="producer-closed")
    assert removed == wire.ProducerRemoved(participant_id=ParticipantId("ann"), producer_id=producer_id)
    assert world.names(ann) == ["ProducerRemoved"]
    assert world.engine.consumers == {}
    assert all(p.producer_ids == () == p.consumer_ids for p in world.rooms.participants(ROOM))


def test_a_closed_consumer_is_answered_once(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    consumer_id = world.consume(ben, world.produce(ann)).id
    world.hush()
    world.say(ben, wire.ConsumerClose(id=consumer_id, request_id=2))
    assert world.heard(ben) == [wire.ConsumerClosed(id=consumer_id, reason="asked", request_id=2)]
    assert world.heard(ann) == []


def test_a_transport_that_dies_by_itself_ends_what_was_on_it(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    world.consume(ben, producer_id)
    world.hush()
    world.engine.close_transport(world.engine.producers[producer_id].transport_id, "dtls-closed")
    world.pump()
    assert world.names(ben) == ["ConsumerClosed", "ProducerRemoved"]
    assert world.names(ann) == ["ProducerRemoved"]
    world.say(ann, PRODUCE)
    assert world.last(ann, wire.Error).type == "/problems/transport-closed"
    world.do(world.rooms.connect(world.connection(), ROOM, ParticipantId("ann")))
    assert len(world.engine.transports) == 4


def test_a_consumer_whose_transport_dies_is_told_why(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    consumer_id = world.consume(ben, world.produce(ann)).id
    world.hush()
    world.engine.close_transport(world.engine.consumers[consumer_id].transport_id, "dtls-failed")
    world.pump()
    assert world.heard(ben) == [wire.ConsumerClosed(id=consumer_id, reason="dtls-failed")]


def test_a_producer_that_ends_while_it_is_being_consumed_leaves_no_consumer(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    flow = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=producer_id), world.now))
    closing = world.start(world.rooms.receive(ann, wire.ProducerClose(id=producer_id), world.now))
    flow.finish()
    assert world.last(ben, wire.Error).type == "/problems/producer-not-found"
    assert world.engine.consumers == {}
    closing.finish()
    assert world.engine.producers == {}


def test_a_producer_that_the_engine_closes_before_it_is_known_is_never_added(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    flow = world.rooms.receive(ann, PRODUCE, world.now)
    made = world.engine.execute(command_of(next(flow)))
    assert isinstance(made, commands.Produced)
    world.engine.close_producer(made.producer_id, "dtls-closed")
    world.pump()
    flow.send(made)  # asks to close it, to be sure
    with pytest.raises(StopIteration):
        flow.send(commands.Done())
    world.pump()
    assert world.names(ann) == ["Error"]
    assert world.heard(ben) == []


@pytest.mark.parametrize("lost", [False, True])
def test_what_a_connection_asked_for_that_a_newer_one_overtook_is_closed_again(world: World, lost: bool) -> None:
    """Its `Init` did not name it, and the answer is nobody's."""
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    asked = wire.ConsumeRequest(producer_id=producer_id), PRODUCE
    flows = [world.start(world.rooms.receive(ben, request, world.now)) for request in asked]
    if lost:
        world.do(world.rooms.disconnected(ben, world.now, clean=False))
    again = world.connection()
    world.do(world.rooms.connect(again, ROOM, ParticipantId("ben")))
    world.hush()
    for flow in flows:
        flow.finish()
    assert world.told == {}
    assert world.engine.consumers == {}
    assert set(world.engine.producers) == {producer_id}
    world.say(again, asked[0])
    assert world.names(again) == ["Consumed"]


def test_what_a_lost_connection_asked_for_is_named_by_the_next_init(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    world.say(ben, wire.InitRequest(rtp_capabilities=CAPABILITIES))
    flow = world.start(world.rooms.receive(ben, wire.ConsumeRequest(producer_id=producer_id), world.now))
    world.do(world.rooms.disconnected(ben, world.now, clean=False))
    flow.finish()
    (consumer_id,) = world.engine.consumers
    init = world.do(world.rooms.connect(world.connection(), ROOM, ParticipantId("ben")))
    assert init.participant.consumer_ids == (consumer_id,)


def test_connecting_transports_is_answered_at_once_and_works_once(world: World) -> None:
    ann = world.join("ann")
    world.hush()
    world.say(ann, wire.ConnectProducerTransport(dtls_parameters=DTLS, request_id=1))
    world.say(ann, wire.ConnectConsumerTransport(dtls_parameters=DTLS, request_id=2))
    world.say(ann, wire.ConnectConsumerTransport(dtls_parameters=DTLS, request_id=3))
    assert world.names(ann) == ["ConnectedProducerTransport", "ConnectedConsumerTransport", "Error"]


def test_restarted_ice_shows_in_the_next_init(world: World) -> None:
    ann = world.join("ann")
    world.say(ann, wire.RestartIceRequest(transport="consumer", request_id=1))
    restarted = world.last(ann, wire.IceRestarted)
    init = world.do(world.rooms.connect(world.connection(), ROOM, ParticipantId("ann")))
    assert init.consumer_transport_options.ice_parameters == restarted.ice_parameters
    assert init.producer_transport_options.ice_parameters != restarted.ice_parameters


def test_a_key_frame_is_asked_for(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    consumer_id = world.consume(ben, world.produce(ann)).id
    world.say(ben, wire.RequestKeyFrameRequest(id=consumer_id, request_id=9))
    assert world.last(ben, wire.KeyFrameRequested).id == consumer_id
    assert any(isinstance(asked, commands.RequestKeyFrame) for asked in world.engine.asked)


def test_what_a_replaced_connection_still_says_is_ignored(world: World) -> None:
    first = world.join("ann")
    world.do(world.rooms.connect(world.connection(), ROOM, ParticipantId("ann")))
    world.hush()
    world.say(first, PRODUCE)
    assert world.told == {}
    assert world.engine.producers == {}
