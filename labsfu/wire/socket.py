"""The messages of the participant socket: JSON objects told apart by `action`.

A client may put a `requestId` (string or integer) into any request and gets it back in the answer or the `Error`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from labsfu.wire import sfu
from labsfu.wire.base import ABSENT, Absent, JsonObject, Wire
from labsfu.wire.events import LayersReason, RoomCloseReason
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId
from labsfu.wire.observers import AudioLevel
from labsfu.wire.payloads import ParticipantPayload
from labsfu.wire.rtp import ConsumerLayers, ConsumerType, MediaKind, RtpCapabilities, RtpParameters
from labsfu.wire.stats import ConsumerStatsPayload, ProducerStatsPayload, TransportStats
from labsfu.wire.transport import DtlsParameters, IceParameters, TransportOptions

RequestId: TypeAlias = str | int
TransportSide: TypeAlias = Literal["producer", "consumer"]

# ------------------------------------------------------------------ client -> server


class Request(Wire, tag_field="action", tag=True):
    """Base of what a client asks."""

    request_id: RequestId | Absent = ABSENT


class InitRequest(Request, tag="Init"):
    """What the client can receive; must come before its first `Consume`."""

    rtp_capabilities: RtpCapabilities


class ConnectProducerTransport(Request):
    """The client's DTLS parameters for what it sends on. Answered at once."""

    dtls_parameters: DtlsParameters


class ConnectConsumerTransport(Request):
    """The client's DTLS parameters for what it receives on. Answered at once."""

    dtls_parameters: DtlsParameters


class ProduceRequest(Request, tag="Produce"):
    """Send a stream."""

    kind: MediaKind
    rtp_parameters: RtpParameters
    paused: bool = False
    app_data: JsonObject | Absent = ABSENT


class ConsumeRequest(Request, tag="Consume"):
    """Receive a stream; it starts paused."""

    producer_id: ProducerId
    preferred_layers: ConsumerLayers | Absent = ABSENT
    app_data: JsonObject | Absent = ABSENT


class ConsumerResume(Request):
    """Let a consumer flow."""

    id: ConsumerId


class ConsumerPause(Request):
    """Stop a consumer."""

    id: ConsumerId


class ConsumerClose(Request):
    """End a consumer."""

    id: ConsumerId


class ProducerPause(Request):
    """Stop one's own producer."""

    id: ProducerId


class ProducerResume(Request):
    """Let one's own producer flow."""

    id: ProducerId


class ProducerClose(Request):
    """End one's own producer."""

    id: ProducerId


class RequestKeyFrameRequest(Request, tag="RequestKeyFrame"):
    """Ask the sender of a consumer for a key frame."""

    id: ConsumerId


class SetPreferredLayers(Request):
    """Receive at most these layers of a stream that has several."""

    id: ConsumerId
    layers: ConsumerLayers


class SetPriority(Request):
    """How much a consumer matters among one's own: from 1 (at first) to 255."""

    id: ConsumerId
    priority: sfu.Priority


class RestartIceRequest(Request, tag="RestartIce"):
    """New ICE credentials for one of the two transports."""

    transport: TransportSide


class GetStats(Request):
    """What the server has to say of one's own streams and transports."""


class Leave(Request):
    """End the participant."""


ClientMessage: TypeAlias = (
    InitRequest
    | ConnectProducerTransport
    | ConnectConsumerTransport
    | ProduceRequest
    | ConsumeRequest
    | ConsumerResume
    | ConsumerPause
    | ConsumerClose
    | ProducerPause
    | ProducerResume
    | ProducerClose
    | RequestKeyFrameRequest
    | SetPreferredLayers
    | SetPriority
    | RestartIceRequest
    | GetStats
    | Leave
)

# ------------------------------------------------------------------ server -> client


class Signal(Wire, tag_field="action", tag=True):
    """Base of what the server tells."""


class Answer(Signal, tag_field="action", tag=True):
    """Base of what answers a request."""

    request_id: RequestId | Absent = ABSENT


class Init(Signal):
    """The first signal: who you are, who is here, and your two transports."""

    message: str
    room_id: RoomId
    participant_id: ParticipantId
    participant: ParticipantPayload
    participants: tuple[ParticipantPayload, ...]
    producer_transport_options: TransportOptions
    consumer_transport_options: TransportOptions
    router_rtp_capabilities: RtpCapabilities


class Initialized(Answer):
    """Your capabilities are known (only for a request with a `requestId`)."""


class ConnectedProducerTransport(Answer):
    """Your DTLS parameters are known; the handshake goes on."""


class ConnectedConsumerTransport(Answer):
    """The same for the other transport."""


class Produced(Answer):
    """You have a producer."""

    id: ProducerId


