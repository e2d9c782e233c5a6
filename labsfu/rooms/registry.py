"""The façade: all rooms, and everything that can be asked of them.

The contract of a sans-IO machine: carry one step of a flow or one plain call out, then `drain()` and deliver, with no
await between; call `tick` when `deadline()` has come.
"""

from __future__ import annotations

from collections.abc import Callable

from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.dispatch import Dispatch
from labsfu.rooms.happenings import Happenings
from labsfu.rooms.joining import Joining
from labsfu.rooms.limits import Limits
from labsfu.rooms.notices import Notices
from labsfu.rooms.opening import Opening, ParticipantPlan, RoomPlan
from labsfu.rooms.pipe_book import PipeBook
from labsfu.rooms.piping import Piping
from labsfu.rooms.remote import RemotePeople
from labsfu.rooms.speaking import Speaking
from labsfu.rooms.spreading import Spreading
from labsfu.rooms.wishes import ConnectionId, Flow, Wish, ask_to_close
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT
from labsfu.wire.events import EngineEvent, SocketCloseReason
from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId
from labsfu.wire.observers import RoomActiveSpeakerPayload, RoomAudioLevelPayload
from labsfu.wire.payloads import ParticipantPayload, RoomPayload
from labsfu.wire.pipe import PipeProducerPayload, PipeProducerToLocalRouterPayload


