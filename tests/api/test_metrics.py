"""`GET /metrics`, read back as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TypeAlias, cast

import pytest
import trio
from hypercorn.typing import ASGIFramework, Scope
from msgspec.structs import replace
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from labsfu.api.app import ROUTES
from labsfu.api.metrics import OPENMETRICS, TEXT, wants_openmetrics
from labsfu.api.tally import BOUNDS, CLIENT_GONE, Tallied, Tally
from labsfu.config import Config
from labsfu.errors import Unavailable
from labsfu.wire import socket as wire
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import DropCount
from tests.support.api_world import ApiWorld, EngineWorld, WorldOf, serving
from tests.support.engine_worker import EngineWorker
from tests.support.fake_worker import FakeWorker
from tests.support.http_media import make_consumer, make_producer, make_router
from tests.support.sole_worker import SoleWorker

pytestmark = pytest.mark.trio

Found: TypeAlias = dict[tuple[str, frozenset[tuple[str, str]]], float]

W1 = {"worker": "fake-1"}


def samples(families: Iterable[Metric]) -> Found:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


async def scrape(
    world: WorldOf[FakeWorker] | WorldOf[EngineWorker],
) -> Found:
    response = await world.client.get("/metrics")
    assert (response.status_code, response.content_type) == (200, TEXT)
    return samples(parse_text(await response.get_data(as_text=True)))


def value(found: Found, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


class Busy(FakeWorker):
    """It has done much."""

    async def info(self) -> WorkerInfo:
        info = await super().info()
        drops = (DropCount(reason="rtp-too-long", packets=3), DropCount(reason='odd "\\\n', packets=4))
        media = replace(
            info.media,
            packets_received=10,
            bytes_received=1000,
            packets_sent=20,
            bytes_sent=2000,
            unsent_packets=1,
            forwarded_packets=15,
            consumers=7,
            drops=drops,
        )
        return replace(info, cpu_seconds=1.25, rss_bytes=1 << 20, media=media)


class Gone(FakeWorker):
    async def info(self) -> WorkerInfo:
        await trio.lowlevel.checkpoint()
        raise Unavailable("it is gone")


def with_worker(worker: FakeWorker) -> ApiWorld:
    world = ApiWorld(Config())
    object.__setattr__(world.api, "workers", SoleWorker(worker))
    return world


async def test_what_a_worker_has_done_is_told_with_units() -> None:
    found = await scrape(with_worker(Busy()))
    assert value(found, "labsfu_media_received_packets_total", **W1) == 10
    assert value(found, "labsfu_media_received_bytes_total", **W1) == 1000
    assert value(found, "labsfu_media_sent_packets_total", **W1) == 20
    assert value(found, "labsfu_media_sent_bytes_total", **W1) == 2000
    assert value(found, "labsfu_media_unsent_packets_total", **W1) == 1
    assert value(found, "labsfu_rtp_forwarded_packets_total", **W1) == 15
    assert value(found, "labsfu_consumers", **W1) == 7
    assert value(found, "labsfu_worker_cpu_seconds_total", **W1) == 1.25
    assert value(found, "labsfu_worker_resident_bytes", **W1) == 1 << 20
    assert value(found, "labsfu_worker_up", **W1) == 1
    assert value(found, "labsfu_packets_dropped_total", reason="rtp-too-long", **W1) == 3
    assert value(found, "labsfu_packets_dropped_total", reason='odd "\\\n', **W1) == 4
    assert value(found, "labsfu_build_info", version="0") == 1


async def test_what_the_server_itself_uses_is_told() -> None:
    found = await scrape(ApiWorld(Config()))
    spent = value(found, "labsfu_server_cpu_seconds_total")
    assert spent is not None
    assert 0 < spent <= time.process_time()
    assert (value(found, "labsfu_server_resident_bytes") or 0) > 1 << 20


async def test_a_worker_that_is_gone_is_down_and_the_rest_is_told() -> None:
    found = await scrape(with_worker(Gone()))
    assert value(found, "labsfu_worker_up", **W1) == 0
    assert value(found, "labsfu_consumers", **W1) is None
    assert value(found, "labsfu_rooms") == 0


async def test_rooms_people_and_sockets_are_counted() -> None:
    async with serving() as served:
        await served.join("ann")
        await served.connect("/sfu/events")
        ben = await served.join("ben")
        await ben.vanish()
        ann = served.peers[0]
        while not isinstance(await ann.hear(), wire.ParticipantUpdated):
            pass
        found = await scrape(served)
    assert value(found, "labsfu_rooms") == 1
    assert value(found, "labsfu_participants") == 2
    assert value(found, "labsfu_participant_sockets") == 1
    assert value(found, "labsfu_event_watchers") == 1
    assert (value(found, "labsfu_http_connections") or 0) >= 2
    assert value(found, "labsfu_transports", **W1) == 4


async def test_counters_outlive_what_is_closed() -> None:
    """A router is closed: what it dropped, and all other counters, are still there."""
    world = EngineWorld()
    router = await make_router(world)
    await make_consumer(world, router, await make_producer(world, router))
    world.worker.engine.receive(bytes(40), ("127.0.0.1", 9), 0, trio.current_time())
    before = await scrape(world)
    assert value(before, "labsfu_consumers", worker="engine-1") == 1
    await world.ask("DELETE", router)
    after = await scrape(world)
    assert value(after, "labsfu_consumers", worker="engine-1") == 0
    counters = {key for key in before if key[0].endswith(("_total", "_count", "_sum", "_bucket"))}
    assert any(key[0] == "labsfu_packets_dropped_total" for key in counters)
    assert all(after[key] >= before[key] for key in counters)


async def test_requests_are_counted_by_method_route_and_status() -> None:
    world = ApiWorld(Config())
    for _ in range(3):
        await world.ask("GET", "/rooms")
    await world.refused("GET", "/rooms/nobodys")
    await world.refused("GET", "/rooms/nobodys", headers={"Host": "evil.example"})
    await world.refused("GET", "/an/invented/path")
    await world.refused("BREW", "/rooms")
    found = await scrape(world)
    requests = {key[1]: number for key, number in found.items() if key[0] == "labsfu_http_requests_total"}
    assert requests == {
        frozenset({("method", "GET"), ("route", "/rooms"), ("status", "200")}): 3,
        frozenset({("method", "GET"), ("route", "/rooms/{roomId}"), ("status", "404")}): 1,
        frozenset({("method", "GET"), ("route", "other"), ("status", "403")}): 1,
        frozenset({("method", "GET"), ("route", "other"), ("status", "404")}): 1,
        frozenset({("method", "other"), ("route", "other"), ("status", "405")}): 1,
    }


async def test_handshakes_are_counted_when_they_are_made() -> None:
    async with serving() as served:
        ann = await served.join("ann")
        await served.connect("/rooms/none/participants/ben/connect")
        before = await scrape(served)
        await ann.say(wire.Leave())
        await ann.expect_close()
        found = await scrape(served)
    path = "/rooms/{roomId}/participants/{participantId}"
    joined = {"method": "GET", "route": f"{path}/create-and-connect", "status": "101"}
    refused = {"method": "GET", "route": f"{path}/connect", "status": "404"}
    for told in (before, found):
        assert value(told, "labsfu_http_requests_total", **joined) == 1
        assert value(told, "labsfu_http_requests_total", **refused) == 1
    assert value(found, "labsfu_http_requests_total", **joined | {"status": "403"}) is None
    assert not [key for key in found if key[0].endswith("_seconds_count") and "ws" in str(key)]


async def test_durations_are_a_histogram(autojump_clock: object) -> None:
    tally = Tally()
    for seconds in (0.0, 0.001, 0.0011, 3.0, 60.0):
        tally.count("GET", "/rooms", 200, seconds)
    world = ApiWorld(Config())
    world.api.tally.durations.update(tally.durations)
    found = await scrape(world)
    labels = {"method": "GET", "route": "/rooms"}
    name = "labsfu_http_request_duration_seconds"
    assert value(found, f"{name}_bucket", le="0.001", **labels) == 2
    assert value(found, f"{name}_bucket", le="0.0025", **labels) == 3
    assert value(found, f"{name}_bucket", le="2.5", **labels) == 3
    assert value(found, f"{name}_bucket", le="5.0", **labels) == 4
    assert value(found, f"{name}_bucket", le="+Inf", **labels) == 5
    assert value(found, f"{name}_count", **labels) == 5
    assert value(found, f"{name}_sum", **labels) == pytest.approx(63.0021)
    assert len(BOUNDS) + 1 == len([key for key in found if key[0] == f"{name}_bucket"])


async def test_an_answer_that_nobody_waited_for_is_counted_as_such() -> None:
    tally = Tally()

    async def app(_scope: object, _receive: object, _send: object) -> None:
        await trio.sleep_forever()

    async def nothing(*_: object) -> None:
        raise AssertionError

    with trio.CancelScope() as scope:
        scope.cancel()
        called = cast("Scope", {"type": "http", "method": "GET", "path": "/"})
        await Tallied(cast("ASGIFramework", app), tally)(called, nothing, nothing)  # type: ignore[arg-type]  # never called
    assert tally.requests == {("GET", "other", CLIENT_GONE): 1}


async def test_openmetrics_is_given_to_whoever_asks_for_it() -> None:
    world = with_worker(Busy())
    await world.ask("GET", "/rooms")
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
    response = await world.client.get("/metrics", headers={"Accept": accept})
    assert response.content_type == OPENMETRICS
    text = await response.get_data(as_text=True)
    found = samples(parse_openmetrics(text))  # type: ignore[no-untyped-call]  # it has no types
    assert text.endswith("# EOF\n")
    assert value(found, "labsfu_rtp_forwarded_packets_total", **W1) == 15


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=nonsense; q=1.0", True),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=high", False),
        (";;,,;q", False),
    ],
)
async def test_what_is_accepted_decides_on_the_format(accept: str, openmetrics: bool) -> None:
    assert wants_openmetrics(accept) is openmetrics


async def test_no_label_has_a_value_for_each_thing_that_is_made() -> None:
    """Ten rooms with their routers more than before are no sample more."""
    world = ApiWorld(Config())

    async def make(number: int) -> None:
        assert (await world.ask("POST", f"/rooms?roomType=conference&roomSize=4&roomId=r{number}"))[0] == 201
        assert (await world.ask("GET", f"/rooms/r{number}"))[0] == 200

    await make(0)
    await scrape(world)
    before = await scrape(world)
    for number in range(1, 11):
        await make(number)
    after = await scrape(world)
    assert set(after) == set(before)
    assert value(after, "labsfu_rooms") == 11
    routes = {label for key in after for name, label in key[1] if name == "route"}
    assert routes <= {route.path for route in ROUTES} | {"other"}


async def test_it_takes_the_token() -> None:
    world = ApiWorld(Config(token="s3cret"))
    assert (await world.refused("GET", "/metrics")).status == 401
    assert (await world.client.get("/metrics", headers={"Authorization": "Bearer s3cret"})).status_code == 200
