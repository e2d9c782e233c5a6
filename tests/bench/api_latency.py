"""How long an idle server takes to answer: `python -m tests.bench.api_latency`.

One connection that is kept alive, one request after the other, from another process. `GET /healthz`, which asks nothing
of anybody, calibrates: what the others take beyond it is theirs, the rest is the machine's, the socket's and HTTP's.

`--workers 0 1 2` measures each of these numbers of worker processes; 0 has the engine in the server's own process. The
time that the server took to be ready, and what a worker process uses while nobody calls, stand in a line for each.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from clients.server import ServerProcess

WARM_UP = 50
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Latency:
    """One operation, in milliseconds, of a server with so many worker processes."""

    workers: int
    operation: str
    times: int
    p50: float
    p99: float


class Caller:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)

    def ask(self, method: str, path: str) -> Answer:
        """One request; what it answers must be a success."""
        self._connection.request(method, path)
        response = self._connection.getresponse()
        body = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {body.decode()}")
        answer: Answer = json.loads(body)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Idle:
    """A server that nobody calls.

    Attributes:
        ready_seconds: from its start until it was ready.
        loads: the share of a core that each process with an engine uses.
    """

    workers: int
    ready_seconds: float
    loads: tuple[float, ...]


def measure(workers: int, operation: str, act: Callable[[], object], times: int) -> Latency:
    """Do it many times, and take the percentiles."""
    for _ in range(WARM_UP):
        act()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    hundredths = quantiles(took, n=100)
    return Latency(workers, operation, times, round(hundredths[49], 3), round(hundredths[98], 3))


def measure_all(url: str, times: int, workers: int) -> list[Latency]:
    """All operations, the calibration first and last: if those two differ much, the machine was busy."""
    caller = Caller(url)
    router = f"/sfu/routers/{caller.ask('POST', '/sfu/routers?participantCount=2')['id']}"

    def make_and_delete_router() -> None:
        made = caller.ask("POST", "/sfu/routers?participantCount=2")
        caller.ask("DELETE", f"/sfu/routers/{made['id']}")

    def make_and_delete_producer() -> None:
        made = caller.ask("POST", f"{router}/producers?participantId=ann")
        caller.ask("DELETE", f"{router}/producers/{made['id']}")

    try:
        return [
            measure(workers, "calibration: GET /healthz", lambda: caller.ask("GET", "/healthz"), times),
            measure(workers, "GET /sfu/routers/{id}", lambda: caller.ask("GET", router), times),
            measure(workers, "POST + DELETE of a router", make_and_delete_router, times),
            measure(workers, "POST + DELETE of a producer's transport", make_and_delete_producer, times),
            measure(workers, "calibration, again", lambda: caller.ask("GET", "/healthz"), times),
        ]
    finally:
        caller.close()


def measure_idle(url: str, workers: int, ready_seconds: float, seconds: float) -> Idle:
    """What is used while nobody calls."""
    caller = Caller(url)
    try:
        before = [worker["cpuSeconds"] for worker in caller.ask("GET", "/sfu")["workers"]]
        time.sleep(seconds)
        after = [worker["cpuSeconds"] for worker in caller.ask("GET", "/sfu")["workers"]]
    finally:
        caller.close()
    loads = tuple(round((now - then) / seconds, 4) for then, now in zip(before, after, strict=True))
    return Idle(workers, round(ready_seconds, 2), loads)


async def run(times: int, workers: int, idle_seconds: float) -> tuple[Idle, list[Latency]]:
    """Against a server of its own."""
    began = time.perf_counter()
    async with ServerProcess("--log-level", "warning", "--workers", str(workers)) as server:
        ready = time.perf_counter() - began
        idle = await asyncio.to_thread(measure_idle, server.url, workers, ready, idle_seconds)
        return idle, await asyncio.to_thread(measure_all, server.url, times, workers)


def main() -> None:
    """Run and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1], help="numbers of worker processes")
    parser.add_argument("--idle-seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [asyncio.run(run(options.times, workers, options.idle_seconds)) for workers in options.workers]
    if options.json:
        told = [{"idle": asdict(idle), "latencies": [asdict(one) for one in latencies]} for idle, latencies in found]
        sys.stdout.write(json.dumps(told, indent=1) + "\n")
        return
    for idle, latencies in found:
        loads = ", ".join(f"{load:.1%}" for load in idle.loads)
        sys.stdout.write(f"workers {idle.workers}: ready after {idle.ready_seconds:.2f} s; idle, of a core: {loads}\n")
        sys.stdout.write(f"{'operation':<40} {'times':>6} {'p50 ms':>8} {'p99 ms':>8}\n")
        for one in latencies:
            sys.stdout.write(f"{one.operation:<40} {one.times:>6} {one.p50:>8.2f} {one.p99:>8.2f}\n")


if __name__ == "__main__":
    main()
