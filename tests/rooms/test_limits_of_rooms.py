"""How much there may be, and that what goes makes way."""

import pytest

from labsfu.errors import CommandError, Conflict, InvalidValue
from labsfu.rooms.limits import APP_DATA_BYTES, APP_DATA_DEPTH, Limits, check_app_data
from labsfu.rooms.opening import ParticipantPlan, RoomPlan
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT, JsonObject
from labsfu.wire.ids import ParticipantId, RoomId
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.rtp import MediaKind
from tests.support.fake_worker import OPUS
from tests.support.room_world import ROOM, World, command_of

A, B, C = (RoomId(name) for name in "abc")


def limited(limits: Limits) -> World:
    world = World()
    world.rooms._directory.limits = limits
    return world


def seat(world: World, room: RoomId, name: str) -> None:
    plan = ParticipantPlan(ParticipantId(name), ParticipantType.HOST, name)
    world.rooms.create_participant(room, plan, world.now)


def test_one_room_too_many_is_refused_until_one_goes() -> None:
    world = limited(Limits(rooms=2))
    world.room(id_=A)
    world.room(id_=B)
    with pytest.raises(Conflict, match="2 rooms") as refused:
        world.room(id_=C)
    assert refused.value.slug == "too-many-rooms"
    assert len(world.engine.routers) == 2
    world.do(world.rooms.delete_room(A))
    world.room(id_=C)


def test_rooms_that_are_being_made_count_too() -> None:
    world = limited(Limits(rooms=1))
    first = world.start(world.rooms.create_room(RoomPlan(RoomType.CALL, 2, A), world.now))
    second = world.start(world.rooms.create_room(RoomPlan(RoomType.CALL, 2, B), world.now))
    assert isinstance(second.error, Conflict)
    first.finish()
    assert [room.id for room in world.rooms.rooms()] == [A]


def test_a_room_that_could_not_be_made_takes_no_place() -> None:
    world = limited(Limits(rooms=1))
    making = world.start(world.rooms.create_room(RoomPlan(RoomType.CALL, 2, A), world.now))
    world.engine.refusals[type(command_of(making._wish))] = [Conflict("planted")]
    with pytest.raises(CommandError, match="planted"):
        making.finish()
    world.room(id_=B)


def test_participants_are_counted_over_all_rooms() -> None:
    world = limited(Limits(participants=2))
    world.room(id_=A)
    world.room(id_=B)
    seat(world, A, "ann")
    seat(world, B, "ann")
    with pytest.raises(Conflict) as refused:
        seat(world, B, "ben")
    assert refused.value.slug == "too-many-participants"
    world.do(world.rooms.delete_participant(A, ParticipantId("ann"), world.now))
    seat(world, B, "ben")


def test_a_socket_for_one_participant_too_many_leaves_no_room() -> None:
    world = limited(Limits(participants=0))
    _, joining = world.joining("ann")
    with pytest.raises(Conflict):
        joining.finish()
    assert world.rooms.rooms() == ()
    assert world.engine.empty


def test_one_producer_too_many_is_refused_until_one_goes() -> None:
    world = limited(Limits(producers=2))
    ann, ben = world.join("ann"), world.join("ben")
    first = world.produce(ann)
    world.produce(ann)
    world.say(ann, wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
    assert world.last(ann, wire.Error).type == "/problems/too-many-producers"
    assert len(world.engine.producers) == 2
    world.produce(ben)
    world.say(ann, wire.ProducerClose(id=first))
    world.produce(ann)


def test_app_data_has_its_limit_on_the_socket_too() -> None:
    world = World()
    ann = world.join("ann")
    world.say(ann, wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS, app_data={"a": "x" * APP_DATA_BYTES}))
    assert world.last(ann, wire.Error).type == "/problems/app-data-too-large"
    assert world.rooms.participant(ROOM, ParticipantId("ann")).producer_ids == ()


def test_app_data_up_to_the_limit_is_taken_as_it_is() -> None:
    small: JsonObject = {"a": "x" * (APP_DATA_BYTES - len('{"a":""}'))}
    assert check_app_data(small) is small
    assert check_app_data(ABSENT) is ABSENT
    with pytest.raises(InvalidValue):
        check_app_data({"a": "x" * APP_DATA_BYTES})


def nested(depth: int, *, arrays: bool = False) -> JsonObject:
    value: JsonObject = {}
    for _ in range(depth - 1):
        value = {"a": [value] if arrays else value}
    return value


def test_app_data_is_taken_as_deep_as_can_be_shown_and_no_deeper() -> None:
    """Everything is looked at without recursion: what came in was read with less of the stack in use."""
    check_app_data(nested(APP_DATA_DEPTH))
    for deep in (nested(APP_DATA_DEPTH + 1), nested(17, arrays=True), nested(990), nested(100_000)):
        with pytest.raises(InvalidValue) as refused:
            check_app_data({"wide": [1, {}, "x"]} | deep)
        assert refused.value.slug == "app-data-too-large"
        assert "nested deeper than 32" in refused.value.detail
