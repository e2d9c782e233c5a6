"""The events that rooms publish: each making and ending once, in the order of happening."""

from typing import Any

import pytest

from labsfu.errors import CommandError, Unavailable
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.events import RoomEvent
from labsfu.wire.ids import ParticipantId
from labsfu.wire.payloads import ParticipantType, RoomType
from tests.support.room_world import ROOM, World

ANN = ParticipantId("ann")


@pytest.fixture
def world() -> World:
    return World()


def news(world: World) -> list[Any]:
    """What the rooms published since this was asked last."""
    found = [event for event in world.published if isinstance(event, RoomEvent)]
    world.published.clear()
    return found


def kinds(world: World) -> list[str]:
    """Kind and reason of everything that was published since this was asked last, the engine's events too."""
    found = [f"{event.__struct_config__.tag} {getattr(event, 'reason', '')}".strip() for event in world.published]
    world.published.clear()
    return found


def test_a_room_and_the_first_one_in_it(world: World) -> None:
    world.join("ann", share_screen=True)
    room = world.rooms.room(ROOM)
    ids = list(world.engine.transports)
    assert news(world) == [
        events.RoomMade(room_id=ROOM, type=RoomType.CONFERENCE, size=16, router_ids=room.router_ids),
        events.ParticipantMade(
            room_id=ROOM, participant_id=ANN, type=ParticipantType.HOST, display_name="Ann", share_screen=True
        ),
        events.SocketConnected(
            room_id=ROOM, participant_id=ANN, producer_transport_id=ids[0], consumer_transport_id=ids[1]
        ),
        events.ParticipantJoined(room_id=ROOM, participant_id=ANN),
    ]


def test_what_the_engine_did_is_known_before_what_follows_from_it(world: World) -> None:
    world.join("ann")
    assert kinds(world) == [
        "router-created",
        "room-created",
        "participant-created",
        "transport-created",
        "transport-created",
        "socket-connected",
        "participant-joined",
    ]
    world.engine.close_router(world.rooms.room(ROOM).router_ids[0])
    world.pump()
    assert kinds(world) == [
        "transport-closed router-closed",
        "transport-closed router-closed",
        "router-closed asked",
        "socket-closed hung-up",
        "participant-left room-closed",
        "room-closed router-closed",
    ]


def test_one_who_says_goodbye_has_left_before_its_streams_are_closed(world: World) -> None:
    ann = world.join("ann")
    world.produce(ann)
    news(world)
    world.say(ann, wire.Leave())
    assert kinds(world) == [
        "socket-closed hung-up",
        "participant-left left",
        "producer-closed transport-closed",
        "transport-closed asked",
        "transport-closed asked",
    ]


@pytest.mark.parametrize(
    ("given_up", "socket"), [(None, "socket-closed lost"), ("it is deaf", "socket-closed given-up")]
)
def test_one_who_is_lost_is_updated_first_and_left_when_its_time_is_over(
    world: World, given_up: str | None, socket: str
) -> None:
    ann = world.join("ann")
    news(world)
    world.do(world.rooms.disconnected(ann, world.now, clean=False, given_up=given_up))
    assert kinds(world) == [socket, "participant-updated"]
    world.pass_time(10)
    assert kinds(world)[0] == "participant-left lost"
    world.pass_time(30)
    assert kinds(world) == ["room-closed empty", "router-closed asked"]


def test_one_who_comes_back_is_updated_again(world: World) -> None:
    ann = world.join("ann")
    world.do(world.rooms.disconnected(ann, world.now, clean=False))
    news(world)
    world.do(world.rooms.connect(world.connection(), ROOM, ANN))
    connected, updated = news(world)
    assert isinstance(connected, events.SocketConnected)
    assert updated == events.ParticipantUpdated(room_id=ROOM, participant_id=ANN, connected=True)


def test_a_newer_socket_replaces_the_first_and_nothing_else_happens(world: World) -> None:
    ann = world.join("ann")
    news(world)
    world.do(world.rooms.connect(world.connection(), ROOM, ANN))
    assert kinds(world) == ["socket-closed replaced", "socket-connected"]
    world.do(world.rooms.disconnected(ann, world.now, clean=True))
    assert kinds(world) == []


def test_a_clean_close(world: World) -> None:
    ann = world.join("ann")
    news(world)
    world.do(world.rooms.disconnected(ann, world.now, clean=True))
    assert kinds(world)[:2] == ["socket-closed left", "participant-left left"]


def test_one_who_never_connected_leaves_too(world: World) -> None:
    world.room()
    plan_room = world.rooms.room(ROOM)
    world.engine.refusals[commands.CreateWebRtcTransport] = [Unavailable("no port")]
    _, flow = world.joining("ann")
    with pytest.raises(CommandError):
        flow.finish()
    assert plan_room.participants == ()
    assert kinds(world)[2:] == ["participant-created", "participant-left not-connected"]


def test_a_room_that_was_made_in_vain_is_closed(world: World) -> None:
    world.engine.refusals[commands.CreateWebRtcTransport] = [Unavailable("no port")]
    _, flow = world.joining("ann")
    with pytest.raises(CommandError):
        flow.finish()
    assert kinds(world)[-2:] == ["room-closed not-connected", "router-closed asked"]


@pytest.mark.parametrize("how", ["deleted", "reset"])
def test_a_room_that_is_ended_says_who_was_in_it(world: World, how: str) -> None:
    world.join("ann")
    world.join("ben")
    news(world)
    world.do(world.rooms.delete_room(ROOM) if how == "deleted" else world.rooms.reset())
    told = [(type(event).__name__, getattr(event, "participant_id", event.reason)) for event in news(world)]
    assert told == [
        ("SocketClosed", "ann"),
        ("ParticipantLeft", "ann"),
        ("SocketClosed", "ben"),
        ("ParticipantLeft", "ben"),
        ("RoomClosed", how),
    ]


def test_a_participant_that_is_removed(world: World) -> None:
    world.join("ann")
    news(world)
    world.do(world.rooms.delete_participant(ROOM, ANN, world.now))
    assert kinds(world)[:2] == ["socket-closed hung-up", "participant-left removed"]
