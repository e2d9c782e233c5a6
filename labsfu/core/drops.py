"""Why packets were dropped, counted: every packet that goes no further has a reason."""

from __future__ import annotations

from typing import Protocol

from labsfu.wire.stats import DropCount


class Watcher(Protocol):
    """Who wants to know when there is something new to tell."""

    def dropped(self, drops: Drops) -> None:
        """The first drop since it was told last."""

    def ended(self, drops: Drops) -> None:
        """There will be no more of them."""


class Drops:
    """A count for each reason, and how much of it was told already."""

    __slots__ = ("_counts", "_news", "_told", "_watcher")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._news = False
        self._watcher: Watcher | None = None

    def count(self, reason: str, packets: int = 1) -> None:
        """Count `packets` more for `reason` (kebab-case)."""
        self._counts[reason] = self._counts.get(reason, 0) + packets
        if not self._news:
            self._news = True
            if self._watcher is not None:
                self._watcher.dropped(self)

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of what comes, and of what came already."""
        self._watcher = watcher
        if self._news:
            watcher.dropped(self)

    def add(self, other: Drops) -> None:
        """Add another's counts to a sum that nobody watches."""
        for reason, packets in other._counts.items():
            self._counts[reason] = self._counts.get(reason, 0) + packets

    def absorb(self, ended: Drops) -> None:
        """Take over the counts of what is closed, after it has told the rest of them: they are no news here."""
        if ended._watcher is not None:
            ended._watcher.ended(ended)
            ended._watcher = None
        for reason, packets in ended._counts.items():
            self._counts[reason] = self._counts.get(reason, 0) + packets
            self._told[reason] = self._told.get(reason, 0) + packets

    def take_news(self) -> tuple[DropCount, ...]:
        """What was counted since the last time, by reason."""
        told = self._told
        since = {reason: count - told.get(reason, 0) for reason, count in self._counts.items()}
        self._told = dict(self._counts)
        self._news = False
        return tuple(DropCount(reason=reason, packets=count) for reason, count in sorted(since.items()) if count)

    def snapshot(self) -> tuple[DropCount, ...]:
        """All counts, by reason."""
        return tuple(DropCount(reason=reason, packets=count) for reason, count in sorted(self._counts.items()))
