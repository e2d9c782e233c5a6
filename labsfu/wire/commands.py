"""What the media engine can be asked and what it answers: data, so that an engine may live in another process.

A command names its router, so that it can be sent to the worker that has it. It answers its `Result`, or raises a
`labsfu.errors.CommandError` and changed nothing.
"""

from __future__ import annotations

from typing import TypeAlias

from labsfu.wire.base import ABSENT, Absent, JsonObject, Wire
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.observers import RouterActiveSpeakerPayload, RouterAudioLevelPayload
from labsfu.wire.pipe import PipeConsumerPayload, PipeProducerPayload, PipeTransportPayload, SrtpParameters
from labsfu.wire.rtp import ConsumerLayers, ConsumerType, MediaKind, ProducerType, RtpCapabilities, RtpParameters
from labsfu.wire.sfu import ConsumerPayload, EncodingUpdate, ProducerPayload, RouterPayload
from labsfu.wire.stats import (
    ConsumerStatsPayload,
    EngineCounts,
    EngineSample,
    PipeTransportStatsPayload,
    ProducerStatsPayload,
    RouterStatsPayload,
    TransportStats,
)
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
    preferred_layers: ConsumerLayers | Absent = ABSENT
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


# ------------------------------------------------------------ with a transport of their own, as the HTTP API has them


class GetRouter(RouterCommand):
    """Show a router. Answers RouterShown."""


class GetAudioLevels(RouterCommand):
    """Show who is loud in a router. Answers AudioLevelsShown."""


class GetActiveSpeaker(RouterCommand):
    """Show who speaks in a router. Answers ActiveSpeakerShown."""


class ListRouters(Command):
    """Show all routers, the oldest first. Answers RoutersShown."""


class CreateProducer(RouterCommand):
    """Make a producer with a transport of its own; without `kind` and `rtp_parameters` the transport alone.

    Answers ProducerShown.
    """

    participant_id: ParticipantId
    kind: MediaKind | Absent = ABSENT
    rtp_parameters: RtpParameters | Absent = ABSENT
    paused: bool = False
    app_data: JsonObject | Absent = ABSENT


class UpdateProducer(RouterCommand):
    """Complete a producer that has only its transport, or change one that has all. Answers ProducerShown."""

    producer_id: ProducerId
    kind: MediaKind | Absent = ABSENT
    rtp_parameters: RtpParameters | Absent = ABSENT
    paused: bool | Absent = ABSENT
    encodings: tuple[EncodingUpdate, ...] | Absent = ABSENT
    app_data: JsonObject | Absent = ABSENT


class ConnectProducer(RouterCommand):
    """Give the DTLS parameters of a producer's own transport, once. Answers Done."""

    producer_id: ProducerId
    dtls_parameters: DtlsParameters


class RestartProducerIce(RouterCommand):
    """Make new ICE credentials for a producer's transport. Answers IceRestarted."""

    producer_id: ProducerId


class GetProducer(RouterCommand):
    """Show a producer. Answers ProducerShown."""

    producer_id: ProducerId


class ListProducers(RouterCommand):
    """Show all producers of a router. Answers ProducersShown."""


class CreateConsumer(RouterCommand):
    """Make a consumer with a transport of its own. Answers ConsumerShown."""

    producer_id: ProducerId
    participant_id: ParticipantId
    rtp_capabilities: RtpCapabilities
    paused: bool = True
    preferred_layers: ConsumerLayers | Absent = ABSENT
    priority: int = 1
    app_data: JsonObject | Absent = ABSENT


class UpdateConsumer(RouterCommand):
    """Change a consumer. Answers ConsumerShown."""

    consumer_id: ConsumerId
    preferred_layers: ConsumerLayers | Absent = ABSENT
    priority: int | Absent = ABSENT
    paused: bool | Absent = ABSENT
    max_bitrate: int | Absent = ABSENT


class ConnectConsumer(RouterCommand):
    """Give the DTLS parameters of a consumer's own transport, once. Answers Done."""

    consumer_id: ConsumerId
    dtls_parameters: DtlsParameters


class RestartConsumerIce(RouterCommand):
    """Make new ICE credentials for a consumer's transport. Answers IceRestarted."""

    consumer_id: ConsumerId


class GetConsumer(RouterCommand):
    """Show a consumer. Answers ConsumerShown."""

    consumer_id: ConsumerId


class ListConsumers(RouterCommand):
    """Show all consumers of a router. Answers ConsumersShown."""


class GetCounts(Command):
    """Count what the engine holds and has done. Answers Counted."""


class GetProducerStats(RouterCommand):
    """What there is to say of a producer, be it its transport alone. Answers ProducerStatsShown."""

    producer_id: ProducerId


class GetConsumerStats(RouterCommand):
    """What there is to say of a consumer. Answers ConsumerStatsShown."""

    consumer_id: ConsumerId


class GetRouterStats(RouterCommand):
    """What there is to say of a router's transports. Answers RouterStatsShown."""


class GetStats(RouterCommand):
    """What there is to say of several things at one moment; what is not there is left out. Answers StatsShown."""

    transport_ids: tuple[TransportId, ...]
    producer_ids: tuple[ProducerId, ...]
    consumer_ids: tuple[ConsumerId, ...]


class GetSamples(Command):
    """All transports, producers and consumers of the engine, in short. Answers Sampled."""


# ------------------------------------------------------------ pipes: from router to router


class CreatePipeTransport(RouterCommand):
    """Make one end of a pipe, on a port of its own. Answers PipeTransportShown.

    Refused by whoever opens the port: Conflict `port-in-use`, Unavailable `address-unavailable`.
    """

    listen_ip: str | Absent = ABSENT
    port: int = 0
    enable_srtp: bool = False
    enable_rtx: bool = False


