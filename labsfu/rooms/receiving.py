"""What a participant asks about the streams that it receives."""

from __future__ import annotations

from labsfu.errors import CommandError, Conflict, NotAllowed, NotFound
from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.limits import check_app_data
from labsfu.rooms.participant import Consumer, Participant, Producer
from labsfu.rooms.piping import Piping
from labsfu.rooms.sending import transport_of
from labsfu.rooms.wishes import ConnectionId, Flow, ask, ask_to_close
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import ConsumerId, ProducerId
from labsfu.wire.rtp import ConsumerLayers
from labsfu.wire.sfu import ConsumerPayload


class Receiving:
    """Makes, stops and ends consumers. Every method answers the signal for the one who asked."""

    def __init__(self, directory: Directory, closing: Closing, piping: Piping) -> None:
        self._directory = directory
        self._closing = closing
        self._piping = piping

    def consume(self, participant: Participant, request: wire.ConsumeRequest) -> Flow[wire.Consumed]:
        """Make a consumer, paused; what comes in on another router is piped to the participant's first.

        Raises:
            Conflict: the client has not said yet what it can receive, or it receives this producer already.
            NotAllowed: it is the participant's own producer.
            NotFound: no such producer in the room, or it ended meanwhile.
            CommandError: the worker's refusal, e.g. no codec in common.
        """
        if participant.rtp_capabilities is None:
            raise Conflict("Init with rtpCapabilities must come before the first Consume", slug="not-initialized")
        asked_by = participant.connection
        producer = self._somebody_elses(participant, request.producer_id)
        self._consuming(participant, producer, request)
        try:
            copy = yield from self._piping.bring(producer.router_id, producer.id, participant.router_id)
        except CommandError:
            _check_alive(participant, producer)
            raise
        with self._piping.using(copy):  # at once: who is gone meanwhile is to leave it as one that nobody uses
            _check_alive(participant, producer)
            made = yield from self._make(participant, producer, request, asked_by)
        # a copy on another router follows a moment later, and nobody is told when it does
        return _consumed(made, producer, request, paused=made.producer_paused if copy is None else producer.paused)

    def _make(
        self,
        participant: Participant,
        producer: Producer,
        request: wire.ConsumeRequest,
        asked_by: ConnectionId | None,
    ) -> Flow[commands.Consumed]:
        command = self._consuming(participant, producer, request)
        with self._directory.unadopted.watch() as said:
            made = yield from ask(command, commands.Consumed)
            alive = not producer.ended and not said.has_ended(made.consumer_id)
            if participant.ended or not alive or participant.was_overtaken(asked_by):
                close = commands.CloseConsumer(router_id=command.router_id, consumer_id=made.consumer_id)
                yield from ask_to_close([close])
                self._directory.check_alive(participant)
                raise NotFound.of("producer", producer.id)
            paused = said.is_paused(made.consumer_id, command.paused)
            self._adopt(Consumer(made.consumer_id, participant, producer, paused, news=said.heard(made.consumer_id)))
        return made

    @staticmethod
    def _consuming(participant: Participant, producer: Producer, request: wire.ConsumeRequest) -> commands.Consume:
        """The command, if it may be given."""
        assert participant.rtp_capabilities is not None, "it has said what it can receive"
        for consumer in participant.consumers.values():
            if consumer.producer is producer:
                raise Conflict(
                    f"producer '{producer.id}' is consumed already, by consumer '{consumer.id}'",
                    slug="already-consumed",
                )
        return commands.Consume(
            router_id=participant.router_id,
            transport_id=transport_of(participant, "consumer"),
            producer_id=producer.id,
            participant_id=participant.id,
            rtp_capabilities=participant.rtp_capabilities,
            preferred_layers=request.preferred_layers,
            app_data=check_app_data(request.app_data),
        )

    def pause(self, participant: Participant, request: wire.ConsumerPause) -> Flow[wire.ConsumerPaused]:
        """Stop a consumer."""
        consumer = self._own(participant, request.id)
        command = commands.PauseConsumer(router_id=participant.router_id, consumer_id=consumer.id)
        yield from self._set_paused(consumer, command, paused=True)
        return wire.ConsumerPaused(id=consumer.id, request_id=request.request_id)

    def resume(self, participant: Participant, request: wire.ConsumerResume) -> Flow[wire.ConsumerResumed]:
        """Let a consumer flow."""
        consumer = self._own(participant, request.id)
        command = commands.ResumeConsumer(router_id=participant.router_id, consumer_id=consumer.id)
        yield from self._set_paused(consumer, command, paused=False)
        return wire.ConsumerResumed(id=consumer.id, request_id=request.request_id)

    def close(self, participant: Participant, request: wire.ConsumerClose) -> Flow[wire.ConsumerClosed]:
        """End a consumer."""
        consumer = self._own(participant, request.id)
        self._closing.end_consumer(consumer, None)
        command = commands.CloseConsumer(router_id=participant.router_id, consumer_id=consumer.id)
        yield from ask_to_close([command])
        return wire.ConsumerClosed(id=consumer.id, reason="asked", request_id=request.request_id)

    def request_key_frame(
        self, participant: Participant, request: wire.RequestKeyFrameRequest
    ) -> Flow[wire.KeyFrameRequested]:
        """Have the sender asked for a key frame."""
        consumer = self._own(participant, request.id)
        command = commands.RequestKeyFrame(router_id=participant.router_id, consumer_id=consumer.id)
        yield from ask(command, commands.Done)
        return wire.KeyFrameRequested(id=consumer.id, request_id=request.request_id)

    def set_preferred_layers(
        self, participant: Participant, request: wire.SetPreferredLayers
    ) -> Flow[wire.PreferredLayersSet]:
        """Have at most these layers sent; the answer says what that comes to."""
        shown = yield from self._update(participant, request.id, preferred_layers=request.layers)
        return wire.PreferredLayersSet(id=shown.id, layers=shown.preferred_layers, request_id=request.request_id)

    def set_priority(self, participant: Participant, request: wire.SetPriority) -> Flow[wire.PrioritySet]:
        """Say how much a consumer matters among those of the same participant."""
        shown = yield from self._update(participant, request.id, priority=request.priority)
        return wire.PrioritySet(id=shown.id, priority=shown.priority, request_id=request.request_id)

    def _update(
        self,
        participant: Participant,
        consumer_id: ConsumerId,
        *,
        preferred_layers: ConsumerLayers | Absent = ABSENT,
        priority: int | Absent = ABSENT,
    ) -> Flow[ConsumerPayload]:
        consumer = self._own(participant, consumer_id)
        command = commands.UpdateConsumer(
            router_id=participant.router_id,
            consumer_id=consumer.id,
            preferred_layers=preferred_layers,
            priority=priority,
        )
        shown = yield from ask(command, commands.ConsumerShown)
        if consumer.ended:
            raise NotFound.of("consumer", consumer.id)
        return shown.consumer

    def _adopt(self, consumer: Consumer) -> None:
        self._directory.consumers[consumer.id] = consumer
        consumer.owner.consumers[consumer.id] = consumer
        consumer.producer.consumers[consumer.id] = consumer

    def _somebody_elses(self, participant: Participant, producer_id: ProducerId) -> Producer:
        producer = participant.room.producers.get(producer_id)
        if producer is None:
            raise NotFound.of("producer", producer_id)
        if producer.owner is participant:
            raise NotAllowed(f"producer '{producer_id}' is your own", slug="own-producer")
        return producer

    @staticmethod
    def _own(participant: Participant, consumer_id: ConsumerId) -> Consumer:
        consumer = participant.consumers.get(consumer_id)
        if consumer is None:
            raise NotFound.of("consumer", consumer_id)
        return consumer

    @staticmethod
    def _set_paused(consumer: Consumer, command: commands.Command, *, paused: bool) -> Flow[None]:
        """Set first, ask then: the engine's event about it finds nothing new, and nobody is told twice."""
        before, consumer.paused = consumer.paused, paused
        try:
            yield from ask(command, commands.Done)
        except CommandError:
            consumer.paused = before
            raise
        if consumer.ended:
            raise NotFound.of("consumer", consumer.id)


def _check_alive(participant: Participant, producer: Producer) -> None:
    """After a wait: are both still there?"""
    Directory.check_alive(participant)
    if producer.ended:
        raise NotFound.of("producer", producer.id)


def _consumed(
    made: commands.Consumed, producer: Producer, request: wire.ConsumeRequest, *, paused: bool
) -> wire.Consumed:
    return wire.Consumed(
        request_id=request.request_id,
        id=made.consumer_id,
        producer_id=producer.id,
        participant_id=producer.owner.id,
        kind=made.kind,
        rtp_parameters=made.rtp_parameters,
        type=made.type,
        producer_paused=paused,
    )
