"""Routes as data: one table feeds the router (and later the OpenAPI document)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from labsfu.api.context import Api
from labsfu.wire.base import Wire
from labsfu.wire.ids import ParticipantId, RoomId, check_token

Q = TypeVar("Q", bound=Wire)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q]):
    """One request, parsed as far as its route says: `path` as the caller wrote it, `query` checked."""

    path: Mapping[str, str]
    query: Q

    @property
    def room_id(self) -> RoomId:
        """The room that the path names. Raises InvalidValue."""
        return RoomId(check_token("room", self.path["roomId"]))

    @property
    def participant_id(self) -> ParticipantId:
        """The participant that the path names. Raises InvalidValue."""
        return ParticipantId(check_token("participant", self.path["participantId"]))


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers; `location` goes with 201."""

    body: Wire
    status: int = 200
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Route(Generic[Q]):
    """An HTTP route; `path` has its parameters in braces."""

    method: str
    path: str
    handler: Callable[[Api, Call[Q]], Awaitable[Reply]]
    query: type[Q]


@dataclass(frozen=True, slots=True)
class SocketRoute(Generic[Q]):
    """A WebSocket route; its handler returns when the socket is closed."""

    path: str
    handler: Callable[[Api, Call[Q]], Awaitable[None]]
    query: type[Q]


AnyRoute: TypeAlias = Route[Any] | SocketRoute[Any]
"""A route of whatever query."""
