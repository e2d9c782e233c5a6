"""People who leave and come back: when and who is decided by a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from labsfu.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Churn:
    """How restless people are.

    Attributes:
        rate: of all people together, so many leave in a second on the average (a Poisson process).
        away: seconds until each comes back.

    Raises:
        InvalidValue: out of range.
    """

    rate: float
    away: float = 2.0

    def __post_init__(self) -> None:
        if not (0 < self.rate < float("inf") and 0 <= self.away < float("inf")):
            raise InvalidValue(f"churn of {self.rate:g} a second, away for {self.away:g} s", slug="invalid-churn")


class ChurnDraws:
    """The draws of one run.

    Args:
        churn: how restless.
        rng: seeded.
    """

    def __init__(self, churn: Churn, rng: random.Random) -> None:
        self._churn = churn
        self._rng = rng
        self.next_at = rng.expovariate(churn.rate)

    def leave(self, present: Sequence[int]) -> int | None:
        """Who leaves at `next_at`, which moves on; None: nobody is there."""
        self.next_at += self._rng.expovariate(self._churn.rate)
        draw = self._rng.random()
        return present[int(draw * len(present))] if present else None
