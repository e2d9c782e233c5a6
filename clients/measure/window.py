"""A sum over the last second."""

from __future__ import annotations

from collections import deque

SECOND = 1.0


class Window:
    """Sums what was added in the last second: bytes, frames."""

    __slots__ = ("_items", "_sum")

    def __init__(self) -> None:
        self._items: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, amount: int, at: float) -> None:
        """Add at a time, which never runs backwards."""
        self._items.append((at, amount))
        self._sum += amount
        self._forget(at)

    def total(self, now: float) -> int:
        """The sum over (now - 1 s, now]."""
        self._forget(now)
        return self._sum

    def _forget(self, now: float) -> None:
        # what is exactly a second old may round to either side
        while self._items and now - self._items[0][0] > SECOND - 1e-9:
            self._sum -= self._items.popleft()[1]
