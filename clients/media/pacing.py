"""A steady beat: slots of equal length counted from the first one, so that being late once moves no later slot."""

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["Clock", "Pacer", "Sleep"]

Clock = Callable[[], float]
"""Monotonic seconds, one clock for all processes of a machine."""

Sleep = Callable[[float], Awaitable[None]]


class Pacer:
    """Waits for the next slot and tells its number.

    Args:
        interval_s: length of a slot.
        patience_s: how late a slot may be and still be used; slots later than this are skipped.
        clock: seconds.
        sleep: waits that many seconds of the clock.
    """

    __slots__ = ("_clock", "_interval_s", "_next", "_patience_s", "_sleep", "_start", "skipped")

    def __init__(
        self, interval_s: float, patience_s: float, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._start: float | None = None
        self._next = 0
        self.skipped = 0

    async def slot(self) -> int:
        """Wait until the next slot begins; at once if it has begun. Slot 0 begins with the first call."""
        now = self._clock()
        if self._start is None:
            self._start = now
        due = self._start + self._next * self._interval_s
        if now - due > self._patience_s:
            current = int((now - self._start) / self._interval_s)
            self.skipped += max(0, current - self._next)
            self._next = max(current, self._next)
        elif due > now:
            await self._sleep(due - now)
        slot = self._next
        self._next += 1
        return slot