class Rooms:
    """All rooms of a server. `now` is monotonic seconds.

    Args:
        new_id: makes UUIDs.
        epoch_at_zero: epoch milliseconds at which `now` was 0.
        participant_grace: seconds a participant outlives its lost socket.
        room_grace: seconds an empty room lives on.
        router_capacity: participants on one router of a room; further ones get another.
        limits: how much there may be.
    """

    def __init__(
        self,
        *,
        new_id: Callable[[], str],
        epoch_at_zero: int,
        participant_grace: float = 10,
        room_grace: float = 30,
        router_capacity: int = 100,
        limits: Limits | None = None,
    ) -> None:
        self._directory = Directory(
            participant_grace=participant_grace, room_grace=room_grace, limits=limits or Limits()
        )
        self._notices = Notices()
        pipes = PipeBook()
        self._closing = Closing(self._directory, self._notices, pipes)
        self._remote = RemotePeople(self._directory, self._notices, self._closing, epoch_at_zero=epoch_at_zero)
        self._piping = Piping(self._directory, self._notices, pipes, self._remote)
        spreading = Spreading(self._directory, self._notices, capacity=router_capacity)
        self._joining = Joining(self._directory, self._notices, spreading)
        self._opening = Opening(
            self._directory,
            self._notices,
            self._closing,
            self._joining,
            spreading,
            new_id=new_id,
            epoch_at_zero=epoch_at_zero,
        )
        self._dispatch = Dispatch(self._directory, self._notices, self._closing, self._piping)
        self._happenings = Happenings(self._directory, self._notices, self._closing)
        self._speaking = Speaking(self._directory)

    # ------------------------------------------------------------------ rooms

    def create_room(self, plan: RoomPlan, now: float) -> Flow[RoomPayload]:
        """Make a room, empty.

        Raises:
            InvalidValue: a size that this type cannot have.
            Conflict: a room of this id exists, or there are too many.
        """
        return (yield from self._opening.room(plan, now)).payload()

    def room(self, room_id: RoomId) -> RoomPayload:
        """Show a room. Raises NotFound."""
        return self._directory.room(room_id).payload()

    def rooms(self) -> tuple[RoomPayload, ...]:
        """Show all rooms, oldest first."""
        return tuple(room.payload() for room in self._directory.rooms.values())

    def audio_levels(self, room_id: RoomId) -> Flow[RoomAudioLevelPayload]:
        """Show who is loud in a room. Raises NotFound."""
        return self._speaking.levels(room_id)

    def active_speaker(self, room_id: RoomId) -> Flow[RoomActiveSpeakerPayload]:
        """Show who speaks in a room. Raises NotFound."""
        return self._speaking.speaker(room_id)

    def delete_room(self, room_id: RoomId) -> Flow[None]:
        """End a room and everyone in it. Raises NotFound."""
        yield from ask_to_close(self._closing.close_room(self._directory.room(room_id), "deleted"))

    def reset(self) -> Flow[None]:
        """End all rooms."""
        closings = [self._closing.close_room(room, "reset") for room in tuple(self._directory.rooms.values())]
        yield from ask_to_close(command for commands_ in closings for command in commands_)

    # ------------------------------------------------------------------ participants

    def create_participant(self, room_id: RoomId, plan: ParticipantPlan, now: float) -> ParticipantPayload:
        """Seat a participant, without a socket yet. Raises NotFound, Conflict (exists, full, too many)."""
        return self._opening.participant(self._directory.room(room_id), plan, now).payload()

    def participant(self, room_id: RoomId, participant_id: ParticipantId) -> ParticipantPayload:
        """Show a participant. Raises NotFound."""
        return self._directory.participant(room_id, participant_id).payload()

    def participants(self, room_id: RoomId) -> tuple[ParticipantPayload, ...]:
        """Show everyone in a room. Raises NotFound."""
        return self.room(room_id).participants

    def delete_participant(self, room_id: RoomId, participant_id: ParticipantId, now: float) -> Flow[None]:
        """End a participant. Raises NotFound."""
        participant = self._directory.participant(room_id, participant_id)
        yield from ask_to_close(self._closing.end_participant(participant, now, "removed"))

    def counts(self) -> tuple[int, int]:
        """How many rooms and how many participants there are."""
        rooms = self._directory.rooms.values()
        return len(rooms), sum(len(room.participants) for room in rooms)

    # ------------------------------------------------------------------ pipes

    def pipe_producer(
        self, source_router_id: RouterId, producer_id: ProducerId, destination_router_id: RouterId
    ) -> Flow[PipeProducerToLocalRouterPayload]:
        """Have a producer of one router be on another; asking again is answered with what there is.

        On a router of another room its participant becomes a remote one there, as with `produce_from_pipe`.

        Raises:
            NotFound: no such router or producer.
            Conflict: `pipe-to-itself`, `producer-exists`, `producer-incomplete`, `pipe-closed`, and those of
                `produce_from_pipe`.
            CommandError: the worker's refusal; nothing is left of what was made for this.
        """
        copy = yield from self._piping.pipe(source_router_id, producer_id, destination_router_id)
        return copy.payload()

    def produce_from_pipe(self, command: commands.ProduceFromPipe) -> Flow[PipeProducerPayload]:
        """Make a producer of what comes over a pipe; on a router of a room its participant is a remote one of the room.

        Raises:
            Conflict: `participant-exists` (it is there with a socket), `producer-exists`, `producer-closed`.
            CommandError: the worker's refusal.
        """
        return self._remote.produce(command)

    # ------------------------------------------------------------------ sockets

    def connect(self, connection: ConnectionId, room_id: RoomId, participant_id: ParticipantId) -> Flow[wire.Init]:
        """Make this socket the participant's; one that it had before is hung up with 4001.

        Raises:
            NotFound: no such room or participant, or it ended meanwhile.
            CommandError: the worker's refusal.
        """
        participant = self._directory.participant(room_id, participant_id)
        return (yield from self._joining.connect(connection, participant))

    def create_and_connect(
        self, connection: ConnectionId, room_plan: RoomPlan, plan: ParticipantPlan, now: float
    ) -> Flow[wire.Init]:
        """Make what is missing of room and participant, then connect. Raises CommandError; then nothing is left."""
        return (yield from self._opening.create_and_connect(connection, room_plan, plan, now))

    def receive(self, connection: ConnectionId, message: wire.ClientMessage, now: float) -> Flow[None]:
        """Carry out one message of a client; refusals are told to it."""
        return self._dispatch.receive(connection, message, now)

    def disconnected(
        self, connection: ConnectionId, now: float, *, clean: bool, given_up: str | None = None
    ) -> Flow[None]:
        """A socket is gone: after a clean close its participant ends, after a loss it has time to come back.

        `given_up`: why the shell ended it: the client did not read, or broke the protocol.
        """
        participant = self._directory.connections.pop(connection, None)
        if participant is None:
            return
        participant.connection = None
        reason: SocketCloseReason = "left" if clean else "given-up" if given_up else "lost"
        self._notices.publish_socket_closed(participant, reason, given_up or ABSENT)
        if clean:
            yield from ask_to_close(self._closing.end_participant(participant, now, "left"))
            return
        self._directory.lost.begin(participant, now)
        self._notices.publish_updated(participant)
        self._notices.tell_others(participant, wire.ParticipantUpdated(participant=participant.payload()))

    # ------------------------------------------------------------------ engine and time

    def on_event(self, event: EngineEvent, now: float) -> None:
        """Take an event of the media engine in."""
        self._directory.now = now
        self._happenings.on_event(event)
        self._piping.upkeep.on_event(event)

    def drain(self) -> list[Wish]:
        """What must be told, in order, since the last time."""
        return self._notices.drain()

    def deadline(self) -> float | None:
        """When `tick` is due: the end of the nearest grace time."""
        ends = (self._directory.lost.nearest(), self._directory.empty.nearest())
        return min((end for end in ends if end is not None), default=None)

    def tick(self, now: float) -> Flow[None]:
        """End whoever did not come back and rooms that stayed empty."""
        ended: list[commands.Command] = []
        for participant in self._directory.lost.over(now):
            ended += self._closing.end_participant(participant, now, "lost")
        for room in self._directory.empty.over(now):
            ended += self._closing.close_room(room, "empty")
        yield from ask_to_close(ended)
