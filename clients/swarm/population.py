"""Who shall be there, who is, who comes and goes next; sans-IO."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from clients.swarm.churn import Churn, ChurnDraws
from clients.swarm.stages import Change


@dataclass(frozen=True, slots=True)
class Move:
    """Somebody comes or goes.

    Attributes:
        number: who.
        comes: or goes.
    """

    number: int
    comes: bool


class Population:
    """People by number.

    Attributes:
        wanted: who has been asked to be there, and has not failed.
        present: who is there and sends.
        leaving: who was asked to go and has not gone.
    """

    def __init__(self) -> None:
        self.wanted: set[int] = set()
        self.present: set[int] = set()
        self.leaving: set[int] = set()
        self._away: set[int] = set()
        self._failed: set[int] = set()

    @property
    def settled(self) -> bool:
        """Whether everyone who was asked to come or go has."""
        return self.wanted <= self.present and not self.leaving

    def one_more(self) -> Move:
        """The lowest number that is free comes; that of one who failed is not given again."""
        taken = self.wanted | self._away | self._failed
        number = next(n for n in itertools.count() if n not in taken)
        return self.comes(number)

    def one_less(self) -> Move | None:
        """The highest number goes, also one that is away for a while; None: nobody is left, or it is away anyway."""
        everyone = self.wanted | self._away
        if not everyone:
            return None
        number = max(everyone)
        if number in self._away:
            self._away.discard(number)
            return None
        return self.goes(number)

    def comes(self, number: int) -> Move:
        """This one is asked to come."""
        self._away.discard(number)
        self.wanted.add(number)
        return Move(number, comes=True)

    def goes(self, number: int, *, to_return: bool = False) -> Move:
        """This one is asked to go."""
        self.wanted.discard(number)
        self.present.discard(number)
        self.leaving.add(number)
        if to_return:
            self._away.add(number)
        return Move(number, comes=False)

    def returns(self, number: int) -> Move | None:
        """One who was away comes back; None: it has been given up meanwhile."""
        return self.comes(number) if number in self._away else None

    def joined(self, number: int) -> None:
        """It is there."""
        if number in self.wanted:
            self.present.add(number)

    def gone(self, number: int, *, failed: bool) -> None:
        """It is not there any more; `failed`: it was not asked to go."""
        self.leaving.discard(number)
        if failed:
            self._failed.add(number)
            self.wanted.discard(number)
            self.present.discard(number)


class Programme:
    """Changes and churn in their order: what happens next, and when.

    Args:
        coming: the changes.
        seconds: when it is over. Nobody leaves for a while who would not be back by then.
        churn: None: nobody does.
        rng: of the churn.
    """

    def __init__(self, coming: Sequence[Change], seconds: float, churn: Churn | None, rng: random.Random) -> None:
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Change | int | None]] = []
        self._seconds = seconds
        self._churn = churn
        self._draws = None if churn is None else ChurnDraws(churn, rng)
        for change in coming:
            self._push(change.at, change)
        self._next_draw()

    @property
    def next_at(self) -> float | None:
        """Seconds after the start; None: nothing happens any more."""
        return self._heap[0][0] if self._heap else None

    def step(self, population: Population) -> Move | None:
        """Do what is next."""
        at, _, what = heapq.heappop(self._heap)
        if isinstance(what, Change):
            return population.one_more() if what.joins else population.one_less()
        if what is not None:
            return population.returns(what)
        return self._leaves(at, population)

    def _leaves(self, at: float, population: Population) -> Move | None:
        assert self._draws is not None, "only churn has draws"
        assert self._churn is not None, "only churn has draws"
        number = self._draws.leave(sorted(population.present))
        self._next_draw()
        if number is None:
            return None
        self._push(at + self._churn.away, number)
        return population.goes(number, to_return=True)

    def _next_draw(self) -> None:
        if self._draws is None or self._churn is None:
            return
        if self._draws.next_at + self._churn.away <= self._seconds:
            self._push(self._draws.next_at, None)

    def _push(self, at: float, what: Change | int | None) -> None:
        heapq.heappush(self._heap, (at, next(self._order), what))
