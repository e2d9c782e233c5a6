"""A budget that fills up with time: so much a second, and no more than a burst at once."""

from __future__ import annotations


class TokenBucket:
    """Args: `rate` in tokens a second, `burst` as the most that are ever saved up; it begins full."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._updated: float | None = None

    def take(self, now: float) -> bool:
        """Take one token; False when there is none. `now` in seconds."""
        if self._updated is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._updated) * self._rate)
        self._updated = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
