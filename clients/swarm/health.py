"""Whether this process kept up with its own plan: what it measured of others is worth nothing if it did not."""

from __future__ import annotations

import asyncio
import resource
import time

import msgspec

from clients.swarm.histogram import Histogram
from clients.swarm.socket_drops import SocketDrops
from clients.swarm.totals import Sums
from clients.synthetic.clock import pacing_clock

LAG_INTERVAL = 0.01
SLIP_INTERVAL = 0.013
"""Of the probe in the pacing clock; no divisor of any frame's length, so that it falls between all of them."""
DROPS_INTERVAL = 0.5


class HealthCounts(Sums):
    """One process's readings so far.

    Attributes:
        slip: seconds from when the pacing clock should have done something until it did.
        lag: seconds from when the event loop should have called something until it did.
        cpu_seconds: user and system.
        socket_drops: datagrams that came when a receive buffer was full.
    """

    slip: Histogram = msgspec.field(default_factory=Histogram)
    lag: Histogram = msgspec.field(default_factory=Histogram)
    cpu_seconds: float = 0.0
    socket_drops: int = 0


class HealthProbe:
    """Takes the readings of the running loop's process, from `start` to `stop`.

    Attributes:
        sockets: UDP sockets of this process.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._counts = HealthCounts()
        self._drops = SocketDrops()
        self._slip = _SlipProbe(self._counts.slip)
        self._lag_at = 0.0
        self._looked_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    @property
    def sockets(self) -> int:
        """UDP sockets at the last look."""
        return self._drops.sockets

    def start(self) -> None:
        """Begin."""
        self._slip.start()
        self._next_lag()

    def stop(self) -> None:
        """Take no more. Idempotent."""
        self._slip.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def counts(self) -> HealthCounts:
        """The readings now."""
        self._drops.look()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._counts.cpu_seconds = usage.ru_utime + usage.ru_stime
        self._counts.socket_drops = self._drops.dropped
        return HealthCounts().add(self._counts)

    def _next_lag(self) -> None:
        self._lag_at = self._loop.time() + LAG_INTERVAL
        self._timer = self._loop.call_at(self._lag_at, self._note_lag)

    def _note_lag(self) -> None:
        now = self._loop.time()
        self._counts.lag.note(now - self._lag_at)
        if now - self._looked_at > DROPS_INTERVAL:
            self._looked_at = now
            self._drops.look()
        self._next_lag()


class _SlipProbe:
    """One among those that the pacing clock runs: it is as late as they are."""

    def __init__(self, slips: Histogram) -> None:
        self.due = float("inf")
        self._slips = slips
        self._clock = pacing_clock()

    def start(self) -> None:
        self.due = time.monotonic() + SLIP_INTERVAL
        self._clock.plan(self)

    def stop(self) -> None:
        self._clock.forget(self)

    def run(self, now: float) -> None:
        self._slips.note(now - self.due)
        self.due = now + SLIP_INTERVAL

    def failed(self, error: Exception) -> None:
        raise error
