"""Routers, the server's information and its reset, over a real engine."""

import pytest

from labsfu.wire import socket as wire
from tests.support.api_world import EngineWorld, serving_engine
from tests.support.http_media import NOWHERE, make_consumer, make_producer, make_router

pytestmark = pytest.mark.trio


@pytest.fixture
async def world() -> EngineWorld:
    return EngineWorld()


async def test_a_router_is_created_shown_listed_and_deleted(world: EngineWorld) -> None:
    response = await world.client.post("/sfu/routers?participantCount=7")
    assert response.status_code == 201
    router = await response.get_json()
    path = f"/sfu/routers/{router['id']}"
    assert response.headers["Location"] == path
    assert (router["participantCount"], router["workerId"]) == (7, "engine-1")
    assert router["rtpCapabilities"]["codecs"]
    assert await world.ask("GET", path) == (200, router)
    assert await world.ask("GET", "/sfu/routers") == (200, {"routers": [router]})
    assert await world.ask("DELETE", path) == (200, {"message": f"router {router['id']} is closed"})
    assert (await world.refused("GET", path)).type == "/problems/router-not-found"
    assert await world.ask("GET", "/sfu/routers") == (200, {"routers": []})


async def test_a_router_counts_what_it_holds_and_takes_it_down_with_it(world: EngineWorld) -> None:
    router = await make_router(world)
    producer = await make_producer(world, router)
    await make_producer(world, router, {})
    await make_consumer(world, router, producer)
    _, shown = await world.ask("GET", router)
    assert (shown["producerCount"], shown["consumerCount"], shown["pipeTransportCount"]) == (2, 1, 0)
    await world.ask("DELETE", router)
    assert set((await world.ask("GET", "/sfu"))[1]["counts"].values()) == {0}


async def test_routers_of_rooms_are_listed_too_and_deleting_one_closes_its_room() -> None:
    async with serving_engine() as served:
        ann = await served.join("ann")
        (router,) = (await served.ask("GET", "/sfu/routers"))[1]["routers"]
        assert (await served.ask("GET", "/rooms/room"))[1]["routerIds"] == [router["id"]]
        assert (await served.ask("DELETE", f"/sfu/routers/{router['id']}"))[0] == 200
        await ann.expect(wire.RoomClosed)
        assert await ann.expect_close() == 1000
        assert await served.ask("GET", "/rooms") == (200, {"rooms": []})


async def test_a_reset_closes_everything_rooms_too_and_shows_an_empty_server() -> None:
    async with serving_engine() as served:
        router = (await served.ask("POST", "/sfu/routers?participantCount=1"))[1]["id"]
        await served.ask("POST", f"/sfu/routers/{router}/producers?participantId=x")
        ann = await served.join("ann")
        status, info = await served.ask("POST", "/sfu/reset")
        assert status == 200
        assert set(info["counts"].values()) == {0}
        await ann.expect(wire.RoomClosed)
        assert await ann.expect_close() == 1000
        assert (await served.ask("GET", "/sfu"))[1]["id"] == info["id"]
        assert (await served.ask("GET", "/sfu/routers"))[1] == {"routers": []}
        await served.join("ben")


@pytest.mark.parametrize(
    ("method", "path", "status", "slug", "named"),
    [
        ("POST", "/sfu/routers", 400, "missing-parameter", "'participantCount'"),
        ("POST", "/sfu/routers?participantCount=0", 400, "invalid-parameter", "'0'"),
        ("POST", "/sfu/routers?participantCount=10001", 400, "invalid-parameter", "'10001'"),
        ("POST", "/sfu/routers?participantCount=two", 400, "invalid-parameter", "'two'"),
        ("POST", "/sfu/routers?participantCount=2&size=2", 400, "unknown-parameter", "'size'"),
        ("GET", "/sfu/routers?page=1", 400, "unknown-parameter", "'page'"),
        ("GET", "/sfu/routers/seven", 400, "invalid-router-id", "'seven'"),
        ("GET", f"/sfu/routers/{NOWHERE}", 404, "router-not-found", NOWHERE),
        ("GET", f"/sfu/routers/{NOWHERE.upper().replace('8', 'A')}", 400, "invalid-router-id", "A000"),
        ("DELETE", f"/sfu/routers/{NOWHERE}", 404, "router-not-found", NOWHERE),
        ("GET", f"/sfu/routers/{NOWHERE}/producers", 404, "router-not-found", NOWHERE),
        ("GET", f"/sfu/routers/{NOWHERE}/consumers", 404, "router-not-found", NOWHERE),
        ("PUT", "/sfu/routers", 405, "method-not-allowed", "PUT"),
        ("GET", "/sfu/reset", 405, "method-not-allowed", "GET"),
    ],
)
async def test_a_refusal_names_what_was_wrong_and_changes_nothing(
    world: EngineWorld, method: str, path: str, status: int, slug: str, named: str
) -> None:
    await make_router(world)
    before = await world.ask("GET", "/sfu/routers")
    problem = await world.refused(method, path)
    assert (problem.status, problem.type) == (status, f"/problems/{slug}")
    assert named in problem.detail
    assert await world.ask("GET", "/sfu/routers") == before
