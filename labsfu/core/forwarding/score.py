"""How well a stream gets through, from 0 (nothing) to 10 (everything), as mediasoup counts it (3.6).

Each report gives ((expected - lost) / expected) ** 4; the score is the average of the last reports, the newest
weighing most. A stream that nobody has reported on has 10.
"""

from __future__ import annotations

from collections import deque

HISTORY = 24
BEST = 10


class Score:
    """The score of one stream."""

    __slots__ = ("_reports",)

    def __init__(self) -> None:
        self._reports: deque[int] = deque(maxlen=HISTORY)

    def report(self, expected: int, lost: int) -> None:
        """Take in an interval: how many packets should have come, how many did not."""
        if expected <= 0:
            self._reports.append(BEST)
            return
        kept = max(0, expected - max(0, lost)) / expected
        self._reports.append(round(kept**4 * BEST))

    @property
    def value(self) -> int:
        """0 to 10."""
        if not self._reports:
            return BEST
        weights = range(1, len(self._reports) + 1)
        weighted = sum(weight * score for weight, score in zip(weights, self._reports, strict=True))
        return round(weighted / sum(weights))
