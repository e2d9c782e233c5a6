"""Consumers over HTTP, over a real engine."""

from typing import Any

import msgspec
import pytest

from labsfu.wire import socket as wire
from labsfu.wire.rtp import MediaKind
from labsfu.wire.transport import TransportOptions
from tests.support.api_world import EngineWorld, serving_engine
from tests.support.http_media import (
    DTLS,
    NOWHERE,
    VIDEO,
    capabilities,
    make_consumer,
    make_producer,
    make_router,
    snapshot,
)
from tests.support.media import audio_parameters

pytestmark = pytest.mark.trio


@pytest.fixture
async def world() -> EngineWorld:
    return EngineWorld()


async def test_a_consumer_is_created_paused_shown_listed_and_deleted(world: EngineWorld) -> None:
    router = await make_router(world)
    producer = await make_producer(world, router)
    body = await capabilities(world, router) | {"appData": {"seat": 4}, "priority": 9}
    response = await world.client.post(f"{producer}/consumers?participantId=ben", json=body)
    assert response.status_code == 201
    consumer = await response.get_json()
    path = f"{router}/consumers/{consumer['id']}"
    assert response.headers["Location"] == path
    assert (consumer["participantId"], consumer["producerId"]) == ("ben", producer.rpartition("/")[2])
    assert (consumer["kind"], consumer["type"], consumer["paused"], consumer["priority"]) == (
        "audio",
        "simple",
        True,
        9,
    )
    assert consumer["appData"] == {"seat": 4}
    assert consumer["producerPaused"] is False
    assert await world.ask("GET", path) == (200, consumer)
    assert await world.ask("GET", f"{router}/consumers") == (200, {"consumers": [consumer]})
    assert (await world.ask("DELETE", path))[0] == 200
    assert (await world.refused("GET", path)).type == "/problems/consumer-not-found"
    assert (await world.ask("GET", "/sfu"))[1]["counts"]["transports"] == 1


async def test_it_may_begin_unpaused(world: EngineWorld) -> None:
    router = await make_router(world)
    path = await make_consumer(world, router, await make_producer(world, router), paused=False)
    assert (await world.ask("GET", path))[1]["paused"] is False


async def test_it_connects_once_pauses_resumes_restarts_and_asks_for_key_frames(world: EngineWorld) -> None:
    router = await make_router(world)
    path = await make_consumer(world, router, await make_producer(world, router, VIDEO))
    assert (await world.ask("POST", f"{path}/connect", json=DTLS))[0] == 200
    again = await world.refused("POST", f"{path}/connect", json=DTLS)
    assert (again.status, again.type) == (409, "/problems/transport-already-connected")
    for action, paused in [("resume", False), ("resume", False), ("pause", True)]:
        assert (await world.ask("POST", f"{path}/{action}"))[0] == 200
        assert (await world.ask("GET", path))[1]["paused"] is paused
    assert (await world.ask("POST", f"{path}/request-key-frame"))[0] == 200
    before = (await world.ask("GET", path))[1]["transportOptions"]["iceParameters"]
    assert (await world.ask("POST", f"{path}/restart-ice"))[1]["iceParameters"] != before


async def test_a_put_changes_it(world: EngineWorld) -> None:
    router = await make_router(world)
    path = await make_consumer(world, router, await make_producer(world, router))
    status, changed = await world.ask("PUT", path, json={"priority": 200, "paused": False})
    assert status == 200
    assert (changed["priority"], changed["paused"]) == (200, False)
    assert (await world.ask("GET", path))[1] == changed


async def test_it_goes_with_its_producer(world: EngineWorld) -> None:
    router = await make_router(world)
    producer = await make_producer(world, router)
    path = await make_consumer(world, router, producer)
    await world.ask("DELETE", producer)
    assert (await world.refused("GET", path)).type == "/problems/consumer-not-found"
    assert (await world.ask("GET", "/sfu"))[1]["counts"]["transports"] == 0


