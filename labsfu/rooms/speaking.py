"""Who is loud and who speaks in a room, out of what its routers say.

A room lives on one router, so far. Were there more, each would hear its own people only, and the room be put together
from what each said last: all who are loud, the loudest first; and the speaker whom a router found last, since nobody
can compare the speech of people in different engines, and whoever took the floor last is most likely to have it.

Who is not of the room (a producer that was made on its router over HTTP) is nobody to it.
"""

from __future__ import annotations

from collections.abc import Iterable
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
from labsfu.wire.ids import RoomId
from labsfu.wire.observers import AudioLevel, RoomActiveSpeakerPayload, RoomAudioLevelPayload

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
        shown = []
        for router_id in room.router_ids:
            command = commands.GetAudioLevels(router_id=router_id)
            shown.append((yield from _ask_of(room, command, commands.AudioLevelsShown)).audio_levels)
        levels = merged(room, (one.levels for one in shown))
        return RoomAudioLevelPayload(room_id=room_id, levels=levels, silent=not levels, at=max(one.at for one in shown))

    def speaker(self, room_id: RoomId) -> Flow[RoomActiveSpeakerPayload]:
        """Who speaks. Raises NotFound."""
        room = self._directory.room(room_id)
        shown = []
        for router_id in room.router_ids:
            command = commands.GetActiveSpeaker(router_id=router_id)
            shown.append((yield from _ask_of(room, command, commands.ActiveSpeakerShown)).active_speaker)
        found = [one for one in shown if room.sends(one.participant_id, one.producer_id)]
        newest = max(found, key=lambda one: one.since or 0, default=None)
        if newest is None:
            return RoomActiveSpeakerPayload(room_id=room_id)
        return RoomActiveSpeakerPayload(
            room_id=room_id,
            producer_id=newest.producer_id,
            participant_id=newest.participant_id,
            since=newest.since,
        )


def _ask_of(room: Room, command: commands.Command, expected: type[R]) -> Flow[R]:
    """Ask a room's router; one that is gone is gone with its room."""
    try:
        return (yield from ask(command, expected))
    except CommandError:
        if room.closed:
            raise NotFound.of("room", room.id) from None
        raise


def on_levels(room: Room, notices: Notices, event: events.AudioLevels) -> None:
    """A router told who is loud: everybody is told."""
    room.levels[event.router_id] = event.levels
    tell(room, notices, wire.AudioLevels(levels=merged(room, room.levels.values())))


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
    """Who speaks: the one of the room whom a router found last."""
    for participant_id, producer_id in reversed(room.speakers.values()):
        if room.sends(participant_id, producer_id):
            return room.participants[participant_id].producers[producer_id]
    return None


def active_speaker(producer: Producer | None) -> wire.ActiveSpeaker:
    """The signal that this one speaks, or nobody."""
    if producer is None:
        return wire.ActiveSpeaker(participant_id=None, producer_id=None)
    return wire.ActiveSpeaker(participant_id=producer.owner.id, producer_id=producer.id)


def merged(room: Room, told: Iterable[tuple[AudioLevel, ...]]) -> tuple[AudioLevel, ...]:
    """What several routers told of the people in a room, the loudest first; nobody twice."""
    loudest: dict[str, AudioLevel] = {}
    for levels in told:
        for level in levels:
            known = loudest.get(level.producer_id)
            if room.sends(level.participant_id, level.producer_id) and (known is None or known.volume < level.volume):
                loudest[level.producer_id] = level
    return tuple(sorted(loudest.values(), key=lambda level: -level.volume)[:MAX_LEVELS])


def tell(room: Room, notices: Notices, signal: wire.ServerMessage) -> None:
    """Tell everybody in a room, but who is on the way out."""
    for participant in room.participants.values():
        if not participant.ended:
            notices.tell(participant, signal)
