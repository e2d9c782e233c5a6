"""Which numbers of a stream are missing, and when to ask for them (RFC 4585 6.2.1)."""

from __future__ import annotations

WAIT = 0.01
"""Seconds that a gap may be mere reordering."""
TRIES = 10
"""NACKs for one number before it is given up."""
LIMIT = 1000
"""Numbers that are followed at once; with more, the oldest are given up."""
LEAST_ROUND_TRIP = 0.02
_MISSED_AT, _TRIES, _DUE, _ASKED_AT = range(4)


class MissingPackets:
    """The holes in a stream of extended sequence numbers.

    Args:
        asks: whether NACKs are to be sent; without, holes are given up after `WAIT` times `TRIES`.

    Attributes:
        round_trip: seconds from a NACK to its answer, smoothed; a tenth before the first.
        due: when `ask` has something to do, monotonic seconds.
    """

    __slots__ = ("_asks", "_holes", "due", "round_trip")

    def __init__(self, *, asks: bool) -> None:
        self._asks = asks
        self._holes: dict[int, list[float]] = {}
        self.round_trip = 0.1
        self.due = float("inf")

    def __contains__(self, number: int) -> bool:
        return number in self._holes

    def __len__(self) -> int:
        return len(self._holes)

    def miss(self, first: int, end: int, now: float) -> list[int]:
        """The numbers from `first` to before `end` did not come in their turn; those that are given up for them."""
        given_up = list(range(first, end - LIMIT))
        for number in range(max(first, end - LIMIT), end):
            self._holes[number] = [now, 0, now + WAIT, 0.0]
        while len(self._holes) > LIMIT:
            oldest = next(iter(self._holes))
            del self._holes[oldest]
            given_up.append(oldest)
        self.due = min(self.due, now + WAIT)
        return given_up

    def found(self, number: int, now: float) -> bool:
        """A number came; False when it was not missing."""
        hole = self._holes.pop(number, None)
        if hole is None:
            return False
        if hole[_TRIES] == 1:
            self.round_trip += (max(LEAST_ROUND_TRIP, now - hole[_ASKED_AT]) - self.round_trip) / 8
        return True

    def forget(self, before: int) -> None:
        """Numbers before this one are of no use any more."""
        while self._holes:
            oldest = next(iter(self._holes))
            if oldest >= before:
                return
            del self._holes[oldest]

    def ask(self, now: float) -> tuple[list[int], list[int]]:
        """The numbers to ask for now, and those that are given up now."""
        if now < self.due:
            return [], []
        asked, given_up = [], []
        self.due = float("inf")
        for number, hole in self._holes.items():
            if hole[_DUE] <= now:
                if hole[_TRIES] >= TRIES:
                    given_up.append(number)
                    continue
                hole[_TRIES] += 1
                hole[_ASKED_AT] = now
                hole[_DUE] = now + (max(LEAST_ROUND_TRIP, 1.25 * self.round_trip) if self._asks else WAIT)
                asked.append(number)
            self.due = min(self.due, hole[_DUE])
        for number in given_up:
            del self._holes[number]
        return asked if self._asks else [], given_up
