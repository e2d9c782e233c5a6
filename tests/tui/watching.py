"""A dashboard without a server: of a state that stays, or is changed by the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from tui.app import Dashboard
from tui.model.state import State
from tui.widgets.keys import KeyBar
from tui.widgets.painted import Bar
from tui.widgets.pane import Pane

SMALL, LARGE = (80, 24), (120, 40)
URL = "http://127.0.0.1:8000"


@dataclass
class Standing:
    """A feed that brings nothing by itself."""

    state: State
    url: str = URL
    asked: list[str] = field(default_factory=list)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def describe(self, stream_ids: Sequence[str]) -> None:
        self.asked += stream_ids


@dataclass
class Watched:
    """A dashboard that runs, and what it shows."""

    app: Dashboard
    pilot: Pilot[None]
    feed: Standing

    @property
    def pane(self) -> Pane:
        return self.app.query_one(Pane)

    @property
    def lines(self) -> list[str]:
        return self.pane.lines()

    @property
    def keys(self) -> list[str]:
        return self.app.query_one(KeyBar).keys

    @property
    def filter(self) -> Input:
        return self.app.query_one("#filter", Input)

    def bar(self, name: str) -> str:
        return self.app.query_one(f"#{name}", Bar).text.strip()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def tick(self) -> None:
        """As if it were time to paint."""
        self.app._tick()

    async def row(self, key: str) -> None:
        """Go down to the row whose text begins so."""
        for _ in self.lines:
            if self.lines[self.pane._cursor].strip().startswith(key):
                return
            await self.press("down")
        raise AssertionError((key, self.lines))


@asynccontextmanager
async def watched(state: State, size: tuple[int, int] = SMALL, pictures: Path | None = None) -> AsyncIterator[Watched]:
    """A dashboard of a state, in a terminal of that size."""
    feed = Standing(state)
    app = Dashboard(feed, zone=UTC, pictures=pictures, now=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.paint("")
        await pilot.pause()
        yield Watched(app, pilot, feed)
