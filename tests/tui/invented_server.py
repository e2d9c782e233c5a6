"""A server that is only its tables: things come and go in it as in a real one, and it tells and shows that likewise."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import msgspec

from labsfu.wire import events
from labsfu.wire.events import Event
from labsfu.wire.feed import Happened
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, RoomId, RouterId, TransportId, WorkerId
from labsfu.wire.payloads import (
    Counts,
    Listen,
    ParticipantPayload,
    ParticipantType,
    RoomPayload,
    RoomType,
    SfuInfo,
    WorkerInfo,
)
from labsfu.wire.pipe import PipeTransportPayload, PipeTuple
from labsfu.wire.rtp import ConsumerType, MediaKind, ProducerType, RtpCapabilities, RtpCodecParameters, RtpParameters
from labsfu.wire.sfu import ConsumerPayload, ConsumerScore, ProducerPayload, RouterPayload
from labsfu.wire.stats import DropCount, EngineCounts
from labsfu.wire.transport import DtlsParameters, DtlsState, IceParameters, IceState, TransportOptions
from tui.model.snapshot import Snapshot

BEGIN = 1_700_000_000_000
EPOCH = "epoch-1"
MEDIA = tuple(MediaKind)
NAMES = ("ada", "grace", "alan")
ROOMS = ("tea", "work")


@dataclass(frozen=True)
class Stream:
    id: str
    transport: str
    router: str
    owner: str
    kind: MediaKind = MediaKind.AUDIO
    of: str = ""
    paused: bool = False
    piped: bool = False

    @property
    def key(self) -> str:
        return f"{self.id} {self.router}" if self.piped else self.id


@dataclass
class InventedServer:
    """Does what it is told by numbers; impossible orders do nothing."""

    told: list[Happened] = field(default_factory=list)
    rooms: dict[str, RoomPayload] = field(default_factory=dict)
    routers: list[str] = field(default_factory=list)
    gates: dict[str, tuple[str, IceState, DtlsState]] = field(default_factory=dict)
    producers: dict[str, Stream] = field(default_factory=dict)
    consumers: dict[str, Stream] = field(default_factory=dict)
    pipes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Ends of pipes: their routers, and the ends that they lead to."""

    def __post_init__(self) -> None:
        self._ids = (str(UUID(int=number)) for number in itertools.count(1))
        self._transports: dict[tuple[str, str], tuple[str, str]] = {}

    def tell(self, event: Event, room: str | None = None, who: str | None = None) -> None:
        seq = len(self.told) + 1
        place = None if room is None else RoomId(room)
        self.told.append(Happened(seq, BEGIN + seq * 10, place, None if who is None else ParticipantId(who), event))

    def do(self, order: int, choice: int) -> None:
        """One thing that may happen, to one of those that it may happen to."""
        steps = (self.enter, self.enter, self.send, self.receive, self.flip_sent, self.flip_received, self.gate)
        more = (self.stop_sending, self.leave, self.close_room, self.bare_router, self.spread, self.pipe)
        (*steps, *more)[order % 13](choice)

    # -------------------------------------------------------------- rooms and people

    def make_room(self, name: str) -> None:
        router = next(self._ids)
        self.routers.append(router)
        self.tell(events.RouterMade(router_id=RouterId(router)), name)
        made = RoomPayload(
            id=RoomId(name),
            type=RoomType.CONFERENCE,
            size=8,
            router_ids=(RouterId(router),),
            participants=(),
            created_at=BEGIN,
        )
        self.rooms[name] = made
        self.tell(events.RoomMade(room_id=made.id, type=made.type, size=made.size, router_ids=made.router_ids), name)

    def enter(self, choice: int) -> None:
        name, room = NAMES[choice % len(NAMES)], ROOMS[choice // len(NAMES) % len(ROOMS)]
        if room not in self.rooms:
            self.make_room(room)
        where, who = RoomId(room), ParticipantId(name)
        here = self.rooms[room]
        if any(one.id == name for one in here.participants):
            self._connect(room, name, connected=choice % 2 == 0)
            return
        person = ParticipantPayload(
            id=who,
            room_id=where,
            type=ParticipantType.HOST,
            display_name=name.title(),
            share_screen=False,
            connected=True,
            producer_ids=(),
            consumer_ids=(),
            created_at=BEGIN,
        )
        self._people(room, (*here.participants, person))
        self.tell(
            events.ParticipantMade(
                room_id=where,
                participant_id=who,
                type=person.type,
                display_name=person.display_name,
                share_screen=False,
            ),
            room,
            name,
        )
        router = here.router_ids[0]
        sending, receiving = (self._open(router, room, name) for _ in range(2))
        self._transports[room, name] = sending, receiving
        self.tell(
            events.SocketConnected(
                room_id=where,
                participant_id=who,
                producer_transport_id=TransportId(sending),
                consumer_transport_id=TransportId(receiving),
            ),
            room,
            name,
        )
        self.tell(events.ParticipantJoined(room_id=where, participant_id=who), room, name)

    def _connect(self, room: str, name: str, *, connected: bool) -> None:
        people = tuple(_changed(one, connected) if one.id == name else one for one in self.rooms[room].participants)
        if people != self.rooms[room].participants:
            self._people(room, people)
            where, who = RoomId(room), ParticipantId(name)
            self.tell(events.ParticipantUpdated(room_id=where, participant_id=who, connected=connected), room, name)

    def leave(self, choice: int) -> None:
        seats = [(room, one.id) for room, here in self.rooms.items() for one in here.participants]
        if seats:
            self._leave(*seats[choice % len(seats)], "left")

    def _leave(self, room: str, name: str, reason: events.LeaveReason) -> None:
        self._people(room, tuple(one for one in self.rooms[room].participants if one.id != name))
        self.tell(
            events.ParticipantLeft(room_id=RoomId(room), participant_id=ParticipantId(name), reason=reason), room, name
        )
        for transport in self._transports.pop((room, name)):
            self._shut(transport)

    def close_room(self, choice: int) -> None:
        if not self.rooms:
            return
        name = list(self.rooms)[choice % len(self.rooms)]
        here = self.rooms[name]
        for person in here.participants:
            self._leave(name, person.id, "room-closed")
        del self.rooms[name]
        self.tell(events.RoomClosed(room_id=here.id, reason="deleted"), name)
        for router in here.router_ids:
            self._drop_router(router)

    def spread(self, choice: int) -> None:
        """A room needs one more router."""
        if not self.rooms:
            return
        name = list(self.rooms)[choice % len(self.rooms)]
        router = next(self._ids)
        self.routers.append(router)
        self.tell(events.RouterMade(router_id=RouterId(router)))
        made = msgspec.structs.replace(self.rooms[name], router_ids=(*self.rooms[name].router_ids, RouterId(router)))
        self.rooms[name] = made
        self.tell(events.RoomSpread(room_id=made.id, router_ids=made.router_ids), name)

    def bare_router(self, choice: int) -> None:
        owned = {router for room in self.rooms.values() for router in room.router_ids}
        bare = [router for router in self.routers if router not in owned]
        if bare and choice % 2:
            self._drop_router(bare[0])
        else:
            router = next(self._ids)
            self.routers.append(router)
            self.tell(events.RouterMade(router_id=RouterId(router)))

    # -------------------------------------------------------------- what flows

    def send(self, choice: int) -> None:
        if self._transports:
            (room, name), (transport, _) = list(self._transports.items())[choice % len(self._transports)]
            made = Stream(next(self._ids), transport, self.gates[transport][0], name, MEDIA[choice % 2])
            self.producers[made.id] = made
            self.tell(
                events.ProducerMade(
                    router_id=RouterId(made.router),
                    transport_id=TransportId(transport),
                    producer_id=ProducerId(made.id),
                    participant_id=ParticipantId(name),
                    media=made.kind,
                ),
                room,
                name,
            )

    def receive(self, choice: int) -> None:
        pairs = [
            (one, seat)
            for one in self.producers.values()
            for seat in self._transports.items()
            if self.gates[seat[1][1]][0] == one.router
        ]
        if pairs:
            producer, ((room, name), (_, transport)) = pairs[choice % len(pairs)]
            made = Stream(next(self._ids), transport, producer.router, name, producer.kind, producer.id, paused=True)
            self.consumers[made.id] = made
            self.tell(
                events.ConsumerMade(
                    router_id=RouterId(made.router),
                    transport_id=TransportId(transport),
                    consumer_id=ConsumerId(made.id),
                    producer_id=ProducerId(producer.id),
                    participant_id=ParticipantId(name),
                    paused=True,
                ),
                room,
                name,
            )

    def pipe(self, choice: int) -> None:
        """What somebody sends is one of another router, too."""
        origins = [one for one in self.producers.values() if not one.piped]
        pairs = [
            (one, to)
            for one in origins
            for to in self.routers
            if to != one.router and f"{one.id} {to}" not in self.producers
        ]
        if not pairs:
            return
        origin, to = pairs[choice % len(pairs)]
        near, far = self._pipe(origin.router, to)
        out = Stream(next(self._ids), near, origin.router, origin.owner, origin.kind, origin.id, piped=True)
        into = replace(origin, transport=far, router=to, piped=True)
        self.consumers[out.id], self.producers[into.key] = out, into
        self.tell(
            events.ConsumerMade(
                router_id=RouterId(out.router),
                transport_id=TransportId(near),
                consumer_id=ConsumerId(out.id),
                producer_id=ProducerId(origin.id),
                participant_id=ParticipantId(origin.owner),
                piped=True,
            )
        )
        self.tell(
            events.ProducerMade(
                router_id=RouterId(to),
                transport_id=TransportId(far),
                producer_id=ProducerId(origin.id),
                participant_id=ParticipantId(origin.owner),
                media=origin.kind,
                paused=origin.paused,
                piped=True,
            )
        )

    def _pipe(self, router: str, to: str) -> tuple[str, str]:
        """The ends of the pipe between two routers."""
        for id_, (where, other) in self.pipes.items():
            if where == router and self.pipes[other][0] == to:
                return id_, other
        ends = next(self._ids), next(self._ids)
        for (id_, other), where in zip((ends, ends[::-1]), (router, to), strict=True):
            self.pipes[id_] = where, other
            router_id, transport_id = RouterId(where), TransportId(id_)
            self.tell(events.TransportMade(router_id=router_id, transport_id=transport_id, pipe=True))
            self.tell(events.PipeConnected(router_id=router_id, transport_id=transport_id, remote="127.0.0.1:9"))
        return ends

    def flip_sent(self, choice: int) -> None:
        if self.producers:
            found = list(self.producers.values())[choice % len(self.producers)]
            self.producers[found.key] = replace(found, paused=not found.paused)
            type_ = events.ProducerResumed if found.paused else events.ProducerPaused
            self.tell(type_(router_id=RouterId(found.router), producer_id=ProducerId(found.id)))

    def flip_received(self, choice: int) -> None:
        if self.consumers:
            found = list(self.consumers.values())[choice % len(self.consumers)]
            self.consumers[found.id] = replace(found, paused=not found.paused)
            type_ = events.ConsumerResumed if found.paused else events.ConsumerPaused
            self.tell(type_(router_id=RouterId(found.router), consumer_id=ConsumerId(found.id)))

    def gate(self, choice: int) -> None:
        if self.gates:
            id_ = list(self.gates)[choice % len(self.gates)]
            router, ice, dtls = self.gates[id_]
            if choice % 2:
                ice = list(IceState)[choice % 4]
                self.tell(events.IceStateChanged(router_id=RouterId(router), transport_id=TransportId(id_), state=ice))
            else:
                dtls = list(DtlsState)[choice % 4]
                self.tell(
                    events.DtlsStateChanged(router_id=RouterId(router), transport_id=TransportId(id_), state=dtls)
                )
            self.gates[id_] = router, ice, dtls

    def stop_sending(self, choice: int) -> None:
        if self.producers:
            self._end_producer(list(self.producers)[choice % len(self.producers)], "asked")

    # -------------------------------------------------------------- closing

    def _end_producer(self, key: str, reason: events.CloseReason) -> None:
        ended = self.producers[key]
        for consumer in [one for one in self.consumers.values() if (one.of, one.router) == (ended.id, ended.router)]:
            self._end_consumer(consumer.id, "producer-closed")
        del self.producers[key]
        router_id, producer_id = RouterId(ended.router), ProducerId(ended.id)
        self.tell(events.ProducerClosed(router_id=router_id, producer_id=producer_id, reason=reason))
        if not ended.piped:
            for copy in [one for one in self.producers.values() if one.id == ended.id]:
                self._end_producer(copy.key, "asked")

    def _end_consumer(self, id_: str, reason: events.CloseReason) -> None:
        router = self.consumers.pop(id_).router
        self.tell(events.ConsumerClosed(router_id=RouterId(router), consumer_id=ConsumerId(id_), reason=reason))

    def _open(self, router: str, room: str, name: str) -> str:
        id_ = next(self._ids)
        self.gates[id_] = router, IceState.NEW, DtlsState.NEW
        self.tell(events.TransportMade(router_id=RouterId(router), transport_id=TransportId(id_)), room, name)
        return id_

    def _shut(self, id_: str) -> None:
        for producer in [one for one in self.producers.values() if one.transport == id_]:
            self._end_producer(producer.key, "transport-closed")
        for consumer in [one for one in self.consumers.values() if one.transport == id_]:
            self._end_consumer(consumer.id, "transport-closed")
        router = self.pipes.pop(id_)[0] if id_ in self.pipes else self.gates.pop(id_)[0]
        self.tell(events.TransportClosed(router_id=RouterId(router), transport_id=TransportId(id_), reason="asked"))

    def _drop_router(self, id_: str) -> None:
        ends = [end for end, (router, other) in self.pipes.items() if id_ in (router, self.pipes[other][0])]
        for end in ends:
            self._shut(end)
        self.routers.remove(id_)
        self.tell(events.RouterClosed(router_id=RouterId(id_)))

    def _people(self, room: str, people: tuple[ParticipantPayload, ...]) -> None:
        self.rooms[room] = msgspec.structs.replace(self.rooms[room], participants=people)

    # -------------------------------------------------------------- what HTTP shows

    def snapshot(self) -> Snapshot:
        return Snapshot(
            info=sfu_info(len(self.told)),
            rooms=tuple(self.rooms.values()),
            routers=tuple(_router(id_) for id_ in self.routers),
            producers=tuple(self._sent(one) for one in self.producers.values()),
            consumers=tuple(self._received(one) for one in self.consumers.values()),
            pipe_transports=tuple(_pipe_end(id_, router) for id_, (router, _) in self.pipes.items()),
        )

    def _gate(self, of: Stream) -> dict[str, Any]:
        if of.piped:
            return {"pipe_transport_id": of.transport}
        _, ice, dtls = self.gates[of.transport]
        return {"transport_options": _options(of.transport), "ice_state": ice, "dtls_state": dtls}

    def _sent(self, of: Stream) -> ProducerPayload:
        gate = self._gate(of)
        return ProducerPayload(
            id=ProducerId(of.id),
            router_id=RouterId(of.router),
            participant_id=ParticipantId(of.owner),
            state="producing",
            kind=of.kind,
            type=ProducerType.SIMPLE,
            paused=of.paused,
            rtp_parameters=_PARAMETERS[of.kind],
            score=(),
            created_at=BEGIN,
            **gate,
        )

    def _received(self, of: Stream) -> ConsumerPayload:
        gate = self._gate(of)
        return ConsumerPayload(
            id=ConsumerId(of.id),
            producer_id=ProducerId(of.of),
            router_id=RouterId(of.router),
            participant_id=ParticipantId(of.owner),
            kind=of.kind,
            type=ConsumerType.PIPE if of.piped else ConsumerType.SIMPLE,
            rtp_parameters=_PARAMETERS[of.kind],
            paused=of.paused,
            producer_paused=False,
            score=ConsumerScore(score=10, producer_score=10, producer_scores=(10,)),
            priority=1,
            created_at=BEGIN,
            **gate,
        )


def _changed(person: ParticipantPayload, connected: bool) -> ParticipantPayload:
    return msgspec.structs.replace(person, connected=connected)


def _pipe_end(id_: str, router: str) -> PipeTransportPayload:
    return PipeTransportPayload(
        id=TransportId(id_),
        router_id=RouterId(router),
        addresses=PipeTuple(local_ip="127.0.0.1", local_port=8, remote_ip="127.0.0.1", remote_port=9),
        rtx=False,
        connected=True,
        created_at=BEGIN,
    )


def _codec(mime_type: str, clock_rate: int) -> RtpParameters:
    return RtpParameters(codecs=(RtpCodecParameters(mime_type=mime_type, payload_type=100, clock_rate=clock_rate),))


_PARAMETERS = {MediaKind.AUDIO: _codec("audio/opus", 48000), MediaKind.VIDEO: _codec("video/VP8", 90000)}


def _options(id_: str) -> TransportOptions:
    return TransportOptions(
        id=TransportId(id_),
        ice_parameters=IceParameters(username_fragment="u", password="p"),
        ice_candidates=(),
        dtls_parameters=DtlsParameters(fingerprints=()),
    )


def _router(id_: str) -> RouterPayload:
    return RouterPayload(
        id=RouterId(id_),
        participant_count=2,
        worker_id=WorkerId("worker-1"),
        rtp_capabilities=RtpCapabilities(),
        producer_count=0,
        consumer_count=0,
        pipe_transport_count=0,
        created_at=BEGIN,
    )


def worker_info(cpu_seconds: float = 0.0, octets: int = 0, drops: Iterable[tuple[str, int]] = ()) -> WorkerInfo:
    """A worker that has used so much, and received and sent so much."""
    return WorkerInfo(
        id=WorkerId("worker-1"),
        pid=4711,
        state="running",
        cpu_seconds=cpu_seconds,
        rss_bytes=90 * 2**20,
        router_count=1,
        producer_count=2,
        consumer_count=2,
        forwarded_packets_per_second=100.0,
        media=EngineCounts(
            routers=1,
            transports=4,
            producers=2,
            consumers=2,
            packets_received=0,
            bytes_received=octets,
            packets_sent=0,
            bytes_sent=2 * octets,
            unsent_packets=0,
            forwarded_packets=0,
            drops=tuple(DropCount(reason=reason, packets=packets) for reason, packets in drops),
        ),
    )


def sfu_info(event_seq: int, epoch: str = EPOCH) -> SfuInfo:
    """The server, after so many events."""
    return SfuInfo(
        id="sfu",
        epoch=epoch,
        event_seq=event_seq,
        version="0.1.0",
        started_at=BEGIN,
        uptime_seconds=1.0,
        workers=(worker_info(),),
        counts=Counts(routers=0, transports=0, producers=0, consumers=0, rooms=0, participants=0),
        rtp_capabilities=RtpCapabilities(),
        listen=Listen(http="127.0.0.1:8000", media=()),
    )
