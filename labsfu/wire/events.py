"""What the media engine tells of its own accord; drained after every mutation, in the order of happening."""

from __future__ import annotations

from typing import Literal, TypeAlias

from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.rtp import MediaKind
from labsfu.wire.transport import DtlsState, IceState

CloseReason: TypeAlias = Literal[
    "asked", "router-closed", "transport-closed", "producer-closed", "dtls-closed", "dtls-failed"
]


class EngineEvent(Wire, tag_field="kind", tag=True):
    """Base of all events of the engine."""

    router_id: RouterId


class RouterMade(EngineEvent, tag="router-created"):
    """A router was made."""


class RouterClosed(EngineEvent, tag="router-closed"):
    """A router is gone; the events of all that it held came before."""


class TransportMade(EngineEvent, tag="transport-created"):
    """A transport was made."""

    transport_id: TransportId


class IceStateChanged(EngineEvent, tag="ice-state"):
    """The ICE gate of a transport changed its state; `remote` is "address:port" of the selected pair."""

    transport_id: TransportId
    state: IceState
    remote: str | Absent = ABSENT


class DtlsStateChanged(EngineEvent, tag="dtls-state"):
    """The DTLS gate of a transport changed its state."""

    transport_id: TransportId
    state: DtlsState


class TransportClosed(EngineEvent, tag="transport-closed"):
    """A transport is gone, its producers and consumers before it."""

    transport_id: TransportId
    reason: CloseReason


class ProducerMade(EngineEvent, tag="producer-created"):
    """A producer was made."""

    transport_id: TransportId
    producer_id: ProducerId
    participant_id: ParticipantId
    media: MediaKind


class ProducerPaused(EngineEvent, tag="producer-paused"):
    """A producer is forwarded no more."""

    producer_id: ProducerId


class ProducerResumed(EngineEvent, tag="producer-resumed"):
    """A producer is forwarded again."""

    producer_id: ProducerId


class ProducerClosed(EngineEvent, tag="producer-closed"):
    """A producer is gone, its consumers before it."""

    producer_id: ProducerId
    reason: CloseReason


class ConsumerMade(EngineEvent, tag="consumer-created"):
    """A consumer was made."""

    transport_id: TransportId
    consumer_id: ConsumerId
    producer_id: ProducerId
    participant_id: ParticipantId


class ConsumerPaused(EngineEvent, tag="consumer-paused"):
    """A consumer is sent nothing."""

    consumer_id: ConsumerId


class ConsumerResumed(EngineEvent, tag="consumer-resumed"):
    """A consumer is sent to again."""

    consumer_id: ConsumerId


class ConsumerClosed(EngineEvent, tag="consumer-closed"):
    """A consumer is gone."""

    consumer_id: ConsumerId
    reason: CloseReason


class KeyFrameRequested(EngineEvent, tag="key-frame-requested"):
    """A PLI or FIR went to a producer."""

    producer_id: ProducerId
    ssrc: int


Event: TypeAlias = (
    RouterMade
    | RouterClosed
    | TransportMade
    | IceStateChanged
    | DtlsStateChanged
    | TransportClosed
    | ProducerMade
    | ProducerPaused
    | ProducerResumed
    | ProducerClosed
    | ConsumerMade
    | ConsumerPaused
    | ConsumerResumed
    | ConsumerClosed
    | KeyFrameRequested
)
