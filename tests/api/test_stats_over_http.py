"""Stats over HTTP, over a real engine; what is refused is in the tables of refusals."""

from __future__ import annotations

import pytest

from labsfu.wire import socket as wire
from labsfu.wire.base import from_json, to_json
from labsfu.wire.rtp import MediaKind
from labsfu.wire.stats import ConsumerStatsPayload, ProducerStatsPayload, RouterStatsPayload, TransportStats
from tests.support.api_world import JOIN, EngineWorld, Peer, S, serving_engine
from tests.support.http_media import make_consumer, make_producer, make_router
from tests.support.media import audio_parameters

pytestmark = pytest.mark.trio


@pytest.fixture
async def world() -> EngineWorld:
    return EngineWorld()


async def test_of_a_producer(world: EngineWorld) -> None:
    path = await make_producer(world, await make_router(world))
    status, body = await world.ask("GET", f"{path}/stats")
    assert status == 200
    stats = from_json(to_json(body), ProducerStatsPayload)
    assert (stats.id, stats.streams) == (path.rpartition("/")[2], ())
    assert isinstance(stats.transport, TransportStats)
    assert (stats.transport.bytes_received, stats.transport.dtls_state) == (0, "new")


async def test_of_a_producer_that_is_only_a_transport_yet(world: EngineWorld) -> None:
    path = await make_producer(world, await make_router(world), {})
    shown = (await world.ask("GET", path))[1]
    assert shown["state"] == "transport"
    body = (await world.ask("GET", f"{path}/stats"))[1]
    assert (body["id"], body["streams"]) == (shown["id"], [])
    assert body["transport"]["transportId"] == shown["transportOptions"]["id"]


async def test_of_a_consumer(world: EngineWorld) -> None:
    router = await make_router(world)
    path = await make_consumer(world, router, await make_producer(world, router))
    status, body = await world.ask("GET", f"{path}/stats")
    assert status == 200
    stats = from_json(to_json(body), ConsumerStatsPayload)
    assert [(s.kind, s.packet_count) for s in stats.streams] == [("audio", 0)]


async def test_of_a_router(world: EngineWorld) -> None:
    router = await make_router(world)
    for _ in range(2):
        await make_producer(world, router)
    status, body = await world.ask("GET", f"{router}/stats")
    assert status == 200
    stats = from_json(to_json(body), RouterStatsPayload)
    assert len(stats.transports) == 2
    assert (stats.totals.packets_received, stats.totals.send_bitrate) == (0, 0)


async def test_what_is_closed_has_none(world: EngineWorld) -> None:
    router = await make_router(world)
    producer = await make_producer(world, router)
    consumer = await make_consumer(world, router, producer)
    await world.ask("DELETE", producer)
    for path, slug in [(producer, "producer"), (consumer, "consumer")]:
        problem = await world.refused("GET", f"{path}/stats")
        assert (problem.status, problem.type) == (404, f"/problems/{slug}-not-found")
    assert (await world.ask("GET", f"{router}/stats"))[1]["transports"] == []


async def test_on_the_socket_one_gets_those_of_ones_own_things() -> None:
    async with serving_engine() as served:
        ann = await served.connect(JOIN.format("ann", "Ann"))
        init = await ann.expect(wire.Init)
        ben = await served.join("ben")
        await ann.say(wire.GetStats(request_id=7))
        empty = await _stats(ann)
        own = {init.producer_transport_options.id, init.consumer_transport_options.id}
        assert (empty.request_id, {t.transport_id for t in empty.transports}) == (7, own)
        assert (empty.producers, empty.consumers) == ((), ())
        await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=audio_parameters()))
        produced = await ann.expect(wire.Produced)
        await ben.say(wire.InitRequest(rtp_capabilities=init.router_rtp_capabilities))
        await ben.say(wire.ConsumeRequest(producer_id=produced.id))
        consumed = await _until(ben, wire.Consumed)
        await ann.say(wire.GetStats())
        await ben.say(wire.GetStats())
        hers, his = await _stats(ann), await _stats(ben)
        assert ([p.id for p in hers.producers], hers.consumers) == ([produced.id], ())
        assert ([c.id for c in his.consumers], his.producers) == ([consumed.id], ())


async def _stats(peer: Peer) -> wire.Stats:
    return await _until(peer, wire.Stats)


async def _until(peer: Peer, type_: type[S]) -> S:
    while not isinstance(heard := await peer.hear(), type_):
        pass
    return heard
