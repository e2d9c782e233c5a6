"""What the engine says of things that are not adopted yet: its events may overtake its answers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from labsfu.rooms.participant import News, NewsBook


class Unadopted:
    """Remembers what is said of ids that nobody knows, as long as a flow waits that was there when it was said.

    What is known by more than its id (a producer: by its router, too) is named by all of it.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._waiting: list[int] = []
        # Of each id, which was the newest flow to wait when it was said, in the order of being said.
        self._ended: dict[Hashable, int] = {}
        self._news: dict[Hashable, tuple[int, NewsBook]] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Remember while the block runs."""
        self._begun += 1
        flow = self._begun
        self._waiting.append(flow)
        try:
            yield
        finally:
            self._waiting.remove(flow)
            self._forget()

    def end(self, id_: Hashable) -> None:
        """The engine closed something that nobody knows."""
        if self._waiting:
            self._ended[id_] = self._begun

    def has_ended(self, id_: Hashable) -> bool:
        """Whether there is nothing to adopt any more."""
        return id_ in self._ended

    def hear(self, id_: Hashable, news: News) -> None:
        """The engine said something of something that nobody knows; the last word of each kind counts."""
        if self._waiting:
            book = self._news.pop(id_, (0, {}))[1]
            book[type(news)] = news
            self._news[id_] = self._begun, book

    def heard(self, id_: Hashable) -> NewsBook:
        """What the one who adopts it must know; to be asked inside `watch`."""
        return self._news.pop(id_, (0, {}))[1]

    def _forget(self) -> None:
        """What was said before the oldest flow that waits began is nobody's."""
        oldest = self._waiting[0] if self._waiting else self._begun + 1
        for said in (self._ended, self._news):
            for id_ in [id_ for id_, of in said.items() if (of if isinstance(of, int) else of[0]) < oldest]:
                del said[id_]
