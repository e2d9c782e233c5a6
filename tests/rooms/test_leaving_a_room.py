"""How participants and rooms end, on purpose and by loss, and that nothing of them stays."""

import pytest

from labsfu.errors import NotFound
from labsfu.rooms.wishes import Hangup
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import OPUS
from tests.support.room_world import ROOM, World

ANN = ParticipantId("ann")


@pytest.fixture
def world() -> World:
    return World()


def farewells(heard: list[wire.ServerMessage | Hangup]) -> list[int]:
    return [item.code for item in heard if isinstance(item, Hangup)]


def test_leave_ends_the_participant_streams_first(world: World) -> None:
    ann, ben = world.join("ann", share_screen=True), world.join("ben")
    world.consume(ben, world.produce(ann))
    world.hush()
    world.say(ann, wire.Leave())
    assert world.names(ben) == ["ConsumerClosed", "ProducerRemoved", "ShareScreenStopped", "ParticipantLeft"]
    assert farewells(world.heard(ann)) == [1000]
    assert len(world.engine.transports) == 2
    with pytest.raises(NotFound):
        world.rooms.participant(ROOM, ANN)


def test_a_clean_close_is_a_leave(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    world.do(world.rooms.disconnected(ann, world.now, clean=True))
    assert world.names(ben) == ["ParticipantLeft"]
    assert world.heard(ann) == []


def test_a_lost_socket_has_ten_seconds_to_come_back(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    producer_id = world.produce(ann)
    world.hush()
    world.do(world.rooms.disconnected(ann, world.now, clean=False))
    (updated,) = world.heard(ben)
    assert isinstance(updated, wire.ParticipantUpdated)
    assert not updated.participant.connected
    world.pass_time(9.9)
    assert world.rooms.participant(ROOM, ANN).producer_ids == (producer_id,)
    assert world.heard(ben) == []
    world.pass_time(0.1)
    assert world.names(ben) == ["ProducerRemoved", "ParticipantLeft"]
    assert len(world.engine.transports) == 2


def test_coming_back_in_time_finds_the_same_transports_and_consumers(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    consumer_id = world.consume(ann, world.produce(ben)).id
    before = next(signal for signal in world.heard(ann) if isinstance(signal, wire.Init))
    world.do(world.rooms.disconnected(ann, world.now, clean=False))
    world.pass_time(5)
    world.hush()
    again = world.connection()
    init = world.do(world.rooms.connect(again, ROOM, ANN))
    assert init.producer_transport_options == before.producer_transport_options
    assert init.consumer_transport_options == before.consumer_transport_options
    assert init.participant.consumer_ids == (consumer_id,)
    (updated,) = world.heard(ben)
    assert isinstance(updated, wire.ParticipantUpdated)
    assert updated.participant.connected
    world.pass_time(100)
    assert world.rooms.participant(ROOM, ANN).connected


def test_an_empty_room_closes_after_thirty_seconds(world: World) -> None:
    ann = world.join("ann")
    assert world.rooms.deadline() is None
    world.say(ann, wire.Leave())
    assert world.rooms.deadline() == world.now + 30
    world.pass_time(29.9)
    assert world.rooms.counts() == (1, 0)
    world.pass_time(0.1)
    assert world.rooms.counts() == (0, 0)
    assert world.engine.empty
    assert world.rooms.deadline() is None


def test_a_room_that_nobody_came_to_closes_too(world: World) -> None:
    world.room()
    world.pass_time(30)
    assert world.engine.empty


def test_somebody_who_comes_keeps_an_empty_room_open(world: World) -> None:
    world.room()
    world.pass_time(29)
    world.join("ann")
    world.pass_time(100)
    assert world.rooms.counts() == (1, 1)


def test_the_last_one_lost_starts_the_rooms_grace_after_their_own(world: World) -> None:
    ann = world.join("ann")
    world.do(world.rooms.disconnected(ann, world.now, clean=False))
    world.pass_time(10)
    assert world.rooms.counts() == (1, 0)
    world.pass_time(30)
    assert world.engine.empty


def test_a_deleted_room_says_goodbye_once_to_everyone(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.consume(ben, world.produce(ann))
    world.hush()
    world.do(world.rooms.delete_room(ROOM))
    for connection in (ann, ben):
        closed, farewell = world.heard(connection)
        assert closed == wire.RoomClosed(reason="deleted")
        assert isinstance(farewell, Hangup)
    assert world.engine.empty
    assert len(world.engine.closed) == len(set(world.engine.closed))


def test_a_deleted_participant_is_hung_up(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    world.do(world.rooms.delete_participant(ROOM, ANN, world.now))
    assert farewells(world.heard(ann)) == [1000]
    assert world.names(ben) == ["ParticipantLeft"]


def test_what_is_unknown_cannot_be_deleted(world: World) -> None:
    with pytest.raises(NotFound, match="room"):
        world.do(world.rooms.delete_room(ROOM))
    world.room()
    with pytest.raises(NotFound, match="ann"):
        world.do(world.rooms.delete_participant(ROOM, ANN, world.now))


def test_a_router_that_dies_closes_its_room(world: World) -> None:
    ann = world.join("ann")
    world.hush()
    world.engine.close_router(world.rooms.room(ROOM).router_ids[0])
    world.pump()
    assert world.names(ann) == ["RoomClosed", "Hangup"]
    assert world.rooms.counts() == (0, 0)


def test_reset_closes_every_room(world: World) -> None:
    ann = world.join("ann")
    world.do(world.rooms.reset())
    assert world.rooms.counts() == (0, 0)
    assert world.engine.empty
    assert "RoomClosed" in world.names(ann)


def test_one_who_leaves_while_a_producer_is_made_leaves_no_producer(world: World) -> None:
    ann, ben = world.join("ann"), world.join("ben")
    world.hush()
    produce = wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS)
    flow = world.start(world.rooms.receive(ann, produce, world.now))
    leaving = world.start(world.rooms.disconnected(ann, world.now, clean=True))
    flow.step()  # the engine made it, on a transport about to be closed
    leaving.finish()
    flow.finish()
    assert world.engine.producers == {}
    assert world.names(ben) == ["ParticipantLeft"]


def test_closings_that_the_engine_refuses_end_things_all_the_same(world: World) -> None:
    ann = world.join("ann")
    world.engine.refusals[commands.CloseTransport] = [NotFound.of("transport", "x")] * 2
    world.say(ann, wire.Leave())
    assert world.rooms.counts() == (1, 0)
