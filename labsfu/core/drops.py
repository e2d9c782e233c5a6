"""Why packets were dropped, counted: every packet that goes no further has a reason."""

from __future__ import annotations

from labsfu.wire.stats import DropCount


class Drops:
    """A count for each reason."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, reason: str, packets: int = 1) -> None:
        """Count `packets` more for `reason` (kebab-case)."""
        self._counts[reason] = self._counts.get(reason, 0) + packets

    def absorb(self, other: Drops) -> None:
        """Add another's counts."""
        for reason, packets in other._counts.items():
            self.count(reason, packets)

    def snapshot(self) -> tuple[DropCount, ...]:
        """All counts, by reason."""
        return tuple(DropCount(reason=reason, packets=count) for reason, count in sorted(self._counts.items()))
