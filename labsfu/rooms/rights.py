"""What each type of room and participant allows."""

from __future__ import annotations

from types import MappingProxyType

from labsfu.errors import InvalidValue
from labsfu.wire.payloads import ParticipantType, RoomType

DEFAULT_SIZE = MappingProxyType({RoomType.CALL: 2, RoomType.CONFERENCE: 16, RoomType.BROADCAST: 1000})
LARGEST_ROOM = 10_000
LARGEST_CALL = 2

_EVERYONE = frozenset({ParticipantType.HOST, ParticipantType.GUEST})
_SENDERS = MappingProxyType(
    {
        RoomType.CALL: _EVERYONE,
        RoomType.CONFERENCE: _EVERYONE,
        RoomType.BROADCAST: frozenset({ParticipantType.HOST}),
    }
)


def may_send(room: RoomType, participant: ParticipantType) -> bool:
    """Whether a participant of this type has the right to produce in a room of that type."""
    return participant in _SENDERS[room]


def check_size(room: RoomType, size: int) -> int:
    """Return `size` if a room of this type can have it.

    Raises:
        InvalidValue: it cannot.
    """
    largest = LARGEST_CALL if room is RoomType.CALL else LARGEST_ROOM
    if not 1 <= size <= largest:
        raise InvalidValue(f"roomSize {size} of a {room} is not 1 to {largest}", slug="invalid-room-size")
    return size
