"""The state as HTTP shows it."""

from __future__ import annotations

from dataclasses import dataclass

from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import TransportId
from labsfu.wire.observers import RoomActiveSpeakerPayload
from labsfu.wire.payloads import RoomPayload, SfuInfo
from labsfu.wire.pipe import PipeTransportPayload
from labsfu.wire.rtp import RtpParameters
from labsfu.wire.sfu import ConsumerPayload, ProducerPayload, RouterPayload
from labsfu.wire.transport import DtlsState, IceState
from tui.model.state import State
from tui.model.things import Consumer, Person, Producer, Room, Transport, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What HTTP answered; `info` was asked for first: what happened after its `event_seq` must be told again."""

    info: SfuInfo
    rooms: tuple[RoomPayload, ...] = ()
    speakers: tuple[RoomActiveSpeakerPayload, ...] = ()
    routers: tuple[RouterPayload, ...] = ()
    producers: tuple[ProducerPayload, ...] = ()
    consumers: tuple[ConsumerPayload, ...] = ()
    pipe_transports: tuple[PipeTransportPayload, ...] = ()


def state_of(snapshot: Snapshot, before: State | None = None) -> State:
    """A state from a snapshot; what was known before of things that are there still (samples, events) is kept."""
    info = snapshot.info
    state = State(server=info, seq=info.event_seq, now=info.started_at + round(info.uptime_seconds * 1000))
    state.workers = {worker.id: Worker(worker) for worker in info.workers}
    state.routers = {router.id: None for router in snapshot.routers}
    for room in snapshot.rooms:
        _add_room(state, room)
    for speaker in snapshot.speakers:
        if speaker.room_id in state.rooms:
            state.rooms[speaker.room_id].speaker = speaker.participant_id
    for pipe in snapshot.pipe_transports:
        _add_pipe(state, pipe)
    for producer in snapshot.producers:
        _add_producer(state, producer)
    for consumer in snapshot.consumers:
        add_consumer(state, consumer)
    if before is not None:
        _keep(before, state)
    return state


def describe(state: State, payload: ProducerPayload | ConsumerPayload) -> None:
    """What HTTP said of one stream that is there; of one that is gone, nothing."""
    if isinstance(payload, ConsumerPayload):
        if payload.id in state.consumers:
            add_consumer(state, payload)
    elif (payload.router_id, payload.id) in state.producers:
        _add_producer(state, payload)
    state.version += 1


def _add_room(state: State, payload: RoomPayload) -> None:
    room = Room(payload.id, payload.type, payload.size, payload.router_ids)
    for one in payload.participants:
        person = Person(one.id, one.type, one.display_name, one.share_screen, one.remote, one.connected)
        room.people[one.id] = person
    state.rooms[room.id] = room
    for router_id in room.router_ids:
        state.routers[router_id] = room.id


def _add_pipe(state: State, payload: PipeTransportPayload) -> None:
    found = state.transport(payload.id, payload.router_id, pipe=True)
    where = payload.addresses
    if where.remote_ip is not ABSENT and where.remote_port is not ABSENT:
        found.remote = f"[{where.remote_ip}]" if ":" in where.remote_ip else where.remote_ip
        found.remote += f":{where.remote_port}"


def _add_producer(state: State, payload: ProducerPayload) -> None:
    carrier = _add_transport(state, payload)
    if payload.kind is ABSENT:
        return  # only its transport is made
    made = Producer(payload.id, payload.router_id, carrier.id, payload.participant_id, payload.kind, piped=carrier.pipe)
    producer = state.producers.setdefault(made.key, made)
    producer.paused = payload.paused
    producer.score = payload.score
    producer.codec = _codec(payload.rtp_parameters)


def add_consumer(state: State, payload: ConsumerPayload) -> None:
    """A consumer as HTTP shows it; of one that is there, what can change."""
    carrier = _add_transport(state, payload)
    made = Consumer(
        payload.id,
        payload.producer_id,
        payload.router_id,
        carrier.id,
        payload.participant_id,
        piped=carrier.pipe,
    )
    consumer = state.consumers.setdefault(payload.id, made)
    consumer.paused = payload.paused
    consumer.score = payload.score
    consumer.layers = None if payload.current_layers is ABSENT else payload.current_layers
    consumer.target = None if payload.target_layers is ABSENT else payload.target_layers
    consumer.codec = _codec(payload.rtp_parameters)


def _add_transport(state: State, payload: ProducerPayload | ConsumerPayload) -> Transport:
    """What carries a stream: somebody's transport, or a pipe, which is nobody's."""
    if payload.pipe_transport_id is not ABSENT:
        return state.transport(payload.pipe_transport_id, payload.router_id, pipe=True)
    options = payload.transport_options
    transport = state.transport(TransportId("") if options is ABSENT else options.id, payload.router_id)
    transport.participant_id = payload.participant_id
    transport.ice = IceState.NEW if payload.ice_state is ABSENT else payload.ice_state
    transport.dtls = DtlsState.NEW if payload.dtls_state is ABSENT else payload.dtls_state
    return transport


def _codec(parameters: RtpParameters | Absent) -> str:
    """Short name of what is sent: `video/VP8` is `VP8`."""
    if parameters is ABSENT or not parameters.codecs:
        return ""
    return parameters.codecs[0].mime_type.partition("/")[2]


def _keep(before: State, state: State) -> None:
    """Samples and events of what is there still, by id; they are of the same run only if the epoch is."""
    state.link, state.version = before.link, before.version + 1
    if before.server is None or state.server is None or before.server.epoch != state.server.epoch:
        return
    state.tail = before.tail
    for id_, worker in state.workers.items():
        if id_ in before.workers:
            worker.history = before.workers[id_].history
    for transport_id, old in before.transports.items():
        if transport_id in state.transports:
            state.transports[transport_id].history, state.transports[transport_id].log = old.history, old.log
    for producer in state.producers.values():
        known = before.producers.get(producer.key)
        if known is not None:
            producer.history, producer.log = known.history, known.log
    for consumer in state.consumers.values():
        seen = before.consumers.get(consumer.id)
        if seen is not None:
            consumer.history, consumer.log = seen.history, seen.log
