"""Who ends whom, and who is told: each ending takes down what depends on it, once, before anything else happens.

Endings change the books and tell people at once; what the engine must then close they return as commands, for the
caller to ask. Events by which the engine reports those closings later find nothing and mean nothing.
"""

from __future__ import annotations

from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import NORMAL, WORKER_DIED, Notices
from labsfu.rooms.participant import Consumer, Participant, Producer
from labsfu.rooms.pipe_book import PipeBook
from labsfu.rooms.room import Room
from labsfu.rooms.speaking import follow_speaker
from labsfu.wire import commands, events
from labsfu.wire import socket as wire


class Closing:
    """Ends consumers, producers, participants and rooms.

    Args:
        directory: the books.
        notices: where signals go.
        pipes: what joins the routers of a room.
    """

    def __init__(self, directory: Directory, notices: Notices, pipes: PipeBook) -> None:
        self._directory = directory
        self._notices = notices
        self._pipes = pipes

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
        self._directory.forget(producer)
        removed = wire.ProducerRemoved(participant_id=producer.owner.id, producer_id=producer.id)
        self._notices.tell_others(producer.owner, removed)
        follow_speaker(producer.owner.room, self._notices)

    def end_participant(
        self, participant: Participant, now: float, reason: events.LeaveReason
    ) -> list[commands.Command]:
        """Take a participant out of its room: streams first, then the shared screen, then the person."""
        room = participant.room
        participant.ended = True
        closings = _closings_of_remote(participant)
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
        return closings + self._release_transports(participant)

    def end_router(self, room: Room, event: events.RouterClosed, now: float) -> None:
        """One of a room's routers is gone: the room lives on those that are left, without the people of this one."""
        died = event.reason == "worker-died"
        if len(room.routers) == 1:
            self.close_room(room, "worker-died" if died else "router-closed")
            return
        room.routers.remove(event.router_id)
        del self._directory.routers[event.router_id]
        room.levels.pop(event.router_id, None)
        room.speakers.pop(event.router_id, None)
        for participant in tuple(room.participants.values()):
            if participant.router_id == event.router_id:
                self.end_participant(participant, now, "worker-died" if died else "removed")
        follow_speaker(room, self._notices)
        self._notices.publish(events.RoomSpread(room_id=room.id, router_ids=room.router_ids))

    def close_room(self, room: Room, reason: events.RoomCloseReason) -> list[commands.Command]:
        """End a room and all in it; everyone is told that once, not every single ending."""
        room.closed = True
        self._directory.empty.stop(room)
        self._notices.tell_room(room, wire.RoomClosed(reason=reason))
        for participant in room.participants.values():
            self._forget(participant)
        room.participants.clear()
        self._notices.publish(events.RoomClosed(room_id=room.id, reason=reason))
        del self._directory.rooms[room.id]
        return self._release_routers(room)

    def _forget(self, participant: Participant) -> None:
        participant.ended = True
        self._directory.lost.stop(participant)
        for consumer in participant.consumers.values():
            consumer.ended = True
            del self._directory.consumers[consumer.id]
        for producer in participant.producers.values():
            producer.ended = True
            del self._directory.producers[producer.router_id, producer.id]
        participant.consumers.clear()
        participant.producers.clear()
        self._release_transports(participant)
        self._depart(participant, "room-closed")

    def _release_routers(self, room: Room) -> list[commands.Command]:
        self._pipes.strike_between(room.routers)
        released: list[commands.Command] = []
        for router_id in room.routers:
            del self._directory.routers[router_id]
            released.append(commands.CloseRouter(router_id=router_id))
        return released

    def _release_transports(self, participant: Participant) -> list[commands.Command]:
        released: list[commands.Command] = []
        for options in participant.transports.values():
            del self._directory.transports[options.id]
            released.append(commands.CloseTransport(router_id=participant.router_id, transport_id=options.id))
        participant.transports.clear()
        return released

    def _depart(self, participant: Participant, reason: events.LeaveReason) -> None:
        """Hang up, and let it be known that this one is gone."""
        if participant.connection is not None:
            code = WORKER_DIED if reason == "worker-died" else NORMAL
            self._notices.hang_up(participant.connection, code, reason.replace("-", " "))
            del self._directory.connections[participant.connection]
            participant.connection = None
            self._notices.publish_socket_closed(participant, "hung-up")
        self._notices.publish(
            events.ParticipantLeft(room_id=participant.room.id, participant_id=participant.id, reason=reason)
        )


def _closings_of_remote(participant: Participant) -> list[commands.Command]:
    """Who is remote has no transports here whose closing would close what it sends."""
    if not participant.remote:
        return []
    return [
        commands.CloseProducer(router_id=producer.router_id, producer_id=producer.id)
        for producer in participant.producers.values()
    ]
