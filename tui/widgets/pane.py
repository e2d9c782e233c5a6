"""A page on the screen: paints the lines that are seen, and of those what has changed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.look.page import Page, Spot
from tui.look.text import Line, line
from tui.widgets.painted import Painted

_EMPTY = Page([])


class Pane(Painted, ScrollView, can_focus=True):
    """Rows under a header that stays, one of them the current one if the page has such."""

    DEFAULT_CSS = """
    Pane {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        height: 1fr;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Up", show=False),
        Binding("down,j", "step(1)", "Down", show=False),
        Binding("pageup", "leap(-1)", "Page up", show=False),
        Binding("pagedown", "leap(1)", "Page down", show=False),
        Binding("home", "edge(-1)", "First", show=False),
        Binding("end", "edge(1)", "Last", show=False),
        Binding("enter", "open", "Open", show=False),
    ]

    class Opened(Message):
        """The user goes into a row."""

        def __init__(self, spot: Spot) -> None:
            super().__init__()
            self.spot = spot

    class Moved(Message):
        """Another row is the current one."""

    class Widened(Message):
        """The page must be made anew: it has another width."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._page = _EMPTY
        self._cursor = 0
        self._painted: dict[int, tuple[Line, bool]] = {}

    @property
    def width(self) -> int:
        """Columns that a page has."""
        return max(1, self.scrollable_content_region.width)

    @property
    def leads(self) -> Spot | None:
        """Where enter goes."""
        page = self._page
        return page.rows[self._cursor].leads if page.selectable and self._cursor < len(page.rows) else None

    @property
    def current(self) -> str:
        """The key of the current row; empty without one."""
        rows = self._page.rows
        return rows[self._cursor].key if self._page.selectable and self._cursor < len(rows) else ""

    def lines(self) -> list[str]:
        """Everything the page has, also what is out of sight."""
        made = [row.make() for row in self._page.rows] or [line(text) for text in self._page.empty]
        return ["".join(span.text for span in one) for one in made]

    def show(self, page: Page, *, cursor: str | None = None) -> None:
        """Show a page; the cursor stays on its row, where it is on the screen.

        Args:
            page: what to show.
            cursor: on another page than before: the key that becomes the current one, or empty for the first (where the
                page follows, the last); None on the same page.
        """
        at = self._cursor - round(self.scroll_y)
        at_end = self._page.follows and self._cursor >= len(self._page.rows) - 1
        if cursor is None:
            index = len(page.rows) - 1 if page.follows and at_end else _find(page, self.current, self._cursor)
        else:
            index = _find(page, cursor, 0) if cursor or not page.follows else len(page.rows) - 1
            at = min(index, max(0, self._height - 1) // 2)
        self._page, self._cursor = page, max(0, index)
        head = 0 if page.header is None else 1
        size = Size(self.width, head + max(len(page.rows), len(page.empty)))
        if size != self.virtual_size:
            self.virtual_size = size
        if page.selectable:
            self._scroll(self._cursor - at)
            self._see_cursor()
        elif cursor is not None:
            self._scroll(0)
        self._repaint()

    def _repaint(self) -> None:
        """Refresh what has changed of what is seen."""
        for y in range(self.size.height):
            if self._painted.get(y) != self._line_at(y):
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """A line of the screen."""
        made, current = self._painted[y] = self._line_at(y)
        return self.strip_of(made, self.size.width, current=current)

    def _line_at(self, y: int) -> tuple[Line, bool]:
        page = self._page
        if page.header is not None:
            if y == 0:
                return page.header, False
            y -= 1
        index = round(self.scroll_y) + y
        if index < len(page.rows):
            return page.rows[index].make(), page.selectable and index == self._cursor
        if not page.rows and index < len(page.empty):
            return line(page.empty[index]), False
        return (), False

    # ------------------------------------------------------------------ moving

    @property
    def _height(self) -> int:
        """Rows that are seen at once."""
        return max(1, self.size.height - (0 if self._page.header is None else 1))

    def action_step(self, by: int) -> None:
        """The next row."""
        self._move(by)

    def action_leap(self, by: int) -> None:
        """A screen further."""
        self._move(by * max(1, self._height - 1))

    def action_edge(self, by: int) -> None:
        """The first row, or the last."""
        self._move(by * max(1, len(self._page.rows)))

    def action_open(self) -> None:
        """Go where the current row leads."""
        if self.leads is not None:
            self.post_message(self.Opened(self.leads))

    def on_click(self, event: Click) -> None:
        """A click chooses a row; on the current one it opens it."""
        index = round(self.scroll_y) + event.y - (0 if self._page.header is None else 1)
        if not self._page.selectable or not 0 <= index < len(self._page.rows) or event.y >= self.size.height:
            return
        if index == self._cursor:
            self.action_open()
        else:
            self._move(index - self._cursor)

    def on_resize(self) -> None:
        """Another width makes another page."""
        self._painted.clear()
        self.post_message(self.Widened())

    def _move(self, by: int) -> None:
        if not self._page.selectable:
            self._scroll(round(self.scroll_y) + by)
            return
        self._cursor = max(0, min(len(self._page.rows) - 1, self._cursor + by))
        self._see_cursor()
        self._repaint()
        self.post_message(self.Moved())

    def _see_cursor(self) -> None:
        top = round(self.scroll_y)
        if self._cursor < top:
            self._scroll(self._cursor)
        elif self._cursor >= top + self._height:
            self._scroll(self._cursor - self._height + 1)

    def _scroll(self, top: int) -> None:
        furthest = max(0, len(self._page.rows) - self._height)
        self.scroll_to(y=max(0, min(furthest, top)), animate=False, immediate=True, force=True)


def _find(page: Page, key: str, index: int) -> int:
    """The row of that key, or the one where it was."""
    if 0 <= index < len(page.rows) and page.rows[index].key == key:
        return index
    return next((number for number, row in enumerate(page.rows) if row.key == key), min(index, len(page.rows) - 1))
