"""What the engine says of things that are not adopted yet: its events may overtake its answers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from labsfu.rooms.participant import News, NewsBook


@dataclass(slots=True)
class _Said:
    """What was said of one; `last` is the newest flow that waited when anything was."""

    last: int
    ended: bool = False
    paused: bool | None = None
    news: NewsBook = field(default_factory=dict)


class Unadopted:
    """Remembers what is said of ids that nobody knows, as long as a flow waits that was there when it was said.

    What is known by more than its id (a producer: by its router, too) is named by all of it. Such a name may be given
    anew: what was said before is not said of the one that has it now.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._waiting: list[int] = []
        self._said: dict[Hashable, _Said] = {}

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Remember while the block runs; to be asked there what was said since it began."""
        self._begun += 1
        flow = self._begun
        self._waiting.append(flow)
        try:
            yield Watch(self._said, flow)
        finally:
            self._waiting.remove(flow)
            self._forget()

    def begin(self, name: Hashable) -> None:
        """The engine made something of this name."""
        self._said.pop(name, None)

    def end(self, name: Hashable) -> None:
        """The engine closed something that nobody knows."""
        if self._waiting:
            self._of(name).ended = True

    def set_paused(self, name: Hashable, paused: bool) -> None:
        """The engine stopped something that nobody knows, or let it flow."""
        if self._waiting:
            self._of(name).paused = paused

    def hear(self, name: Hashable, news: News) -> None:
        """The engine said something of something that nobody knows; the last word of each kind counts."""
        if self._waiting:
            self._of(name).news[type(news)] = news

    def _of(self, name: Hashable) -> _Said:
        said = self._said.setdefault(name, _Said(0))
        said.last = self._begun
        return said

    def _forget(self) -> None:
        """What was said before the oldest flow that waits began is nobody's."""
        oldest = self._waiting[0] if self._waiting else self._begun + 1
        for name in [name for name, said in self._said.items() if said.last < oldest]:
            del self._said[name]


class Watch:
    """What one flow can know of what it is making."""

    __slots__ = ("_flow", "_said")

    def __init__(self, said: dict[Hashable, _Said], flow: int) -> None:
        self._said = said
        self._flow = flow

    def has_ended(self, name: Hashable) -> bool:
        """Whether there is nothing to adopt any more."""
        said = self._since(name)
        return said is not None and said.ended

    def is_paused(self, name: Hashable, otherwise: bool) -> bool:
        """Whether it is stopped; `otherwise`: as the engine's answer has it, if nothing was said since."""
        said = self._since(name)
        return otherwise if said is None or said.paused is None else said.paused

    def heard(self, name: Hashable) -> NewsBook:
        """What the one who adopts it must know."""
        said = self._since(name)
        return {} if said is None else dict(said.news)

    def _since(self, name: Hashable) -> _Said | None:
        said = self._said.get(name)
        return said if said is not None and said.last >= self._flow else None
