"""A room: its people, their transports, and what goes over these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from labsfu.wire.ids import ParticipantId, ProducerId, RoomId, RouterId, TransportId
from labsfu.wire.rtp import ConsumerLayers
from labsfu.wire.transport import DtlsState, IceState
from tui.look.grid import Column, Grid
from tui.look.page import Page, Row, Spot
from tui.look.rooms import loss_tone
from tui.look.text import UNKNOWN, Line, Span, Tone, count, kbits, printable, short, spark, tenth
from tui.model import series
from tui.model.state import State
from tui.model.things import Consumer, Person, Producer, Room, Transport, each_once

_COLUMNS = (
    Column("who and what", 18, left=True, flexible=True),
    Column("state", 16, left=True),
    Column("kbit/s", 7),
    Column("loss %", 6),
    Column("RTT ms", 6),
    Column("jitter ms", 9, rank=2),
    Column("score", 5),
    Column("layers", 6, rank=1),
    Column("kbit/s, last 20 s", 20, left=True, rank=3),
)

_BARS = 20

_ICE = {
    IceState.NEW: "new",
    IceState.CONNECTED: "ok",
    IceState.COMPLETED: "ok",
    IceState.DISCONNECTED: "lost",
    IceState.CLOSED: "shut",
}
_DTLS = {
    DtlsState.NEW: "new",
    DtlsState.CONNECTING: "wait",
    DtlsState.CONNECTED: "ok",
    DtlsState.FAILED: "fail",
    DtlsState.CLOSED: "shut",
}


@dataclass(slots=True)
class _Belongings:
    """What one participant has, by transport; of nobody: the pipes to other routers."""

    transports: dict[TransportId, Transport] = field(default_factory=dict)
    producers: list[Producer] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)


def room(state: State, width: int, pattern: str, room_id: RoomId) -> Page:
    """The people of a room whose name or id has the pattern in it, with all they send and get."""
    found = state.rooms.get(room_id)
    if found is None:
        return Page([], selectable=True, empty=(f"Room '{printable(room_id)}' is gone; esc goes back.",))
    return _page(state, width, pattern, {id_ for id_, of in state.routers.items() if of == room_id}, found)


def without_codec(state: State, router_ids: Iterable[RouterId]) -> list[ProducerId]:
    """The producers of some routers whose codecs are not known: events do not tell them."""
    routers = set(router_ids)
    here = each_once(one for one in state.producers.values() if one.router_id in routers)
    return [one.id for one in here if not one.codec]


def router(state: State, width: int, pattern: str, router_id: RouterId) -> Page:
    """The same of a router that has no room."""
    if router_id not in state.routers:
        return Page([], selectable=True, empty=(f"Router {short(router_id)} is gone; esc goes back.",))
    return _page(state, width, pattern, {router_id}, None)


def _page(state: State, width: int, pattern: str, routers: set[RouterId], of: Room | None) -> Page:
    grid = Grid(_COLUMNS, width)
    belongings = _belongings(state, routers)
    people: dict[ParticipantId, Person] = {} if of is None else of.people
    others = sorted((id_ for id_ in belongings if id_ is not None and id_ not in people), key=str)
    rows: list[Row] = []
    for id_ in (*people, *others, *([None] if None in belongings else [])):
        person = None if id_ is None else people.get(id_)
        name = "nobody that is known" if id_ is None else id_ if person is None else person.name
        if pattern and pattern not in name.lower() and pattern not in str(id_).lower():
            continue
        speaks = of is not None and id_ is not None and of.speaker == id_
        rows.append(Row(f"person {id_}", partial(_person, name, id_, person, grid, speaks=speaks)))
        rows += _streams(state, id_, belongings.get(id_, _Belongings()), grid)
    if not pattern:
        rows += _pipes(state, routers, grid)
    nobody = "Nobody here has that in the name; / then esc shows all." if pattern else "Nobody is here."
    return Page(rows, grid.header(), selectable=True, empty=(nobody,))


def _belongings(state: State, routers: set[RouterId]) -> dict[ParticipantId | None, _Belongings]:
    found: dict[ParticipantId | None, _Belongings] = {}
    for transport in state.transports.values():
        if transport.router_id in routers and not transport.pipe:
            found.setdefault(transport.participant_id, _Belongings()).transports[transport.id] = transport
    for producer in each_once(one for one in state.producers.values() if one.router_id in routers):
        has = found.setdefault(producer.participant_id, _Belongings())
        has.producers.append(producer)
        if producer.piped and producer.transport_id in state.transports:
            has.transports[producer.transport_id] = state.transports[producer.transport_id]
    for consumer in state.consumers.values():
        if consumer.router_id in routers and not consumer.piped:
            found.setdefault(consumer.participant_id, _Belongings()).consumers.append(consumer)
    return found


def _pipes(state: State, routers: set[RouterId], grid: Grid) -> Iterable[Row]:
    """The pipes of some routers, with how much goes over them; whose that is stands with the people."""
    pipes = [one for one in state.transports.values() if one.pipe and one.router_id in routers]
    if pipes:
        yield Row("pipes", partial(grid.line, (Span("pipes to other routers", "bold"), *[""] * 8)))
    for pipe in pipes:
        comes = sum(one.transport_id == pipe.id for one in state.producers.values())
        goes = sum(one.transport_id == pipe.id for one in state.consumers.values())
        yield Row(f"pipe {pipe.id}", partial(_pipe, pipe, comes, goes, grid))


def _streams(state: State, of: ParticipantId | None, has: _Belongings, grid: Grid) -> Iterable[Row]:
    producers: dict[TransportId, list[Producer]] = {}
    for producer in has.producers:
        producers.setdefault(producer.transport_id, []).append(producer)
    consumers: dict[TransportId, list[Consumer]] = {}
    for consumer in has.consumers:
        consumers.setdefault(consumer.transport_id, []).append(consumer)
    for transport in has.transports.values():
        sends, gets = producers.get(transport.id, ()), consumers.get(transport.id, ())
        key = f"transport {transport.id} {of}"  # a pipe brings what several people send
        yield Row(key, partial(_transport, transport, bool(sends), bool(gets), grid))
        for producer in sends:
            yield Row(producer.id, partial(_producer, producer, grid), Spot("producer", producer.id))
        for consumer in gets:
            yield Row(consumer.id, partial(_consumer, state, consumer, grid), Spot("consumer", consumer.id))


# ------------------------------------------------------------------ lines


def _person(name: str, id_: ParticipantId | None, person: Person | None, grid: Grid, *, speaks: bool) -> Line:
    told = printable(name) if id_ in (name, None) else f"{printable(name)} ({id_})"
    mark = "♪ " if speaks else ""
    role = "" if person is None else _role(person)
    state = Span("away", "warn") if person is not None and not person.connected else Span(role, "dim")
    return grid.line((Span(f"{mark}{told}", "accent" if speaks else "bold"), state, *[""] * 7))


def _role(person: Person) -> str:
    return " ".join([person.type.value, *["remote"] * person.remote, *["screen"] * person.share_screen])


def _pipe(pipe: Transport, comes: int, goes: int, grid: Grid) -> Line:
    rate = series.received_rate(pipe) + series.sent_rate(pipe)
    name = f" ↕ pipe {short(pipe.id)} {comes} in, {goes} out"
    told = Span(kbits(rate) if pipe.history else UNKNOWN, "dim")
    return grid.line((name, transport_state(pipe), told, *[""] * 6))


def _transport(transport: Transport, sends: bool, gets: bool, grid: Grid) -> Line:
    arrow = "↕" if sends and gets else "↑" if sends else "↓" if gets else "·"
    rate = series.received_rate(transport) if sends else series.sent_rate(transport)
    text, tone = transport_state(transport)
    name = Span(f" {arrow} {'pipe' if transport.pipe else 'transport'} {short(transport.id)}", "dim")
    return grid.line((name, Span(text, tone), Span(kbits(rate) if transport.history else UNKNOWN, "dim"), *[""] * 6))


def transport_state(transport: Transport) -> Span:
    """ICE and DTLS in sixteen characters; of a pipe whether it has another end."""
    if transport.pipe:
        return Span("connected", "dim") if transport.remote else Span("not connected", "warn")
    ice, dtls = transport.ice, transport.dtls
    tone: Tone = "dim" if (_ICE[ice], _DTLS[dtls]) == ("ok", "ok") else "warn"
    if ice is IceState.DISCONNECTED or dtls in (DtlsState.FAILED, DtlsState.CLOSED):
        tone = "bad"
    return Span(f"ICE {_ICE[ice]} DTLS {_DTLS[dtls]}", tone)


def _producer(producer: Producer, grid: Grid) -> Line:
    now = producer.history[-1][1] if producer.history else ()
    loss = series.producer_loss(producer)
    score = series.producer_score(producer)
    return grid.line(
        (
            f"   {producer_name(producer)}",
            producer_state(producer),
            kbits(series.producer_rate(producer)),
            Span(tenth(loss), loss_tone(loss)),
            count(series.producer_rtt(now)),
            tenth(series.producer_jitter(now)),
            Span(count(score), score_tone(score)),
            f"{len(now)} enc" if len(now) > 1 else "",
            Span(spark(series.each(producer.history, series.sent_by), _BARS), "accent"),
        )
    )


def _consumer(state: State, consumer: Consumer, grid: Grid) -> Line:
    loss = series.consumer_loss(consumer)
    score = series.consumer_score(consumer)
    return grid.line(
        (
            f"   {consumer_name(state, consumer)}",
            consumer_state(state, consumer),
            kbits(series.consumer_rate(consumer)),
            Span(tenth(loss), loss_tone(loss)),
            count(series.consumer_rtt(consumer)),
            "",
            Span(count(score), score_tone(score)),
            layers(consumer.layers),
            Span(spark(series.each(consumer.history, lambda sample: float(sample.bitrate)), _BARS), "accent"),
        )
    )


def producer_name(producer: Producer) -> str:
    """`sends video VP8`."""
    return f"{producer.kind.value} {producer.codec}".strip()


def consumer_name(state: State, consumer: Consumer) -> str:
    """`video of Ada`."""
    producer = state.producer_of(consumer)
    if producer is None:
        return "what is gone"
    return f"{producer.kind.value} of {person_name(state, producer.router_id, producer.participant_id)}"


def person_name(state: State, router_id: RouterId, id_: ParticipantId) -> str:
    """The name that the others see, or the id of who is in no room."""
    room_id = state.room_of(router_id)
    found = state.rooms[room_id].people.get(id_) if room_id in state.rooms else None
    return printable(id_ if found is None else found.name)


def producer_state(producer: Producer) -> Span:
    """What it does, in a word."""
    if producer.paused:
        return Span("paused", "warn")
    return _flow(series.producer_rate(producer), "nothing comes")


def consumer_state(state: State, consumer: Consumer) -> Span:
    """What it does, in a word."""
    producer = state.producer_of(consumer)
    if consumer.paused:
        return Span("paused", "warn")
    if producer is not None and producer.paused:
        return Span("source paused", "warn")
    return _flow(series.consumer_rate(consumer), "nothing is sent")


def _flow(rate: float | None, nothing: str) -> Span:
    if rate is None:
        return Span(UNKNOWN, "dim")
    return Span("live", "good") if rate else Span(nothing, "warn")


def score_tone(score: int | None) -> Tone:
    """How bad a score of 0 to 10 is."""
    if score is None or score >= 8:
        return ""
    return "warn" if score >= 5 else "bad"


def layers(of: ConsumerLayers | None) -> str:
    """`1:2`, spatial and temporal."""
    if of is None:
        return ""
    return f"{of.spatial_layer}:{of.temporal_layer}" if isinstance(of.temporal_layer, int) else f"{of.spatial_layer}"
