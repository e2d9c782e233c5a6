"""`GET /metrics`: what the server holds and has done, for Prometheus.

Names carry their units; nothing has a label of which there is one for each router, room or stream. Counters are those
of a worker or of the server: they outlive what was closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest as text_format
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_format
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from quart import request

from labsfu.api.ask import ask_workers
from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Reply, Route
from labsfu.api.tally import BOUNDS, Tally
from labsfu.shell.usage import cpu_seconds, resident_bytes
from labsfu.wire.payloads import WorkerInfo

TEXT = "text/plain; version=0.0.4; charset=utf-8"
PATIENCE = 1.0
"""Seconds that a worker has to say how it is."""

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_HELD = MappingProxyType(
    {
        "routers": "Routers that there are.",
        "transports": "Transports that there are.",
        "producers": "Producers that there are.",
        "consumers": "Consumers that there are.",
    }
)
_DONE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "packets_received": ("labsfu_media_received_packets", "Datagrams that came (STUN, DTLS, SRTP, SRTCP)."),
        "bytes_received": ("labsfu_media_received_bytes", "Bytes of the datagrams that came."),
        "packets_sent": ("labsfu_media_sent_packets", "Datagrams that were sent (STUN, DTLS, SRTP, SRTCP)."),
        "bytes_sent": ("labsfu_media_sent_bytes", "Bytes of the datagrams that were sent."),
        "unsent_packets": ("labsfu_media_unsent_packets", "Datagrams that the kernel would not take."),
        "forwarded_packets": ("labsfu_rtp_forwarded_packets", "RTP packets that were sent to consumers."),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot(Collector):
    """Everything that is told, at one moment.

    Attributes:
        version: of the server.
        started: when it started, in seconds of Unix time.
        gauges: what there is, by the rest of its name, with its help.
        events: how many events there were.
        cpu_seconds: of the server's own process.
        resident_bytes: the same.
        workers: by id; None: it does not answer, or does not run.
        tally: of requests and messages.
    """

    version: str
    started: float
    gauges: Mapping[str, tuple[str, int]]
    events: int
    cpu_seconds: float
    resident_bytes: int
    workers: Mapping[str, WorkerInfo | None]
    tally: Tally

    def collect(self) -> Iterator[Metric]:
        """All metrics, as prometheus-client wants them."""
        build = GaugeMetricFamily("labsfu_build_info", "Which labsfu this is; always 1.", labels=["version"])
        build.add_metric([self.version], 1)
        yield build
        yield GaugeMetricFamily("labsfu_start_time_seconds", "When it started (Unix time).", value=self.started)
        yield CounterMetricFamily(
            "labsfu_server_cpu_seconds", "CPU time of the server's own process.", value=self.cpu_seconds
        )
        yield GaugeMetricFamily(
            "labsfu_server_resident_bytes", "Resident memory of the server's own process.", value=self.resident_bytes
        )
        for name, (text, number) in self.gauges.items():
            yield GaugeMetricFamily(f"labsfu_{name}", text, value=number)
        yield CounterMetricFamily("labsfu_events", "Events that happened.", value=self.events)
        running = {id_: info for id_, info in self.workers.items() if info is not None}
        yield _gauge(
            "labsfu_worker_up",
            "1: the worker answers and runs.",
            {id_: float(info is not None) for id_, info in self.workers.items()},
        )
        yield from _processes(running)
        yield from _media(running)
        yield from _http(self.tally)


def _processes(workers: Mapping[str, WorkerInfo]) -> Iterator[Metric]:
    cpu = CounterMetricFamily("labsfu_worker_cpu_seconds", "CPU time of the worker's process.", labels=["worker"])
    for id_, info in workers.items():
        cpu.add_metric([id_], info.cpu_seconds)
    yield cpu
    resident = {id_: float(info.rss_bytes) for id_, info in workers.items()}
    yield _gauge("labsfu_worker_resident_bytes", "Resident memory of the worker's process.", resident)


def _media(workers: Mapping[str, WorkerInfo]) -> Iterator[Metric]:
    for field, text in _HELD.items():
        yield _gauge(f"labsfu_{field}", text, {id_: getattr(info.media, field) for id_, info in workers.items()})
    for field, (name, text) in _DONE.items():
        counter = CounterMetricFamily(name, text, labels=["worker"])
        for id_, info in workers.items():
            counter.add_metric([id_], getattr(info.media, field))
        yield counter
    dropped = CounterMetricFamily(
        "labsfu_packets_dropped", "Packets that went no further, by reason.", labels=["worker", "reason"]
    )
    for id_, info in workers.items():
        for drop in info.media.drops:
            dropped.add_metric([id_, drop.reason], drop.packets)
    yield dropped


def _http(tally: Tally) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "labsfu_http_requests", "Requests, refused ones and handshakes too.", labels=["method", "route", "status"]
    )
    for (method, route, status), number in sorted(tally.requests.items()):
        requests.add_metric([method, route, str(status)], number)
    yield requests
    durations = HistogramMetricFamily(
        "labsfu_http_request_duration_seconds", "Until the answer was sent.", labels=["method", "route"]
    )
    for (method, route), found in sorted(tally.durations.items()):
        durations.add_metric([method, route], _cumulative(found.counts), found.total)
    yield durations
    yield CounterMetricFamily(
        "labsfu_participant_messages", "Messages of participants over their sockets.", value=tally.messages
    )
    yield CounterMetricFamily(
        "labsfu_participant_messages_refused", "Those of them that came too fast.", value=tally.messages_refused
    )


def _cumulative(counts: Iterable[int]) -> list[tuple[str, float]]:
    """Buckets as Prometheus has them: each has all that are smaller, too."""
    buckets, so_far = [], 0
    for bound, count in zip((*BOUNDS, float("inf")), counts, strict=True):
        so_far += count
        buckets.append((str(floatToGoString(bound)), float(so_far)))  # type: ignore[no-untyped-call]  # it has no types
    return buckets


def _gauge(name: str, text: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["worker"])
    for id_, value in values.items():
        family.add_metric([id_], value)
    return family


async def metrics_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Show counts and gauges for Prometheus."""
    registry = CollectorRegistry()
    registry.register(await _snapshot(api))
    if wants_openmetrics(request.headers.get("Accept", "")):
        return Reply(_openmetrics(registry), content_type=OPENMETRICS)
    return Reply(text_format(registry), content_type=TEXT)


