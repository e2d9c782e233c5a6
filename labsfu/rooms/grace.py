"""Time that is left to those who are about to end: lost participants and empty rooms."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Grace(Generic[T]):
    """Remembers until when each thing may live on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: dict[T, float] = {}

    def begin(self, thing: T, now: float) -> None:
        """From now on `thing` has its grace time."""
        self._ends[thing] = now + self._seconds

    def stop(self, thing: T) -> None:
        """It needs none any more: it recovered, or it is gone."""
        self._ends.pop(thing, None)

    def nearest(self) -> float | None:
        """When the first grace time ends."""
        return min(self._ends.values(), default=None)

    def over(self, now: float) -> list[T]:
        """All things whose time is over."""
        return [thing for thing, end in self._ends.items() if end <= now]
