"""How well a stream gets through, from 0 (nothing) to 10 (everything), as mediasoup counts it (3.6).

Each report gives ((expected - lost) / expected) ** 4, where a repaired loss counts less: by (1 / (1 + repaired /
expected)) ** 4, and by the share of the retransmissions that repaired anything. The score is the average of the last
reports, the newest weighing most. A stream that nobody has reported on has 10.
"""

from __future__ import annotations

from collections import deque

HISTORY = 24
BEST = 10


class Score:
    """The score of one stream."""

    __slots__ = ("_reports", "value")

    def __init__(self) -> None:
        self.value = BEST
        """0 to 10."""
        self._reports: deque[int] = deque(maxlen=HISTORY)

    def report(self, expected: int, lost: int, repaired: int = 0, retransmitted: int = 0) -> None:
        """Take in an interval.

        Args:
            expected: how many packets should have come.
            lost: how many of them did not come at first, the repaired ones among them.
            repaired: how many of the lost ones came in the end, sent again.
            retransmitted: how many packets were sent again for it.
        """
        if expected <= 0:
            self._add(BEST)
            return
        lost = min(max(0, lost), expected)
        repaired = min(max(0, repaired), lost)
        kept = (expected - lost + repaired * _weight(expected, repaired, retransmitted)) / expected
        self._add(round(kept**4 * BEST))

    def _add(self, score: int) -> None:
        self._reports.append(score)
        weights = range(1, len(self._reports) + 1)
        weighted = sum(weight * score for weight, score in zip(weights, self._reports, strict=True))
        self.value = round(weighted / sum(weights))


def _weight(expected: int, repaired: int, retransmitted: int) -> float:
    """How much of a loss a repair makes good: less the more there was to repair, and to send for it."""
    weight: float = (expected / (expected + repaired)) ** 4
    return weight * repaired / retransmitted if retransmitted > repaired else weight
