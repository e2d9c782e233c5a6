"""Who speaks, and how loud (RFC 6464)."""

from __future__ import annotations

from labsfu.wire.base import Wire
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId


class AudioLevel(Wire):
    """How loud a producer is, on average of an interval: -127 (silence) to 0 dBov."""

    producer_id: ProducerId
    participant_id: ParticipantId
    volume: int


class RouterAudioLevelPayload(Wire):
    """Who is loud enough to be told of, the loudest first. `at` is epoch milliseconds, when the interval ended."""

    router_id: RouterId
    levels: tuple[AudioLevel, ...]
    silent: bool
    at: int


class RouterActiveSpeakerPayload(Wire):
    """Who speaks; nulls when nobody does. `since` is epoch milliseconds."""

    router_id: RouterId
    producer_id: ProducerId | None = None
    participant_id: ParticipantId | None = None
    since: int | None = None


class RoomAudioLevelPayload(Wire):
    """The same of a room, whatever its routers are."""

    room_id: RoomId
    levels: tuple[AudioLevel, ...]
    silent: bool
    at: int


class RoomActiveSpeakerPayload(Wire):
    """The same of a room."""

    room_id: RoomId
    producer_id: ProducerId | None = None
    participant_id: ParticipantId | None = None
    since: int | None = None
