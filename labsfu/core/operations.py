"""What commands do to an engine's tables: routers, transports, and the media on them."""

from __future__ import annotations

from collections.abc import Sequence

from labsfu.core.drop_reports import Stream
from labsfu.core.drops import Drops
from labsfu.core.forwarding.consumer import Consumer
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.router import Router
from labsfu.core.forwarding.session import MediaSession
from labsfu.core.negotiation import make_consumer, make_pipe_consumer, make_producer
from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.outputs import BoundSocket
from labsfu.core.tables import Tables
from labsfu.core.traffic import Traffic
from labsfu.core.transport.base import Transport
from labsfu.core.transport.pipe import PipeTransport
from labsfu.core.transport.surroundings import Surroundings
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.wire.base import ABSENT
from labsfu.wire.commands import Consume, ConsumeForPipe, CreatePipeTransport, Produce, ProduceFromPipe
from labsfu.wire.events import (
    CloseReason,
    EngineFault,
    KeyFrameRequested,
    RouterClosed,
    RouterMade,
    TransportClosed,
    TransportMade,
)
from labsfu.wire.ids import ProducerId, RouterId, TransportId
from labsfu.wire.rtp import RtpCodecCapability


class Operations:
    """Makes and closes; each either does all it says, or raises and did nothing.

    Given: the tables, what transports share, the codecs of all routers.
    Owned: the next MID of each transport, the traffic of routers that are closed.
    """

    def __init__(self, tables: Tables, around: Surroundings, media_codecs: Sequence[RtpCodecCapability]) -> None:
        self._tables = tables
        self._around = around
        self._watch = around.drop_reports.watch
        self._next_mids: dict[TransportId, int] = {}
        self.rtp_capabilities = generate_router_rtp_capabilities(media_codecs)
        self.closed_traffic = Traffic()

    def epoch_ms(self, now: float) -> int:
        """The wall's time at `now`, in epoch milliseconds."""
        return round((now + self._around.unix_offset) * 1000)

    # ---------------------------------------------------------------- routers

    def create_router(self, participant_count: int, now: float) -> Router:
        """Make a router."""
        id_ = RouterId(self._around.entropy.uuid())
        router = self._tables.routers[id_] = Router(
            id_,
            self.rtp_capabilities,
            self._around.emit,
            Drops(),
            self._tables.router_timers.schedule,
            participant_count=participant_count,
            created_at=self.epoch_ms(now),
        )
        self._around.emit(RouterMade(router_id=id_))
        return router

    def close_router(self, router: Router, now: float) -> None:
        """Close a router, its transports first."""
        for transport in self._tables.of_router(router.id):
            self.close_transport(transport, "router-closed", now)
        self._tables.remove_router(router)
        self.closed_traffic.add(router.traffic)
        self._around.drops.absorb(router.drops)
        self._around.emit(RouterClosed(router_id=router.id))

    # ---------------------------------------------------------------- transports

    def new_transport(self, router: Router) -> WebRtcTransport:
        """A transport that nobody knows yet; see `admit`."""
        id_ = TransportId(self._around.entropy.uuid())
        return WebRtcTransport(id_, router.id, self._around, lambda link: self._make_session(link, router))

    def new_pipe(self, router: Router, command: CreatePipeTransport, socket: BoundSocket, now: float) -> PipeTransport:
        """A pipe transport that nobody knows yet; see `admit`."""
        return PipeTransport(
            TransportId(self._around.entropy.uuid()),
            router.id,
            self._around,
            lambda link: self._make_session(link, router),
            socket=socket,
            srtp=command.enable_srtp,
            rtx=command.enable_rtx,
            created_at=self.epoch_ms(now),
        )

    def admit(self, transport: Transport) -> None:
        """Let a new transport be known and reached."""
        self._tables.add(transport)
        self._next_mids[transport.id] = 0
        self._watch(transport.drops, Stream(transport.router_id, transport_id=transport.id))
        pipe = isinstance(transport, PipeTransport)
        self._around.emit(TransportMade(router_id=transport.router_id, transport_id=transport.id, pipe=pipe))

    def _make_session(self, link: Transport, router: Router) -> MediaSession:
        around = self._around

        def key_frame_wanted(consumer: Consumer, now: float) -> None:
            router.want_key_frame(consumer, now)
            self.follow_producer(router, consumer.names.producer_id)

        def key_frame_requested(producer: Producer, ssrc: int) -> None:
            around.emit(KeyFrameRequested(router_id=router.id, producer_id=producer.terms.id, ssrc=ssrc))

        return MediaSession(link, around.entropy, around.unix_offset, link.drops, key_frame_wanted, key_frame_requested)

    def close_transport(self, transport: Transport, reason: CloseReason, now: float) -> None:
        """Close a transport, what it carries first."""
        router = self._tables.routers[transport.router_id]
        router.close_session(transport.session, "transport-closed")
        transport.close(now)
        self._tables.remove(transport)
        del self._next_mids[transport.id]
        router.traffic.add(transport)
        router.drops.absorb(transport.drops)
        self._around.emit(TransportClosed(router_id=transport.router_id, transport_id=transport.id, reason=reason))

    def give_up(self, transport: Transport | None, detail: str, now: float) -> None:
        """Tell of a fault, and close the transport that it happened in."""
        router_id = RouterId("") if transport is None else transport.router_id
        transport_id = ABSENT if transport is None else transport.id
        self._around.emit(EngineFault(router_id=router_id, transport_id=transport_id, detail=detail))
        if transport is not None and transport.id in self._tables.transports:
            self.close_transport(transport, "internal-error", now)

    # ---------------------------------------------------------------- media

    def produce(
        self,
        router: Router,
        transport: Transport,
        command: Produce | ProduceFromPipe,
        now: float,
        born: tuple[ProducerId, int] | None = None,
    ) -> Producer:
        """Make a producer; `born` is the id and the epoch milliseconds that it has already.

        Raises:
            CommandError: see `make_producer`.
        """
        producer = self.check_producer(router, transport, command, now, born)
        piped = isinstance(transport, PipeTransport)
        router.add_producer(producer, transport.session, transport.id, piped=piped)
        self._watch(producer.drops, Stream(router.id, producer_id=producer.terms.id))
        return producer

    def check_producer(
        self,
        router: Router,
        transport: Transport,
        command: Produce | ProduceFromPipe,
        now: float,
        born: tuple[ProducerId, int] | None = None,
    ) -> Producer:
        """A producer that nobody knows yet. Raises what `make_producer` does."""
        id_, created_at = (None, self.epoch_ms(now)) if born is None else born
        return make_producer(command, router, transport, self._around.entropy, created_at=created_at, id_=id_)

    def negotiate_consumer(self, router: Router, transport: WebRtcTransport, command: Consume, now: float) -> Consumer:
        """A consumer that nobody knows yet; raises NotFound, Unsupported."""
        producer = router.producer(command.producer_id)
        mid = str(self._next_mids.get(transport.id, 0))
        return make_consumer(command, producer, transport, self._around.entropy, mid=mid, created_at=self.epoch_ms(now))

    def negotiate_pipe_consumer(
        self, router: Router, pipe: PipeTransport, command: ConsumeForPipe, now: float
    ) -> Consumer:
        """The same into a pipe; raises what `make_pipe_consumer` does."""
        producer = router.producer(command.producer_id)
        return make_pipe_consumer(command, producer, pipe, self._around.entropy, created_at=self.epoch_ms(now))

    def add_consumer(self, router: Router, transport: Transport, consumer: Consumer, now: float) -> None:
        """Let a negotiated consumer flow."""
        self._next_mids[transport.id] += 1
        router.add_consumer(consumer, transport.session, transport.id, now)
        for part in consumer.parts:
            self._watch(part.drops, Stream(router.id, consumer_id=consumer.names.id))
        self.follow_producer(router, consumer.names.producer_id)

    def follow_producer(self, router: Router, producer_id: ProducerId) -> None:
        """A key-frame request may have set a timer at the producer's transport."""
        self._tables.follow(self._tables.transports[router.producers[producer_id][2]])
