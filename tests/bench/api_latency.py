"""How long an idle server takes to answer: `python -m tests.bench.api_latency`.

One connection that is kept alive, one request after the other, from another process. `GET /healthz`, which asks nothing
of anybody, calibrates: what the others take beyond it is theirs, the rest is the machine's, the socket's and HTTP's.
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
from urllib.parse import urlsplit

from clients.server import ServerProcess

WARM_UP = 50
Answer = dict[str, object]


@dataclass(frozen=True, slots=True)
class Latency:
    """One operation, in milliseconds."""

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


def measure(operation: str, act: Callable[[], object], times: int) -> Latency:
    """Do it many times, and take the percentiles."""
    for _ in range(WARM_UP):
        act()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    hundredths = quantiles(took, n=100)
    return Latency(operation, times, round(hundredths[49], 3), round(hundredths[98], 3))


def measure_all(url: str, times: int) -> list[Latency]:
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
            measure("calibration: GET /healthz", lambda: caller.ask("GET", "/healthz"), times),
            measure("GET /sfu/routers/{id}", lambda: caller.ask("GET", router), times),
            measure("POST + DELETE of a router", make_and_delete_router, times),
            measure("POST + DELETE of a producer's transport", make_and_delete_producer, times),
            measure("calibration, again", lambda: caller.ask("GET", "/healthz"), times),
        ]
    finally:
        caller.close()


async def run(times: int) -> list[Latency]:
    """Against a server of its own."""
    async with ServerProcess("--log-level", "warning") as server:
        return await asyncio.to_thread(measure_all, server.url, times)


def main() -> None:
    """Run and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    latencies = asyncio.run(run(options.times))
    if options.json:
        sys.stdout.write(json.dumps([asdict(latency) for latency in latencies], indent=1) + "\n")
        return
    sys.stdout.write(f"{'operation':<40} {'times':>6} {'p50 ms':>8} {'p99 ms':>8}\n")
    for latency in latencies:
        sys.stdout.write(f"{latency.operation:<40} {latency.times:>6} {latency.p50:>8.2f} {latency.p99:>8.2f}\n")


if __name__ == "__main__":
    main()
