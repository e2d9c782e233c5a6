"""The dashboard: looks at a state a few times a second, and never changes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.feed import Feed
from tui.help_screen import HelpScreen
from tui.look.page import Spot
from tui.look.pages import FILTERED, Around, banner, crumbs, page_of, title, unknown_streams
from tui.model.frozen import frozen
from tui.model.state import State
from tui.widgets.keys import Key, KeyBar
from tui.widgets.painted import Bar
from tui.widgets.pane import Pane

PAINT_INTERVAL = 0.25
"""Seconds between paintings, however much happens."""
ASKED_AT_ONCE = 10
DARK, LIGHT = "textual-dark", "textual-light"

OVERVIEW, ROOMS, EVENTS = Spot("overview"), Spot("rooms"), Spot("events")
_VIEWS = {"overview": OVERVIEW, "rooms": ROOMS, "events": EVENTS}


class Dashboard(App[None]):
    """Shows what a feed knows of a server.

    Args:
        feed: the state, and who keeps it up to date.
        zone: for times of day; None: the machine's.
        pictures: where `s` saves them; None: the current directory.
        now: local time, for the pictures' names.
    """

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #title { background: $panel; }
    #crumbs { color: $text; }
    #banner { display: none; background: $error-muted; }
    #banner.shown { display: block; }
    #filter { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
    #filter.shown { display: block; }
    #keys { background: $panel; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "view('overview')", "Overview", show=False),
        Binding("2", "view('rooms')", "Rooms", show=False),
        Binding("5", "view('events')", "Events", show=False),
        Binding("escape", "leave", "Back", show=False),
        Binding("backspace", "leave", "Back", show=False),
        Binding("slash", "filter", "Filter", show=False),
        Binding("space", "freeze", "Freeze", show=False),
        Binding("s", "picture", "Save a picture", show=False),
        Binding("t", "theme", "Light or dark", show=False),
        Binding("question_mark,f1", "help", "Help", show=False),
        Binding("q", "quit", "Quit", show=False),
    ]

    def __init__(
        self,
        feed: Feed,
        *,
        zone: tzinfo | None = None,
        pictures: Path | None = None,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        # with NO_COLOR, Textual would else turn colours into greys, which are colours too (no-color.org)
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.feed = feed
        self.path: list[Spot] = [OVERVIEW]
        self._cursors: list[str] = []
        self._pattern = ""
        self._zone = zone
        self._pictures = pictures
        self._now = now
        self._asked: set[str] = set()
        self._still: State | None = None
        self._painted = -1, -1
        self.animation_level = "none"

    def compose(self) -> ComposeResult:
        """Title, path, page, banner, filter, keys."""
        yield Bar(id="title")
        yield Bar(id="crumbs")
        yield Pane(id="pane")
        yield Bar(id="banner")
        box = Input(id="filter", placeholder="part of a name; enter keeps it, esc shows all", compact=True)
        box.cursor_blink = False
        yield box
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        """Begin to follow and to paint."""
        self.title = "labsfu"
        self.theme = DARK
        self.query_one(Pane).focus()
        self.run_worker(self.feed.run(), name="feed", exit_on_error=True)
        self.set_interval(PAINT_INTERVAL, self._tick)

    # ------------------------------------------------------------------ painting

    @property
    def shown(self) -> State:
        """What is looked at: what stands still while we are frozen."""
        return self.feed.state if self._still is None else self._still

    def _tick(self) -> None:
        state = self.shown
        if (id(state), state.version) != self._painted:
            self.paint()

    def paint(self, cursor: str | None = None) -> None:
        """Show what is; `cursor` is the row to begin at on a page that was not shown before."""
        state, width = self.shown, self.size.width
        pane = self.query_one(Pane)
        if not pane.is_attached or not width:
            return
        self._painted = id(state), state.version
        around = Around(self.feed.url, self._zone, self._still is not None)
        spot = self.path[-1]
        self.query_one("#title", Bar).show(title(state, around, width))
        self.query_one("#crumbs", Bar).show(crumbs(self.path, state, self._pattern))
        told = banner(state, around, width)
        bar = self.query_one("#banner", Bar)
        bar.set_class(told is not None, "shown")
        bar.show(told or ())
        pane.show(page_of(spot, state, pane.width, self._pattern.lower(), around), cursor=cursor)
        self._offer_keys(pane)
        self._ask(spot, state)

    def _ask(self, spot: Spot, state: State) -> None:
        """What is to be seen and only HTTP tells is asked for, once each, a few at a time."""
        wanted = [id_ for id_ in unknown_streams(spot, state) if id_ not in self._asked][:ASKED_AT_ONCE]
        self._asked.update(wanted)
        if wanted:
            self.run_worker(self.feed.describe(wanted), name="describe")

    def _offer_keys(self, pane: Pane) -> None:
        kind = self.path[-1].kind
        if self.query_one("#filter", Input).has_class("shown"):
            self.query_one(KeyBar).offer([Key("enter", "keep the filter", "keep"), Key("esc", "show all", "leave")])
            return
        keys = [
            Key("1", "overview", "view('overview')"),
            Key("2", "rooms", "view('rooms')"),
            Key("5", "events", "view('events')"),
        ]
        if pane.leads is not None:
            keys.append(Key("enter", "open", "open"))
        if len(self.path) > 1 or self._pattern:
            keys.append(Key("esc", "back", "leave"))
        if kind in FILTERED:
            keys.append(Key("/", "filter", "filter", 3))
        keys += [
            Key("space", "go on" if self._still is not None else "freeze", "freeze", 2),
            Key("s", "picture", "picture", 5),
            Key("t", "theme", "theme", 4),
            Key("?", "help", "help"),
            Key("q", "quit", "quit"),
        ]
        self.query_one(KeyBar).offer(keys)

    def on_pane_widened(self) -> None:
        """The page has another size."""
        self.paint()

    # ------------------------------------------------------------------ going about

    def on_pane_opened(self, message: Pane.Opened) -> None:
        """Into a row."""
        self._cursors.append(self.query_one(Pane).current)
        self._asked.discard(message.spot.id)  # opened again, asked again
        self.path.append(message.spot)
        self._pattern = ""
        self.paint("")

    def on_pane_moved(self) -> None:
        """On another row other keys do something."""
        self._offer_keys(self.query_one(Pane))

    def action_open(self) -> None:
        """Into the current row."""
        self.query_one(Pane).action_open()

    def action_view(self, name: str) -> None:
        """One of the views."""
        if self.path != [_VIEWS[name]]:
            self.path, self._cursors, self._pattern = [_VIEWS[name]], [], ""
            self.paint("")

    def action_leave(self) -> None:
        """Out of the filter, else out of the row."""
        if self._pattern or self.query_one("#filter", Input).has_class("shown"):
            self._pattern = ""
            self.action_keep()
        elif len(self.path) > 1:
            self.path.pop()
            self.paint(self._cursors.pop())

    # ------------------------------------------------------------------ filter

    def action_filter(self) -> None:
        """Ask for a text."""
        if self.path[-1].kind in FILTERED:
            box = self.query_one("#filter", Input)
            box.add_class("shown")
            box.value = self._pattern
            box.focus()
            self._offer_keys(self.query_one(Pane))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        if self.query_one("#filter", Input).has_class("shown"):
            self._pattern = event.value.strip()
            self.paint()

    def on_input_submitted(self) -> None:
        """Keep it."""
        self.action_keep()

    def action_keep(self) -> None:
        """Out of the filter's line."""
        self.query_one("#filter", Input).remove_class("shown")
        self.query_one(Pane).focus()
        self.paint()

    # ------------------------------------------------------------------ the rest

    def action_freeze(self) -> None:
        """Stand still, or go on."""
        self._still = frozen(self.feed.state) if self._still is None else None
        self.paint()

    def action_theme(self) -> None:
        """Light or dark."""
        self.theme = LIGHT if self.theme == DARK else DARK

    def action_picture(self) -> None:
        """Save what is seen as SVG."""
        name = f"labsfu-{self._now():%Y%m%d-%H%M%S}.svg"
        directory = Path.cwd() if self._pictures is None else self._pictures
        try:
            (directory / name).write_text(self.export_screenshot(title="labsfu"), encoding="utf-8")
        except OSError as error:
            self.notify(f"not saved: {error}", severity="error", markup=False)
        else:
            self.notify(f"saved {directory / name}", markup=False)

    def action_help(self) -> None:
        """What is what here."""
        self.push_screen(HelpScreen(self.path[-1].kind))
