"""One stream: a producer or a consumer, its numbers, its last events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from functools import partial

from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId
from labsfu.wire.stats import EncodingSample
from tui.look.events import told
from tui.look.grid import Column, Grid
from tui.look.page import Page, Row, still
from tui.look.room import (
    consumer_name,
    consumer_state,
    layers,
    person_name,
    producer_name,
    producer_state,
    transport_state,
)
from tui.look.text import UNKNOWN, Line, Span, clock, count, kbits, line, plot_title, printable, short, spark, tenth
from tui.model import series
from tui.model.series import Number, Series
from tui.model.state import State
from tui.model.things import Consumer, Log, Producer

_LABEL, _NUMBER = 10, 8
_ENCODINGS = (
    Column("encoding", 10, left=True),
    Column("SSRC", 10, rank=2),
    Column("kbit/s", 7),
    Column("packets", 10, rank=1),
    Column("lost", 7),
    Column("repaired", 8),
    Column("jitter ms", 9),
    Column("score", 5),
)


def producer(state: State, width: int, id_: ProducerId, zone: tzinfo | None) -> Page:
    """What somebody sends."""
    found = state.producer(id_)
    if found is None:
        return Page([], empty=(f"Producer {short(id_)} is gone; esc goes back.",))
    of_it = [consumer.piped for consumer in state.consumers.values() if consumer.producer_id == id_]
    rows = [
        *still(
            "who",
            line(Span(f"{producer_name(found)} ", "bold"), producer_state(found)),
            _fact("producer", found.id),
            _fact("of", _whose(state, found)),
            _fact("goes to", _several(of_it.count(False), "consumer") + _into_pipes(of_it.count(True))),
            _carrier(state, found.transport_id),
            (),
        ),
        *_plots(_of_producer(found), width),
        *still("", ()),
        *_encodings(found, width),
        *still(" ", ()),
        *_last_events(found.log, zone),
    ]
    return Page(rows)


def consumer(state: State, width: int, id_: ConsumerId, zone: tzinfo | None) -> Page:
    """What somebody is sent."""
    found = state.consumers.get(id_)
    if found is None:
        return Page([], empty=(f"Consumer {short(id_)} is gone; esc goes back.",))
    sent = layers(found.layers)
    wanted = f", chosen {layers(found.target)}" if found.target is not None else ""
    rows = [
        *still(
            "who",
            line(
                Span(f"{consumer_name(state, found)} {found.codec}".strip() + " ", "bold"), consumer_state(state, found)
            ),
            _fact("consumer", found.id),
            _fact("takes on" if found.piped else "goes to", _whose(state, found)),
            _fact("producer", found.producer_id),
            _fact("layers", f"sent {sent or UNKNOWN}{wanted}" if sent or wanted else "it has none to choose from"),
            _carrier(state, found.transport_id),
            (),
        ),
        *_plots(_of_consumer(found), width),
        *still("", ()),
        *_last_events(found.log, zone),
    ]
    return Page(rows)


def _whose(state: State, stream: Producer | Consumer) -> str:
    name = person_name(state, stream.router_id, stream.participant_id)
    told = name if name == stream.participant_id else f"{name} ({stream.participant_id})"
    return f"{told} {_place(state, stream.router_id)}"


def _several(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _into_pipes(number: int) -> str:
    return f", and into {_several(number, 'pipe')}" if number else ""


def _place(state: State, router_id: RouterId) -> str:
    room_id = state.room_of(router_id)
    return f"on router {short(router_id)}" if room_id is None else f"in room {printable(room_id)}"


def _fact(name: str, value: str) -> Line:
    return line(Span(f"{name:<{_LABEL}} ", "dim"), value)


def _carrier(state: State, id_: TransportId) -> Line:
    transport = state.transports.get(id_)
    if transport is None:
        return _fact("transport", short(id_))
    remote = f" from {transport.remote}" if transport.remote else ""
    name = "pipe" if transport.pipe else "transport"
    return line(Span(f"{name:<{_LABEL}} ", "dim"), f"{short(id_)} ", transport_state(transport), remote)


# ------------------------------------------------------------------ plots

Plot = tuple[str, Series, Callable[[Number], str], "float | None"]


def _of_producer(of: Producer) -> Iterable[Plot]:
    yield "kbit/s", series.each(of.history, series.sent_by), kbits, None
    yield "loss %", series.producer_losses(of), tenth, None
    yield "jitter ms", series.each(of.history, series.producer_jitter), tenth, None
    yield "RTT ms", series.each(of.history, series.producer_rtt), count, None
    yield "score", series.each(of.history, lambda e: max((one.score for one in e), default=None)), count, 10.0


def _of_consumer(of: Consumer) -> Iterable[Plot]:
    yield "kbit/s", series.each(of.history, lambda sample: float(sample.bitrate)), kbits, None
    yield "loss %", series.each(of.history, lambda sample: sample.fraction_lost * 100 / 256), tenth, None
    yield "RTT ms", series.each(of.history, lambda sample: series.known(sample.round_trip_time)), count, None
    yield "score", series.each(of.history, lambda sample: sample.score), count, 10.0


def _plots(plots: Iterable[Plot], width: int) -> list[Row]:
    bars = max(0, width - _LABEL - 3 * (_NUMBER + 1) - 2)
    title = f"{'':<{_LABEL}} {'now':>{_NUMBER}} {'least':>{_NUMBER}} {'most':>{_NUMBER}}"
    rows = still("plots", line(Span(f"{title}  {plot_title(bars)}", "head")))
    return rows + [Row(f"plot {plot[0]}", partial(_plot, *plot, bars)) for plot in plots]


def _plot(name: str, values: Series, written: Callable[[Number], str], top: float | None, bars: int) -> Line:
    shown = values[-bars:] if bars else values
    known = [value for value in shown if value is not None]
    least, most = (min(known), max(known)) if known else (None, None)
    return line(
        f"{name:<{_LABEL}} {written(series.last(values)):>{_NUMBER}} ",
        Span(f"{written(least):>{_NUMBER}} {written(most):>{_NUMBER}}  ", "dim"),
        Span(spark(values, bars, top), "accent"),
    )


# ------------------------------------------------------------------ below


def _encodings(of: Producer, width: int) -> list[Row]:
    grid = Grid(_ENCODINGS, width)
    now = of.history[-1][1] if of.history else ()
    rows = still("encodings", grid.header())
    return rows + [Row(f"encoding {one.ssrc}", partial(_encoding, one, grid)) for one in now]


def _encoding(of: EncodingSample, grid: Grid) -> Line:
    return grid.line(
        (
            UNKNOWN if of.rid is ABSENT else of.rid,
            str(of.ssrc),
            kbits(of.bitrate),
            count(of.packet_count),
            count(of.packets_lost),
            count(of.packets_repaired),
            tenth(of.jitter),
            count(of.score),
        )
    )


def _last_events(log: Log, zone: tzinfo | None) -> list[Row]:
    rows = still("events", line(Span("last events, the newest first", "head")))
    if not log:
        return rows + still("none", line(Span("none since we watch", "dim")))
    newest = list(reversed(log))
    return rows + [
        Row(f"event {one.seq}", partial(line, Span(f"{clock(one.at, zone, fine=True)} ", "dim"), told(one)))
        for one in newest
    ]
