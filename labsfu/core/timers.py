"""When to wake whom: a lazy heap of deadlines.

A deadline that moves later is not pushed again: its owner is woken at the earlier time, finds nothing to do and says
its new deadline. So a key has at most a few entries, however often its deadline moves.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Timers(Generic[Key]):
    """Deadlines in seconds of the caller's clock, one a key."""

    __slots__ = ("_due", "_heap", "_order")

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = 0

    def schedule(self, key: Key, at: float | None) -> None:
        """Wake `key` at `at` or before; None changes nothing."""
        if at is None:
            return
        due = self._due.get(key)
        if due is not None and due <= at:
            return
        self._due[key] = at
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, key))

    def forget(self, key: Key) -> None:
        """Never wake `key` again."""
        self._due.pop(key, None)

    def deadline(self) -> float | None:
        """When the next key is due."""
        heap = self._heap
        while heap and self._due.get(heap[0][2]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> list[Key]:
        """Take out and return the keys due at `now`."""
        keys: list[Key] = []
        while (at := self.deadline()) is not None and at <= now:
            key = heapq.heappop(self._heap)[2]
            del self._due[key]
            keys.append(key)
        return keys
