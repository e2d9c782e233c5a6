"""Events, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from functools import cache, partial

import msgspec

from labsfu.wire.base import ABSENT
from labsfu.wire.events import Event
from labsfu.wire.feed import Happened
from tui.look.page import Page, Row
from tui.look.text import Line, Span, Tone, clock, line, printable, short
from tui.model.state import State

_TOLD_BESIDE = {"room_id", "participant_id", "router_id"}
_LONGEST = 200
_TONES: dict[str, Tone] = {
    "engine-fault": "bad",
    "packets-dropped": "dim",
    "room-created": "bold",
    "room-closed": "bold",
    "worker-started": "bold",
    "worker-died": "bad",
}


def events(state: State, pattern: str, zone: tzinfo | None) -> Page:
    """The newest last; those whose text has the pattern in it."""
    kept = [one for one in state.tail if not pattern or pattern in _searched(one)]
    rows = [Row(f"{one.seq}", partial(_event, one, zone)) for one in kept]
    empty = "No event has that in it; / then esc shows all." if pattern else "Nothing has happened since we watch."
    header = line(Span(f"{'time':<12} {'room':<12} {'participant':<12} event", "head"))
    return Page(rows, header, selectable=True, follows=True, empty=(empty,))


def _searched(happened: Happened) -> str:
    return f"{happened.room_id or ''} {happened.participant_id or ''} {told(happened)}".lower()


def _event(happened: Happened, zone: tzinfo | None) -> Line:
    room, who = printable(happened.room_id or ""), printable(happened.participant_id or "")
    text = told(happened)
    return line(
        Span(f"{clock(happened.at, zone, fine=True)} ", "dim"),
        f"{room[:12]:<12} {who[:12]:<12} ",
        Span(text, _TONES.get(text.split(" ", 1)[0], "")),
    )


def told(happened: Happened) -> str:
    """An event in words: its kind, what is its own, and last the ids, which a narrow line can do without.

    What is as usual needs no words.
    """
    event = happened.event
    tag = type(event).__struct_config__.tag
    parts = [str(tag)]
    for name, usual in _fields(type(event)):
        value = getattr(event, name)
        if value != usual and value is not None:
            parts.append(_field(name, value))
    return printable(" ".join(parts))[:_LONGEST]


@cache
def _fields(type_: type[Event]) -> Sequence[tuple[str, object]]:
    """What is told of an event, in that order, and how it is as usual."""
    told_here = [field for field in msgspec.structs.fields(type_) if field.name not in _TOLD_BESIDE]
    return [(field.name, field.default) for field in sorted(told_here, key=lambda field: _is_id(field.name))]


def _is_id(name: str) -> bool:
    return name.endswith("_id")


def _field(name: str, value: object) -> str:
    if _is_id(name):
        return f"{name[:-3].replace('_', '-')} {short(str(value))}"
    if isinstance(value, bool):
        return name.replace("_", "-") if value else f"not {name.replace('_', '-')}"
    if isinstance(value, str):
        return value.splitlines()[-1] if value else "''"
    if isinstance(value, tuple | msgspec.Struct):
        return _brief(value) if name == "drops" else f"{name.replace('_', '-')} {_brief(value)}"
    return f"{name.replace('_', '-')} {value}"


def _brief(value: object) -> str:
    """Without names, brackets and what is not there: `10,7`, `1:2`, `no-rtx 3`."""
    if isinstance(value, tuple):
        return ",".join(_brief(one) for one in value) or "none"
    if isinstance(value, msgspec.Struct):
        fields = (getattr(value, name) for name in value.__struct_fields__)
        return ":".join(_brief(one) for one in fields if one is not ABSENT)
    return short(str(value))
