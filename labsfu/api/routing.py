"""Routes as data: one table feeds the router, the strict decoding of requests, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

from labsfu.api.context import Api
from labsfu.wire.base import Wire
from labsfu.wire.ids import (
    ConsumerId,
    ParticipantId,
    ProducerId,
    RoomId,
    RouterId,
    TransportId,
    check_token,
    check_uuid,
)

Q = TypeVar("Q", bound=Wire)
B = TypeVar("B", bound=Wire)


class NoBody(Wire):
    """The body of a route that takes none; one that is sent all the same is not read."""


@dataclass(frozen=True, slots=True)
class PathParameter:
    """What a parameter in a path names, and of which form it is."""

    kind: str
    is_uuid: bool

    def check(self, value: str) -> None:
        """Raise InvalidValue (slug `invalid-<kind>-id`) if `value` is not of the form."""
        (check_uuid if self.is_uuid else check_token)(self.kind, value)

    @property
    def slug(self) -> str:
        """The kind, as part of a slug."""
        return self.kind.replace(" ", "-")


PATH_PARAMETERS: Mapping[str, PathParameter] = MappingProxyType(
    {
        "roomId": PathParameter("room", is_uuid=False),
        "participantId": PathParameter("participant", is_uuid=False),
        "routerId": PathParameter("router", is_uuid=True),
        "producerId": PathParameter("producer", is_uuid=True),
        "consumerId": PathParameter("consumer", is_uuid=True),
        "pipeTransportId": PathParameter("pipe transport", is_uuid=True),
        "destinationRouterId": PathParameter("router", is_uuid=True),
    }
)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """One request, parsed as its route says: ids in the path of the right form, query and body decoded."""

    path: Mapping[str, str]
    query: Q
    body: B

    @property
    def room_id(self) -> RoomId:
        """The room that the path names."""
        return RoomId(self.path["roomId"])

    @property
    def participant_id(self) -> ParticipantId:
        """The participant that the path names."""
        return ParticipantId(self.path["participantId"])

    @property
    def router_id(self) -> RouterId:
        """The router that the path names."""
        return RouterId(self.path["routerId"])

    @property
    def producer_id(self) -> ProducerId:
        """The producer that the path names."""
        return ProducerId(self.path["producerId"])

    @property
    def consumer_id(self) -> ConsumerId:
        """The consumer that the path names."""
        return ConsumerId(self.path["consumerId"])

    @property
    def pipe_transport_id(self) -> TransportId:
        """The pipe transport that the path names."""
        return TransportId(self.path["pipeTransportId"])

    @property
    def destination_router_id(self) -> RouterId:
        """The router that the path names as the one where something is to go."""
        return RouterId(self.path["destinationRouterId"])


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers: a wire value, sent as JSON, or bytes as the route says. `location` goes with 201.

    `content_type` is for routes that have more than one.
    """

    body: Wire | bytes
    location: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """One way in which a route may refuse: HTTP status and last part of the problem type."""

    status: int
    slug: str


@dataclass(frozen=True, slots=True)
class Route(Generic[Q, B]):
    """An HTTP route. The handler's docstring says what it does: the first line in short.

    Attributes:
        path: with its parameters, which `PATH_PARAMETERS` has, in braces.
        query: the wire type of its query parameters.
        reply: the wire type of what it answers; None: `content_type` says all.
        body: the wire type of its body.
        body_required: an empty body is refused; otherwise it stands for `{}`.
        status: the status of success.
        refusals: those of its own; `labsfu.api.refusals.refusals_of` has them all.
        content_type: of what it answers.
        other_content_types: which callers may prefer.
    """

    method: str
    path: str
    handler: Callable[[Api, Call[Q, B]], Awaitable[Reply]]
    query: type[Q]
    reply: type[Wire] | None
    body: type[B] = NoBody  # type: ignore[assignment]  # B is NoBody where none is given: the handler says so
    body_required: bool = True
    status: int = 200
    refusals: tuple[Refusal, ...] = ()
    content_type: str = "application/json"
    other_content_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SocketRoute(Generic[Q]):
    """A WebSocket route; its handler returns when the socket is closed.

    Attributes:
        says: the type, or union of types, of what the server says over it.
        hears: the same of the client; None: nothing.
        refusals: those of its own, as an HTTP response before the socket opens.
    """

    path: str
    handler: Callable[[Api, Call[Q, NoBody]], Awaitable[None]]
    query: type[Q]
    says: object
    hears: object = None
    refusals: tuple[Refusal, ...] = ()


AnyRoute: TypeAlias = Route[Any, Any] | SocketRoute[Any]
"""A route of whatever query and body."""


def path_parameters(route: AnyRoute) -> tuple[str, ...]:
    """The names of a route's path parameters, in order."""
    return tuple(part[1:-1] for part in route.path.split("/") if part.startswith("{"))
