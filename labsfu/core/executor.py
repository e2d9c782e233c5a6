"""Commands to an engine, each sent to what carries it out: it either does all it says, or raises and did nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

from labsfu.core.drops import Drops
from labsfu.core.forwarding.router import Router
from labsfu.core.operations import Operations
from labsfu.core.outputs import BoundSocket
from labsfu.core.pipes import Pipes
from labsfu.core.showing import show_router, show_type
from labsfu.core.standalone import Standalone
from labsfu.core.stats.moment import Moment
from labsfu.core.stats.samples import sample_engine
from labsfu.core.stats.several import stats_of
from labsfu.core.stats.streams import consumer_stats, producer_stats
from labsfu.core.stats.transports import router_stats
from labsfu.core.tables import Tables
from labsfu.core.transport.base import Transport
from labsfu.core.transport.surroundings import Surroundings
from labsfu.errors import Unsupported
from labsfu.wire import commands
from labsfu.wire.commands import Command, Done, Result
from labsfu.wire.events import EngineEvent
from labsfu.wire.rtp import RtpCapabilities, RtpCodecCapability
from labsfu.wire.sfu import RouterPayload
from labsfu.wire.stats import EngineCounts

DONE = Done()


class Executor:
    """Changes an engine as commands say.

    Args:
        tables: of the engine.
        around: what its transports share.
        media_codecs: of all its routers.
        events: of the engine, to see what a command closed.
        traffic: what the engine has received (packets, bytes) and dropped.
    """

    def __init__(
        self,
        tables: Tables,
        around: Surroundings,
        media_codecs: Sequence[RtpCodecCapability],
        events: list[EngineEvent],
        traffic: Callable[[], tuple[int, int, Drops]],
    ) -> None:
        self._tables = tables
        self._events = events
        self._traffic = traffic
        self._operations = Operations(tables, around, media_codecs)
        self._standalone = Standalone(tables, self._operations, around.entropy)
        self._pipes = Pipes(tables, self._operations, self._standalone)

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        """What routers offer."""
        return self._operations.rtp_capabilities

    def execute(self, command: Command, now: float, socket: BoundSocket | None = None) -> Result:
        """Carry out a command (over `socket`, a pipe); see `labsfu.wire.commands` for what each answers.

        Raises:
            CommandError: it was refused; nothing changed.
        """
        seen = len(self._events)
        result = self._execute(command, now, socket)
        self._follow(seen, now)
        return result

    def _follow(self, seen: int, now: float) -> None:
        """Look at the events since the first `seen`; closing one thing may close others, which is seen in turn."""
        while seen < len(self._events):
            self._standalone.follow(self._events[seen], now)
            seen += 1

    def give_up(self, transport: Transport | None, detail: str, now: float) -> None:
        """Something unforeseen happened, in a transport or (None) before it was known which: tell, and close it."""
        seen = len(self._events)
        self._operations.give_up(transport, detail, now)
        self._follow(seen, now)

    def _execute(self, command: Command, now: float, socket: BoundSocket | None) -> Result:
        match command:
            case commands.CreateRouter():
                router = self._operations.create_router(command.participant_count, now)
                return commands.RouterCreated(router_id=router.id, rtp_capabilities=router.rtp_capabilities)
            case commands.ListRouters():
                return commands.RoutersShown(routers=tuple(map(self._show_router, self._tables.routers.values())))
            case commands.GetCounts():
                return commands.Counted(counts=self._count())
            case commands.GetSamples():
                return commands.Sampled(sample=sample_engine(self._tables, now))
            case commands.RouterCommand():
                router = self._tables.router(command.router_id)
                for execute in (
                    self._on_router,
                    self._on_hearing,
                    self._on_media,
                    self._on_producer,
                    self._on_consumer,
                    self._on_stats,
                ):
                    result = execute(router, command, now)
                    if result is not None:
                        return result
                result = self._pipes.execute(router, command, now, socket)
                if result is not None:
                    return result
        raise Unsupported(f"command '{type(command).__name__}' is unknown", slug="unknown-command")

    def _show_router(self, router: Router) -> RouterPayload:
        return show_router(router, len(self._standalone.pending_of(router)), len(self._tables.pipes(router.id)))

    def _on_router(self, router: Router, command: commands.RouterCommand, now: float) -> Result | None:
        """The commands on a router, and on transports by their id."""
        match command:
            case commands.GetRouter():
                return commands.RouterShown(router=self._show_router(router))
            case commands.CloseRouter():
                self._operations.close_router(router, now)
            case commands.CreateWebRtcTransport():
                transport = self._operations.new_transport(router)
                self._operations.admit(transport)
                return commands.TransportCreated(options=transport.options())
            case commands.ConnectWebRtcTransport():
                transport = self._tables.transport(router.id, command.transport_id)
                transport.connect(command.dtls_parameters, now)
                self._tables.follow(transport)
            case commands.RestartIce():
                transport = self._tables.transport(router.id, command.transport_id)
                parameters = transport.restart_ice()
                self._tables.follow(transport)
                return commands.IceRestarted(ice_parameters=parameters)
            case commands.CloseTransport():
                transport = self._tables.transport(router.id, command.transport_id)
                self._operations.close_transport(transport, "asked", now)
            case _:
                return None
        return DONE

    def _on_hearing(self, router: Router, command: commands.RouterCommand, now: float) -> Result | None:  # noqa: ARG002 - one signature for all
        """Who is heard."""
        hearing, epoch_ms = router.hearing, self._operations.epoch_ms
        match command:
            case commands.GetAudioLevels():
                return commands.AudioLevelsShown(audio_levels=hearing.show_levels(epoch_ms, router.created_at))
            case commands.GetActiveSpeaker():
                return commands.ActiveSpeakerShown(active_speaker=hearing.show_speaker(epoch_ms))
            case _:
                return None

    def _on_media(self, router: Router, command: commands.RouterCommand, now: float) -> Result | None:
        """Producers and consumers on a transport that is there."""
        match command:
            case commands.Produce():
                transport = self._tables.transport(router.id, command.transport_id)
                producer = self._operations.produce(router, transport, command, now)
                return commands.Produced(producer_id=producer.terms.id, type=producer.terms.type)
            case commands.Consume():
                transport = self._tables.transport(router.id, command.transport_id)
                consumer = self._operations.negotiate_consumer(router, transport, command, now)
                self._operations.add_consumer(router, transport, consumer, now)
                return commands.Consumed(
                    consumer_id=consumer.names.id,
                    kind=consumer.kind,
                    type=show_type(consumer),
                    rtp_parameters=consumer.rtp_parameters,
                    producer_paused=consumer.producer_paused,
                )
            case _:
                return None

    def _on_producer(self, router: Router, command: commands.RouterCommand, now: float) -> Result | None:
        """The commands on a producer."""
        alone = self._standalone
        match command:
            case commands.CreateProducer():
                return commands.ProducerShown(producer=alone.create_producer(router, command, now))
            case commands.UpdateProducer():
                return commands.ProducerShown(producer=alone.update_producer(router, command, now))
            case commands.GetProducer():
                return commands.ProducerShown(producer=alone.producer(router, command.producer_id))
            case commands.ListProducers():
                return commands.ProducersShown(producers=alone.producers(router))
            case commands.ConnectProducer():
                alone.connect_producer(router, command.producer_id, command.dtls_parameters, now)
            case commands.RestartProducerIce():
                return alone.restart_ice(router, "producer", command.producer_id)
            case commands.PauseProducer():
                if not alone.set_paused(router, command.producer_id, True):
                    router.pause_producer(command.producer_id)
            case commands.ResumeProducer():
                if not alone.set_paused(router, command.producer_id, False):
                    router.resume_producer(command.producer_id, now)
                    self._operations.follow_producer(router, command.producer_id)
            case commands.CloseProducer():
                if not alone.close_pending(router, command.producer_id, now):
                    router.close_producer(command.producer_id, "asked")
            case _:
                return None
        return DONE

    def _on_consumer(self, router: Router, command: commands.RouterCommand, now: float) -> Result | None:
        """The commands on a consumer."""
        alone = self._standalone
        match command:
            case commands.CreateConsumer():
                return commands.ConsumerShown(consumer=alone.create_consumer(router, command, now))
            case commands.UpdateConsumer():
                return commands.ConsumerShown(consumer=alone.update_consumer(router, command, now))
            case commands.GetConsumer():
                return commands.ConsumerShown(consumer=alone.consumer(router, command.consumer_id))
            case commands.ListConsumers():
                return commands.ConsumersShown(consumers=alone.consumers(router))
            case commands.ConnectConsumer():
                alone.connect_consumer(router, command.consumer_id, command.dtls_parameters, now)
            case commands.RestartConsumerIce():
                return alone.restart_ice(router, "consumer", command.consumer_id)
            case commands.PauseConsumer():
                router.pause_consumer(command.consumer_id)
            case commands.ResumeConsumer():
                router.resume_consumer(command.consumer_id, now)
                self._operations.follow_producer(router, router.consumer(command.consumer_id).names.producer_id)
            case commands.RequestKeyFrame():
                consumer = router.consumer(command.consumer_id)
                for part in consumer.parts:
                    router.want_key_frame(part, now)
                self._operations.follow_producer(router, consumer.names.producer_id)
            case commands.CloseConsumer():
                router.close_consumer(command.consumer_id, "asked")
            case _:
                return None
        return DONE

    def _on_stats(self, router: Router, command: commands.RouterCommand, now: float) -> Result | None:
        """What there is to say of it."""
        moment = Moment(now, self._operations.epoch_ms(now))
        match command:
            case commands.GetRouterStats():
                return commands.RouterStatsShown(stats=router_stats(router, self._tables, moment))
            case commands.GetProducerStats():
                producer, transport = self._standalone.find_producer(router, command.producer_id)
                stats = producer_stats(command.producer_id, producer, transport, moment)
                return commands.ProducerStatsShown(stats=stats)
            case commands.GetConsumerStats():
                consumer = router.consumer(command.consumer_id)
                return commands.ConsumerStatsShown(stats=consumer_stats(router, consumer, self._tables, moment))
            case commands.GetStats():
                return stats_of(router, command, self._tables, moment)
        return None

    def _count(self) -> EngineCounts:
        received, received_bytes, drops = self._traffic()
        counted = Drops()
        counted.add(drops)
        total = copy(self._operations.closed_traffic)
        for router in self._tables.routers.values():
            total.add(router.traffic)
            counted.add(router.drops)
            for producer, *_ in router.producers.values():
                counted.add(producer.drops)
            for consumer, *_ in router.consumers.values():
                for part in consumer.parts:
                    counted.add(part.drops)
        for transport in self._tables.transports.values():
            total.add(transport)
            counted.add(transport.drops)
        routers = self._tables.routers.values()
        return EngineCounts(
            routers=len(routers),
            transports=len(self._tables.transports),
            producers=sum(len(router.producers) for router in routers),
            consumers=sum(len(router.consumers) for router in routers),
            packets_received=received,
            bytes_received=received_bytes,
            packets_sent=total.packets_sent,
            bytes_sent=total.bytes_sent,
            unsent_packets=0,
            forwarded_packets=total.forwarded,
            drops=counted.snapshot(),
        )
