"""What the engine says of things that are not adopted yet: its events may overtake its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from labsfu.rooms.participant import News, NewsBook


class Unadopted:
    """Remembers what is said of ids that nobody knows, while any flow waits for something to be made."""

    def __init__(self) -> None:
        self._waiting = 0
        self._ended: set[str] = set()
        self._news: dict[str, NewsBook] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Remember while the block runs."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._ended.clear()
                self._news.clear()

    def end(self, id_: str) -> None:
        """The engine closed something that nobody knows."""
        if self._waiting:
            self._ended.add(id_)

    def has_ended(self, id_: str) -> bool:
        """Whether there is nothing to adopt any more."""
        return id_ in self._ended

    def hear(self, id_: str, news: News) -> None:
        """The engine said something of something that nobody knows; the last word of each kind counts."""
        if self._waiting:
            self._news.setdefault(id_, {})[type(news)] = news

    def heard(self, id_: str) -> NewsBook:
        """What the one who adopts it must know; to be asked inside `watch`."""
        return self._news.pop(id_, {})
