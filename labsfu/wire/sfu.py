"""Bodies of the `/sfu` routes: routers, producers, consumers (design: the HTTP and WebSocket contract)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from labsfu.wire.base import ABSENT, Absent, JsonObject, Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId, WorkerId
from labsfu.wire.rtp import (
    ConsumerLayers,
    ConsumerType,
    MediaKind,
    ProducerType,
    RtpCapabilities,
    RtpParameters,
)
from labsfu.wire.transport import DtlsParameters, DtlsState, IceParameters, IceState, TransportOptions

Priority: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=255)]
Bitrate: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]

# ------------------------------------------------------------------ what callers send


class CreateProducerRequestPayload(Wire):
    """`kind` and `rtp_parameters` together make a producer at once; without both, only its transport is made."""

    kind: MediaKind | Absent = ABSENT
    rtp_parameters: RtpParameters | Absent = ABSENT
    paused: bool = False
    app_data: JsonObject | Absent = ABSENT


class EncodingUpdate(Wire):
    """What may change of an encoding that flows."""

    active: bool | Absent = ABSENT
    max_bitrate: Bitrate | Absent = ABSENT


class UpdateProducerRequestPayload(Wire):
    """`kind` and `rtp_parameters` together, once, complete a producer that has only its transport."""

    kind: MediaKind | Absent = ABSENT
    rtp_parameters: RtpParameters | Absent = ABSENT
    paused: bool | Absent = ABSENT
    encodings: tuple[EncodingUpdate, ...] | Absent = ABSENT
    app_data: JsonObject | Absent = ABSENT


class ConnectProducerTransportRequestPayload(Wire):
    """The client's side of the DTLS handshake."""

    dtls_parameters: DtlsParameters


class CreateConsumerRequestPayload(Wire):
    """What the client can receive, and how it wants it."""

    rtp_capabilities: RtpCapabilities
    paused: bool = True
    preferred_layers: ConsumerLayers | Absent = ABSENT
    priority: Priority | Absent = ABSENT
    app_data: JsonObject | Absent = ABSENT


class UpdateConsumerRequestPayload(Wire):
    """What may change of a consumer."""

    preferred_layers: ConsumerLayers | Absent = ABSENT
    priority: Priority | Absent = ABSENT
    paused: bool | Absent = ABSENT
    max_bitrate: Bitrate | Absent = ABSENT


class ConnectConsumerTransportRequestPayload(Wire):
    """The client's side of the DTLS handshake."""

    dtls_parameters: DtlsParameters


# ------------------------------------------------------------------ what the server answers


class RouterPayload(Wire):
    """A router. `created_at` is epoch milliseconds."""

    id: RouterId
    participant_count: int
    worker_id: WorkerId
    rtp_capabilities: RtpCapabilities
    producer_count: int
    consumer_count: int
    pipe_transport_count: int
    created_at: int


class ProducerScore(Wire):
    """How well one stream arrives: 0 (nothing) to 10 (everything)."""

    encoding_idx: int
    ssrc: int
    rid: str | Absent = ABSENT
    score: int


class ProducerPayload(Wire):
    """A producer; in `state` `transport` it has no media yet. `created_at` is epoch milliseconds.

    One that comes over a pipe has a `pipe_transport_id` in place of what a client would need.
    """

    id: ProducerId
    router_id: RouterId
    participant_id: ParticipantId
    state: Literal["transport", "producing"]
    kind: MediaKind | Absent = ABSENT
    type: ProducerType | Absent = ABSENT
    paused: bool
    rtp_parameters: RtpParameters | Absent = ABSENT
    score: tuple[ProducerScore, ...]
    transport_options: TransportOptions | Absent = ABSENT
    ice_state: IceState | Absent = ABSENT
    dtls_state: DtlsState | Absent = ABSENT
    pipe_transport_id: TransportId | Absent = ABSENT
    app_data: JsonObject | Absent = ABSENT
    created_at: int


class ConsumerScore(Wire):
    """How well a consumer's stream reaches its client, and how well its producer's reach us (0 to 10)."""

    score: int
    producer_score: int
    producer_scores: tuple[int, ...]


class ConsumerPayload(Wire):
    """A consumer. `created_at` is epoch milliseconds.

    One of type `pipe` has a `pipe_transport_id` in place of what a client would need; `participant_id` is whose media
    it is.
    """

    id: ConsumerId
    producer_id: ProducerId
    router_id: RouterId
    participant_id: ParticipantId
    kind: MediaKind
    type: ConsumerType
    rtp_parameters: RtpParameters
    paused: bool
    producer_paused: bool
    score: ConsumerScore
    preferred_layers: ConsumerLayers | Absent = ABSENT
    target_layers: ConsumerLayers | Absent = ABSENT
    current_layers: ConsumerLayers | Absent = ABSENT
    priority: int
    transport_options: TransportOptions | Absent = ABSENT
    ice_state: IceState | Absent = ABSENT
    dtls_state: DtlsState | Absent = ABSENT
    pipe_transport_id: TransportId | Absent = ABSENT
    app_data: JsonObject | Absent = ABSENT
    created_at: int


class RouterList(Wire):
    """All routers."""

    routers: tuple[RouterPayload, ...]


class ProducerList(Wire):
    """All producers of a router."""

    producers: tuple[ProducerPayload, ...]


class ConsumerList(Wire):
    """All consumers of a router."""

    consumers: tuple[ConsumerPayload, ...]


class IceRestartedPayload(Wire):
    """New ICE credentials; the old ones hold until a check comes with these."""

    message: str
    ice_parameters: IceParameters
