"""Columns that fit a width: the least important ones go first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tui.look.text import Line, Span, cut

GAP, WIDE_GAP = 1, 2


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        title: with its unit.
        width: in characters; of a `flexible` one the least.
        left: text stands at the left, numbers at the right.
        rank: 0 stays always; of the others the highest goes first when there is no room.
        flexible: takes what the others leave; one of a table is.
    """

    title: str
    width: int
    left: bool = False
    rank: int = 0
    flexible: bool = False


class Grid:
    """The columns of a table that fit into a width."""

    def __init__(self, columns: Sequence[Column], width: int) -> None:
        kept = list(enumerate(columns))
        while self._least(kept) > width and any(column.rank for _, column in kept):
            kept.remove(max(kept, key=lambda pair: pair[1].rank))
        spare = max(0, width - self._least(kept))
        gaps = len(kept) - 1
        self._gap = WIDE_GAP if spare >= gaps * (WIDE_GAP - GAP) else GAP
        spare -= gaps * (self._gap - GAP)
        self._kept = [(index, column, column.width + (spare if column.flexible else 0)) for index, column in kept]

    @staticmethod
    def _least(kept: Sequence[tuple[int, Column]]) -> int:
        return sum(column.width for _, column in kept) + GAP * max(0, len(kept) - 1)

    def has(self, title: str) -> bool:
        """Whether a column is there."""
        return any(column.title == title for _, column, _ in self._kept)

    def width(self, title: str) -> int:
        """Width of a column; 0 when it had to go."""
        return next((width for _, column, width in self._kept if column.title == title), 0)

    def header(self) -> Line:
        """The titles."""
        titles = [_placed(column.title, width, left=column.left) for _, column, width in self._kept]
        return (Span((" " * self._gap).join(titles), "head"),)

    def line(self, cells: Sequence[str | Span]) -> Line:
        """A row; `cells` are of all columns, those that had to go too."""
        spans: list[Span] = []
        for index, column, width in self._kept:
            cell = cells[index]
            if spans:
                spans.append(Span(" " * self._gap))
            text, tone = cell if isinstance(cell, Span) else Span(cell)
            spans.append(Span(_placed(text, width, left=column.left), tone))
        return tuple(spans)


def _placed(text: str, width: int, *, left: bool) -> str:
    text = cut(text, width)
    return text.ljust(width) if left else text.rjust(width)
