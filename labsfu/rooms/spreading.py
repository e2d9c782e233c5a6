"""On which routers a room lives, and which of them is whose."""

from __future__ import annotations

from labsfu.errors import Unavailable
from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import Notices
from labsfu.rooms.participant import Participant
from labsfu.rooms.room import Room
from labsfu.rooms.together import Together
from labsfu.rooms.wishes import Flow, ask, ask_to_close
from labsfu.wire import commands, events
from labsfu.wire.ids import RouterId


class Spreading:
    """Gives participants their routers. A router that got empty is kept for who comes, until its room closes.

    Args:
        directory: the books.
        notices: where events go.
        capacity: how many participants a router of a room takes.
    """

    def __init__(self, directory: Directory, notices: Notices, *, capacity: int) -> None:
        self._directory = directory
        self._notices = notices
        self._capacity = capacity
        self._routers_in_making: Together[RouterId] = Together()

    def router(self, size: int) -> Flow[commands.RouterCreated]:
        """Make a router for a room of this size, or a part of it.

        Raises:
            Unavailable: it closed at once.
            CommandError: the worker's refusal.
        """
        with self._directory.unadopted.watch() as said:
            command = commands.CreateRouter(participant_count=min(size, self._capacity))
            made = yield from ask(command, commands.RouterCreated)
            if said.has_ended(made.router_id):
                raise Unavailable(f"router '{made.router_id}' closed while it was made", slug="router-closed")
        return made

    def seat(self, participant: Participant) -> Flow[None]:
        """Give one who connects its router: the oldest that has room, or else a new one; it keeps that.

        Raises:
            NotFound: the participant or its room ended meanwhile.
            CommandError: there can be no further router.
        """
        room = participant.room
        while not participant.router_id:
            self._directory.check_alive(participant)
            free = room.free_router(self._capacity)
            if free is None:
                yield from self._routers_in_making.make(room, lambda: self._add_router(room))
            else:
                participant.router_id = free

    def _add_router(self, room: Room) -> Flow[RouterId]:
        made = yield from self.router(room.size)
        if room.closed:
            yield from ask_to_close([commands.CloseRouter(router_id=made.router_id)])
        else:
            room.routers.append(made.router_id)
            self._directory.routers[made.router_id] = room
            self._notices.publish(events.RoomSpread(room_id=room.id, router_ids=room.router_ids))
        return made.router_id
