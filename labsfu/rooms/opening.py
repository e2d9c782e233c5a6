"""How rooms and participants come to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labsfu.errors import CommandError, Conflict
from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.joining import Joining
from labsfu.rooms.notices import Notices
from labsfu.rooms.participant import Participant
from labsfu.rooms.rights import DEFAULT_SIZE, check_size
from labsfu.rooms.room import Room
from labsfu.rooms.spreading import Spreading
from labsfu.rooms.wishes import ConnectionId, Flow, ask_to_close
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId, RoomId
from labsfu.wire.payloads import ParticipantType, RoomType


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """A room as it is asked for; without a size it gets its type's, without an id a new one."""

    type: RoomType
    size: int | None = None
    id: RoomId | None = None


@dataclass(frozen=True, slots=True)
class ParticipantPlan:
    """A participant as it is asked for."""

    id: ParticipantId
    type: ParticipantType
    display_name: str
    share_screen: bool = False


class Opening:
    """Makes rooms and participants.

    Args:
        directory: the books.
        notices: where events go.
        closing: undoes what cannot be finished.
        joining: connects sockets.
        spreading: makes routers.
        new_id: makes UUIDs.
        epoch_at_zero: epoch milliseconds at which `now` was 0.
    """

    def __init__(
        self,
        directory: Directory,
        notices: Notices,
        closing: Closing,
        joining: Joining,
        spreading: Spreading,
        *,
        new_id: Callable[[], str],
        epoch_at_zero: int,
    ) -> None:
        self._directory = directory
        self._notices = notices
        self._closing = closing
        self._joining = joining
        self._spreading = spreading
        self._new_id = new_id
        self._epoch_at_zero = epoch_at_zero

    def room(self, plan: RoomPlan, now: float) -> Flow[Room]:
        """Make a router and the room on it.

        Raises:
            InvalidValue: a size that this type cannot have.
            Conflict: a room of this id exists, or there are too many.
        """
        room = None if self._existing(plan) is not None else (yield from self._make_unless_there(plan, now))
        if room is None:
            raise Conflict(f"room '{plan.id}' exists already", slug="room-exists")
        return room

    def _make_unless_there(self, plan: RoomPlan, now: float) -> Flow[Room | None]:
        """Make a room; None when somebody else made it while the router was on its way."""
        room_id = plan.id if plan.id is not None else RoomId(self._new_id())
        size = check_size(plan.type, DEFAULT_SIZE[plan.type] if plan.size is None else plan.size)
        made = yield from self._make_router(size)
        if room_id in self._directory.rooms:
            yield from ask_to_close([commands.CloseRouter(router_id=made.router_id)])
            return None
        room = Room(room_id, plan.type, size, [made.router_id], made.rtp_capabilities, self._epoch(now))
        self._directory.rooms[room_id] = room
        self._directory.routers[made.router_id] = room
        self._directory.empty.begin(room, now)
        self._notices.publish(events.RoomMade(room_id=room_id, type=plan.type, size=size, router_ids=(made.router_id,)))
        return room

    def _make_router(self, size: int) -> Flow[commands.RouterCreated]:
        """A router for one more room, if there may be one."""
        directory = self._directory
        directory.check_room_for_room()
        directory.rooms_in_making += 1
        try:
            return (yield from self._spreading.router(size))
        finally:
            directory.rooms_in_making -= 1

    def participant(self, room: Room, plan: ParticipantPlan, now: float) -> Participant:
        """Seat a participant, without a socket yet.

        Raises:
            Conflict: the id is taken, the room is full, or the server has too many.
        """
        if plan.id in room.participants:
            raise Conflict(f"participant '{plan.id}' exists already", slug="participant-exists")
        room.check_seat(share_screen=plan.share_screen)
        self._directory.check_room_for_participant()
        participant = Participant(room, plan.id, plan.type, plan.display_name, plan.share_screen, self._epoch(now))
        room.participants[plan.id] = participant
        self._directory.empty.stop(room)
        self._notices.publish(
            events.ParticipantMade(
                room_id=room.id,
                participant_id=plan.id,
                type=plan.type,
                display_name=plan.display_name,
                share_screen=plan.share_screen,
            )
        )
        return participant

    def create_and_connect(
        self, connection: ConnectionId, room_plan: RoomPlan, plan: ParticipantPlan, now: float
    ) -> Flow[wire.Init]:
        """Make the room when there is none and the participant when there is none, then connect.

        Raises:
            CommandError: refused; what was made for this alone is gone again.
        """
        room, made_room = yield from self._find_or_make(room_plan, now)
        participant = room.participants.get(plan.id)
        made = participant is None
        try:
            if participant is None:
                participant = self.participant(room, plan, now)
            elif participant.remote or participant.type is not plan.type:
                known = "one of another server" if participant.remote else participant.type
                detail = f"participant '{plan.id}' exists as {known}, not {plan.type}"
                raise Conflict(detail, slug="participant-type-differs")
            return (yield from self._joining.connect(connection, participant))
        except CommandError:
            if made and participant is not None and not participant.ended and not participant.announced:
                yield from ask_to_close(self._closing.end_participant(participant, now, "not-connected"))
            if made_room and not room.closed and not room.participants:
                yield from ask_to_close(self._closing.close_room(room, "not-connected"))
            raise

    def _find_or_make(self, plan: RoomPlan, now: float) -> Flow[tuple[Room, bool]]:
        while True:
            found = self._existing(plan)
            if found is not None:
                if found.type is not plan.type:
                    raise Conflict(f"room '{found.id}' is a {found.type}, not a {plan.type}", slug="room-type-differs")
                return found, False
            self._directory.check_room_for_participant()  # or a room would come and go for nobody
            made = yield from self._make_unless_there(plan, now)
            if made is not None:
                return made, True

    def _existing(self, plan: RoomPlan) -> Room | None:
        return None if plan.id is None else self._directory.rooms.get(plan.id)

    def _epoch(self, now: float) -> int:
        return self._epoch_at_zero + int(now * 1000)