async def test_one_of_another_router_is_not_there(world: EngineWorld) -> None:
    router = await make_router(world)
    path = await make_consumer(world, router, await make_producer(world, router))
    other = f"{await make_router(world)}/consumers/{path.rpartition('/')[2]}"
    for method, end in [("GET", ""), ("DELETE", ""), ("POST", "/resume"), ("POST", "/restart-ice")]:
        problem = await world.refused(method, f"{other}{end}")
        assert (problem.status, problem.type) == (404, "/problems/consumer-not-found")


async def test_a_producer_that_is_only_a_transport_has_no_consumers(world: EngineWorld) -> None:
    router = await make_router(world)
    producer = await make_producer(world, router, {})
    before = await snapshot(world)
    problem = await world.refused(
        "POST", f"{producer}/consumers?participantId=ben", json=await capabilities(world, router)
    )
    assert (problem.status, problem.type) == (409, "/problems/producer-incomplete")
    assert await snapshot(world) == before


@pytest.mark.parametrize(
    ("end", "body", "status", "slug"),
    [
        ("", {"rtpCapabilities": {}}, 400, "missing-parameter"),
        ("?participantId=b%2Fc", {"rtpCapabilities": {}}, 400, "invalid-participant-id"),
        ("?participantId=ben", {"rtpCapabilities": {"codecs": []}}, 422, "no-common-codec"),
        ("?participantId=ben", {}, 400, "wrong-shape"),
        ("?participantId=ben", {"rtpCapabilities": {}, "priority": 0}, 400, "wrong-shape"),
        ("?participantId=ben", {"rtpCapabilities": {}, "appData": {"x": "y" * 20000}}, 400, "app-data-too-large"),
    ],
)
async def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    world: EngineWorld, end: str, body: dict[str, Any], status: int, slug: str
) -> None:
    router = await make_router(world)
    producer = await make_producer(world, router)
    before = await snapshot(world)
    problem = await world.refused("POST", f"{producer}/consumers{end}", json=body)
    assert (problem.status, problem.type) == (status, f"/problems/{slug}")
    assert await snapshot(world) == before


@pytest.mark.parametrize("end", ["", "/pause", "/resume", "/restart-ice", "/request-key-frame", "/connect"])
async def test_ids_are_checked_for_form_and_existence(world: EngineWorld, end: str) -> None:
    router = await make_router(world)
    method = "POST" if end else "DELETE"
    body = {"json": DTLS} if end == "/connect" else {}
    bad = await world.refused(method, f"{router}/consumers/7{end}", **body)
    assert (bad.status, bad.type) == (400, "/problems/invalid-consumer-id")
    unknown = await world.refused(method, f"{router}/consumers/{NOWHERE}{end}", **body)
    assert (unknown.status, unknown.type) == (404, "/problems/consumer-not-found")


async def test_one_of_a_room_shares_its_transport_and_its_owner_is_told_what_happens_to_it() -> None:
    async with serving_engine() as served:
        ann, ben = await served.connect("/ws?roomId=tea"), await served.connect("/ws?roomId=tea")
        await ann.expect(wire.Init)
        init = await ben.expect(wire.Init)
        await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=audio_parameters()))
        added = await ben.expect(wire.ProducerAdded)
        await ben.say(wire.InitRequest(rtp_capabilities=init.router_rtp_capabilities))
        await ben.say(wire.ConsumeRequest(producer_id=added.producer_id))
        consumed = await ben.expect(wire.Consumed)
        (router,) = (await served.ask("GET", "/rooms/tea"))[1]["routerIds"]
        path = f"/sfu/routers/{router}/consumers/{consumed.id}"
        _, shown = await served.ask("GET", path)
        assert msgspec.convert(shown["transportOptions"], TransportOptions) == init.consumer_transport_options
        problem = await served.refused("POST", f"{path}/connect", json=DTLS)
        assert (problem.status, problem.type) == (409, "/problems/transport-shared")
        await served.ask("POST", f"{path}/resume")
        assert (await ben.expect(wire.ConsumerResumed)).id == consumed.id
        await served.ask("DELETE", path)
        closed = await ben.expect(wire.ConsumerClosed)
        assert closed.id == consumed.id
        assert (await served.ask("GET", f"/rooms/tea/participants/{init.participant_id}"))[1]["consumerIds"] == []
