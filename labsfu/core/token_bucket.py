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
        return self.take_some(1, now) == 1

    def take_some(self, wanted: int, now: float) -> int:
        """Take up to so many tokens; how many there were. `now` in seconds."""
        if self._updated is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._updated) * self._rate)
        self._updated = now
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken
