"""Who is loud and who speaks in a room, out of what its routers say.

A room that lives on several routers is put together from what each said last. A router hears its own people, and those
of others whom somebody on it consumes. How loud one is, its own router says: all who are loud, the loudest first. The
speaker is whom a router found last among its own people, since nobody can compare the speech of people in different
engines, and whoever took the floor last is most likely to have it; what a router says of another's people counts only
if no router has found anybody of its own.

Who is not of the room (a producer that was made on its router over HTTP) is nobody to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from labsfu.errors import CommandError, NotFound
from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import Notices
from labsfu.rooms.participant import Participant, Producer
from labsfu.rooms.room import Room
from labsfu.rooms.wishes import Flow, ask
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId
from labsfu.wire.observers import AudioLevel, RoomActiveSpeakerPayload, RoomAudioLevelPayload, RouterAudioLevelPayload

R = TypeVar("R", bound=commands.Result)

MAX_LEVELS = 16
"""So many of the loudest are told, as a router does."""


class Speaking:
    """Answers, over HTTP, who is loud and who speaks in a room."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def levels(self, room_id: RoomId) -> Flow[RoomAudioLevelPayload]:
        """Who is loud. Raises NotFound."""
        room = self._directory.room(room_id)
        shown: dict[RouterId, RouterAudioLevelPayload] = {}
        for router_id in room.router_ids:
            command = commands.GetAudioLevels(router_id=router_id)
            answer = yield from _ask_of(room, command, commands.AudioLevelsShown)
            if answer is not None:
                shown[router_id] = answer.audio_levels
        levels = merged(room, {router_id: one.levels for router_id, one in shown.items()})
        at = max((one.at for one in shown.values()), default=0)
        return RoomAudioLevelPayload(room_id=room_id, levels=levels, silent=not levels, at=at)

    def speaker(self, room_id: RoomId) -> Flow[RoomActiveSpeakerPayload]:
        """Who speaks. Raises NotFound."""
        room = self._directory.room(room_id)
        found: list[tuple[bool, int, Producer]] = []
        for router_id in room.router_ids:
            command = commands.GetActiveSpeaker(router_id=router_id)
            answer = yield from _ask_of(room, command, commands.ActiveSpeakerShown)
            one = None if answer is None else answer.active_speaker
            producer = None if one is None else _sent_by(room, one.participant_id, one.producer_id)
            if one is not None and producer is not None:
                found.append((producer.router_id == router_id, one.since or 0, producer))
        if not found:
            return RoomActiveSpeakerPayload(room_id=room_id)
        _, since, speaker = max(found, key=lambda one: one[:2])
        return RoomActiveSpeakerPayload(
            room_id=room_id, producer_id=speaker.id, participant_id=speaker.owner.id, since=since
        )


def _ask_of(room: Room, command: commands.RouterCommand, expected: type[R]) -> Flow[R | None]:
    """Ask a room's router; one that is gone meanwhile says nothing, if the room goes on without it."""
    try:
        return (yield from ask(command, expected))
    except CommandError:
        if room.closed:
            raise NotFound.of("room", room.id) from None
        if command.router_id in room.routers:
            raise
        return None


def _sent_by(room: Room, participant_id: ParticipantId | None, producer_id: ProducerId | None) -> Producer | None:
    """The producer of this participant of the room, if it has this one."""
    producer = None if producer_id is None else room.producers.get(producer_id)
    return producer if producer is not None and producer.owner.id == participant_id else None


def on_levels(room: Room, notices: Notices, event: events.AudioLevels) -> None:
    """A router told who is loud: everybody is told."""
    said_before = room.levels.get(event.router_id, ())
    room.levels[event.router_id] = event.levels
    if len(room.routers) > 1 and not (_own(room, event.router_id, (*said_before, *event.levels))):
        return  # all that it heard is told by others
    tell(room, notices, wire.AudioLevels(levels=merged(room, room.levels)))


def on_speaker(room: Room, notices: Notices, event: events.ActiveSpeaker) -> None:
    """A router told who speaks: everybody is told, if that is somebody else for the room."""
    room.speakers.pop(event.router_id, None)
    if event.participant_id is not ABSENT and event.producer_id is not ABSENT:
        room.speakers[event.router_id] = event.participant_id, event.producer_id
    follow_speaker(room, notices)


def follow_speaker(room: Room, notices: Notices) -> None:
    """Who speaks may be another: tell everybody, if so. To be called whenever producers come or go, too."""
    speaker = present_speaker(room)
    now = None if speaker is None else speaker.id
    if now != room.told_speaker:
        room.told_speaker = now
        tell(room, notices, active_speaker(speaker))


def tell_present_speaker(participant: Participant, notices: Notices) -> None:
    """One who joins learns who speaks, if anybody does."""
    speaker = present_speaker(participant.room)
    if speaker is not None:
        notices.tell(participant, active_speaker(speaker))


def present_speaker(room: Room) -> Producer | None:
    """Who speaks: the one of the room whom a router found last, of its own people if there is any."""
    elsewhere: Producer | None = None
    for router_id, (participant_id, producer_id) in reversed(room.speakers.items()):
        producer = _sent_by(room, participant_id, producer_id)
        if producer is not None and producer.router_id == router_id:
            return producer
        elsewhere = elsewhere or producer
    return elsewhere


def active_speaker(producer: Producer | None) -> wire.ActiveSpeaker:
    """The signal that this one speaks, or nobody."""
    if producer is None:
        return wire.ActiveSpeaker(participant_id=None, producer_id=None)
    return wire.ActiveSpeaker(participant_id=producer.owner.id, producer_id=producer.id)


def merged(room: Room, told: Mapping[RouterId, Iterable[AudioLevel]]) -> tuple[AudioLevel, ...]:
    """What several routers told of their own people in a room, the loudest first."""
    heard = [level for router_id, levels in told.items() for level in _own(room, router_id, levels)]
    return tuple(sorted(heard, key=lambda level: -level.volume)[:MAX_LEVELS])


def _own(room: Room, router_id: RouterId, levels: Iterable[AudioLevel]) -> list[AudioLevel]:
    """What a router said of people in the room that it is the router of."""
    owned = ((level, _sent_by(room, level.participant_id, level.producer_id)) for level in levels)
    return [level for level, producer in owned if producer is not None and producer.router_id == router_id]


def tell(room: Room, notices: Notices, signal: wire.ServerMessage) -> None:
    """Tell everybody in a room, but who is on the way out."""
    for participant in room.participants.values():
        if not participant.ended:
            notices.tell(participant, signal)