class Consumed(Answer):
    """You have a consumer, paused: make your receiver, then send `ConsumerResume`."""

    id: ConsumerId
    producer_id: ProducerId
    participant_id: ParticipantId
    kind: MediaKind
    rtp_parameters: RtpParameters
    type: ConsumerType
    producer_paused: bool


class ConsumerResumed(Answer):
    """Your consumer flows."""

    id: ConsumerId


class ConsumerPaused(Answer):
    """Your consumer is stopped."""

    id: ConsumerId


class ConsumerClosed(Answer):
    """Your consumer is gone."""

    id: ConsumerId
    reason: str


class ProducerPaused(Answer):
    """A producer of somebody in the room, perhaps your own, is stopped."""

    participant_id: ParticipantId
    producer_id: ProducerId


class ProducerResumed(Answer):
    """A producer of somebody in the room, perhaps your own, flows again."""

    participant_id: ParticipantId
    producer_id: ProducerId


class ProducerAdded(Signal):
    """Somebody sends a stream."""

    participant_id: ParticipantId
    producer_id: ProducerId
    kind: MediaKind
    paused: bool
    share_screen: bool


class ProducerRemoved(Answer):
    """A producer of somebody in the room, perhaps your own, is gone."""

    participant_id: ParticipantId
    producer_id: ProducerId


class KeyFrameRequested(Answer):
    """The sender was asked for a key frame."""

    id: ConsumerId


class PreferredLayersSet(Answer):
    """What a consumer prefers now: what was asked for, cut to what there is; absent where there are no layers."""

    id: ConsumerId
    layers: ConsumerLayers | Absent = ABSENT


class PrioritySet(Answer):
    """What priority a consumer has now."""

    id: ConsumerId
    priority: int


class ConsumerLayersChanged(Signal):
    """Your consumer is sent other layers from now on; none when nothing is sent."""

    id: ConsumerId
    layers: ConsumerLayers | Absent = ABSENT
    reason: LayersReason


class ConsumerScore(Signal):
    """How well your consumer's stream gets through changed."""

    id: ConsumerId
    score: sfu.ConsumerScore


class ProducerScore(Signal):
    """How well your producer's streams arrive changed."""

    id: ProducerId
    score: tuple[sfu.ProducerScore, ...]


class AudioLevels(Signal):
    """Who was loud in the last second, the loudest first; told every second, and once when it got silent."""

    levels: tuple[AudioLevel, ...]


class ActiveSpeaker(Signal):
    """Somebody else in the room speaks from now on; nobody, when both are null."""

    participant_id: ParticipantId | None
    producer_id: ProducerId | None


class Stats(Answer):
    """What the server has to say of one's own streams and transports; see `labsfu.wire.stats`."""

    transports: tuple[TransportStats, ...]
    producers: tuple[ProducerStatsPayload, ...]
    consumers: tuple[ConsumerStatsPayload, ...]


class IceRestarted(Answer):
    """New ICE credentials."""

    transport: TransportSide
    ice_parameters: IceParameters


class ParticipantJoined(Signal):
    """Somebody came."""

    participant: ParticipantPayload


class ParticipantUpdated(Signal):
    """Somebody's socket was lost, or came back."""

    participant: ParticipantPayload


class ParticipantLeft(Signal):
    """Somebody is gone."""

    participant_id: ParticipantId


class ShareScreenStarted(Signal):
    """Somebody shares a screen."""

    participant_id: ParticipantId
    display_name: str


class ShareScreenStopped(Signal):
    """Somebody shares a screen no more."""

    participant_id: ParticipantId


class RoomClosed(Signal):
    """The room is gone; the socket closes."""

    reason: RoomCloseReason | Absent = ABSENT


class Error(Answer):
    """A request was refused; the connection lives. `type` is a problem type of the HTTP API."""

    request_action: str
    type: str
    detail: str


ServerMessage: TypeAlias = (
    Init
    | Initialized
    | ConnectedProducerTransport
    | ConnectedConsumerTransport
    | Produced
    | Consumed
    | ConsumerResumed
    | ConsumerPaused
    | ConsumerClosed
    | ProducerAdded
    | ProducerRemoved
    | ProducerPaused
    | ProducerResumed
    | KeyFrameRequested
    | PreferredLayersSet
    | PrioritySet
    | ConsumerLayersChanged
    | ConsumerScore
    | ProducerScore
    | AudioLevels
    | ActiveSpeaker
    | Stats
    | IceRestarted
    | ParticipantJoined
    | ParticipantUpdated
    | ParticipantLeft
    | ShareScreenStarted
    | ShareScreenStopped
    | RoomClosed
    | Error
)
