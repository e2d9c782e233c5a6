"""The messages of a client: each is carried out to its end and answered, or refused with an `Error`."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from labsfu.errors import CommandError
from labsfu.rooms.closing import Closing
from labsfu.rooms.directory import Directory
from labsfu.rooms.measuring import stats_for
from labsfu.rooms.notices import Notices, producer_flow
from labsfu.rooms.participant import Participant
from labsfu.rooms.piping import Piping
from labsfu.rooms.receiving import Receiving
from labsfu.rooms.sending import Sending, transport_of
from labsfu.rooms.speaking import follow_speaker
from labsfu.rooms.wishes import ConnectionId, Flow, ask, ask_to_close
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT
from labsfu.wire.payloads import problem_type
from labsfu.wire.socket import TransportSide
from labsfu.wire.transport import DtlsParameters

_StreamRequest: TypeAlias = (
    wire.ProduceRequest
    | wire.ProducerPause
    | wire.ProducerResume
    | wire.ProducerClose
    | wire.ConsumeRequest
    | wire.ConsumerPause
    | wire.ConsumerResume
    | wire.ConsumerClose
    | wire.RequestKeyFrameRequest
    | wire.SetPreferredLayers
    | wire.SetPriority
)


class Dispatch:
    """Carries out what clients ask."""

    def __init__(self, directory: Directory, notices: Notices, closing: Closing, piping: Piping) -> None:
        self._directory = directory
        self._notices = notices
        self._closing = closing
        self._sending = Sending(directory, notices, closing)
        self._receiving = Receiving(directory, closing, piping)

    def receive(self, connection: ConnectionId, message: wire.ClientMessage, now: float) -> Flow[None]:
        """Carry out one message. Refusals are told to the client; a connection that is nobody's is ignored."""
        participant = self._directory.connections.get(connection)
        if participant is None:
            return
        answer: wire.ServerMessage | None
        try:
            answer = yield from self._carry_out(participant, message, now)
        except CommandError as error:
            answer = refusal(message, error)
        if answer is not None and self._directory.connections.get(connection) is participant:
            self._notices.tell_connection(connection, answer)
            self._tell_early_news(participant, message, answer)
        if isinstance(answer, wire.Produced):
            follow_speaker(participant.room, self._notices)  # it may be heard already

    def _carry_out(
        self, participant: Participant, message: wire.ClientMessage, now: float
    ) -> Flow[wire.ServerMessage | None]:
        match message:
            case wire.InitRequest():
                return self._initialize(participant, message)
            case wire.ConnectProducerTransport():
                yield from self._connect(participant, "producer", message.dtls_parameters)
                return wire.ConnectedProducerTransport(request_id=message.request_id)
            case wire.ConnectConsumerTransport():
                yield from self._connect(participant, "consumer", message.dtls_parameters)
                return wire.ConnectedConsumerTransport(request_id=message.request_id)
            case wire.RestartIceRequest():
                return (yield from self._restart_ice(participant, message))
            case wire.GetStats():
                return (yield from stats_for(participant, message))
            case wire.Leave():
                yield from ask_to_close(self._closing.end_participant(participant, now, "left"))
                return None
            case _:
                return (yield from self._stream_request(participant, message))

    def _stream_request(self, participant: Participant, message: _StreamRequest) -> Flow[wire.ServerMessage]:
        match message:
            case wire.ProduceRequest():
                return (yield from self._sending.produce(participant, message))
            case wire.ProducerPause():
                return (yield from self._sending.pause(participant, message))
            case wire.ProducerResume():
                return (yield from self._sending.resume(participant, message))
            case wire.ProducerClose():
                return (yield from self._sending.close(participant, message))
            case wire.ConsumeRequest():
                return (yield from self._receiving.consume(participant, message))
            case wire.ConsumerPause():
                return (yield from self._receiving.pause(participant, message))
            case wire.ConsumerResume():
                return (yield from self._receiving.resume(participant, message))
            case wire.ConsumerClose():
                return (yield from self._receiving.close(participant, message))
            case wire.RequestKeyFrameRequest():
                return (yield from self._receiving.request_key_frame(participant, message))
            case wire.SetPreferredLayers():
                return (yield from self._receiving.set_preferred_layers(participant, message))
            case wire.SetPriority():
                return (yield from self._receiving.set_priority(participant, message))

    def _tell_early_news(
        self, participant: Participant, message: wire.ClientMessage, answer: wire.ServerMessage
    ) -> None:
        """After the answer that names a stream: what the engine said of it while it was being made."""
        match message, answer:
            case wire.ProduceRequest(), wire.Produced():
                producer = participant.producers[answer.id]
                if producer.paused != message.paused:
                    self._notices.tell(participant, producer_flow(producer))
                self._notices.tell_news(producer)
            case wire.ConsumeRequest(), wire.Consumed():
                consumer = participant.consumers[answer.id]
                if not consumer.paused:
                    self._notices.tell(participant, wire.ConsumerResumed(id=consumer.id))
                self._notices.tell_news(consumer)

    @staticmethod
    def _initialize(participant: Participant, message: wire.InitRequest) -> wire.Initialized | None:
        participant.rtp_capabilities = message.rtp_capabilities
        return None if message.request_id is ABSENT else wire.Initialized(request_id=message.request_id)

    @staticmethod
    def _connect(participant: Participant, side: TransportSide, dtls_parameters: DtlsParameters) -> Flow[None]:
        command = commands.ConnectWebRtcTransport(
            router_id=participant.router_id,
            transport_id=transport_of(participant, side),
            dtls_parameters=dtls_parameters,
        )
        yield from ask(command, commands.Done)

    @staticmethod
    def _restart_ice(participant: Participant, message: wire.RestartIceRequest) -> Flow[wire.IceRestarted]:
        command = commands.RestartIce(
            router_id=participant.router_id, transport_id=transport_of(participant, message.transport)
        )
        restarted = yield from ask(command, commands.IceRestarted)
        options = participant.transports.get(message.transport)
        if options is not None:  # a later Init must show the new credentials
            renewed = msgspec.structs.replace(options, ice_parameters=restarted.ice_parameters)
            participant.transports[message.transport] = renewed
        return wire.IceRestarted(
            request_id=message.request_id, transport=message.transport, ice_parameters=restarted.ice_parameters
        )


def refusal(message: wire.ClientMessage, error: CommandError) -> wire.Error:
    """The `Error` that refuses this message."""
    action = message.__struct_config__.tag
    return wire.Error(
        request_id=message.request_id,
        request_action=str(action),
        type=problem_type(error.slug),
        detail=error.detail,
    )
