"""A steady beat: slots of equal length counted from the first one, so that being late once moves no later slot."""

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ["Clock", "Pacer", "Sleep", "Start"]

Clock = Callable[[], float]
"""Monotonic seconds, one clock for all processes of a machine."""

Sleep = Callable[[float], Awaitable[None]]


class Start:
    """When the slots of several pacers begin: all of them when the first one does, so that their media is in step."""

    __slots__ = ("at_s",)

    def __init__(self) -> None:
        self.at_s: float | None = None


class Pacer:
    """Waits for the next slot and tells its number.

    Args:
        interval_s: length of a slot.
        patience_s: how late a slot may be and still be used; slots later than this are skipped.
        clock: seconds.
        sleep: waits that many seconds of the clock.
        start: shared with the pacers that this one shall be in step with.

    Attributes:
        skipped: slots that were over before they were asked for, those before the first call not counted.
    """

    __slots__ = ("_clock", "_interval_s", "_next", "_patience_s", "_sleep", "_start", "skipped")

    def __init__(
        self,
        interval_s: float,
        patience_s: float,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        *,
        start: Start | None = None,
    ) -> None:
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._clock = clock
        self._sleep = sleep
        self._start = Start() if start is None else start
        self._next: int | None = None
        self.skipped = 0

    @property
    def started_at_s(self) -> float:
        """When slot 0 began, seconds of the clock; now, if it has not begun yet."""
        return self._clock() if self._start.at_s is None else self._start.at_s

    async def slot(self) -> int:
        """Wait until the next slot begins; at once if it has begun. Slot 0 begins with the first call."""
        now = self._clock()
        if self._start.at_s is None:
            self._start.at_s = now
        begun = self._start.at_s
        current = int((now - begun) / self._interval_s)
        if self._next is None:
            self._next = current
        due = begun + self._next * self._interval_s
        if now - due > self._patience_s:
            self.skipped += max(0, current - self._next)
            self._next = max(current, self._next)
        elif due > now:
            await self._sleep(due - now)
        slot = self._next
        self._next += 1
        return slot
