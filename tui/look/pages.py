"""Which page a spot is, the path to it, and the lines around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import cast

from labsfu.wire.ids import ConsumerId, ProducerId, RoomId, RouterId
from tui.look import room, stream
from tui.look.events import events
from tui.look.overview import overview
from tui.look.page import Page, Spot
from tui.look.rooms import rooms
from tui.look.text import UNKNOWN, Line, Span, clock, cut, printable, short, span_of
from tui.model.state import State

FILTERED = {"rooms", "room", "router", "events"}
"""Views that have a filter."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the pages need besides the state."""

    url: str
    zone: tzinfo | None
    frozen: bool = False


def page_of(spot: Spot, state: State, width: int, pattern: str, around: Around) -> Page:
    """The page of a spot."""
    match spot.kind:
        case "overview":
            return overview(state, width)
        case "rooms":
            return rooms(state, width, pattern, around.url)
        case "room":
            return room.room(state, width, pattern, cast("RoomId", spot.id))
        case "router":
            return room.router(state, width, pattern, cast("RouterId", spot.id))
        case "producer":
            return stream.producer(state, width, cast("ProducerId", spot.id), around.zone)
        case "consumer":
            return stream.consumer(state, width, cast("ConsumerId", spot.id), around.zone)
        case "events":
            return events(state, pattern, around.zone)


def unknown_streams(spot: Spot, state: State) -> list[str]:
    """The streams of a page of which HTTP has more to tell than the events did."""
    if spot.kind == "router":
        return [*room.without_codec(state, [cast("RouterId", spot.id)])]
    if spot.kind == "room":
        found = state.rooms.get(cast("RoomId", spot.id))
        return [] if found is None else [*room.without_codec(state, found.router_ids)]
    return [spot.id] if spot.kind in ("producer", "consumer") else []


def crumbs(path: Sequence[Spot], state: State, pattern: str) -> Line:
    """The path, its end in bold, and the filter."""
    spans: list[Span] = []
    for spot in path:
        spans += [Span(" > ", "dim"), Span(_name(spot, state), "bold" if spot is path[-1] else "")]
    if pattern:
        spans += [Span("   only with "), Span(f"'{printable(pattern)}'", "warn")]
    return (Span(" "), *spans[1:])


def _name(spot: Spot, state: State) -> str:
    if spot.kind == "room":
        return printable(spot.id)
    if spot.kind == "router":
        return f"router {short(spot.id)}"
    if spot.kind == "producer":
        producer = state.producer(cast("ProducerId", spot.id))
        if producer is None:
            return f"producer {short(spot.id)}"
        owner = room.person_name(state, producer.router_id, producer.participant_id)
        return f"{owner} > {producer.kind.value}"
    if spot.kind == "consumer":
        consumer = state.consumers.get(cast("ConsumerId", spot.id))
        if consumer is None:
            return f"consumer {short(spot.id)}"
        owner = room.person_name(state, consumer.router_id, consumer.participant_id)
        return f"{owner} > {room.consumer_name(state, consumer)}"
    return spot.kind


def title(state: State, around: Around, width: int) -> Line:
    """Which server, since when, and how we stand with it."""
    server = state.server
    since = "" if server is None else f"   up {span_of(state.now - server.started_at)}"
    version = "" if server is None else f" {server.version}"
    status = _status(state, around)
    left_over = max(0, width - len(status.text) - 2)
    left = cut(f" labsfu{version}  {around.url}{since}", left_over)
    return Span(f"{left.ljust(left_over)} ", "bold"), status, Span(" ")


def _status(state: State, around: Around) -> Span:
    at = clock(state.now, around.zone) if state.now else UNKNOWN
    if around.frozen:
        return Span(f"‖ frozen at {at}", "warn")
    if state.link.status == "live":
        again = f" (resumed {state.link.resumed}x)" if state.link.resumed else ""
        return Span(f"● live{again} {at}", "good")
    return Span("○ connecting", "warn") if state.link.status == "connecting" else Span(f"✗ {state.link.status}", "bad")


def banner(state: State, around: Around, width: int) -> Line | None:
    """Why what is shown is old, if it is."""
    if state.link.status not in ("lost", "over"):
        return None
    since = clock(state.link.since, around.zone)
    why = printable(state.link.why.splitlines()[0]) if state.link.why else ""
    what = "no server here since" if state.server is None else "lost the server at"
    again = "" if state.link.status == "over" else ", trying again"
    text = f" ✗ {what} {since}{again}: {why}"
    return (Span(cut(text, width).ljust(width), "bad"),)
