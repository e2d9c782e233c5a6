"""Who is told what: signals on their way to connections, events on their way to watchers."""

from __future__ import annotations

from labsfu.rooms.participant import Consumer, Participant, Producer
from labsfu.rooms.room import Room
from labsfu.rooms.wishes import ConnectionId, Gate, Hangup, Order, Publish, Tell, Wish
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.commands import RouterCommand
from labsfu.wire.events import ParticipantUpdated, RoomEvent, SocketClosed, SocketCloseReason

NORMAL = 1000
REPLACED = 4001
WORKER_DIED = 4010


class Notices:
    """Collects what must be told, in order; one who has no socket is told nothing."""

    def __init__(self) -> None:
        self._wishes: list[Wish] = []

    def drain(self) -> list[Wish]:
        """Hand over all that was collected since the last time."""
        wishes, self._wishes = self._wishes, []
        return wishes

    def tell_connection(self, connection: ConnectionId, signal: wire.ServerMessage) -> None:
        """Tell one socket."""
        self._wishes.append(Tell(connection, signal))

    def tell(self, participant: Participant, signal: wire.ServerMessage) -> None:
        """Tell one participant."""
        if participant.connection is not None:
            self.tell_connection(participant.connection, signal)

    def tell_news(self, stream: Producer | Consumer) -> None:
        """Tell the owner of a stream all that the engine said of it last."""
        for signal in stream.news.values():
            self.tell(stream.owner, signal)

    def tell_others(self, participant: Participant, signal: wire.ServerMessage) -> None:
        """Tell everyone in the room of this participant, but not itself."""
        for other in participant.room.participants.values():
            if other is not participant:
                self.tell(other, signal)

    def tell_room(self, room: Room, signal: wire.ServerMessage) -> None:
        """Tell everyone in a room."""
        for participant in room.participants.values():
            self.tell(participant, signal)

    def hang_up(self, connection: ConnectionId, code: int, reason: str) -> None:
        """Close a socket once it was told everything."""
        self._wishes.append(Hangup(connection, code, reason))

    def order(self, command: RouterCommand) -> Gate:
        """Have a command carried out, without waiting for it; the gate opens when that is over."""
        order = Order(command)
        self._wishes.append(order)
        return order.over

    def publish(self, event: RoomEvent) -> None:
        """Let whoever watches know what happened."""
        self._wishes.append(Publish(event))

    def publish_updated(self, participant: Participant) -> None:
        """Let it be known that this one lost its socket, or came back."""
        connected = participant.connection is not None
        self.publish(
            ParticipantUpdated(room_id=participant.room.id, participant_id=participant.id, connected=connected)
        )

    def publish_socket_closed(
        self, participant: Participant, reason: SocketCloseReason, detail: str | Absent = ABSENT
    ) -> None:
        """Let it be known that a socket of this one is gone."""
        self.publish(
            SocketClosed(room_id=participant.room.id, participant_id=participant.id, reason=reason, detail=detail)
        )


def producer_added(producer: Producer) -> wire.ProducerAdded:
    """The signal that this producer is there."""
    return wire.ProducerAdded(
        participant_id=producer.owner.id,
        producer_id=producer.id,
        kind=producer.kind,
        paused=producer.paused,
        share_screen=producer.owner.share_screen,
    )


def producer_flow(
    producer: Producer, request_id: wire.RequestId | Absent = ABSENT
) -> wire.ProducerPaused | wire.ProducerResumed:
    """The signal that this producer is stopped, or flows."""
    signal = wire.ProducerPaused if producer.paused else wire.ProducerResumed
    return signal(request_id=request_id, participant_id=producer.owner.id, producer_id=producer.id)


def screen_started(participant: Participant) -> wire.ShareScreenStarted:
    """The signal that this participant shares a screen."""
    return wire.ShareScreenStarted(participant_id=participant.id, display_name=participant.display_name)
