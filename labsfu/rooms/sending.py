"""What a participant asks about the streams that it sends."""

from __future__ import annotations

from labsfu.errors import CommandError, Conflict, NotAllowed, NotFound
from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.limits import check_app_data
from labsfu.rooms.notices import Notices, producer_added, producer_flow
from labsfu.rooms.participant import Participant, Producer
from labsfu.rooms.rights import may_send
from labsfu.rooms.wishes import Flow, ask, ask_to_close
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.ids import ProducerId, TransportId
from labsfu.wire.socket import TransportSide


def transport_of(participant: Participant, side: TransportSide) -> TransportId:
    """The id of one of the two transports.

    Raises:
        Conflict: it closed by itself; a new connection gets a new one.
    """
    options = participant.transports.get(side)
    if options is None:
        raise Conflict(f"the {side} transport of '{participant.id}' is closed", slug="transport-closed")
    return options.id


class Sending:
    """Makes, stops and ends producers. Every method answers the signal for the one who asked."""

    def __init__(self, directory: Directory, notices: Notices, closing: Closing) -> None:
        self._directory = directory
        self._notices = notices
        self._closing = closing

    def produce(self, participant: Participant, request: wire.ProduceRequest) -> Flow[wire.Produced]:
        """Make a producer; the others are told.

        Raises:
            NotAllowed: this type of participant does not send in this type of room.
            Conflict: it has too many producers.
            CommandError: the worker's refusal, e.g. of a codec.
        """
        room = participant.room
        if not may_send(room.type, participant.type):
            raise NotAllowed(f"a {participant.type} does not send in a {room.type}", slug="may-not-send")
        command = commands.Produce(
            router_id=participant.router_id,
            transport_id=transport_of(participant, "producer"),
            participant_id=participant.id,
            kind=request.kind,
            rtp_parameters=request.rtp_parameters,
            paused=request.paused,
            app_data=check_app_data(request.app_data),
        )
        self._check_count(participant)
        participant.producers_in_making += 1
        try:
            producer = yield from self._make(participant, command)
        finally:
            participant.producers_in_making -= 1
        self._directory.adopt(producer)
        self._notices.tell_others(participant, producer_added(producer))
        return wire.Produced(id=producer.id, request_id=request.request_id)

    def _check_count(self, participant: Participant) -> None:
        limit = self._directory.limits.producers
        if len(participant.producers) + participant.producers_in_making >= limit:
            detail = f"participant '{participant.id}' has {limit} producers, and may have no more"
            raise Conflict(detail, slug="too-many-producers")

    def _make(self, participant: Participant, command: commands.Produce) -> Flow[Producer]:
        asked_by = participant.connection
        with self._directory.unadopted.watch() as said:
            made = yield from ask(command, commands.Produced)
            name = command.router_id, made.producer_id
            alive = not said.has_ended(name)
            if participant.ended or not alive or participant.was_overtaken(asked_by):
                yield from ask_to_close(
                    [commands.CloseProducer(router_id=command.router_id, producer_id=made.producer_id)]
                )
                self._directory.check_alive(participant)
                raise Conflict(f"producer '{made.producer_id}' closed while it was made", slug="producer-closed")
            paused, news = said.is_paused(name, command.paused), said.heard(name)
        return Producer(made.producer_id, participant, command.router_id, command.kind, paused, news=news)

    def pause(
        self, participant: Participant, request: wire.ProducerPause
    ) -> Flow[wire.ProducerPaused | wire.ProducerResumed]:
        """Stop one's own producer; the others are told if it flowed."""
        producer = self._own(participant, request.id)
        command = commands.PauseProducer(router_id=participant.router_id, producer_id=producer.id)
        yield from self._set_paused(producer, command, paused=True)
        return producer_flow(producer, request.request_id)

    def resume(
        self, participant: Participant, request: wire.ProducerResume
    ) -> Flow[wire.ProducerPaused | wire.ProducerResumed]:
        """Let one's own producer flow; the others are told if it was stopped."""
        producer = self._own(participant, request.id)
        command = commands.ResumeProducer(router_id=participant.router_id, producer_id=producer.id)
        yield from self._set_paused(producer, command, paused=False)
        return producer_flow(producer, request.request_id)

    def close(self, participant: Participant, request: wire.ProducerClose) -> Flow[wire.ProducerRemoved]:
        """End one's own producer; the others are told."""
        producer = self._own(participant, request.id)
        self._closing.end_producer(producer)
        command = commands.CloseProducer(router_id=participant.router_id, producer_id=producer.id)
        yield from ask_to_close([command])
        return wire.ProducerRemoved(
            request_id=request.request_id, participant_id=participant.id, producer_id=producer.id
        )

    def _set_paused(self, producer: Producer, command: commands.Command, *, paused: bool) -> Flow[None]:
        """Set first, ask then: the engine's event about it finds nothing new, and nobody is told twice."""
        before, producer.paused = producer.paused, paused
        try:
            yield from ask(command, commands.Done)
        except CommandError:
            producer.paused = before
            raise
        if producer.ended:
            raise NotFound.of("producer", producer.id)
        if before != paused:
            self._notices.tell_others(producer.owner, producer_flow(producer))

    @staticmethod
    def _own(participant: Participant, producer_id: ProducerId) -> Producer:
        producer = participant.producers.get(producer_id)
        if producer is None:
            raise NotFound.of("producer", producer_id)
        return producer