async def _snapshot(api: Api) -> Snapshot:
    found = await ask_workers(api, PATIENCE)
    workers: dict[str, WorkerInfo | None] = {
        id_: None if isinstance(info, str) or info.state != "running" else info for id_, info in found
    }
    rooms, participants = api.rooms.rooms.counts()
    gauges = {
        "rooms": ("Rooms that there are.", rooms),
        "participants": ("Participants that there are, connected or not.", participants),
        "participant_sockets": ("Sockets of participants that are open.", api.rooms.sockets),
        "event_watchers": ("Watchers of the event feed.", api.events.watchers),
        "http_connections": ("TCP connections of HTTP that are open.", api.tally.connections()),
    }
    started = api.identity.started_at / 1000
    return Snapshot(
        api.identity.version, started, gauges, api.events.seq, cpu_seconds(), resident_bytes(), workers, api.tally
    )


def _openmetrics(registry: CollectorRegistry) -> bytes:
    told: bytes = openmetrics_format(registry)  # type: ignore[no-untyped-call]  # it has no types
    return told


def wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics is preferred to text (RFC 9110 12.5.1): it is named, and text is not before it."""
    weights: dict[str, float] = {}
    for item in accept.lower().split(","):
        media, *parameters = (part.strip() for part in item.split(";"))
        weight = next((_weight(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        weights[media] = max(weight, weights.get(media, 0.0))
    return weights.get("application/openmetrics-text", 0.0) > weights.get("text/plain", 0.0)


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/metrics", metrics_handler, NoQuery, None, content_type=TEXT, other_content_types=(OPENMETRICS,)),
)
