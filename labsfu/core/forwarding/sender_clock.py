"""How far a sender's wall clock is from ours, learnt from the NTP times of its sender reports (RFC 3550 6.4.1)."""

from __future__ import annotations

from collections import deque

# Reports that the estimate looks back on: at one a second, long enough to meet a quiet network, short enough to follow
# a clock that is set.
WINDOW = 16


class SenderClock:
    """The offset of one sender's clock, shared by all of its streams, so that they stay in step with each other.

    Each report arrives later than it was written, by the network's delay: the smallest difference is the best one.
    """

    __slots__ = ("_differences",)

    def __init__(self) -> None:
        self._differences: deque[float] = deque(maxlen=WINDOW)

    def observe(self, sender_time: float, arrival_time: float) -> None:
        """A report written at `sender_time` (its clock) arrived at `arrival_time` (ours); both unix seconds."""
        self._differences.append(arrival_time - sender_time)

    @property
    def offset(self) -> float | None:
        """Seconds to add to the sender's time to get ours; None before the first report."""
        return min(self._differences) if self._differences else None
