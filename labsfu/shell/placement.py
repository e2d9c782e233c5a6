"""Which worker a new router is made on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LOAD_OF_ONE = 0.02
"""The share of a core that one more participant is expected to need: one of a small call with pictures."""

LOAD_LAG = 3.0
"""Seconds until whoever was placed shows in the measured load: it is that of a second, told up to two seconds later."""

FULL = 0.9
"""The share of a core beyond which a worker that must not be late should not be loaded."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a worker stands.

    Attributes:
        participant_count: what its routers were made for, those that are being made too.
        load: the share of a core that it used in the last second, as it said last.
        unmeasured: those of the participants that were placed too late to show in the load.
    """

    participant_count: int
    load: float
    unmeasured: int = 0

    @property
    def expected(self) -> float:
        """The load when all have come that routers were made for; people who do more than expected count as they do."""
        return max(self.soon, self.participant_count * LOAD_OF_ONE)

    @property
    def soon(self) -> float:
        """The measured load, with those who do not show in it yet."""
        return self.load + self.unmeasured * LOAD_OF_ONE


def choose_worker(standings: Sequence[Standing], participant_count: int) -> int:
    """The place of the worker for a router of so many participants; `standings` is not empty.

    The one with the least expected load, then with the fewest participants, then the first. One whose load soon leaves
    no room for so many is passed over while there is another.
    """
    needed = participant_count * LOAD_OF_ONE
    places = range(len(standings))
    fitting = [place for place in places if standings[place].soon + needed <= FULL]
    return min(
        fitting or places, key=lambda place: (standings[place].expected, standings[place].participant_count, place)
    )
