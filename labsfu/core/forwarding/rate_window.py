"""Rates without per-packet work: what a counter gained since it was looked at last, a window ago.

Somebody looks at every counter each `INTERVAL` seconds (`core/stats/sampler`) and keeps what it showed then.
"""

from __future__ import annotations

from collections import deque

INTERVAL = 0.25
"""Seconds between two looks."""

STREAM_SPAN = 2.5
"""Seconds of a stream's window (mediasoup 1.4)."""

TRANSPORT_SPAN = 1.0
"""Seconds of a transport's, a router's, or a retransmission's window."""

_JITTER = 0.01  # seconds by which a timer may be late, and its look still be the one of a window ago


class RateWindow:
    """What some counters of bytes showed lately.

    Args:
        span: seconds of the window.
    """

    __slots__ = ("_looks", "_span")

    def __init__(self, span: float) -> None:
        self._span = span + _JITTER
        self._looks: deque[tuple[float, tuple[int, ...]]] = deque(maxlen=round(span / INTERVAL) + 2)

    def begin(self, now: float, *counts: int) -> None:
        """Counting begins: no effect once it has. While it has not, rates are 0."""
        if not self._looks:
            self._looks.append((now, counts))

    def keep(self, now: float, *counts: int) -> None:
        """Look at the counters."""
        self._looks.append((now, counts))

    def rate(self, now: float, count: int) -> int:
        """Bit/s of the one counter, which shows `count` now."""
        elapsed, (before, *_) = self._since(now, (count,))
        return round((count - before) * 8 / elapsed)

    def rates(self, now: float, *counts: int) -> tuple[int, ...]:
        """Bit/s of each counter; they show `counts` now."""
        elapsed, before = self._since(now, counts)
        return tuple([round((count - then) * 8 / elapsed) for count, then in zip(counts, before, strict=True)])

    def _since(self, now: float, counts: tuple[int, ...]) -> tuple[float, tuple[int, ...]]:
        """The oldest look of the window (the last before it, if looks were late): seconds since, and what it showed.

        They are `INTERVAL` at least: a burst of packets a moment after the first says nothing of a rate.
        """
        looks = self._looks
        if not looks:
            return INTERVAL, counts
        at, before = looks[0]
        horizon, latest = now - self._span, now - INTERVAL
        for look in looks:
            if look[0] > latest:
                break
            at, before = look
            if at >= horizon:
                break
        return max(now - at, INTERVAL), before
