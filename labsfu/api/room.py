"""Rooms over HTTP."""

from __future__ import annotations

from labsfu.api.context import Api
from labsfu.api.query import NoQuery, Size, Token
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, Reply, Route
from labsfu.rooms.opening import RoomPlan
from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import RoomId, check_token
from labsfu.wire.observers import RoomActiveSpeakerPayload, RoomAudioLevelPayload
from labsfu.wire.payloads import Message, RoomList, RoomPayload, RoomType


class CreateRoomQuery(Wire):
    """What a new room is to be."""

    room_type: RoomType
    room_size: Size
    room_id: Token | Absent = ABSENT


async def create_handler(api: Api, call: Call[CreateRoomQuery, NoBody]) -> Reply:
    """Make a room."""
    query = call.query
    room_id = None if query.room_id is ABSENT else RoomId(check_token("room", query.room_id))
    plan = RoomPlan(query.room_type, query.room_size, room_id)
    room = await api.rooms.run(api.rooms.rooms.create_room(plan, api.rooms.now()))
    return Reply(room, f"/rooms/{room.id}")


async def list_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Show all rooms."""
    return Reply(RoomList(rooms=api.rooms.rooms.rooms()))


async def get_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show a room."""
    return Reply(api.rooms.rooms.room(call.room_id))


async def get_active_speaker_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show who speaks in a room."""
    return Reply(await api.rooms.run(api.rooms.rooms.active_speaker(call.room_id)))


async def get_audio_level_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show who is loud in a room."""
    return Reply(await api.rooms.run(api.rooms.rooms.audio_levels(call.room_id)))


async def delete_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """End a room and everyone in it."""
    room_id = call.room_id
    await api.rooms.run(api.rooms.rooms.delete_room(room_id))
    return Reply(Message(message=f"room {room_id} is closed"))


NO_ROOM = Refusal(404, "room-not-found")
MAKING = (Refusal(409, "too-many-rooms"), Refusal(409, "too-many-routers"), Refusal(503, "router-closed"))
"""Why a room may not be made, whatever it is made for."""
NO_SIZE = Refusal(400, "invalid-room-size")

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        "/rooms",
        create_handler,
        CreateRoomQuery,
        RoomPayload,
        status=201,
        refusals=(*MAKING, NO_SIZE, Refusal(400, "invalid-room-id"), Refusal(409, "room-exists")),
    ),
    Route("GET", "/rooms", list_handler, NoQuery, RoomList),
    Route("GET", "/rooms/{roomId}", get_handler, NoQuery, RoomPayload, refusals=(NO_ROOM,)),
    Route(
        "GET",
        "/rooms/{roomId}/active-speaker",
        get_active_speaker_handler,
        NoQuery,
        RoomActiveSpeakerPayload,
        refusals=(NO_ROOM,),
    ),
    Route(
        "GET",
        "/rooms/{roomId}/audio-level",
        get_audio_level_handler,
        NoQuery,
        RoomAudioLevelPayload,
        refusals=(NO_ROOM,),
    ),
    Route("DELETE", "/rooms/{roomId}", delete_handler, NoQuery, Message, refusals=(NO_ROOM,)),
)
