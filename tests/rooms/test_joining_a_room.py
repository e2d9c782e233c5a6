"""Who gets in, what they are told first, and what the others hear of it."""

import pytest

from labsfu.errors import Conflict, InvalidValue, NotFound, Unavailable
from labsfu.rooms.opening import ParticipantPlan, RoomPlan
from labsfu.rooms.wishes import Hangup
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId, RoomId
from labsfu.wire.payloads import ParticipantType, RoomType
from tests.support.room_world import EPOCH, ROOM, World, command_of

ANN = ParticipantId("ann")


@pytest.fixture
def world() -> World:
    return World()


def host(name: str) -> ParticipantPlan:
    return ParticipantPlan(ParticipantId(name), ParticipantType.HOST, name)


def test_a_room_lives_on_a_router_of_its_own(world: World) -> None:
    room = world.room(RoomType.CALL, 2)
    assert (room.id, room.type, room.size) == (ROOM, RoomType.CALL, 2)
    assert set(room.router_ids) == world.engine.routers
    assert room.created_at == EPOCH + 100_000
    assert world.rooms.rooms() == (room,)


def test_a_room_without_an_id_gets_one_and_without_a_size_that_of_its_type(world: World) -> None:
    room = world.do(world.rooms.create_room(RoomPlan(RoomType.BROADCAST), world.now))
    assert len(room.id) == 36
    assert room.size == 1000


@pytest.mark.parametrize(
    ("type_", "size"), [(RoomType.CALL, 3), (RoomType.CONFERENCE, 0), (RoomType.BROADCAST, 10_001)]
)
def test_a_size_that_the_type_cannot_have_is_refused(world: World, type_: RoomType, size: int) -> None:
    with pytest.raises(InvalidValue, match=str(size)):
        world.room(type_, size)
    assert world.engine.empty


def test_a_room_that_exists_is_not_made_again(world: World) -> None:
    world.room()
    with pytest.raises(Conflict, match="exists already"):
        world.room()
    assert len(world.engine.routers) == 1


def test_of_two_who_make_the_same_room_at_once_one_wins_and_the_others_router_is_closed(world: World) -> None:
    first = world.start(world.rooms.create_room(RoomPlan(RoomType.CALL, None, ROOM), world.now))
    second = world.start(world.rooms.create_room(RoomPlan(RoomType.CALL, None, ROOM), world.now))
    second.finish()
    with pytest.raises(Conflict):
        first.finish()
    assert set(world.rooms.room(ROOM).router_ids) == world.engine.routers


def test_two_who_create_and_connect_at_once_meet_in_one_room(world: World) -> None:
    _, ann = world.joining("ann")
    _, ben = world.joining("ben")
    ben.step()
    ann.finish()
    ben.finish()
    assert {participant.id for participant in world.rooms.participants(ROOM)} == {"ann", "ben"}
    assert len(world.engine.routers) == 1
    assert len(world.engine.transports) == 4


def test_one_who_lost_the_race_for_a_room_that_is_gone_again_makes_it_anew(world: World) -> None:
    _, slow = world.joining("ann")
    world.room()
    slow.step()  # its router is there, but so is the room: the router is to be closed
    world.do(world.rooms.delete_room(ROOM))
    slow.finish()
    assert set(world.rooms.room(ROOM).router_ids) == world.engine.routers


def test_a_router_that_dies_before_its_room_is_made_leaves_no_room(world: World) -> None:
    flow = world.rooms.create_room(RoomPlan(RoomType.CALL, None, ROOM), world.now)
    made = world.engine.execute(command_of(next(flow)))
    assert isinstance(made, commands.RouterCreated)
    world.engine.close_router(made.router_id)
    world.pump()
    with pytest.raises(Unavailable):
        flow.send(made)
    assert world.rooms.rooms() == ()


def test_init_tells_who_one_is_and_how_to_connect(world: World) -> None:
    connection = world.join("ann")
    (init,) = world.heard(connection)
    assert isinstance(init, wire.Init)
    assert (init.room_id, init.participant_id) == (ROOM, "ann")
    assert init.participant.connected
    assert init.participants == ()
    options = {init.producer_transport_options.id, init.consumer_transport_options.id}
    assert options == set(world.engine.transports)


def test_the_first_signals_are_init_then_producers_then_shared_screens(world: World) -> None:
    ann = world.join("ann")
    producer_id = world.produce(ann)
    world.join("screen", share_screen=True)
    ben = world.join("ben")
    init, added, screen = world.heard(ben)
    assert isinstance(init, wire.Init)
    assert [other.id for other in init.participants] == ["ann", "screen"]
    assert isinstance(added, wire.ProducerAdded)
    assert (added.participant_id, added.producer_id) == ("ann", producer_id)
    assert screen == wire.ShareScreenStarted(participant_id=ParticipantId("screen"), display_name="Screen")


def test_the_others_hear_of_whoever_joins(world: World) -> None:
    ann = world.join("ann")
    world.hush()
    world.join("ben")
    (joined,) = world.heard(ann)
    assert isinstance(joined, wire.ParticipantJoined)
    assert (joined.participant.id, joined.participant.connected) == ("ben", True)


def test_the_others_hear_of_a_shared_screen_after_who_shares_it(world: World) -> None:
    ann = world.join("ann")
    world.hush()
    world.join("screen", share_screen=True)
    assert world.names(ann) == ["ParticipantJoined", "ShareScreenStarted"]


