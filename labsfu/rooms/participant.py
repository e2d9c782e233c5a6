"""Who is in a room, what they send and what they receive: the book-keeping, without any rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from labsfu.rooms.wishes import ConnectionId
from labsfu.wire import socket as wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId
from labsfu.wire.payloads import ParticipantPayload, ParticipantType
from labsfu.wire.rtp import MediaKind, RtpCapabilities
from labsfu.wire.socket import TransportSide
from labsfu.wire.transport import TransportOptions

if TYPE_CHECKING:
    from labsfu.rooms.room import Room

News: TypeAlias = wire.ConsumerLayersChanged | wire.ConsumerScore | wire.ProducerScore
"""What the engine tells of a stream, for its owner alone. Each holds until the next one of its kind."""

NewsBook: TypeAlias = dict[type[News], News]
"""The last of each kind."""

NO_ROUTER = RouterId("")

SIDES: tuple[TransportSide, TransportSide] = ("producer", "consumer")


@dataclass(slots=True, eq=False)
class Producer:
    """A stream that somebody sends.

    Attributes:
        router_id: where it comes in; on other routers there may be copies of it, with the same id.
        news: what its owner was told, or is told on coming back.
    """

    id: ProducerId
    owner: Participant
    router_id: RouterId
    kind: MediaKind
    paused: bool
    consumers: dict[ConsumerId, Consumer] = field(default_factory=dict)
    news: NewsBook = field(default_factory=dict)
    ended: bool = False


@dataclass(slots=True, eq=False)
class Consumer:
    """A stream that somebody receives.

    Attributes:
        news: as of a producer.
    """

    id: ConsumerId
    owner: Participant
    producer: Producer
    paused: bool = True
    news: NewsBook = field(default_factory=dict)
    ended: bool = False


@dataclass(slots=True, eq=False)
class Participant:
    """A person in a room.

    Attributes:
        created_at: epoch milliseconds.
        remote: it is on another server; what it sends comes over pipes, and it is told nothing.
        router_id: where its transports are, from its first connection on; empty before. A remote one has none.
        connection: the socket that this one is told things over; None before the first and after a lost one.
        announced: the others know of this one, since the first connection.
        rtp_capabilities: what it can receive, once it said so.
        transports: what the client needs for each of its two transports; one that closed by itself is missing.
        producers_in_making: how many the engine is asked for.
        ended: it is in the room no more; a flow that still holds it must let go.
    """

    room: Room
    id: ParticipantId
    type: ParticipantType
    display_name: str
    share_screen: bool
    created_at: int
    remote: bool = False
    router_id: RouterId = NO_ROUTER
    connection: ConnectionId | None = None
    announced: bool = False
    rtp_capabilities: RtpCapabilities | None = None
    transports: dict[TransportSide, TransportOptions] = field(default_factory=dict)
    producers: dict[ProducerId, Producer] = field(default_factory=dict)
    consumers: dict[ConsumerId, Consumer] = field(default_factory=dict)
    producers_in_making: int = 0
    ended: bool = False

    def was_overtaken(self, connection: ConnectionId | None) -> bool:
        """Whether a newer connection has had its `Init`, and so would never learn of what this one asked for."""
        return self.connection is not None and self.connection != connection

    def payload(self) -> ParticipantPayload:
        """This participant as others see it."""
        return ParticipantPayload(
            id=self.id,
            room_id=self.room.id,
            type=self.type,
            display_name=self.display_name,
            share_screen=self.share_screen,
            remote=self.remote,
            connected=self.remote or self.connection is not None,
            producer_ids=tuple(self.producers),
            consumer_ids=tuple(self.consumers),
            created_at=self.created_at,
        )