class ConnectPipeTransport(RouterCommand):
    """Say where the other end is, once, and its keys if SRTP was enabled. Answers Done."""

    transport_id: TransportId
    ip: str
    port: int
    srtp_parameters: SrtpParameters | Absent = ABSENT


class GetPipeTransport(RouterCommand):
    """Show one end of a pipe. Answers PipeTransportShown."""

    transport_id: TransportId


class ListPipeTransports(RouterCommand):
    """Show all pipe transports of a router. Answers PipeTransportsShown."""


class ClosePipeTransport(RouterCommand):
    """Close one end of a pipe and what goes over it. Answers Done."""

    transport_id: TransportId


class ConsumeForPipe(RouterCommand):
    """Send all streams of a producer into a pipe. Answers PipeConsumed."""

    transport_id: TransportId
    producer_id: ProducerId
    rtp_capabilities: RtpCapabilities
    paused: bool = False
    held: bool = False
    app_data: JsonObject | Absent = ABSENT


class ProduceFromPipe(RouterCommand):
    """Make a producer of what comes over a pipe, with the id that it has at its origin. Answers PipeProduced.

    How its participant is shown concerns rooms, not the engine.
    """

    transport_id: TransportId
    producer_id: ProducerId
    participant_id: ParticipantId
    display_name: str | Absent = ABSENT
    share_screen: bool = False
    kind: MediaKind
    rtp_parameters: RtpParameters
    paused: bool = False
    held: bool = False
    app_data: JsonObject | Absent = ABSENT


class HoldConsumer(RouterCommand):
    """Stop a consumer that nobody behind it needs, or let it go on. Answers Done.

    This is beside its pause, which is the callers': it flows when neither stops it. Nothing is told of it.
    """

    consumer_id: ConsumerId
    held: bool


class HoldProducer(RouterCommand):
    """Stop a producer, since what it is a copy of is stopped, or let it go on. Answers Done.

    This is beside the pause that callers ask for: it flows when neither stops it, and is shown and told as paused or
    resumed as for that.
    """

    producer_id: ProducerId
    held: bool


class GetPipeTransportStats(RouterCommand):
    """What there is to say of one end of a pipe. Answers PipeTransportStatsShown."""

    transport_id: TransportId


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


class ProducerStatsShown(Wire, tag_field="result", tag=True):
    """A producer's stats."""

    stats: ProducerStatsPayload


class ConsumerStatsShown(Wire, tag_field="result", tag=True):
    """A consumer's stats."""

    stats: ConsumerStatsPayload


class RouterStatsShown(Wire, tag_field="result", tag=True):
    """A router's stats."""

    stats: RouterStatsPayload


class StatsShown(Wire, tag_field="result", tag=True):
    """The stats of several things."""

    transports: tuple[TransportStats, ...]
    producers: tuple[ProducerStatsPayload, ...]
    consumers: tuple[ConsumerStatsPayload, ...]


class Sampled(Wire, tag_field="result", tag=True):
    """The engine at one moment."""

    sample: EngineSample


class RouterShown(Wire, tag_field="result", tag=True):
    """A router; its `worker_id` is filled in by whoever knows the worker."""

    router: RouterPayload


class RoutersShown(Wire, tag_field="result", tag=True):
    """All routers."""

    routers: tuple[RouterPayload, ...]


class AudioLevelsShown(Wire, tag_field="result", tag=True):
    """Who is loud."""

    audio_levels: RouterAudioLevelPayload


class ActiveSpeakerShown(Wire, tag_field="result", tag=True):
    """Who speaks."""

    active_speaker: RouterActiveSpeakerPayload


class ProducerShown(Wire, tag_field="result", tag=True):
    """A producer."""

    producer: ProducerPayload


class ProducersShown(Wire, tag_field="result", tag=True):
    """All producers of a router."""

    producers: tuple[ProducerPayload, ...]


class ConsumerShown(Wire, tag_field="result", tag=True):
    """A consumer."""

    consumer: ConsumerPayload


class ConsumersShown(Wire, tag_field="result", tag=True):
    """All consumers of a router."""

    consumers: tuple[ConsumerPayload, ...]


class PipeTransportShown(Wire, tag_field="result", tag=True):
    """One end of a pipe."""

    pipe_transport: PipeTransportPayload


class PipeTransportsShown(Wire, tag_field="result", tag=True):
    """All pipe transports of a router."""

    pipe_transports: tuple[PipeTransportPayload, ...]


class PipeConsumed(Wire, tag_field="result", tag=True):
    """A producer on its way into a pipe."""

    consumer: PipeConsumerPayload


class PipeProduced(Wire, tag_field="result", tag=True):
    """A producer out of a pipe."""

    producer: PipeProducerPayload


class PipeTransportStatsShown(Wire, tag_field="result", tag=True):
    """The stats of one end of a pipe."""

    stats: PipeTransportStatsPayload


Result: TypeAlias = (
    Done
    | RouterCreated
    | TransportCreated
    | IceRestarted
    | Produced
    | Consumed
    | Counted
    | ProducerStatsShown
    | ConsumerStatsShown
    | RouterStatsShown
    | StatsShown
    | Sampled
    | RouterShown
    | RoutersShown
    | AudioLevelsShown
    | ActiveSpeakerShown
    | ProducerShown
    | ProducersShown
    | ConsumerShown
    | ConsumersShown
    | PipeTransportShown
    | PipeTransportsShown
    | PipeConsumed
    | PipeProduced
    | PipeTransportStatsShown
)
