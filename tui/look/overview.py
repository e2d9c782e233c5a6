"""The first page: workers, traffic, drops."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tui.look.grid import Column, Grid
from tui.look.page import Page, Row, still
from tui.look.text import Line, Span, Tone, count, kbits, line, plot_title, printable, short, spark, tenth
from tui.model import series
from tui.model.series import Number, Series
from tui.model.state import State
from tui.model.things import Worker, each_once

_WORKERS = (
    Column("worker", 9, left=True),
    Column("pid", 7),
    Column("state", 8, left=True),
    Column("CPU %", 6),
    Column("packets/s", 9),
    Column("in kbit/s", 9),
    Column("out kbit/s", 10),
    Column("seats", 6, rank=1),
    Column("RSS MiB", 7, rank=2),
    Column("routers", 7, rank=3),
    Column("producers", 9, rank=5),
    Column("consumers", 9, rank=4),
    Column("CPU", 8, left=True, rank=6, flexible=True),
)

_STATES: dict[str, Tone] = {"dead": "bad", "starting": "warn", "silent": "warn"}
_LABEL, _NUMBER, _MOST_BARS = 12, 9, 100


def overview(state: State, width: int) -> Page:
    """The whole server."""
    grid = Grid(_WORKERS, width)
    rows = [
        *still("counts", _counts(state), ()),
        *still("workers", grid.header()),
        *(Row(f"worker {worker.info.id}", partial(_worker, worker, grid)) for worker in state.workers.values()),
        *still("", ()),
        *_traffic(state, width),
        *still(" ", ()),
        *_drops(state),
    ]
    return Page(rows)


def _counts(state: State) -> Line:
    people = sum(len(room.people) for room in state.rooms.values())
    held = {
        "rooms": len(state.rooms),
        "people": people,
        "routers": len(state.routers),
        "transports": sum(not transport.pipe for transport in state.transports.values()),
        "producers": len(each_once(state.producers.values())),
        "consumers": sum(not consumer.piped for consumer in state.consumers.values()),
    }
    pipes = len(state.transports) - held["transports"]
    if pipes:
        held["pipe ends"] = pipes
    parts = []
    for name, number in held.items():
        parts += [Span(f"{name} ", "dim"), Span(count(number), "bold"), Span("   ")]
    return tuple(parts[:-1])


def _worker(worker: Worker, grid: Grid) -> Line:
    info = worker.info
    return grid.line(
        (
            printable(short(info.id)),
            str(info.pid),
            Span(info.state, _STATES.get(info.state, "")),
            tenth(series.load(worker)),
            count(info.forwarded_packets_per_second),
            kbits(series.last(series.bits_in(worker))),
            kbits(series.last(series.bits_out(worker))),
            count(info.participant_count),
            count(info.rss_bytes / 2**20),
            count(info.router_count),
            count(info.producer_count),
            count(info.consumer_count),
            Span(spark(series.cpu(worker), grid.width("CPU"), 100.0), "accent"),
        )
    )


def _traffic(state: State, width: int) -> list[Row]:
    workers = list(state.workers.values())
    bars = max(0, min(_MOST_BARS, width - _LABEL - 2 * (_NUMBER + 1) - 2))
    measures: tuple[tuple[str, Callable[[Worker], Series], Callable[[Number], str]], ...] = (
        ("CPU %", series.cpu, tenth),
        ("packets/s", series.packets_per_second, count),
        ("in kbit/s", series.bits_in, kbits),
        ("out kbit/s", series.bits_out, kbits),
    )
    title = f"{'all workers':<{_LABEL}} {'now':>{_NUMBER}} {'most':>{_NUMBER}}"
    rows = still("traffic", line(Span(f"{title}  {plot_title(bars)}", "head")))
    for name, values, written in measures:
        all_of = series.together(values(worker) for worker in workers)
        rows.append(Row(name, partial(measure, name, all_of, written, bars)))
    return rows


def measure(name: str, values: Series, written: Callable[[Number], str], bars: int) -> Line:
    """A number: now, at most, and how it went."""
    shown = values[-bars:] if bars else values
    most = max((value for value in shown if value is not None), default=None)
    return line(
        f"{name:<{_LABEL}} {written(series.last(values)):>{_NUMBER}} ",
        Span(f"{written(most):>{_NUMBER}}  ", "dim"),
        Span(spark(values, bars), "accent"),
    )


def _drops(state: State) -> list[Row]:
    rows = series.drops(state)
    title = line(Span(f"{'packets dropped, by reason':<32} {'total':>9} {'now /s':>9}", "head"))
    if not rows:
        return still("drops", title, line(Span("none", "dim")))
    return still("drops", title) + [
        Row(f"drop {reason}", partial(_drop, reason, total, now)) for reason, total, now in rows
    ]


def _drop(reason: str, total: int, now: float) -> Line:
    return line(f"{reason:<32} {total:>9,} ", Span(f"{now:>9,.1f}", "bold" if now else "dim"))
