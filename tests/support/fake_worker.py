"""A media engine without media: it keeps the books, cascades, emits the events, refuses what an engine refuses."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, TypeVar
from uuid import UUID

import msgspec
import trio

from labsfu.errors import CommandError, Conflict, NotFound, Unavailable, Unsupported
from labsfu.shell.absent_worker import absent_worker
from labsfu.wire import commands, events
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId, WorkerId
from labsfu.wire.observers import AudioLevel, RouterActiveSpeakerPayload, RouterAudioLevelPayload
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.pipe import PipeConsumerPayload, PipeProducerPayload, PipeTransportPayload, PipeTuple
from labsfu.wire.rtp import (
    ConsumerLayers,
    ConsumerType,
    MediaKind,
    ProducerType,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpParameters,
)
from labsfu.wire.sfu import ConsumerPayload, ConsumerScore, ProducerPayload, ProducerScore, RouterPayload
from labsfu.wire.stats import EngineCounts, EngineSample
from labsfu.wire.transport import (
    DtlsFingerprint,
    DtlsParameters,
    DtlsState,
    IceCandidate,
    IceParameters,
    IceState,
    TransportOptions,
)

CAPABILITIES = RtpCapabilities(
    codecs=(
        RtpCodecCapability(kind=MediaKind.AUDIO, mime_type="audio/opus", clock_rate=48000, channels=2),
        RtpCodecCapability(kind=MediaKind.VIDEO, mime_type="video/VP8", clock_rate=90000),
    )
)
OPUS = RtpParameters(
    codecs=(RtpCodecParameters(mime_type="audio/opus", payload_type=100, clock_rate=48000, channels=2),)
)
SPEEX = RtpParameters(codecs=(RtpCodecParameters(mime_type="audio/speex", payload_type=97, clock_rate=16000),))
DTLS = DtlsParameters(fingerprints=(DtlsFingerprint(algorithm="sha-256", value=":".join(["AB"] * 32)),))

K = TypeVar("K", bound=str)
V = TypeVar("V")

_MIME_TYPES = {codec.mime_type.lower() for codec in CAPABILITIES.codecs}


@dataclass
class FakeTransport:
    router_id: RouterId
    connected: bool = False
    pipe: PipeTuple | None = None


@dataclass
class FakeProducer:
    router_id: RouterId
    transport_id: TransportId
    kind: MediaKind
    rtp_parameters: RtpParameters
    paused: bool
    participant_id: ParticipantId
    app_data: object = ABSENT
    asked_to_pause: bool = False
    held: bool = False


@dataclass
class FakeConsumer:
    router_id: RouterId
    transport_id: TransportId
    producer_id: ProducerId
    paused: bool
    participant_id: ParticipantId
    piped: bool = False
    held: bool = False
    preferred: ConsumerLayers | None = None
    priority: int = 1

    @property
    def flows(self) -> bool:
        return not (self.paused or self.held)


@dataclass
class FakeEngine:
    """Carries commands out at once; `drain` gives the events. `refusals[type]` are raised first, one each time.

    Attributes:
        highest: the layers that every stream has at most; None: there are no layers.
        scores_at_once: a stream has its first score before the answer that it is made.
        copies: producers that came over pipes, which have the ids that they have elsewhere.
        dead: its worker died; it is asked in vain.
    """

    asked: list[commands.Command] = field(default_factory=list)
    refusals: dict[type[commands.Command], list[CommandError]] = field(default_factory=dict)
    routers: set[RouterId] = field(default_factory=set)
    sizes: dict[RouterId, int] = field(default_factory=dict)
    transports: dict[TransportId, FakeTransport] = field(default_factory=dict)
    producers: dict[ProducerId, FakeProducer] = field(default_factory=dict)
    copies: dict[tuple[RouterId, ProducerId], FakeProducer] = field(default_factory=dict)
    consumers: dict[ConsumerId, FakeConsumer] = field(default_factory=dict)
    dead: bool = False
    closed: list[str] = field(default_factory=list)
    highest: ConsumerLayers | None = None
    scores_at_once: bool = False
    speakers: dict[RouterId, RouterActiveSpeakerPayload] = field(default_factory=dict)
    levels: dict[RouterId, RouterAudioLevelPayload] = field(default_factory=dict)
    _events: list[events.EngineEvent] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def drain(self) -> list[events.EngineEvent]:
        drained, self._events = self._events, []
        return drained

    @property
    def empty(self) -> bool:
        return not (self.routers or self.transports or self.producers or self.copies or self.consumers)

    def execute(self, command: commands.Command) -> commands.Result:
        if self.dead:
            raise Unavailable("the worker is gone", slug="worker-unavailable")
        self.asked.append(command)
        if self.refusals.get(type(command)):
            raise self.refusals[type(command)].pop(0)
        if isinstance(command, commands.CreateRouter):
            return self._create_router(command)
        if isinstance(command, commands.GetCounts):
            return commands.Counted(counts=self.counts())
        if isinstance(command, commands.GetSamples):
            return commands.Sampled(sample=EngineSample(transports=(), producers=(), consumers=()))
        assert isinstance(command, commands.RouterCommand)
        if command.router_id not in self.routers:
            raise NotFound.of("router", command.router_id)
        match command:
            case commands.GetActiveSpeaker():
                nobody = RouterActiveSpeakerPayload(router_id=command.router_id)
                return commands.ActiveSpeakerShown(active_speaker=self.speakers.get(command.router_id, nobody))
            case commands.GetAudioLevels():
                silence = RouterAudioLevelPayload(router_id=command.router_id, levels=(), silent=True, at=0)
                return commands.AudioLevelsShown(audio_levels=self.levels.get(command.router_id, silence))
            case commands.CloseRouter():
                self.close_router(command.router_id)
            case commands.CreateWebRtcTransport():
                return self._create_transport(command.router_id)
            case commands.ConnectWebRtcTransport():
                self._connect(command.transport_id)
            case commands.RestartIce():
                self._found(self.transports, "transport", command.transport_id)
                return commands.IceRestarted(ice_parameters=self._ice())
            case commands.CloseTransport():
                self._found(self.transports, "transport", command.transport_id)
                self.close_transport(command.transport_id, "asked")
            case commands.GetStats():
                return commands.StatsShown(transports=(), producers=(), consumers=())
            case _:
                return self._stream_command(command)
        return commands.Done()

    def _stream_command(self, command: commands.RouterCommand) -> commands.Result:
        match command:
            case commands.Produce():
                return self._produce(command)
            case commands.Consume():
                return self._consume(command)
            case commands.PauseProducer() | commands.ResumeProducer():
                producer = self._producer(command.router_id, command.producer_id)
                producer.asked_to_pause = isinstance(command, commands.PauseProducer)
                self._follow_pause(producer, command.producer_id)
            case commands.PauseConsumer() | commands.ResumeConsumer():
                self._pause_consumer(command.consumer_id, isinstance(command, commands.PauseConsumer))
            case commands.UpdateConsumer():
                return self._update_consumer(command)
            case commands.RequestKeyFrame():
                self._found(self.consumers, "consumer", command.consumer_id)
            case commands.CloseProducer():
                self._producer(command.router_id, command.producer_id)
                self.close_producer(command.producer_id, "asked", command.router_id)
            case commands.CloseConsumer():
                self._found(self.consumers, "consumer", command.consumer_id)
                self.close_consumer(command.consumer_id, "asked")
            case _:
                return self._pipe_command(command)
        return commands.Done()

    def _pipe_command(self, command: commands.RouterCommand) -> commands.Result:
        match command:
            case commands.GetRouter():
                return commands.RouterShown(router=self._shown_router(command.router_id))
            case commands.GetProducer():
                return commands.ProducerShown(producer=self._shown_producer(command))
            case commands.CreatePipeTransport():
                return self._create_pipe(command)
            case commands.ConnectPipeTransport():
                self._connect_pipe(command)
            case commands.ClosePipeTransport():
                self._found(self.transports, "pipe-transport", command.transport_id)
                self.close_transport(command.transport_id, "asked")
            case commands.HoldConsumer():
                self._found(self.consumers, "consumer", command.consumer_id).held = command.held
            case commands.HoldProducer():
                producer = self._producer(command.router_id, command.producer_id)
                producer.held = command.held
                self._follow_pause(producer, command.producer_id)
            case commands.ConsumeForPipe():
                return self._consume_for_pipe(command)
            case commands.ProduceFromPipe():
                return self._produce_from_pipe(command)
        return commands.Done()

    def counts(self) -> EngineCounts:
        return EngineCounts(
            routers=len(self.routers),
            transports=len(self.transports),
            producers=len(self.producers) + len(self.copies),
            consumers=len(self.consumers),
            packets_received=0,
            bytes_received=0,
            packets_sent=0,
            bytes_sent=0,
            unsent_packets=0,
            forwarded_packets=0,
            drops=(),
        )

    # ------------------------------------------------------------------ closings, also of its own accord

    def die(self) -> None:
        """Its worker dies: all closes for that reason, and nothing is answered from now on."""
        for router_id in sorted(self.routers):
            self.close_router(router_id, "worker-died")
        self.dead = True

    def close_router(self, router_id: RouterId, reason: Literal["asked", "worker-died"] = "asked") -> None:
        for id_, transport in tuple(self.transports.items()):
            if transport.router_id == router_id:
                self.close_transport(id_, "router-closed" if reason == "asked" else reason)
        self.routers.remove(router_id)
        self.closed.append(router_id)
        self._events.append(events.RouterClosed(router_id=router_id, reason=reason))

    def close_transport(self, transport_id: TransportId, reason: events.CloseReason) -> None:
        inner: events.CloseReason = "transport-closed" if reason == "asked" else reason
        for id_, consumer in tuple(self.consumers.items()):
            if consumer.transport_id == transport_id:
                self.close_consumer(id_, inner)
        for producer_id, producer in tuple(self.producers.items()):
            if producer.transport_id == transport_id:
                self.close_producer(producer_id, inner)
        for router_id, producer_id in tuple(self.copies):
            if self.copies[router_id, producer_id].transport_id == transport_id:
                self.close_producer(producer_id, inner, router_id)
        router_id = self.transports.pop(transport_id).router_id
        self.closed.append(transport_id)
        self._events.append(events.TransportClosed(router_id=router_id, transport_id=transport_id, reason=reason))

    def close_producer(
        self, producer_id: ProducerId, reason: events.CloseReason, router_id: RouterId | None = None
    ) -> None:
        """Without a router: where it is no copy."""
        router_id = self.producers[producer_id].router_id if router_id is None else router_id
        for id_, consumer in tuple(self.consumers.items()):
            if (consumer.router_id, consumer.producer_id) == (router_id, producer_id):
                self.close_consumer(id_, "producer-closed")
        if self.copies.pop((router_id, producer_id), None) is None:
            del self.producers[producer_id]
            self.closed.append(producer_id)
        self._events.append(events.ProducerClosed(router_id=router_id, producer_id=producer_id, reason=reason))
        self._take_floor(router_id, producer_id)

    def close_consumer(self, consumer_id: ConsumerId, reason: events.CloseReason) -> None:
        router_id = self.consumers.pop(consumer_id).router_id
        self.closed.append(consumer_id)
        self._events.append(events.ConsumerClosed(router_id=router_id, consumer_id=consumer_id, reason=reason))

    # ------------------------------------------------------------------ what it says of its own accord

    def score_producer(self, producer_id: ProducerId, score: int) -> None:
        router_id = self.producers[producer_id].router_id
        scores = (ProducerScore(encoding_idx=0, ssrc=7, score=score),)
        self._events.append(events.ProducerScored(router_id=router_id, producer_id=producer_id, score=scores))

    def score_consumer(self, consumer_id: ConsumerId, score: int) -> None:
        router_id = self.consumers[consumer_id].router_id
        scores = ConsumerScore(score=score, producer_score=10, producer_scores=(10,))
        self._events.append(events.ConsumerScored(router_id=router_id, consumer_id=consumer_id, score=scores))

    def change_layers(self, consumer_id: ConsumerId, spatial: int | None, reason: events.LayersReason) -> None:
        router_id = self.consumers[consumer_id].router_id
        layers = ABSENT if spatial is None else ConsumerLayers(spatial_layer=spatial, temporal_layer=0)
        event = events.ConsumerLayersChanged(router_id=router_id, consumer_id=consumer_id, layers=layers, reason=reason)
        self._events.append(event)

    def give_floor(self, router_id: RouterId, producer_id: ProducerId | None, since: int = 5000) -> None:
        if producer_id is None:
            self.speakers.pop(router_id)
            self._events.append(events.ActiveSpeaker(router_id=router_id))
            return
        participant_id = self._producer(router_id, producer_id).participant_id
        self.speakers[router_id] = RouterActiveSpeakerPayload(
            router_id=router_id, producer_id=producer_id, participant_id=participant_id, since=since
        )
        self._events.append(
            events.ActiveSpeaker(router_id=router_id, producer_id=producer_id, participant_id=participant_id)
        )

    def _take_floor(self, router_id: RouterId, producer_id: ProducerId) -> None:
        if router_id in self.speakers and self.speakers[router_id].producer_id == producer_id:
            self.give_floor(router_id, None)

    def measure_levels(self, router_id: RouterId, volumes: Mapping[ProducerId, int], at: int = 6000) -> None:
        levels = tuple(
            AudioLevel(producer_id=id_, participant_id=self._producer(router_id, id_).participant_id, volume=volume)
            for id_, volume in volumes.items()
        )
        silent = not levels
        self.levels[router_id] = RouterAudioLevelPayload(router_id=router_id, levels=levels, silent=silent, at=at)
        self._events.append(events.AudioLevels(router_id=router_id, levels=levels, silent=silent))

    # ------------------------------------------------------------------ makings

    def _create_router(self, command: commands.CreateRouter) -> commands.RouterCreated:
        router_id = RouterId(self._uuid())
        self.routers.add(router_id)
        self.sizes[router_id] = command.participant_count
        self._events.append(events.RouterMade(router_id=router_id))
        return commands.RouterCreated(router_id=router_id, rtp_capabilities=CAPABILITIES)

    def _create_transport(self, router_id: RouterId) -> commands.TransportCreated:
        transport_id = TransportId(self._uuid())
        self.transports[transport_id] = FakeTransport(router_id)
        self._events.append(events.TransportMade(router_id=router_id, transport_id=transport_id))
        candidate = IceCandidate(
            foundation="f", priority=1, ip="127.0.0.1", address="127.0.0.1", protocol="udp", port=40000
        )
        options = TransportOptions(
            id=transport_id, ice_parameters=self._ice(), ice_candidates=(candidate,), dtls_parameters=DTLS
        )
        return commands.TransportCreated(options=options)

    def _connect(self, transport_id: TransportId) -> None:
        transport = self._found(self.transports, "transport", transport_id)
        if transport.connected:
            raise Conflict(f"transport '{transport_id}' is connected already", slug="transport-connected")
        transport.connected = True

    def _produce(self, command: commands.Produce) -> commands.Produced:
        self._found(self.transports, "transport", command.transport_id)
        mime_type = command.rtp_parameters.codecs[0].mime_type
        if mime_type.lower() not in _MIME_TYPES:
            raise Unsupported(f"codec {mime_type} is not one of the router's", slug="unsupported-codec")
        producer_id = ProducerId(self._uuid())
        self.producers[producer_id] = FakeProducer(
            command.router_id,
            command.transport_id,
            command.kind,
            command.rtp_parameters,
            command.paused,
            command.participant_id,
            command.app_data,
            asked_to_pause=command.paused,
        )
        self._events.append(
            events.ProducerMade(
                router_id=command.router_id,
                transport_id=command.transport_id,
                producer_id=producer_id,
                participant_id=command.participant_id,
                media=command.kind,
                paused=command.paused,
            )
        )
        if self.scores_at_once:
            self.score_producer(producer_id, 10)
        return commands.Produced(producer_id=producer_id, type=ProducerType.SIMPLE)

    def _consume(self, command: commands.Consume) -> commands.Consumed:
        self._found(self.transports, "transport", command.transport_id)
        producer = self._producer(command.router_id, command.producer_id)
        consumer_id = ConsumerId(self._uuid())
        self.consumers[consumer_id] = FakeConsumer(
            command.router_id,
            command.transport_id,
            command.producer_id,
            command.paused,
            command.participant_id,
            preferred=self._cut(command.preferred_layers),
        )
        self._events.append(
            events.ConsumerMade(
                router_id=command.router_id,
                transport_id=command.transport_id,
                consumer_id=consumer_id,
                producer_id=command.producer_id,
                participant_id=command.participant_id,
                paused=command.paused,
            )
        )
        if self.scores_at_once:
            self.score_consumer(consumer_id, 10)
        return commands.Consumed(
            consumer_id=consumer_id,
            kind=producer.kind,
            type=ConsumerType.SIMPLE,
            rtp_parameters=producer.rtp_parameters,
            producer_paused=producer.paused,
        )

    def _cut(self, wanted: ConsumerLayers | Absent) -> ConsumerLayers | None:
        """What is preferred of the layers there are."""
        highest = self.highest
        if highest is None or wanted is ABSENT:
            return highest
        assert isinstance(highest.temporal_layer, int)
        temporal = highest.temporal_layer if wanted.temporal_layer is ABSENT else wanted.temporal_layer
        return ConsumerLayers(
            spatial_layer=min(wanted.spatial_layer, highest.spatial_layer),
            temporal_layer=min(temporal, highest.temporal_layer),
        )

    def _update_consumer(self, command: commands.UpdateConsumer) -> commands.ConsumerShown:
        consumer = self._found(self.consumers, "consumer", command.consumer_id)
        if command.preferred_layers is not ABSENT:
            consumer.preferred = self._cut(command.preferred_layers)
        if command.priority is not ABSENT:
            consumer.priority = command.priority
        producer = self._producer(consumer.router_id, consumer.producer_id)
        payload = ConsumerPayload(
            id=command.consumer_id,
            producer_id=consumer.producer_id,
            router_id=consumer.router_id,
            participant_id=ParticipantId("whoever"),
            kind=producer.kind,
            type=ConsumerType.SIMPLE,
            rtp_parameters=producer.rtp_parameters,
            paused=consumer.paused,
            producer_paused=producer.paused,
            score=ConsumerScore(score=10, producer_score=10, producer_scores=(10,)),
            preferred_layers=ABSENT if consumer.preferred is None else consumer.preferred,
            priority=consumer.priority,
            transport_options=TransportOptions(
                id=consumer.transport_id, ice_parameters=self._ice(), ice_candidates=(), dtls_parameters=DTLS
            ),
            ice_state=IceState.NEW,
            dtls_state=DtlsState.NEW,
            created_at=0,
        )
        return commands.ConsumerShown(consumer=payload)

    def _follow_pause(self, producer: FakeProducer, producer_id: ProducerId) -> None:
        paused = producer.asked_to_pause or producer.held
        if producer.paused != paused:
            producer.paused = paused
            event = events.ProducerPaused if paused else events.ProducerResumed
            self._events.append(event(router_id=producer.router_id, producer_id=producer_id))
            if paused:
                self._take_floor(producer.router_id, producer_id)

    def _pause_consumer(self, consumer_id: ConsumerId, paused: bool) -> None:
        consumer = self._found(self.consumers, "consumer", consumer_id)
        if consumer.paused != paused:
            consumer.paused = paused
            event = events.ConsumerPaused if paused else events.ConsumerResumed
            self._events.append(event(router_id=consumer.router_id, consumer_id=consumer_id))

    def _producer(self, router_id: RouterId, producer_id: ProducerId) -> FakeProducer:
        copy = self.copies.get((router_id, producer_id))
        if copy is not None:
            return copy
        producer = self.producers.get(producer_id)
        if producer is None or producer.router_id != router_id:
            raise NotFound.of("producer", producer_id)
        return producer

    # ------------------------------------------------------------------ pipes

    def _shown_router(self, router_id: RouterId) -> RouterPayload:
        return RouterPayload(
            id=router_id,
            participant_count=self.sizes[router_id],
            worker_id=WorkerId("fake-1"),
            rtp_capabilities=CAPABILITIES,
            producer_count=0,
            consumer_count=0,
            pipe_transport_count=0,
            created_at=0,
        )

    def _shown_producer(self, command: commands.GetProducer) -> ProducerPayload:
        producer = self._producer(command.router_id, command.producer_id)
        return ProducerPayload(
            id=command.producer_id,
            router_id=command.router_id,
            participant_id=producer.participant_id,
            state="producing",
            kind=producer.kind,
            type=ProducerType.SIMPLE,
            paused=producer.paused,
            rtp_parameters=producer.rtp_parameters,
            score=(),
            app_data=producer.app_data,  # type: ignore[arg-type]  # as it was given
            created_at=0,
        )

    def _create_pipe(self, command: commands.CreatePipeTransport) -> commands.PipeTransportShown:
        assert command.listen_ip is not ABSENT
        transport_id = TransportId(self._uuid())
        addresses = PipeTuple(local_ip=command.listen_ip, local_port=command.port or next(self._numbers) + 50000)
        self.transports[transport_id] = FakeTransport(command.router_id, pipe=addresses)
        event = events.TransportMade(router_id=command.router_id, transport_id=transport_id, pipe=True)
        self._events.append(event)
        return commands.PipeTransportShown(
            pipe_transport=PipeTransportPayload(
                id=transport_id,
                router_id=command.router_id,
                addresses=addresses,
                rtx=command.enable_rtx,
                connected=False,
                created_at=0,
            )
        )

    def _connect_pipe(self, command: commands.ConnectPipeTransport) -> None:
        self._connect(command.transport_id)
        transport = self.transports[command.transport_id]
        assert transport.pipe is not None
        transport.pipe = msgspec.structs.replace(transport.pipe, remote_ip=command.ip, remote_port=command.port)
        remote = f"{command.ip}:{command.port}"
        self._events.append(
            events.PipeConnected(router_id=command.router_id, transport_id=command.transport_id, remote=remote)
        )

    def _consume_for_pipe(self, command: commands.ConsumeForPipe) -> commands.PipeConsumed:
        self._found(self.transports, "pipe-transport", command.transport_id)
        producer = self._producer(command.router_id, command.producer_id)
        consumer_id = ConsumerId(self._uuid())
        self.consumers[consumer_id] = FakeConsumer(
            command.router_id,
            command.transport_id,
            command.producer_id,
            command.paused,
            producer.participant_id,
            piped=True,
            held=command.held,
        )
        made = events.ConsumerMade(
            router_id=command.router_id,
            transport_id=command.transport_id,
            consumer_id=consumer_id,
            producer_id=command.producer_id,
            participant_id=producer.participant_id,
            paused=command.paused,
            piped=True,
        )
        self._events.append(made)
        return commands.PipeConsumed(
            consumer=PipeConsumerPayload(
                id=consumer_id,
                producer_id=command.producer_id,
                kind=producer.kind,
                rtp_parameters=producer.rtp_parameters,
                paused=command.paused,
                producer_paused=producer.paused,
            )
        )

    def _produce_from_pipe(self, command: commands.ProduceFromPipe) -> commands.PipeProduced:
        self._found(self.transports, "pipe-transport", command.transport_id)
        origin = self.producers.get(command.producer_id)
        name = command.router_id, command.producer_id
        if name in self.copies or (origin is not None and origin.router_id == command.router_id):
            raise Conflict(f"producer '{command.producer_id}' exists", slug="producer-exists")
        paused = command.paused or command.held
        self.copies[name] = FakeProducer(
            command.router_id,
            command.transport_id,
            command.kind,
            command.rtp_parameters,
            paused,
            command.participant_id,
            command.app_data,
            asked_to_pause=command.paused,
            held=command.held,
        )
        made = events.ProducerMade(
            router_id=command.router_id,
            transport_id=command.transport_id,
            producer_id=command.producer_id,
            participant_id=command.participant_id,
            media=command.kind,
            paused=paused,
            piped=True,
        )
        self._events.append(made)
        return commands.PipeProduced(
            producer=PipeProducerPayload(
                id=command.producer_id,
                kind=command.kind,
                type=ProducerType.SIMPLE,
                rtp_parameters=command.rtp_parameters,
                paused=paused,
                participant_id=command.participant_id,
            )
        )

    def _uuid(self) -> str:
        return str(UUID(int=next(self._numbers)))

    def _ice(self) -> IceParameters:
        return IceParameters(username_fragment=f"ufrag{next(self._numbers)}", password="p" * 24)

    @staticmethod
    def _found(table: dict[K, V], kind: str, id_: K) -> V:
        if id_ not in table:
            raise NotFound.of(kind, id_)
        return table[id_]


class FakeWorker:
    """`FakeEngine` behind the `Worker` protocol; a command that `hold` names waits until `released` is set."""

    def __init__(self, on_events: Callable[[Sequence[events.EngineEvent]], None] | None = None) -> None:
        self.engine = FakeEngine()
        self.on_events = on_events
        self.hold: type[commands.Command] | None = None
        self.held = trio.Event()
        self.released = trio.Event()

    @property
    def id(self) -> WorkerId:
        return WorkerId("fake-1")

    async def execute(self, command: commands.Command) -> commands.Result:
        await trio.lowlevel.checkpoint()
        if self.hold is not None and isinstance(command, self.hold):
            self.held.set()
            await self.released.wait()
        try:
            return self.engine.execute(command)
        finally:
            drained = self.engine.drain()
            if drained and self.on_events is not None:
                self.on_events(drained)

    def silent_info(self) -> WorkerInfo:
        return absent_worker(self.id, "silent", os.getpid())

    async def info(self) -> WorkerInfo:
        await trio.lowlevel.checkpoint()
        counts = self.engine.counts()
        return WorkerInfo(
            id=self.id,
            pid=os.getpid(),
            state="running",
            cpu_seconds=0.0,
            rss_bytes=0,
            router_count=counts.routers,
            producer_count=counts.producers,
            consumer_count=counts.consumers,
            forwarded_packets_per_second=0.0,
            media=counts,
        )
