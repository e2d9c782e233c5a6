"""One room: its participants, its seats, its routers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from labsfu.errors import Conflict
from labsfu.rooms.participant import Participant, Producer
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId
from labsfu.wire.observers import AudioLevel
from labsfu.wire.payloads import RoomPayload, RoomType
from labsfu.wire.rtp import RtpCapabilities


@dataclass(slots=True, eq=False)
class Room:
    """A room.

    Attributes:
        routers: those that it lives on, the oldest first; one at least, until it is closed.
        created_at: epoch milliseconds.
        levels: what its routers told last of who is loud.
        speakers: who speaks, as its routers told; whoever was found last is the last.
        told_speaker: whom its people take for the speaker.
        closed: it is gone; a flow that still holds it must let go.
    """

    id: RoomId
    type: RoomType
    size: int
    routers: list[RouterId]
    rtp_capabilities: RtpCapabilities
    created_at: int
    participants: dict[ParticipantId, Participant] = field(default_factory=dict)
    producers: dict[ProducerId, Producer] = field(default_factory=dict)
    levels: dict[RouterId, tuple[AudioLevel, ...]] = field(default_factory=dict)
    speakers: dict[RouterId, tuple[ParticipantId, ProducerId]] = field(default_factory=dict)
    told_speaker: ProducerId | None = None
    closed: bool = False

    @property
    def router_ids(self) -> tuple[RouterId, ...]:
        """The routers that it lives on."""
        return tuple(self.routers)

    def free_router(self, capacity: int) -> RouterId | None:
        """The oldest router with less than `capacity` participants, if there is one."""
        taken = Counter(participant.router_id for participant in self.participants.values())
        return next((id_ for id_ in self.routers if taken[id_] < capacity), None)

    def check_seat(self, *, share_screen: bool) -> None:
        """A shared screen takes no seat, nor does who is remote; everyone else needs a free one.

        Raises:
            Conflict: the room is full.
        """
        taken = sum(not (participant.share_screen or participant.remote) for participant in self.participants.values())
        if not share_screen and taken >= self.size:
            raise Conflict(f"room '{self.id}' is full: all {self.size} places are taken", slug="room-full")

    def others(self, participant: Participant) -> Iterator[Participant]:
        """Everyone that the others know of, but this one."""
        return (other for other in self.participants.values() if other is not participant and other.announced)

    def producers_for(self, participant: Participant) -> Iterator[Producer]:
        """All that this participant could receive."""
        return (producer for other in self.others(participant) for producer in other.producers.values())

    def payload(self) -> RoomPayload:
        """This room as the HTTP API shows it."""
        return RoomPayload(
            id=self.id,
            type=self.type,
            size=self.size,
            router_ids=self.router_ids,
            participants=tuple(participant.payload() for participant in self.participants.values()),
            created_at=self.created_at,
        )
