"""Participants over HTTP, and the ways to a participant socket."""

from __future__ import annotations

from functools import partial

from labsfu.api.context import Api
from labsfu.api.query import Name, NoQuery, Size, Token
from labsfu.api.room import MAKING, NO_ROOM, NO_SIZE
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, Reply, Route, SocketRoute
from labsfu.api.socket import serve_participant
from labsfu.rooms.opening import ParticipantPlan, RoomPlan
from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import ParticipantId, RoomId, check_token
from labsfu.wire.payloads import Message, ParticipantList, ParticipantPayload, ParticipantType, RoomType
from labsfu.wire.socket import ClientMessage, ServerMessage

_PARTICIPANT = "/rooms/{roomId}/participants/{participantId}"


class CreateParticipantQuery(Wire):
    """What a new participant is to be."""

    participant_type: ParticipantType
    display_name: Name
    share_screen: bool = False


class CreateAndConnectQuery(Wire):
    """What a new participant is to be, and the room if there is none."""

    room_type: RoomType
    participant_type: ParticipantType
    display_name: Name
    share_screen: bool = False
    room_size: Size | Absent = ABSENT


class VideoroomQuery(Wire):
    """For clients of mediasoup's videoroom example: the room, or a new one."""

    room_id: Token | Absent = ABSENT


async def create_handler(api: Api, call: Call[CreateParticipantQuery, NoBody]) -> Reply:
    """Seat a participant, without a socket yet."""
    plan = _plan(call.participant_id, call.query)
    create = partial(api.rooms.rooms.create_participant, call.room_id, plan, api.rooms.now())
    participant = api.rooms.call(create)
    return Reply(participant, f"/rooms/{participant.room_id}/participants/{participant.id}")


async def list_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show everyone in a room."""
    return Reply(ParticipantList(participants=api.rooms.rooms.participants(call.room_id)))


async def get_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """Show a participant."""
    return Reply(api.rooms.rooms.participant(call.room_id, call.participant_id))


async def delete_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:
    """End a participant."""
    room_id, participant_id = call.room_id, call.participant_id
    await api.rooms.run(api.rooms.rooms.delete_participant(room_id, participant_id, api.rooms.now()))
    return Reply(Message(message=f"participant {participant_id} is gone"))


async def connect_handler(api: Api, call: Call[NoQuery, NoBody]) -> None:
    """Give a participant made before its socket."""
    room_id, participant_id = call.room_id, call.participant_id
    await serve_participant(api, lambda connection: api.rooms.rooms.connect(connection, room_id, participant_id))


async def create_and_connect_handler(api: Api, call: Call[CreateAndConnectQuery, NoBody]) -> None:
    """Make what is missing of room and participant, and give it its socket."""
    query = call.query
    size = None if query.room_size is ABSENT else query.room_size
    await _create_and_connect(api, RoomPlan(query.room_type, size, call.room_id), _plan(call.participant_id, query))


async def videoroom_handler(api: Api, call: Call[VideoroomQuery, NoBody]) -> None:
    """The same socket for clients of mediasoup's videoroom example: a host with a made-up id, in a conference."""
    room_id = RoomId(api.new_id() if call.query.room_id is ABSENT else check_token("room", call.query.room_id))
    participant_id = ParticipantId(api.new_id())
    plan = ParticipantPlan(participant_id, ParticipantType.HOST, f"guest {participant_id[:4]}")
    await _create_and_connect(api, RoomPlan(RoomType.CONFERENCE, None, room_id), plan)


async def _create_and_connect(api: Api, room: RoomPlan, plan: ParticipantPlan) -> None:
    await serve_participant(
        api, lambda connection: api.rooms.rooms.create_and_connect(connection, room, plan, api.rooms.now())
    )


def _plan(participant_id: ParticipantId, query: CreateParticipantQuery | CreateAndConnectQuery) -> ParticipantPlan:
    return ParticipantPlan(participant_id, query.participant_type, query.display_name, query.share_screen)


_NO_PARTICIPANT = Refusal(404, "participant-not-found")
_FOUND = (NO_ROOM, _NO_PARTICIPANT)
_SEATING = (Refusal(409, "room-full"), Refusal(409, "too-many-participants"))
# It may end while its router and its transports are made, and these may be too many.
_CONNECTING = (
    *_FOUND,
    Refusal(409, "too-many-routers"),
    Refusal(409, "too-many-transports"),
    Refusal(409, "transport-closed"),
    Refusal(503, "router-closed"),
)

ROUTES: tuple[AnyRoute, ...] = (
    Route(
        "POST",
        _PARTICIPANT,
        create_handler,
        CreateParticipantQuery,
        ParticipantPayload,
        status=201,
        refusals=(NO_ROOM, *_SEATING, Refusal(409, "participant-exists")),
    ),
    Route(
        "GET",
        "/rooms/{roomId}/participants",
        list_handler,
        NoQuery,
        ParticipantList,
        refusals=(NO_ROOM,),
    ),
    Route("GET", _PARTICIPANT, get_handler, NoQuery, ParticipantPayload, refusals=_FOUND),
    Route("DELETE", _PARTICIPANT, delete_handler, NoQuery, Message, refusals=_FOUND),
    SocketRoute(
        f"{_PARTICIPANT}/connect", connect_handler, NoQuery, ServerMessage, ClientMessage, refusals=_CONNECTING
    ),
    SocketRoute(
        f"{_PARTICIPANT}/create-and-connect",
        create_and_connect_handler,
        CreateAndConnectQuery,
        ServerMessage,
        ClientMessage,
        refusals=(
            *MAKING,
            NO_SIZE,
            *_SEATING,
            *_CONNECTING,
            Refusal(409, "participant-type-differs"),
            Refusal(409, "room-type-differs"),
        ),
    ),
    SocketRoute(
        "/ws",
        videoroom_handler,
        VideoroomQuery,
        ServerMessage,
        ClientMessage,
        refusals=(
            *MAKING,
            *_SEATING,
            *_CONNECTING,
            Refusal(400, "invalid-room-id"),
            Refusal(409, "room-type-differs"),
        ),
    ),
)
