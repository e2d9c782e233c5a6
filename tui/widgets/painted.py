"""Lines of toned text as strips of the terminal."""

from __future__ import annotations

from typing import ClassVar, get_args

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.look.text import Line, Tone

_REVERSED = Style(reverse=True)


class Painted(Widget):
    """A widget that paints lines; what the tones look like is the theme's."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in get_args(Tone) if tone}
    DEFAULT_CSS = """
    Painted {
        & > .tone--dim { text-style: dim; }
        & > .tone--bold { text-style: bold; }
        & > .tone--head { text-style: bold; color: $text-secondary; }
        & > .tone--good { color: $text-success; }
        & > .tone--warn { color: $text-warning; text-style: bold; }
        & > .tone--bad { color: $text-error; text-style: bold; }
        & > .tone--accent { color: $text-accent; }
    }
    """

    def strip_of(self, made: Line, width: int, *, current: bool = False) -> Strip:
        """A line, exactly `width` wide; the current one stands out without a colour."""
        base = self.rich_style + _REVERSED if current else self.rich_style
        segments = []
        for text, tone in made:
            style = base
            if tone:
                own = self.get_component_rich_style(f"tone--{tone}", partial=True)
                # in reverse a colour would be the background of its word: only the shape of the letters stays
                style = base + (Style(bold=own.bold) if current else own)
            segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(width, base)


class Bar(Painted):
    """One line."""

    DEFAULT_CSS = """
    Bar { height: 1; }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._line: Line = ()

    def show(self, made: Line) -> None:
        """Show this line."""
        if made != self._line:
            self._line = made
            self.refresh()

    @property
    def text(self) -> str:
        """What it shows."""
        return "".join(span.text for span in self._line)

    def render_line(self, y: int) -> Strip:
        """The line, cut where the bar ends."""
        return self.strip_of(self._line if y == 0 else (), self.size.width)
