"""Looking at a room before joining it: what it is, and whether the bot's place in it is free."""

from __future__ import annotations

from dataclasses import dataclass

from clients.api import ApiClient
from clients.bot.options import BotOptions
from clients.errors import ClientError, Refused
from clients.output import news
from labsfu.wire.payloads import ParticipantType, RoomType


class NameTaken(ClientError):
    """Somebody with the bot's id is in the room."""


class NoServer(ClientError):
    """Something else than a server of ours answers there."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the bot joins as."""

    room_type: RoomType = RoomType.CONFERENCE
    participant_type: ParticipantType = ParticipantType.HOST


async def find_place(options: BotOptions) -> Place:
    """See where the bot will be.

    Joining as somebody who is connected would throw that one out, and fail. One who was lost (a bot that was killed)
    has transports that nobody else can use: that one is ended, so that it can begin anew.

    Raises:
        NameTaken: its id is in use.
        NoServer: of another kind.
        Refused, ServerFailed: as they say.
    """
    async with ApiClient(options.url, options.token, ca=options.ca) as api:
        try:
            room = await api.room(options.room)
        except Refused as refusal:
            if refusal.slug == "room-not-found":
                return Place()
            if refusal.type == "about:blank":
                raise NoServer(
                    f"{options.url} is no labsfu server: it answers {refusal.status} {refusal.detail}"
                ) from None
            raise
        for there in room.participants:
            if there.id != options.participant_id:
                continue
            if there.connected:
                raise NameTaken(f"'{there.id}' is in room '{room.id}' already: choose another --name")
            news(f"takes the place of '{there.id}', whose connection was lost")
            await api.delete_participant(room.id, there.id)
            return Place(room.type, there.type)
        return Place(room.type)
