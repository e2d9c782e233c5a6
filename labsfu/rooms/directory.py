"""Where to find things: rooms by id, participants by connection, what the engine names by its id."""

from __future__ import annotations

from labsfu.errors import Conflict, NotFound
from labsfu.rooms.grace import Grace
from labsfu.rooms.limits import Limits
from labsfu.rooms.participant import Consumer, Participant, Producer
from labsfu.rooms.room import Room
from labsfu.rooms.unadopted import Unadopted
from labsfu.rooms.wishes import ConnectionId
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.socket import TransportSide


class Directory:
    """All that lives, each thing once under its id; and what lives on a grace time.

    Args:
        participant_grace: seconds a participant outlives its lost socket.
        room_grace: seconds an empty room lives on.
        limits: how much there may be.

    Attributes:
        rooms_in_making: rooms whose routers are on their way.
        routers: the rooms that live on each.
        producers: by the router where they come in and their id, since a piped one has its id on several.
        now: when something happened last.
    """

    def __init__(self, *, participant_grace: float, room_grace: float, limits: Limits) -> None:
        self.limits = limits
        self.rooms_in_making = 0
        self.now = 0.0
        self.rooms: dict[RoomId, Room] = {}
        self.routers: dict[RouterId, Room] = {}
        self.connections: dict[ConnectionId, Participant] = {}
        self.transports: dict[TransportId, tuple[Participant, TransportSide]] = {}
        self.producers: dict[tuple[RouterId, ProducerId], Producer] = {}
        self.consumers: dict[ConsumerId, Consumer] = {}
        self.unadopted = Unadopted()
        self.lost: Grace[Participant] = Grace(participant_grace)
        self.empty: Grace[Room] = Grace(room_grace)

    def room(self, room_id: RoomId) -> Room:
        """The room of this id.

        Raises:
            NotFound: there is none.
        """
        room = self.rooms.get(room_id)
        if room is None:
            raise NotFound.of("room", room_id)
        return room

    def participant(self, room_id: RoomId, participant_id: ParticipantId) -> Participant:
        """The participant of this id in this room.

        Raises:
            NotFound: no such room, or nobody of that id in it.
        """
        participant = self.room(room_id).participants.get(participant_id)
        if participant is None:
            raise NotFound.of("participant", participant_id)
        return participant

    def check_room_for_room(self) -> None:
        """Raise Conflict if one more room is too many; those that are being made count too."""
        limit = self.limits.rooms
        if len(self.rooms) + self.rooms_in_making >= limit:
            raise Conflict(f"there are {limit} rooms, and may be no more", slug="too-many-rooms")

    def check_room_for_participant(self) -> None:
        """Raise Conflict if one more participant is too many; those of other servers do not count."""
        limit = self.limits.participants
        everyone = (participant for room in self.rooms.values() for participant in room.participants.values())
        if sum(not participant.remote for participant in everyone) >= limit:
            raise Conflict(f"there are {limit} participants, and may be no more", slug="too-many-participants")

    def adopt(self, producer: Producer) -> None:
        """A producer is there: of its owner, and of the room."""
        self.producers[producer.router_id, producer.id] = producer
        producer.owner.producers[producer.id] = producer.owner.room.producers[producer.id] = producer

    def forget(self, producer: Producer) -> None:
        """A producer is gone."""
        producer.ended = True
        self.producers.pop((producer.router_id, producer.id), None)
        producer.owner.producers.pop(producer.id, None)
        producer.owner.room.producers.pop(producer.id, None)

    @staticmethod
    def check_alive(participant: Participant) -> None:
        """After a yield: is this one still in a room that is open?

        Raises:
            NotFound: the room or the participant is gone.
        """
        if participant.room.closed:
            raise NotFound.of("room", participant.room.id)
        if participant.ended:
            raise NotFound.of("participant", participant.id)
