"""What the media engine can be asked and what it answers: data, so that an engine may live in another process.

A command names its router, so that it can be sent to the worker that has it. It answers its `Result`, or raises a
`labsfu.errors.CommandError` and changed nothing.
"""

from __future__ import annotations

from typing import TypeAlias

from labsfu.wire.base import ABSENT, Absent, JsonObject, Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.rtp import ConsumerType, MediaKind, ProducerType, RtpCapabilities, RtpParameters
from labsfu.wire.stats import EngineCounts
from labsfu.wire.transport import DtlsParameters, IceParameters, TransportOptions


class Command(Wire, tag_field="command", tag=True):
    """Base of all commands."""


class RouterCommand(Command, tag_field="command", tag=True):
    """Base of the commands to one router."""

    router_id: RouterId


class CreateRouter(Command):
    """Make a router. Answers RouterCreated."""

    participant_count: int = 1


class CloseRouter(RouterCommand):
    """Close a router and all it holds. Answers Done."""


class CreateWebRtcTransport(RouterCommand):
    """Make a WebRTC transport. Answers TransportCreated."""


class ConnectWebRtcTransport(RouterCommand):
    """Give the peer's DTLS parameters, once. Answers Done at once, before any handshake."""

    transport_id: TransportId
    dtls_parameters: DtlsParameters


class RestartIce(RouterCommand):
    """Make new ICE credentials. Answers IceRestarted."""

    transport_id: TransportId


class CloseTransport(RouterCommand):
    """Close a transport, its producers and consumers. Answers Done."""

    transport_id: TransportId


class Produce(RouterCommand):
    """Make a producer on a transport. Answers Produced."""

    transport_id: TransportId
    participant_id: ParticipantId
    kind: MediaKind
    rtp_parameters: RtpParameters
    paused: bool = False
    app_data: JsonObject | Absent = ABSENT


class PauseProducer(RouterCommand):
    """Stop forwarding a producer. Answers Done; pausing what is paused is no error."""

    producer_id: ProducerId


class ResumeProducer(RouterCommand):
    """Forward a producer again. Answers Done."""

    producer_id: ProducerId


class CloseProducer(RouterCommand):
    """Close a producer and its consumers. Answers Done."""

    producer_id: ProducerId


class Consume(RouterCommand):
    """Make a consumer of a producer on a transport. Answers Consumed."""

    transport_id: TransportId
    producer_id: ProducerId
    participant_id: ParticipantId
    rtp_capabilities: RtpCapabilities
    paused: bool = True
    app_data: JsonObject | Absent = ABSENT


class PauseConsumer(RouterCommand):
    """Stop sending to a consumer. Answers Done."""

    consumer_id: ConsumerId


class ResumeConsumer(RouterCommand):
    """Send to a consumer, from the next key frame on (which is asked for). Answers Done."""

    consumer_id: ConsumerId


class RequestKeyFrame(RouterCommand):
    """Ask the producer of a consumer for a key frame (throttled). Answers Done."""

    consumer_id: ConsumerId


class CloseConsumer(RouterCommand):
    """Close a consumer. Answers Done."""

    consumer_id: ConsumerId


class GetCounts(Command):
    """Count what the engine holds and has done. Answers Counted."""


class Done(Wire, tag_field="result", tag=True):
    """It is done; nothing to add."""


class RouterCreated(Wire, tag_field="result", tag=True):
    """A router, and what its endpoints may send and receive."""

    router_id: RouterId
    rtp_capabilities: RtpCapabilities


class TransportCreated(Wire, tag_field="result", tag=True):
    """A transport, ready for a client."""

    options: TransportOptions


class IceRestarted(Wire, tag_field="result", tag=True):
    """The new credentials; the old ones hold until a check comes with these."""

    ice_parameters: IceParameters


class Produced(Wire, tag_field="result", tag=True):
    """A producer."""

    producer_id: ProducerId
    type: ProducerType


class Consumed(Wire, tag_field="result", tag=True):
    """A consumer, and how its client must receive it."""

    consumer_id: ConsumerId
    kind: MediaKind
    type: ConsumerType
    rtp_parameters: RtpParameters
    producer_paused: bool


class Counted(Wire, tag_field="result", tag=True):
    """The engine's counts."""

    counts: EngineCounts


Result: TypeAlias = Done | RouterCreated | TransportCreated | IceRestarted | Produced | Consumed | Counted
