"""What a receiver misses, and when it asks for it: a NACK timer as browsers have one (RFC 4585 6.2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FIRST_DELAY = 0.01
TICK = 0.01
"""Seconds from one look at the list to the next: questions that are due close to each other go together."""
TRIES = 10


def _next_tick(at: float) -> float:
    return math.ceil(at / TICK - 1e-6) * TICK


@dataclass(slots=True)
class _Missing:
    due: float
    tries: int = 0


@dataclass(slots=True)
class MissingNumbers:
    """Numbers that never wrap; each is asked for once a round trip until it comes or was asked for `tries` times."""

    tries: int = TRIES
    given_up: set[int] = field(default_factory=set)
    _missing: dict[int, _Missing] = field(default_factory=dict)

    def miss(self, first: int, end: int, now: float) -> None:
        """What is in `range(first, end)` has not come."""
        for number in range(first, end):
            self._missing[number] = _Missing(_next_tick(now + FIRST_DELAY))

    def found(self, number: int) -> bool:
        """It came; True if it had been asked for."""
        self.given_up.discard(number)
        missing = self._missing.pop(number, None)
        return missing is not None and missing.tries > 0

    def due(self, now: float, round_trip: float) -> list[int]:
        """What to ask for now, in order."""
        asked = []
        for number in sorted(n for n, missing in self._missing.items() if missing.due <= now):
            missing = self._missing[number]
            if missing.tries == self.tries:
                del self._missing[number]
                self.given_up.add(number)
                continue
            missing.tries += 1
            # The answer may be a moment late, or just coming: a tick of patience spares sending it twice.
            missing.due = _next_tick(now + round_trip + TICK)
            asked.append(number)
        return asked

    def deadline(self) -> float | None:
        """When `due` has something to tell."""
        return min((missing.due for missing in self._missing.values()), default=None)

    def forget(self) -> None:
        """Ask for nothing of what is missing."""
        self._missing.clear()
