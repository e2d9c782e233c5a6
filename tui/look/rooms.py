"""The table of rooms, and of routers that are nobody's room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from labsfu.wire.ids import RouterId
from tui.look.grid import Column, Grid
from tui.look.page import Page, Row, Spot
from tui.look.text import Line, Span, Tone, count, kbits, printable, short, tenth
from tui.model import series
from tui.model.state import State
from tui.model.things import Producer, Room, each_once

_COLUMNS = (
    Column("room", 14, left=True, flexible=True),
    Column("type", 10, left=True, rank=2),
    Column("people", 7),
    Column("producers", 9, rank=3),
    Column("consumers", 9, rank=3),
    Column("in kbit/s", 9),
    Column("out kbit/s", 10),
    Column("loss %", 6, rank=1),
    Column("speaker", 14, left=True, rank=4),
)


@dataclass(slots=True)
class _Totals:
    producers: int = 0
    consumers: int = 0
    received: int = 0
    sent: int = 0
    loss: float | None = None

    def worst(self, loss: float | None) -> None:
        if loss is not None:
            self.loss = loss if self.loss is None else max(self.loss, loss)


def rooms(state: State, width: int, pattern: str, url: str) -> Page:
    """All rooms whose id has the pattern in it."""
    grid = Grid(_COLUMNS, width)
    totals = _totals(state)
    rows = [
        Row(f"room {room.id}", partial(_room, room, totals.get(room.id, _Totals()), grid), Spot("room", room.id))
        for room in state.rooms.values()
        if pattern in room.id.lower()
    ]
    rows += [
        Row(f"router {id_}", partial(_router, id_, totals.get(id_, _Totals()), grid), Spot("router", id_))
        for id_, room_id in state.routers.items()
        if room_id is None and pattern in id_
    ]
    return Page(rows, grid.header(), selectable=True, empty=_empty(state, pattern, url))


def _totals(state: State) -> Mapping[str, _Totals]:
    """What goes on in each room, without its pipes; of a router without one, by the router's id."""
    found: dict[str, _Totals] = {}

    sent: dict[str, list[Producer]] = {}

    def place(router_id: RouterId) -> str:
        return state.room_of(router_id) or router_id

    def of(router_id: RouterId) -> _Totals:
        return found.setdefault(place(router_id), _Totals())

    for transport in state.transports.values():
        if not transport.pipe:
            totals = of(transport.router_id)
            totals.received += series.received_rate(transport)
            totals.sent += series.sent_rate(transport)
    for producer in state.producers.values():
        sent.setdefault(place(producer.router_id), []).append(producer)
    for producer in (one for here in sent.values() for one in each_once(here)):
        totals = of(producer.router_id)
        totals.producers += 1
        totals.worst(series.producer_loss(producer))
    for consumer in state.consumers.values():
        if not consumer.piped:
            totals = of(consumer.router_id)
            totals.consumers += 1
            totals.worst(series.consumer_loss(consumer))
    return found


def _room(room: Room, totals: _Totals, grid: Grid) -> Line:
    speaker = None if room.speaker is None else room.people.get(room.speaker)
    remote = sum(person.remote for person in room.people.values())
    people = f"{len(room.people) - remote}/{room.size}" + (f"+{remote}" if remote else "")
    name = "" if speaker is None else f"♪ {printable(speaker.name)}"
    return _line(printable(room.id), room.type.value, people, totals, name, grid)


def _router(id_: RouterId, totals: _Totals, grid: Grid) -> Line:
    return _line(f"router {short(id_)}", "no room", "", totals, "", grid)


def _line(name: str, type_: str, people: str, totals: _Totals, speaker: str, grid: Grid) -> Line:
    loss = totals.loss
    return grid.line(
        (
            Span(name, "bold"),
            type_,
            people,
            count(totals.producers),
            count(totals.consumers),
            kbits(totals.received),
            kbits(totals.sent),
            Span(tenth(loss), loss_tone(loss)),
            Span(speaker, "accent"),
        )
    )


def loss_tone(loss: float | None) -> Tone:
    """How bad a loss in percent is."""
    if loss is None or loss < 1:
        return ""
    return "warn" if loss < 5 else "bad"


def _empty(state: State, pattern: str, url: str) -> tuple[str, ...]:
    if pattern and (state.rooms or state.routers):
        return (f"No room has '{printable(pattern)}' in its name; / then esc shows all.",)
    return (
        "There is no room yet. Two who talk to each other, in two more terminals:",
        "",
        f"  labsfu client {url} --room tea --name ada",
        f"  labsfu client {url} --room tea --name grace",
    )
