"""Times in steps of half a millisecond, so that those of many clients and processes add up."""

from __future__ import annotations

import msgspec

from labsfu.wire.base import Wire

STEP = 0.0005
"""Seconds; the same as the synthetic receivers' own books."""


class Spread(Wire):
    """What a histogram comes to, seconds; None when there was nothing. Exact to half a millisecond.

    Attributes:
        count: of values.
        p50: half of them are not above it; p95, p99: likewise.
        max: the largest.
    """

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


class Histogram(msgspec.Struct):
    """How often each step was reached.

    Attributes:
        steps: number of values by step: `int(seconds / STEP)`.
    """

    steps: dict[int, int] = msgspec.field(default_factory=dict)

    def note(self, seconds: float) -> None:
        """One value."""
        step = max(0, int(seconds / STEP))
        self.steps[step] = self.steps.get(step, 0) + 1

    def add(self, other: Histogram, sign: int = 1) -> None:
        """All values of another, or (`sign` -1) without them."""
        for step, count in other.steps.items():
            left = self.steps.get(step, 0) + sign * count
            if left:
                self.steps[step] = left
            else:
                self.steps.pop(step, None)

    @property
    def count(self) -> int:
        """Of values."""
        return sum(self.steps.values())

    def above(self, seconds: float) -> int:
        """How many values are above so many seconds, to the step."""
        limit = int(seconds / STEP)
        return sum(count for step, count in self.steps.items() if step >= limit)

    def percentile(self, share: float) -> float | None:
        """Seconds that this share of the values does not exceed: the upper edge of the step; None without values."""
        left = share * self.count
        for step in sorted(self.steps):
            left -= self.steps[step]
            if left <= 0:
                return (step + 1) * STEP
        return None

    def spread(self) -> Spread:
        """Its percentiles."""
        return Spread(
            count=self.count,
            p50=self.percentile(0.5),
            p95=self.percentile(0.95),
            p99=self.percentile(0.99),
            max=self.percentile(1.0),
        )
