"""What is shown of a worker that cannot say how it does."""

from __future__ import annotations

from typing import Literal

from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import EngineCounts

_NO_COUNTS = EngineCounts(
    routers=0,
    transports=0,
    producers=0,
    consumers=0,
    packets_received=0,
    bytes_received=0,
    packets_sent=0,
    bytes_sent=0,
    unsent_packets=0,
    forwarded_packets=0,
    drops=(),
)


def absent_worker(
    id_: WorkerId, state: Literal["starting", "silent", "dead"] = "dead", pid: int = 0, listen: tuple[str, ...] = ()
) -> WorkerInfo:
    """Its name and state; `pid` is its last process, 0 when none is known."""
    return WorkerInfo(
        id=id_,
        pid=pid,
        state=state,
        listen=listen,
        cpu_seconds=0.0,
        rss_bytes=0,
        router_count=0,
        producer_count=0,
        consumer_count=0,
        forwarded_packets_per_second=0.0,
        media=_NO_COUNTS,
    )
