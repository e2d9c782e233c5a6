"""A request whose caller goes away is finished: what it made is listed, and goes with what it belongs to."""

from typing import Any

import pytest
import trio
import trio.testing

from labsfu.wire import commands
from tests.support.api_world import ServedWorld, serving_engine
from tests.support.engine_worker import EngineWorker
from tests.support.http_media import AUDIO, DTLS, capabilities, make_consumer, make_producer, make_router, snapshot

pytestmark = pytest.mark.trio


async def abandon(
    served: ServedWorld[EngineWorker], hold: type[commands.Command], method: str, path: str, body: dict[str, Any]
) -> None:
    """Send a request over a socket, go away while the worker is about to carry `hold` out, let it go on."""
    served.worker.hold = hold
    served.worker.held, served.worker.released = trio.Event(), trio.Event()
    stream = await served.send(method, path, body)
    await served.worker.held.wait()
    await stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    served.worker.hold = None
    served.worker.released.set()
    await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("hold", [commands.CreateRouter, commands.GetRouter])
async def test_a_router_that_nobody_waited_for_is_listed(hold: type[commands.Command]) -> None:
    async with serving_engine() as served:
        await abandon(served, hold, "POST", "/sfu/routers?participantCount=2", {})
        assert len((await served.ask("GET", "/sfu/routers"))[1]["routers"]) == 1


@pytest.mark.parametrize("hold", [commands.ListProducers, commands.CreateProducer])
@pytest.mark.parametrize("body", [{}, AUDIO], ids=["its transport alone", "at once"])
async def test_a_producer_that_nobody_waited_for_is_listed(hold: type[commands.Command], body: dict[str, Any]) -> None:
    async with serving_engine() as served:
        router = await make_router(served)
        await abandon(served, hold, "POST", f"{router}/producers?participantId=ann", body)
        assert len((await served.ask("GET", f"{router}/producers"))[1]["producers"]) == 1
        assert not served.api.producers_in_making
        await nothing_is_left_without(served, router)


async def test_a_consumer_that_nobody_waited_for_is_listed() -> None:
    async with serving_engine() as served:
        router = await make_router(served)
        producer = await make_producer(served, router)
        body = await capabilities(served, router)
        await abandon(served, commands.CreateConsumer, "POST", f"{producer}/consumers?participantId=ben", body)
        assert len((await served.ask("GET", f"{router}/consumers"))[1]["consumers"]) == 1
        await nothing_is_left_without(served, router)


@pytest.mark.parametrize(
    ("hold", "method", "end", "body", "shown"),
    [
        (commands.UpdateProducer, "PUT", "", {"paused": True}, True),
        (commands.PauseProducer, "POST", "/pause", {}, True),
        (commands.ConnectProducer, "POST", "/connect", DTLS, False),
    ],
)
async def test_a_change_that_nobody_waited_for_is_made(
    hold: type[commands.Command], method: str, end: str, body: dict[str, Any], shown: bool
) -> None:
    async with serving_engine() as served:
        producer = await make_producer(served, await make_router(served))
        await abandon(served, hold, method, f"{producer}{end}", body)
        assert (await served.ask("GET", producer))[1]["paused"] is shown
        if hold is commands.ConnectProducer:
            assert (await served.refused("POST", f"{producer}/connect", json=DTLS)).status == 409


@pytest.mark.parametrize("hold", [commands.CloseRouter, commands.CloseProducer, commands.CloseConsumer])
async def test_a_closing_that_nobody_waited_for_is_done(hold: type[commands.Command]) -> None:
    async with serving_engine() as served:
        router = await make_router(served)
        producer = await make_producer(served, router)
        consumer = await make_consumer(served, router, producer)
        closed = {
            commands.CloseRouter: router,
            commands.CloseProducer: producer,
            commands.CloseConsumer: consumer,
        }[hold]
        await abandon(served, hold, "DELETE", closed, {})
        assert (await served.refused("GET", closed)).status == 404
        await nothing_is_left_without(served, router)


@pytest.mark.parametrize("hold", [commands.CloseRouter, commands.ListRouters])
async def test_a_reset_that_nobody_waited_for_is_whole(hold: type[commands.Command]) -> None:
    async with serving_engine() as served:
        for _ in range(3):
            await make_producer(served, await make_router(served))
        await served.ask("POST", "/rooms?roomType=call&roomSize=2")
        await abandon(served, hold, "POST", "/sfu/reset", {})
        assert set((await served.ask("GET", "/sfu"))[1]["counts"].values()) == {0}


@pytest.mark.parametrize("hold", [commands.CreateRouter])
async def test_a_room_that_nobody_waited_for_is_listed(hold: type[commands.Command]) -> None:
    async with serving_engine() as served:
        await abandon(served, hold, "POST", "/rooms?roomType=call&roomSize=2&roomId=tea", {})
        assert [room["id"] for room in (await served.ask("GET", "/rooms"))[1]["rooms"]] == ["tea"]
        await served.ask("DELETE", "/rooms/tea")
        assert set((await served.ask("GET", "/sfu"))[1]["counts"].values()) == {0}


async def nothing_is_left_without(world: ServedWorld[EngineWorker], router: str) -> None:
    """Whatever there is belongs to the router."""
    await world.client.delete(router)
    routers, inside, rooms, counts = await snapshot(world)
    assert (routers, inside, rooms, set(counts.values())) == ([], [], {"rooms": []}, {0})
