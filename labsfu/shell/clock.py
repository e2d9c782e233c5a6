"""The two clocks of the server, paired once: the monotonic one that everything runs on, and the wall's."""

from __future__ import annotations

import time

import trio


class Clock:
    """Time for everything that takes it as an argument; to be made inside a Trio run.

    Args:
        boot: unix seconds when the machine's monotonic clock stood at 0, as another process of this machine found it:
            two clocks with the same `boot` agree. None: to be found now.

    Attributes:
        boot: see there.
        unix_offset: seconds to add to `now()` to get unix seconds.
    """

    __slots__ = ("boot", "unix_offset")

    def __init__(self, boot: float | None = None) -> None:
        self.boot = time.time() - time.monotonic() if boot is None else boot
        self.unix_offset = self.boot + time.monotonic() - trio.current_time()

    def now(self) -> float:
        """Seconds, monotonic, from no particular start."""
        return trio.current_time()

    def epoch_ms(self) -> int:
        """Milliseconds since 1970, by the wall clock as it was when this was made."""
        return round((trio.current_time() + self.unix_offset) * 1000)
