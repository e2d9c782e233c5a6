"""Producers and consumers that have a transport of their own: what the HTTP API makes, one request at a time.

Such a producer may begin as its transport alone, for a client that must know the transport before it can say what it
sends. Transport and media live and die together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import msgspec

from labsfu.core.entropy import Entropy
from labsfu.core.forwarding.producer import Producer
from labsfu.core.forwarding.router import Router
from labsfu.core.operations import Operations
from labsfu.core.showing import show_consumer, show_producer
from labsfu.core.tables import Tables
from labsfu.core.transport.base import Transport
from labsfu.core.transport.pipe import PipeTransport
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.errors import Conflict, InvalidValue, NotFound
from labsfu.wire import commands
from labsfu.wire.base import ABSENT, Absent, JsonObject
from labsfu.wire.events import ConsumerClosed, EngineEvent, ProducerClosed, TransportClosed
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RouterId, TransportId
from labsfu.wire.rtp import ConsumerLayers, MediaKind, RtpEncodingParameters, RtpParameters
from labsfu.wire.sfu import ConsumerPayload, EncodingUpdate, ProducerPayload
from labsfu.wire.transport import DtlsParameters

Kind: TypeAlias = Literal["producer", "consumer"]


@dataclass(frozen=True, slots=True)
class PendingProducer:
    """A producer that is a transport so far."""

    id: ProducerId
    router_id: RouterId
    participant_id: ParticipantId
    transport: WebRtcTransport
    paused: bool
    app_data: JsonObject | Absent
    created_at: int


class Standalone:
    """Makes, changes and shows them.

    Given: the tables, the operations, where ids come from.
    Owned: the producers that are only a transport yet; which things have a transport of their own.
    """

    def __init__(self, tables: Tables, operations: Operations, entropy: Entropy) -> None:
        self._tables = tables
        self._operations = operations
        self._entropy = entropy
        # By router and id: an id is there once more in each router that its producer is piped to.
        self._pending: dict[tuple[RouterId, ProducerId], PendingProducer] = {}
        # A producer that comes over a pipe has whatever id its maker chose, be it that of a consumer.
        self._own: dict[tuple[RouterId, Kind, ProducerId | ConsumerId], TransportId] = {}

    def pending_of(self, router: Router) -> list[PendingProducer]:
        """The producers of a router that are only a transport yet."""
        return [pending for pending in self._pending.values() if pending.router_id == router.id]

    # ---------------------------------------------------------------- producers

    def create_producer(self, router: Router, command: commands.CreateProducer, now: float) -> ProducerPayload:
        """Make a producer, or its transport alone."""
        transport = self._operations.new_transport(router)
        pending = PendingProducer(
            ProducerId(self._entropy.uuid()),
            router.id,
            command.participant_id,
            transport,
            command.paused,
            command.app_data,
            self._operations.epoch_ms(now),
        )
        media = _media(command)
        if media is not None:
            # Negotiated first on the transport that nobody knows: a refusal leaves nothing.
            self._operations.check_producer(router, transport, _produce(pending, *media), now)
        self._operations.admit(transport)
        self._own[router.id, "producer", pending.id] = transport.id
        if media is None:
            self._pending[router.id, pending.id] = pending
            return _show_pending(pending)
        return self._complete(router, pending, media, now)

    def _complete(
        self, router: Router, pending: PendingProducer, media: tuple[MediaKind, RtpParameters], now: float
    ) -> ProducerPayload:
        producer = self._operations.produce(
            router, pending.transport, _produce(pending, *media), now, (pending.id, pending.created_at)
        )
        self._pending.pop((router.id, pending.id), None)
        return show_producer(router, producer, pending.transport)

    def update_producer(self, router: Router, command: commands.UpdateProducer, now: float) -> ProducerPayload:
        """Complete a producer, or change one that is complete."""
        pending = self._pending.get((router.id, command.producer_id))
        if pending is not None:
            return self._update_pending(router, pending, command, now)
        producer = router.producer(command.producer_id)
        _check_same_media(producer, _media(command))
        producer.change(_with_encodings(producer.rtp_parameters, command.encodings))
        if not isinstance(command.encodings, Absent):
            router.encodings_changed(command.producer_id, now)
            self._operations.follow_producer(router, command.producer_id)
        if command.app_data is not ABSENT:
            producer.app_data = command.app_data
        if command.paused is True:
            router.pause_producer(command.producer_id)
        elif command.paused is False:
            router.resume_producer(command.producer_id, now)
            self._operations.follow_producer(router, command.producer_id)
        return self.producer(router, command.producer_id)

    def _update_pending(
        self, router: Router, pending: PendingProducer, command: commands.UpdateProducer, now: float
    ) -> ProducerPayload:
        media = _media(command)
        if command.encodings is not ABSENT and media is None:
            raise Conflict(f"producer '{pending.id}' has no encodings yet", slug="producer-incomplete")
        changed = replace(
            pending,
            paused=_or(command.paused, pending.paused),
            app_data=pending.app_data if command.app_data is ABSENT else command.app_data,
        )
        if media is not None:
            kind, parameters = media
            return self._complete(router, changed, (kind, _with_encodings(parameters, command.encodings)), now)
        self._pending[router.id, pending.id] = changed
        return _show_pending(changed)

    def producer(self, router: Router, id_: ProducerId) -> ProducerPayload:
        """Show a producer, complete or not."""
        pending = self._pending.get((router.id, id_))
        if pending is not None:
            return _show_pending(pending)
        producer = router.producer(id_)
        return show_producer(router, producer, self._tables.transports[router.producers[id_][2]])

    def is_pending(self, router: Router, id_: ProducerId) -> bool:
        """Whether it is a producer that is only a transport yet."""
        return (router.id, id_) in self._pending

    def find_producer(self, router: Router, id_: ProducerId) -> tuple[Producer | None, Transport]:
        """A producer (None: it is only a transport yet) and its transport; raises NotFound."""
        pending = self._pending.get((router.id, id_))
        if pending is not None:
            return None, pending.transport
        return router.producer(id_), self._tables.transports[router.producers[id_][2]]

    def producers(self, router: Router) -> tuple[ProducerPayload, ...]:
        """Show all producers of a router."""
        ids = [*router.producers, *(pending.id for pending in self.pending_of(router))]
        return tuple(self.producer(router, id_) for id_ in ids)

    def connect_producer(self, router: Router, id_: ProducerId, parameters: DtlsParameters, now: float) -> None:
        """Connect a producer's own transport."""
        self._connect(self._own_transport(router, "producer", id_), parameters, now)

    def set_paused(self, router: Router, id_: ProducerId, paused: bool) -> bool:
        """Pause or resume a producer that is only a transport yet; False when it is none of these."""
        pending = self._pending.get((router.id, id_))
        if pending is None:
            return False
        self._pending[router.id, id_] = replace(pending, paused=paused)
        return True

    def close_pending(self, router: Router, id_: ProducerId, now: float) -> bool:
        """Close a producer that is only a transport yet; False when it is none of these."""
        pending = self._pending.get((router.id, id_))
        if pending is None:
            return False
        self._operations.close_transport(pending.transport, "asked", now)
        return True

    # ---------------------------------------------------------------- consumers

    def create_consumer(self, router: Router, command: commands.CreateConsumer, now: float) -> ConsumerPayload:
        """Make a consumer."""
        pending = self._pending.get((router.id, command.producer_id))
        if pending is not None:
            raise Conflict(f"producer '{command.producer_id}' sends nothing yet", slug="producer-incomplete")
        transport = self._operations.new_transport(router)
        consume = commands.Consume(
            router_id=router.id,
            transport_id=transport.id,
            producer_id=command.producer_id,
            participant_id=command.participant_id,
            rtp_capabilities=command.rtp_capabilities,
            paused=command.paused,
            preferred_layers=command.preferred_layers,
            app_data=command.app_data,
        )
        consumer = self._operations.negotiate_consumer(router, transport, consume, now)
        consumer.priority = command.priority
        self._operations.admit(transport)
        self._own[router.id, "consumer", consumer.names.id] = transport.id
        self._operations.add_consumer(router, transport, consumer, now)
        return self.consumer(router, consumer.names.id)

    def update_consumer(self, router: Router, command: commands.UpdateConsumer, now: float) -> ConsumerPayload:
        """Change a consumer. Layers of a simple stream: there is but one, so wishes are taken and change nothing."""
        consumer = router.consumer(command.consumer_id)
        if isinstance(command.preferred_layers, ConsumerLayers):
            router.prefer_layers(command.consumer_id, command.preferred_layers, now)
            self._operations.follow_producer(router, consumer.names.producer_id)
        consumer.priority = command.priority if isinstance(command.priority, int) else consumer.priority
        if command.paused is True:
            router.pause_consumer(command.consumer_id)
        elif command.paused is False:
            router.resume_consumer(command.consumer_id, now)
            self._operations.follow_producer(router, consumer.names.producer_id)
        return self.consumer(router, command.consumer_id)

    def consumer(self, router: Router, id_: ConsumerId) -> ConsumerPayload:
        """Show a consumer."""
        consumer = router.consumer(id_)
        producer = router.producer(consumer.names.producer_id)
        return show_consumer(router, consumer, producer, self._tables.transports[router.consumers[id_][2]])

    def consumers(self, router: Router) -> tuple[ConsumerPayload, ...]:
        """Show all consumers of a router."""
        return tuple(self.consumer(router, id_) for id_ in router.consumers)

    def connect_consumer(self, router: Router, id_: ConsumerId, parameters: DtlsParameters, now: float) -> None:
        """Connect a consumer's own transport."""
        self._connect(self._own_transport(router, "consumer", id_), parameters, now)

    def restart_ice(self, router: Router, kind: Kind, id_: ProducerId | ConsumerId) -> commands.IceRestarted:
        """New credentials for a producer's or consumer's own transport."""
        transport = self._own_transport(router, kind, id_)
        parameters = transport.restart_ice()
        self._tables.follow(transport)
        return commands.IceRestarted(ice_parameters=parameters)

    # ---------------------------------------------------------------- inside

    def _connect(self, transport: WebRtcTransport, parameters: DtlsParameters, now: float) -> None:
        transport.connect(parameters, now)
        self._tables.follow(transport)

    def _own_transport(self, router: Router, kind: Kind, id_: ProducerId | ConsumerId) -> WebRtcTransport:
        """The transport of a producer or consumer that shares it with nobody."""
        media = router.producers.get(ProducerId(id_)) if kind == "producer" else router.consumers.get(ConsumerId(id_))
        if media is None and (kind == "consumer" or (router.id, id_) not in self._pending):
            raise NotFound.of(kind, id_)
        own = self._own.get((router.id, kind, id_))
        transport = None if own is None else self._tables.transports.get(own)
        if isinstance(transport, WebRtcTransport):
            return transport
        piped = media is not None and isinstance(self._tables.transports[media[2]], PipeTransport)
        said = "goes over a pipe" if piped else "shares the transport of its participant"
        raise Conflict(f"{kind} '{id_}' {said}", slug="transport-shared")

    def follow(self, event: EngineEvent, now: float) -> None:
        """Keep in step with what was closed: a transport of one's own goes with what it carried."""
        match event:
            case ProducerClosed():
                self._end((event.router_id, "producer", event.producer_id), now)
            case ConsumerClosed():
                self._end((event.router_id, "consumer", event.consumer_id), now)
            case TransportClosed():
                for key in [key for key, p in self._pending.items() if p.transport.id == event.transport_id]:
                    router_id, id_ = key
                    del self._pending[key], self._own[router_id, "producer", id_]
            case _:
                pass

    def _end(self, key: tuple[RouterId, Kind, ProducerId | ConsumerId], now: float) -> None:
        transport_id = self._own.pop(key, None)
        transport = None if transport_id is None else self._tables.transports.get(transport_id)
        if transport is not None and transport.router_id in self._tables.routers:
            self._operations.close_transport(transport, "asked", now)


