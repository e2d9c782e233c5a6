"""Which worker a new router is made on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LOAD_OF_ONE = 0.02
"""The share of a core that one more participant is expected to need: one of a small call with pictures."""

FULL = 0.9
"""The share of a core beyond which a worker that must not be late should not be loaded."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a worker stands.

    Attributes:
        participant_count: what its routers were made for, those that are being made too.
        load: the share of a core that it used in the last second.
    """

    participant_count: int
    load: float

    @property
    def expected(self) -> float:
        """The load when all have come that routers were made for; people who do more than expected count as they do."""
        return max(self.load, self.participant_count * LOAD_OF_ONE)


def choose_worker(standings: Sequence[Standing], participant_count: int) -> int:
    """The place of the worker for a router of so many participants; `standings` is not empty.

    The one with the least expected load, then with the fewest participants, then the first. One whose measured load
    leaves no room for so many is passed over while there is another.
    """
    needed = participant_count * LOAD_OF_ONE
    places = range(len(standings))
    fitting = [place for place in places if standings[place].load + needed <= FULL]
    return min(
        fitting or places, key=lambda place: (standings[place].expected, standings[place].participant_count, place)
    )
