"""How a participant gets its two transports and its socket becomes part of the room."""

from __future__ import annotations

from labsfu.errors import CommandError, Conflict, NotFound
from labsfu.rooms.directory import Directory
from labsfu.rooms.notices import REPLACED, Notices, producer_added, screen_started
from labsfu.rooms.participant import SIDES, Participant
from labsfu.rooms.speaking import tell_present_speaker
from labsfu.rooms.spreading import Spreading
from labsfu.rooms.unadopted import Watch
from labsfu.rooms.wishes import ConnectionId, Flow, ask, ask_to_close
from labsfu.wire import commands, events
from labsfu.wire import socket as wire
from labsfu.wire.ids import TransportId
from labsfu.wire.socket import TransportSide
from labsfu.wire.transport import TransportOptions


class Joining:
    """Connects sockets to participants."""

    def __init__(self, directory: Directory, notices: Notices, spreading: Spreading) -> None:
        self._directory = directory
        self._notices = notices
        self._spreading = spreading

    def connect(self, connection: ConnectionId, participant: Participant) -> Flow[wire.Init]:
        """Make the transports that are missing, then join: `Init`, subscription and what exists, in one step.

        Raises:
            NotFound: the room or the participant ended meanwhile; nothing of it is left. Or it is on another server.
            CommandError: the worker refused a router, or a transport; the other transport is closed again.
        """
        if participant.remote:
            raise NotFound(f"participant '{participant.id}' is on another server", slug="participant-not-found")
        yield from self._spreading.seat(participant)
        while missing := [side for side in SIDES if side not in participant.transports]:
            yield from self._make_transports(participant, missing)
        replaced = participant.connection
        if replaced is not None:
            del self._directory.connections[replaced]
            self._notices.hang_up(replaced, REPLACED, "replaced by a newer connection")
            self._notices.publish_socket_closed(participant, "replaced")
        participant.connection = connection
        self._directory.lost.stop(participant)
        self._directory.connections[connection] = participant
        self._notices.publish(
            events.SocketConnected(
                room_id=participant.room.id,
                participant_id=participant.id,
                producer_transport_id=participant.transports["producer"].id,
                consumer_transport_id=participant.transports["consumer"].id,
            )
        )
        init = self._init(participant)
        self._notices.tell(participant, init)
        self._tell_what_exists(participant)
        self._tell_the_others(participant, returned=replaced is None)
        return init

    def _make_transports(self, participant: Participant, missing: list[TransportSide]) -> Flow[None]:
        command = commands.CreateWebRtcTransport(router_id=participant.router_id)
        made: dict[TransportSide, TransportOptions] = {}
        with self._directory.unadopted.watch() as said:
            try:
                for side in missing:
                    made[side] = (yield from ask(command, commands.TransportCreated)).options
                    self._directory.check_alive(participant)
                _check_open(made, said)
            except CommandError:
                yield from self._undo(participant, list(made.values()))
                self._directory.check_alive(participant)
                raise
            extra = [options for side, options in made.items() if not self._adopt(participant, side, options)]
        yield from self._undo(participant, extra)
        self._directory.check_alive(participant)

    def _adopt(self, participant: Participant, side: TransportSide, options: TransportOptions) -> bool:
        """Another connection of the same participant may have been faster; its transport stays."""
        if side in participant.transports:
            return False
        participant.transports[side] = options
        self._directory.transports[options.id] = (participant, side)
        return True

    @staticmethod
    def _undo(participant: Participant, made: list[TransportOptions]) -> Flow[None]:
        router_id = participant.router_id
        ids: list[TransportId] = [options.id for options in made]
        return ask_to_close(commands.CloseTransport(router_id=router_id, transport_id=id_) for id_ in ids)

    def _init(self, participant: Participant) -> wire.Init:
        room = participant.room
        return wire.Init(
            message=f"Welcome to room {room.id}",
            room_id=room.id,
            participant_id=participant.id,
            participant=participant.payload(),
            participants=tuple(other.payload() for other in room.others(participant)),
            producer_transport_options=participant.transports["producer"],
            consumer_transport_options=participant.transports["consumer"],
            router_rtp_capabilities=room.rtp_capabilities,
        )

    def _tell_what_exists(self, participant: Participant) -> None:
        for producer in participant.room.producers_for(participant):
            self._notices.tell(participant, producer_added(producer))
        for other in participant.room.others(participant):
            if other.share_screen:
                self._notices.tell(participant, screen_started(other))
        tell_present_speaker(participant, self._notices)
        # one who comes back may have missed some news
        for producer in participant.producers.values():
            self._notices.tell_news(producer)
        for consumer in participant.consumers.values():
            self._notices.tell_news(consumer)

    def _tell_the_others(self, participant: Participant, *, returned: bool) -> None:
        if participant.announced:
            if returned:
                self._notices.publish_updated(participant)
                self._notices.tell_others(participant, wire.ParticipantUpdated(participant=participant.payload()))
            return
        participant.announced = True
        self._notices.publish(events.ParticipantJoined(room_id=participant.room.id, participant_id=participant.id))
        self._notices.tell_others(participant, wire.ParticipantJoined(participant=participant.payload()))
        if participant.share_screen:
            self._notices.tell_others(participant, screen_started(participant))


def _check_open(made: dict[TransportSide, TransportOptions], said: Watch) -> None:
    for options in made.values():
        if said.has_ended(options.id):
            raise Conflict(f"transport '{options.id}' closed while it was made", slug="transport-closed")
