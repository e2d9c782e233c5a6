"""How long to wait before something that failed is tried again."""

from __future__ import annotations

FIRST, LONGEST = 0.5, 15.0
STEADY = 30.0
"""Seconds: what lasted that long failed for a reason of its own, and may be tried again at once."""


class Backoff:
    """Counts failures in a row."""

    def __init__(self) -> None:
        self._wait = 0.0

    def after(self, lasted: float) -> float:
        """Seconds to wait, after something lasted so many seconds: none at first, then ever longer."""
        wait = 0.0 if lasted >= STEADY else self._wait
        self._wait = min(max(2 * wait, FIRST), LONGEST)
        return wait
