"""Commands to an engine, carried out: each either does all it says, or raises and did nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy

from labsfu.core.drops import Drops
from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.router import Router
from labsfu.core.forwarding.session import MediaSession
from labsfu.core.negotiation import make_consumer, make_producer
from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.tables import Tables
from labsfu.core.transport.webrtc import Surroundings, WebRtcTransport
from labsfu.errors import Unsupported
from labsfu.wire import commands
from labsfu.wire.commands import Command, Done, Result
from labsfu.wire.events import CloseReason, KeyFrameRequested, RouterClosed, RouterMade, TransportClosed, TransportMade
from labsfu.wire.ids import RouterId, TransportId
from labsfu.wire.rtp import ConsumerType, RtpCodecCapability
from labsfu.wire.stats import EngineCounts

DONE = Done()


class Executor:
    """Changes the tables of an engine as commands say."""

    def __init__(
        self,
        tables: Tables,
        around: Surroundings,
        media_codecs: Sequence[RtpCodecCapability],
        traffic: Callable[[], tuple[int, int, Drops]],
    ) -> None:
        self._tables = tables
        self._around = around
        self._traffic = traffic
        self._next_mids: dict[TransportId, int] = {}
        self._closed_traffic = _Traffic()
        self.rtp_capabilities = generate_router_rtp_capabilities(media_codecs)

    def execute(self, command: Command, now: float) -> Result:
        """Carry out a command; see `labsfu.wire.commands` for what each answers.

        Raises:
            CommandError: it was refused; nothing changed.
        """
        match command:
            case commands.CreateRouter():
                return self._create_router()
            case commands.GetCounts():
                return commands.Counted(counts=self._count())
            case commands.RouterCommand():
                return self._execute_on(self._tables.router(command.router_id), command, now)
            case _:
                raise Unsupported(f"command '{type(command).__name__}' is unknown", slug="unknown-command")

    def _execute_on(self, router: Router, command: commands.RouterCommand, now: float) -> Result:
        match command:
            case commands.CloseRouter():
                self._close_router(router, now)
            case commands.CreateWebRtcTransport():
                return self._create_transport(router)
            case commands.ConnectWebRtcTransport():
                self._connect(command, now)
            case commands.RestartIce():
                return self._restart_ice(command)
            case commands.CloseTransport():
                self._close_transport(self._tables.transport(router.id, command.transport_id), "asked", now)
            case commands.Produce():
                return self._produce(router, command)
            case commands.Consume():
                return self._consume(router, command, now)
            case _:
                self._execute_small(router, command, now)
        return DONE

    def _execute_small(self, router: Router, command: commands.RouterCommand, now: float) -> None:
        """The commands on one producer or consumer that answer nothing but Done."""
        match command:
            case commands.PauseProducer():
                router.pause_producer(command.producer_id)
            case commands.ResumeProducer():
                router.resume_producer(command.producer_id, now)
                self._follow_producer(router.producer(command.producer_id))
            case commands.CloseProducer():
                router.close_producer(command.producer_id, "asked")
            case commands.PauseConsumer():
                router.pause_consumer(command.consumer_id)
            case commands.ResumeConsumer():
                router.resume_consumer(command.consumer_id, now)
                self._follow_consumer(router, router.consumer(command.consumer_id))
            case commands.RequestKeyFrame():
                router.want_key_frame(router.consumer(command.consumer_id), now)
                self._follow_consumer(router, router.consumer(command.consumer_id))
            case commands.CloseConsumer():
                router.close_consumer(command.consumer_id, "asked")
            case _:
                raise Unsupported(f"command '{type(command).__name__}' is unknown", slug="unknown-command")

    # ---------------------------------------------------------------- routers

    def _create_router(self) -> commands.RouterCreated:
        id_ = RouterId(self._around.entropy.uuid())
        self._tables.routers[id_] = Router(id_, self.rtp_capabilities, self._around.emit)
        self._around.emit(RouterMade(router_id=id_))
        return commands.RouterCreated(router_id=id_, rtp_capabilities=self.rtp_capabilities)

    def _close_router(self, router: Router, now: float) -> None:
        for transport in self._tables.of_router(router.id):
            self._close_transport(transport, "router-closed", now)
        del self._tables.routers[router.id]
        self._around.emit(RouterClosed(router_id=router.id))

    # ---------------------------------------------------------------- transports

    def _create_transport(self, router: Router) -> commands.TransportCreated:
        id_ = TransportId(self._around.entropy.uuid())
        transport = WebRtcTransport(id_, router.id, self._around, lambda link: self._make_session(link, router))
        self._tables.add(transport)
        self._next_mids[id_] = 0
        self._around.emit(TransportMade(router_id=router.id, transport_id=id_))
        return commands.TransportCreated(options=transport.options())

    def _make_session(self, link: WebRtcTransport, router: Router) -> MediaSession:
        around = self._around

        def key_frame_wanted(consumer: Consumer, now: float) -> None:
            router.want_key_frame(consumer, now)
            self._follow_consumer(router, consumer)

        def key_frame_requested(producer: Producer, ssrc: int) -> None:
            around.emit(KeyFrameRequested(router_id=router.id, producer_id=producer.terms.id, ssrc=ssrc))

        return MediaSession(
            link, around.entropy, around.unix_offset, around.drops, key_frame_wanted, key_frame_requested
        )

    def _connect(self, command: commands.ConnectWebRtcTransport, now: float) -> None:
        transport = self._tables.transport(command.router_id, command.transport_id)
        transport.connect(command.dtls_parameters, now)
        self._tables.follow(transport)

    def _restart_ice(self, command: commands.RestartIce) -> commands.IceRestarted:
        transport = self._tables.transport(command.router_id, command.transport_id)
        parameters = transport.restart_ice()
        self._tables.follow(transport)
        return commands.IceRestarted(ice_parameters=parameters)

    def _close_transport(self, transport: WebRtcTransport, reason: CloseReason, now: float) -> None:
        self._tables.routers[transport.router_id].close_session(transport.session, "transport-closed")
        transport.close(now)
        self._tables.remove(transport)
        del self._next_mids[transport.id]
        self._closed_traffic.add(transport)
        self._around.emit(TransportClosed(router_id=transport.router_id, transport_id=transport.id, reason=reason))

    # ---------------------------------------------------------------- media

    def _produce(self, router: Router, command: commands.Produce) -> commands.Produced:
        transport = self._tables.transport(router.id, command.transport_id)
        producer = make_producer(command, router, transport, self._around.entropy)
        router.add_producer(producer, transport.session, transport.id)
        return commands.Produced(producer_id=producer.terms.id, type=producer.terms.type)

    def _consume(self, router: Router, command: commands.Consume, now: float) -> commands.Consumed:
        transport = self._tables.transport(router.id, command.transport_id)
        producer = router.producer(command.producer_id)
        mid = str(self._next_mids[transport.id])
        consumer = make_consumer(command, producer, transport, mid, self._around.entropy)
        self._next_mids[transport.id] += 1
        router.add_consumer(consumer, transport.session, transport.id, now)
        self._follow_consumer(router, consumer)
        return commands.Consumed(
            consumer_id=consumer.names.id,
            kind=consumer.kind,
            type=ConsumerType.SIMPLE,
            rtp_parameters=consumer.rtp_parameters,
            producer_paused=producer.paused,
        )

    def _follow_consumer(self, router: Router, consumer: Consumer) -> None:
        self._follow_producer(router.producer(consumer.names.producer_id))

    def _follow_producer(self, producer: Producer) -> None:
        """A key-frame request may have set a timer at the producer's transport."""
        for transport in self._tables.transports.values():
            if producer.terms.id in transport.session.producers:
                self._tables.follow(transport)

    # ---------------------------------------------------------------- counts

    def _count(self) -> EngineCounts:
        received, received_bytes, drops = self._traffic()
        total = copy(self._closed_traffic)
        for transport in self._tables.transports.values():
            total.add(transport)
        routers = self._tables.routers.values()
        return EngineCounts(
            routers=len(routers),
            transports=len(self._tables.transports),
            producers=sum(len(router.producers) for router in routers),
            consumers=sum(len(router.consumers) for router in routers),
            packets_received=received,
            bytes_received=received_bytes,
            packets_sent=total.packets,
            bytes_sent=total.bytes,
            unsent_packets=0,
            forwarded_packets=total.forwarded,
            drops=drops.snapshot(),
        )


class _Traffic:
    """What transports have sent, those that are closed included."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.forwarded = 0

    def add(self, transport: WebRtcTransport) -> None:
        self.packets += transport.packets_sent
        self.bytes += transport.bytes_sent
        self.forwarded += transport.forwarded
