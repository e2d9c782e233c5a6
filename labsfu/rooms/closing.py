"""Who ends whom, and who is told: each ending takes down what depends on it, once, before anything else happens.

Endings change the books and tell people at once; what the engine must then close they return as commands, for the
caller to ask. Events by which the engine reports those closings later find nothing and mean nothing.
"""

from __future__ import annotations

from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import NORMAL, Notices
from labsfu.rooms.participant import Consumer, Participant, Producer
from labsfu.rooms.room import Room
from labsfu.rooms.speaking import follow_speaker
from labsfu.wire import commands, events
from labsfu.wire import socket as wire


class Closing:
    """Ends consumers, producers, participants and rooms.

    Args:
        directory: the books.
        notices: where signals go.
    """

    def __init__(self, directory: Directory, notices: Notices) -> None:
        self._directory = directory
        self._notices = notices

    def end_consumer(self, consumer: Consumer, reason: str | None) -> None:
        """Strike a consumer off; its owner is told the reason, if there is one to tell."""
        consumer.ended = True
        self._directory.consumers.pop(consumer.id, None)
        consumer.owner.consumers.pop(consumer.id, None)
        consumer.producer.consumers.pop(consumer.id, None)
        if reason is not None:
            self._notices.tell(consumer.owner, wire.ConsumerClosed(id=consumer.id, reason=reason))

    def end_producer(self, producer: Producer) -> None:
        """Strike a producer off, its consumers before it; everyone but its owner is told."""
        producer.ended = True
        for consumer in tuple(producer.consumers.values()):
            self.end_consumer(consumer, "producer-closed")
        self._directory.producers.pop(producer.id, None)
        producer.owner.producers.pop(producer.id, None)
        removed = wire.ProducerRemoved(participant_id=producer.owner.id, producer_id=producer.id)
        self._notices.tell_others(producer.owner, removed)
        follow_speaker(producer.owner.room, self._notices)

    def end_participant(
        self, participant: Participant, now: float, reason: events.LeaveReason
    ) -> list[commands.Command]:
        """Take a participant out of its room: streams first, then the shared screen, then the person."""
        room = participant.room
        participant.ended = True
        self._directory.lost.stop(participant)
        for consumer in tuple(participant.consumers.values()):
            self.end_consumer(consumer, None)
        for producer in tuple(participant.producers.values()):
            self.end_producer(producer)
        if participant.announced:
            if participant.share_screen:
                self._notices.tell_others(participant, wire.ShareScreenStopped(participant_id=participant.id))
            self._notices.tell_others(participant, wire.ParticipantLeft(participant_id=participant.id))
        self._depart(participant, reason)
        del room.participants[participant.id]
        if not room.participants:
            self._directory.empty.begin(room, now)
        return self._release_transports(participant)

    def close_room(self, room: Room, reason: events.RoomCloseReason) -> list[commands.Command]:
        """End a room and all in it; everyone is told that once, not every single ending."""
        room.closed = True
        self._directory.empty.stop(room)
        self._notices.tell_room(room, wire.RoomClosed())
        for participant in room.participants.values():
            self._forget(participant)
        room.participants.clear()
        self._notices.publish(events.RoomClosed(room_id=room.id, reason=reason))
        del self._directory.rooms[room.id]
        del self._directory.routers[room.router_id]
        return [commands.CloseRouter(router_id=room.router_id)]

    def _forget(self, participant: Participant) -> None:
        participant.ended = True
        self._directory.lost.stop(participant)
        for consumer in participant.consumers.values():
            consumer.ended = True
            del self._directory.consumers[consumer.id]
        for producer in participant.producers.values():
            producer.ended = True
            del self._directory.producers[producer.id]
        participant.consumers.clear()
        participant.producers.clear()
        self._release_transports(participant)
        self._depart(participant, "room-closed")

    def _release_transports(self, participant: Participant) -> list[commands.Command]:
        released: list[commands.Command] = []
        for options in participant.transports.values():
            del self._directory.transports[options.id]
            released.append(commands.CloseTransport(router_id=participant.room.router_id, transport_id=options.id))
        participant.transports.clear()
        return released

    def _depart(self, participant: Participant, reason: events.LeaveReason) -> None:
        """Hang up, and let it be known that this one is gone."""
        if participant.connection is not None:
            self._notices.hang_up(participant.connection, NORMAL, reason.replace("-", " "))
            del self._directory.connections[participant.connection]
            participant.connection = None
            self._notices.publish_socket_closed(participant, "hung-up")
        self._notices.publish(
            events.ParticipantLeft(room_id=participant.room.id, participant_id=participant.id, reason=reason)
        )
