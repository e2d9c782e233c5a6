"""The last line: the keys that do something here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.events import Click

from tui.look.text import Line, Span
from tui.widgets.painted import Bar


@dataclass(frozen=True, slots=True)
class Key:
    """A key: how it is written, what it does, the app's action; of high `rank` go first when there is no room."""

    shown: str
    label: str
    action: str
    rank: int = 0

    @property
    def width(self) -> int:
        """With its space."""
        return len(self.shown) + len(self.label) + 2


class KeyBar(Bar):
    """Keys, as many as there is room for; a click is as good as a key."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._keys: list[Key] = []

    @property
    def keys(self) -> list[str]:
        """Those that are shown."""
        return [key.shown for key in self._keys]

    def offer(self, keys: Sequence[Key]) -> None:
        """Show these."""
        kept = list(keys)
        while kept and sum(key.width for key in kept) > self.size.width + 1 and any(key.rank for key in kept):
            kept.remove(max(kept, key=lambda key: key.rank))
        self._keys = kept
        self.show(_line(kept))

    async def on_click(self, event: Click) -> None:
        """What the key under the pointer does."""
        x = 0
        for key in self._keys:
            x += key.width
            if event.x < x:
                await self.app.run_action(key.action)
                return


def _line(keys: Sequence[Key]) -> Line:
    spans: list[Span] = []
    for key in keys:
        spans += [Span(key.shown, "bold"), Span(f" {key.label} ", "dim")]
    return tuple(spans)
