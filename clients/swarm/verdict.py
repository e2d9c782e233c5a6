"""VALID, or INVALID and why: a run whose generator was the bottleneck says nothing about the server."""

from __future__ import annotations

from clients.swarm.health import HealthCounts
from clients.swarm.histogram import Spread
from clients.swarm.totals import Sent
from labsfu.wire.base import Wire

CONDUCTOR = -1
"""Number of the process that leads the workers, where one is asked for."""


class Limits(Wire):
    """What each process of the generator must keep.

    A stall that all of it shares with the server (the machine stood still) is as bad: nobody was measured meanwhile.

    Attributes:
        slip_p99: seconds; of the pacing clock. lag_p99: the same, of the event loop.
        stall: seconds; the longest slip or lag.
        socket_drops: datagrams in all, as a share of those that came.
        cpu: seconds a second.
        slots_skipped: share of the frames that were due.
    """

    slip_p99: float = 0.02
    lag_p99: float = 0.02
    stall: float = 0.25
    socket_drops: float = 0.0
    cpu: float = 0.95
    slots_skipped: float = 0.001


class Excess(Wire):
    """One limit that was exceeded.

    Attributes:
        worker: whose; `CONDUCTOR` is the parent.
        what: name of the limit.
        measured: what it came to; limit: what it may be.
    """

    worker: int
    what: str
    measured: float
    limit: float

    def __str__(self) -> str:
        who = "the conductor" if self.worker == CONDUCTOR else f"worker {self.worker}"
        return f"{who}: {self.what} {self.measured:.4g} is more than {self.limit:.4g}"


class Verdict(Wire):
    """Whether a run may be judged at all.

    Attributes:
        reasons: why not; nothing: VALID.
    """

    reasons: tuple[Excess, ...] = ()

    @property
    def valid(self) -> bool:
        """Whether the generator kept all its limits."""
        return not self.reasons

    def __str__(self) -> str:
        return "VALID" if self.valid else "INVALID: " + "; ".join(map(str, self.reasons))


class WorkerHealth(Wire):
    """How one process of the generator was.

    Attributes:
        worker: its number; `CONDUCTOR` is the parent.
        pid: of the process.
        slip: of its pacing clock, seconds; lag: of its event loop.
        cpu: seconds a second.
        socket_drops: datagrams; sockets: UDP sockets in the end.
        slots: frames that were due; slots_skipped: that it was too late for.
    """

    worker: int
    pid: int
    slip: Spread
    lag: Spread
    cpu: float
    socket_drops: int
    sockets: int
    slots: int
    slots_skipped: int

    @classmethod
    def of(
        cls, worker: int, pid: int, counts: HealthCounts, sent: Sent, *, seconds: float, sockets: int
    ) -> WorkerHealth:
        """What readings over so many seconds come to."""
        return cls(
            worker=worker,
            pid=pid,
            slip=counts.slip.spread(),
            lag=counts.lag.spread(),
            cpu=counts.cpu_seconds / seconds if seconds > 0 else 0.0,
            socket_drops=counts.socket_drops,
            sockets=sockets,
            slots=sent.slots,
            slots_skipped=sent.slots_skipped,
        )

    def excesses(self, limits: Limits, *, packets: int) -> tuple[Excess, ...]:
        """What it exceeded.

        Args:
            limits: what it may.
            packets: that came to it.
        """
        measured = {
            "slip_p99": self.slip.p99 or 0.0,
            "lag_p99": self.lag.p99 or 0.0,
            "stall": max(self.slip.max or 0.0, self.lag.max or 0.0),
            "socket_drops": self.socket_drops / (packets + self.socket_drops) if self.socket_drops else 0.0,
            "cpu": self.cpu,
            "slots_skipped": self.slots_skipped / self.slots if self.slots else 0.0,
        }
        return tuple(
            Excess(worker=self.worker, what=what, measured=value, limit=getattr(limits, what))
            for what, value in measured.items()
            if value > getattr(limits, what)
        )
