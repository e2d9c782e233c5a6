"""People of other servers: known in a room by what comes of them over pipes, for as long as anything does."""

from __future__ import annotations

from labsfu.errors import CommandError, Conflict, NotFound
from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import Notices, producer_added, screen_started
from labsfu.rooms.participant import Participant, Producer
from labsfu.rooms.room import Room
from labsfu.rooms.speaking import follow_speaker
from labsfu.rooms.wishes import Flow, ask, ask_to_close
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.payloads import ParticipantType
from labsfu.wire.pipe import PipeProducerPayload


class RemotePeople:
    """Makes producers of what comes over pipes, and people of whose they are.

    Args:
        directory: the books.
        notices: where signals and events go.
        closing: ends who has nothing left.
        epoch_at_zero: epoch milliseconds at which `now` was 0.
    """

    def __init__(self, directory: Directory, notices: Notices, closing: Closing, *, epoch_at_zero: int) -> None:
        self._directory = directory
        self._notices = notices
        self._closing = closing
        self._epoch_at_zero = epoch_at_zero

    def produce(self, command: commands.ProduceFromPipe) -> Flow[PipeProducerPayload]:
        """Make a producer; on a router of a room its participant is there from then on, and everybody is told.

        Raises:
            Conflict: the participant is there, with a socket (`participant-exists`); the room or the router has such a
                producer (`producer-exists`); it closed at once (`producer-closed`).
            NotFound: the router's room closed meanwhile.
            CommandError: the worker's refusal.
        """
        room = self._directory.routers.get(command.router_id)
        if room is None:
            return (yield from ask(command, commands.PipeProduced)).producer
        self._check(room, command)
        name = command.router_id, command.producer_id
        with self._directory.unadopted.watch() as said:
            made = (yield from ask(command, commands.PipeProduced)).producer
            try:
                if room.closed or command.router_id not in room.routers:
                    raise NotFound.of("router", command.router_id)
                if said.has_ended(name):
                    raise Conflict(f"producer '{made.id}' closed while it was made", slug="producer-closed")
                self._check(room, command)
            except CommandError:
                close = commands.CloseProducer(router_id=command.router_id, producer_id=command.producer_id)
                yield from ask_to_close([close])
                raise
            paused, news = said.is_paused(name, made.paused), said.heard(name)
        owner = room.participants.get(command.participant_id) or self._welcome(room, command)
        producer = Producer(made.id, owner, command.router_id, command.kind, paused, news=news)
        self._directory.adopt(producer)
        self._notices.tell_others(owner, producer_added(producer))
        follow_speaker(room, self._notices)
        return made

    def _check(self, room: Room, command: commands.ProduceFromPipe) -> None:
        participant = room.participants.get(command.participant_id)
        if participant is not None and not participant.remote:
            detail = f"participant '{participant.id}' of room '{room.id}' is on this server"
            raise Conflict(detail, slug="participant-exists")
        if command.producer_id in room.producers:
            detail = f"room '{room.id}' has a producer '{command.producer_id}' already"
            raise Conflict(detail, slug="producer-exists")

    def _welcome(self, room: Room, command: commands.ProduceFromPipe) -> Participant:
        created_at = self._epoch_at_zero + int(self._directory.now * 1000)
        participant_id, screen = command.participant_id, command.share_screen
        name = command.display_name if isinstance(command.display_name, str) else str(participant_id)
        participant = Participant(
            room, participant_id, ParticipantType.HOST, name, screen, created_at, remote=True, announced=True
        )
        room.participants[participant_id] = participant
        self._directory.empty.stop(room)
        made = events.ParticipantMade(
            room_id=room.id,
            participant_id=participant_id,
            type=participant.type,
            display_name=name,
            share_screen=screen,
            remote=True,
        )
        self._notices.publish(made)
        self._notices.publish(events.ParticipantJoined(room_id=room.id, participant_id=participant_id))
        self._notices.tell_others(participant, wire.ParticipantJoined(participant=participant.payload()))
        if screen:
            self._notices.tell_others(participant, screen_started(participant))
        return participant
