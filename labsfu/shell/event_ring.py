"""The last events, encoded: a watcher that comes back finds what it missed."""

from __future__ import annotations

from collections import deque
from itertools import islice


class EventRing:
    """Keeps the last so many events, each under its number.

    Args:
        size: how many are kept, at least 1.

    Attributes:
        next_seq: the number that the next event gets; the first one has 1.
    """

    def __init__(self, size: int) -> None:
        self.next_seq = 1
        self._texts: deque[bytes] = deque(maxlen=size)

    @property
    def oldest(self) -> int:
        """The number of the oldest event that is there; `next_seq` when there is none."""
        return self.next_seq - len(self._texts)

    def append(self, text: bytes) -> None:
        """Keep an event, under `next_seq`; the oldest one makes room."""
        self._texts.append(text)
        self.next_seq += 1

    def after(self, seq: int) -> list[bytes]:
        """All that are there with a higher number than this, in order."""
        return list(islice(self._texts, max(0, seq + 1 - self.oldest), None))