def _media(command: commands.CreateProducer | commands.UpdateProducer) -> tuple[MediaKind, RtpParameters] | None:
    """Kind and parameters, both or neither."""
    kind, parameters = command.kind, command.rtp_parameters
    if isinstance(kind, MediaKind) and isinstance(parameters, RtpParameters):
        return kind, parameters
    if kind is not ABSENT or parameters is not ABSENT:
        raise InvalidValue("kind and rtpParameters come together or not at all", slug="incomplete-producer")
    return None


def _produce(pending: PendingProducer, kind: MediaKind, parameters: RtpParameters) -> commands.Produce:
    return commands.Produce(
        router_id=pending.router_id,
        transport_id=pending.transport.id,
        participant_id=pending.participant_id,
        kind=kind,
        rtp_parameters=parameters,
        paused=pending.paused,
        app_data=pending.app_data,
    )


def _check_same_media(producer: Producer, media: tuple[MediaKind, RtpParameters] | None) -> None:
    """What a producer sends is settled once."""
    if media is None:
        return
    kind, parameters = media
    terms = producer.terms
    if kind is not terms.kind or parameters.codecs != terms.rtp_parameters.codecs:
        raise Conflict(f"producer '{terms.id}' has its kind and codecs", slug="producer-complete")


def _with_encodings(parameters: RtpParameters, updates: tuple[EncodingUpdate, ...] | Absent) -> RtpParameters:
    """The parameters with what may change of their encodings."""
    if isinstance(updates, Absent):
        return parameters
    if len(updates) != len(parameters.encodings):
        count = len(parameters.encodings)
        raise InvalidValue(f"encodings has {len(updates)} items, the producer has {count}", slug="invalid-encodings")
    encodings = tuple(_with_encoding(e, u) for e, u in zip(parameters.encodings, updates, strict=True))
    return msgspec.structs.replace(parameters, encodings=encodings)


def _with_encoding(encoding: RtpEncodingParameters, update: EncodingUpdate) -> RtpEncodingParameters:
    changes = {field: getattr(update, field) for field in ("active", "max_bitrate")}
    return msgspec.structs.replace(encoding, **{f: value for f, value in changes.items() if value is not ABSENT})


def _or(value: bool | Absent, otherwise: bool) -> bool:
    return otherwise if isinstance(value, Absent) else value


def _show_pending(pending: PendingProducer) -> ProducerPayload:
    transport = pending.transport
    return ProducerPayload(
        id=pending.id,
        router_id=pending.router_id,
        participant_id=pending.participant_id,
        state="transport",
        paused=pending.paused,
        score=(),
        transport_options=transport.options(),
        ice_state=transport.ice_state,
        dtls_state=transport.dtls_state,
        app_data=pending.app_data,
        created_at=pending.created_at,
    )
