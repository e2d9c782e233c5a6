"""What fills the screen between the title and the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tui.look.text import Line

Kind: TypeAlias = Literal["overview", "rooms", "room", "router", "producer", "consumer", "events"]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the user is: a view, and what it is about."""

    kind: Kind
    id: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a page, made when it is to be seen.

    Attributes:
        key: tells it from the others of the page, for as long as it is there.
        make: its text.
        leads: where enter goes from here.
    """

    key: str
    make: Callable[[], Line]
    leads: Spot | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        header: stays above the rows.
        rows: what can be scrolled.
        selectable: whether one of the rows is the current one.
        follows: whether the last row stays the current one when more come.
        empty: told in place of rows.
    """

    rows: list[Row]
    header: Line | None = None
    selectable: bool = False
    follows: bool = False
    empty: tuple[str, ...] = field(default=())


def still(key: str, *lines: Line) -> list[Row]:
    """Rows that are there already."""
    return [Row(f"{key}{number}", lambda made=made: made) for number, made in enumerate(lines)]  # type: ignore[misc] # mypy infers no type for a lambda with a default