def test_one_who_was_made_but_never_connected_is_listed_and_not_announced(world: World) -> None:
    world.room()
    ann = world.join("ann")
    world.hush()
    world.rooms.create_participant(ROOM, host("ben"), world.now)
    world.pump()
    assert world.heard(ann) == []
    assert [p.connected for p in world.rooms.participants(ROOM)] == [True, False]
    world.do(world.rooms.delete_participant(ROOM, ParticipantId("ben"), world.now))
    assert world.heard(ann) == []


def test_a_full_room_takes_nobody_more_and_keeps_nothing_of_them(world: World) -> None:
    world.join("ann", room_type=RoomType.CALL)
    world.join("ben", room_type=RoomType.CALL)
    before = (len(world.engine.transports), world.rooms.room(ROOM))
    with pytest.raises(Conflict, match="full"):
        world.join("cyd", room_type=RoomType.CALL)
    assert (len(world.engine.transports), world.rooms.room(ROOM)) == before


def test_a_shared_screen_takes_no_seat(world: World) -> None:
    world.join("screen", room_type=RoomType.CALL, share_screen=True)
    world.join("ann", room_type=RoomType.CALL)
    world.join("ben", room_type=RoomType.CALL)
    assert len(world.rooms.participants(ROOM)) == 3


def test_an_id_is_taken_only_once(world: World) -> None:
    world.room()
    world.rooms.create_participant(ROOM, host("ann"), world.now)
    with pytest.raises(Conflict, match="ann"):
        world.rooms.create_participant(ROOM, host("ann"), world.now)


def test_an_unknown_room_or_participant_cannot_be_connected_to(world: World) -> None:
    with pytest.raises(NotFound, match="room 'room'"):
        world.do(world.rooms.connect(world.connection(), ROOM, ANN))
    world.room()
    with pytest.raises(NotFound, match="participant 'ann'"):
        world.do(world.rooms.connect(world.connection(), ROOM, ANN))


def test_a_second_connection_replaces_the_first_and_keeps_its_transports(world: World) -> None:
    first, ben = world.join("ann"), world.join("ben")
    transports = set(world.engine.transports)
    world.hush()
    second = world.connection()
    world.do(world.rooms.connect(second, ROOM, ANN))
    (farewell,) = world.heard(first)
    assert isinstance(farewell, Hangup)
    assert farewell.code == 4001
    assert isinstance(world.heard(second)[0], wire.Init)
    assert set(world.engine.transports) == transports
    assert world.heard(ben) == []
    world.do(world.rooms.disconnected(first, world.now, clean=True))
    assert world.rooms.participant(ROOM, ANN).connected


def test_two_connections_at_once_leave_two_transports_and_one_connection(world: World) -> None:
    world.room()
    world.rooms.create_participant(ROOM, host("ann"), world.now)
    one, two = world.connection(), world.connection()
    first = world.start(world.rooms.connect(one, ROOM, ANN))
    second = world.start(world.rooms.connect(two, ROOM, ANN))
    first.step()
    second.finish()
    init = first.finish()
    assert set(world.engine.transports) == {init.producer_transport_options.id, init.consumer_transport_options.id}
    assert isinstance(world.heard(two)[-1], Hangup)


@pytest.mark.parametrize("type_", [ParticipantType.GUEST, ParticipantType.VIEWER])
def test_create_and_connect_of_another_type_is_refused(world: World, type_: ParticipantType) -> None:
    world.join("ann")
    with pytest.raises(Conflict, match="ann"):
        world.join("ann", type_)
    assert world.rooms.participant(ROOM, ANN).type is ParticipantType.HOST


def test_create_and_connect_to_a_room_of_another_type_is_refused(world: World) -> None:
    world.join("ann")
    with pytest.raises(Conflict, match="conference"):
        world.join("ben", room_type=RoomType.BROADCAST)


@pytest.mark.parametrize("refused", [1, 2])
def test_when_a_transport_is_refused_nothing_stays(world: World, refused: int) -> None:
    _, flow = world.joining("ann")
    for _ in range(refused):
        flow.step()
    world.engine.refusals[commands.CreateWebRtcTransport] = [Unavailable("no more")]
    with pytest.raises(Unavailable):
        flow.finish()
    assert world.engine.empty
    assert world.rooms.rooms() == ()


@pytest.mark.parametrize("steps", [1, 2])
def test_a_room_deleted_while_transports_are_asked_for_leaves_nothing(world: World, steps: int) -> None:
    world.room()
    connection, flow = world.joining("ann")
    for _ in range(steps - 1):
        flow.step()
    world.do(world.rooms.delete_room(ROOM))
    with pytest.raises(NotFound, match="room"):
        flow.finish()
    assert world.engine.empty
    assert world.heard(connection) == []
    assert world.rooms.counts() == (0, 0)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_participant_deleted_while_its_transports_are_asked_for_leaves_nothing(world: World, steps: int) -> None:
    world.room()
    connection, flow = world.joining("ann")
    for _ in range(steps - 1):
        flow.step()
    world.do(world.rooms.delete_participant(ROOM, ANN, world.now))
    with pytest.raises(NotFound, match="ann"):
        flow.finish()
    assert world.engine.transports == {}
    assert world.heard(connection) == []
    assert [room.id for room in world.rooms.rooms()] == [RoomId("room")]
