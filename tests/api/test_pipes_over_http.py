"""Pipes over HTTP, over real engines without a network: the media over them is shown in tests/core and tests/e2e."""

from __future__ import annotations

import base64
from typing import Any, TypeAlias

import pytest
import trio

from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT
from labsfu.wire.feed import Happened, decode_frame
from labsfu.wire.rtp import MediaKind
from tests.support.api_world import EngineWorld, WorldOf, serving_engine
from tests.support.engine_worker import EngineWorker
from tests.support.http_media import AUDIO, DTLS, NOWHERE, VIDEO, capabilities, make_producer, make_router

pytestmark = pytest.mark.trio

World: TypeAlias = WorldOf[EngineWorker]

SIMULCAST: dict[str, Any] = VIDEO | {
    "rtpParameters": VIDEO["rtpParameters"] | {"encodings": [{"rid": "lo"}, {"rid": "hi"}]}
}


@pytest.fixture
async def world() -> EngineWorld:
    return EngineWorld()


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


async def make_pipe(world: World, router: str, **body: object) -> tuple[str, dict[str, Any]]:
    """The path of a new end of a pipe, and how it is shown."""
    status, pipe = await world.ask("POST", f"{router}/pipe-transports", json=body)
    assert status == 201, pipe
    return f"{router}/pipe-transports/{pipe['id']}", pipe


async def connect(world: World, pipe: str, other: dict[str, Any]) -> None:
    """Tell one end of the other."""
    where = f"remoteHostIp={other['tuple']['localIp']}&remoteHostPort={other['tuple']['localPort']}"
    keys = {"json": {"srtpParameters": other["srtpParameters"]}} if "srtpParameters" in other else {}
    assert (await world.ask("POST", f"{pipe}/connect?{where}", **keys))[0] == 200


async def pipe_out(world: World, pipe: str, producer: str, **body: object) -> dict[str, Any]:
    """A new pipe consumer."""
    router = pipe.partition("/pipe-transports")[0]
    wanted = await capabilities(world, router) | body
    response = await world.client.post(f"{pipe}/consumers/{id_of(producer)}", json=wanted)
    consumer: dict[str, Any] = await response.get_json()
    assert response.status_code == 201, consumer
    assert response.headers["Location"] == f"{router}/consumers/{consumer['id']}"
    return consumer


async def pipe_in(world: World, pipe: str, consumer: dict[str, Any], **body: object) -> dict[str, Any]:
    """A new producer of what a pipe consumer sends."""
    given = {"kind": consumer["kind"], "rtpParameters": consumer["rtpParameters"]} | body
    path = f"{pipe}/producers/{consumer['producerId']}?participantId=ann"
    response = await world.client.post(path, json=given)
    producer: dict[str, Any] = await response.get_json()
    assert response.status_code == 201, producer
    router = pipe.partition("/pipe-transports")[0]
    assert response.headers["Location"] == f"{router}/producers/{producer['id']}"
    return producer


def heard(world: World) -> list[Happened]:
    """All that the feed has told."""
    frames = [decode_frame(text) for text in world.events._ring.after(0)]
    return [frame for frame in frames if isinstance(frame, Happened)]


def kinds(world: World) -> list[str]:
    return [str(type(one.event).__struct_config__.tag) for one in heard(world)]


# ------------------------------------------------------------------ one end


async def test_an_end_is_made_on_a_port_of_its_own_shown_listed_and_deleted(world: EngineWorld) -> None:
    router = await make_router(world)
    response = await world.client.post(f"{router}/pipe-transports")
    pipe = await response.get_json()
    path = f"{router}/pipe-transports/{pipe['id']}"
    assert (response.status_code, response.headers["Location"]) == (201, path)
    assert pipe == {
        "id": pipe["id"],
        "routerId": id_of(router),
        "tuple": {"localIp": "192.0.2.1", "localPort": 50000, "protocol": "udp"},
        "rtx": False,
        "connected": False,
        "createdAt": pipe["createdAt"],
    }
    assert await world.ask("GET", path) == (200, pipe)
    assert await world.ask("GET", f"{router}/pipe-transports") == (200, {"pipeTransports": [pipe]})
    assert (await world.ask("GET", router))[1]["pipeTransportCount"] == 1
    assert (await world.ask("DELETE", path))[0] == 200
    assert (await world.refused("GET", path)).type == "/problems/pipe-transport-not-found"
    assert not world.worker.ports.open
    assert (await world.ask("GET", router))[1]["pipeTransportCount"] == 0


async def test_an_end_listens_where_it_is_told(world: EngineWorld) -> None:
    router = await make_router(world)
    _, pipe = await make_pipe(world, router, listenIp="127.0.0.1", port=4711, enableRtx=True)
    assert (pipe["tuple"]["localIp"], pipe["tuple"]["localPort"], pipe["rtx"]) == ("127.0.0.1", 4711, True)


async def test_an_address_that_is_not_here_is_unavailable(world: EngineWorld) -> None:
    router = await make_router(world)
    problem = await world.refused("POST", f"{router}/pipe-transports", json={"listenIp": "198.51.100.1"})
    assert (problem.status, problem.type) == (503, "/problems/address-unavailable")
    assert (await world.ask("GET", f"{router}/pipe-transports"))[1] == {"pipeTransports": []}


async def test_with_srtp_it_shows_keys_of_its_own_and_takes_those_of_the_other(world: EngineWorld) -> None:
    router = await make_router(world)
    (one, shown), (_, other) = [await make_pipe(world, router, enableSrtp=True) for _ in range(2)]
    keys = [base64.b64decode(pipe["srtpParameters"]["keyBase64"]) for pipe in (shown, other)]
    assert [len(key) for key in keys] == [44, 44]
    assert keys[0] != keys[1]
    assert shown["srtpParameters"]["cryptoSuite"] == "AEAD_AES_256_GCM"
    await connect(world, one, other)
    connected = (await world.ask("GET", one))[1]
    assert connected["connected"] is True
    assert connected["srtpParameters"] == shown["srtpParameters"]


async def test_it_is_connected_once_to_where_the_other_is(world: EngineWorld) -> None:
    router = await make_router(world)
    path, _ = await make_pipe(world, router)
    end = "/connect?remoteHostIp=198.51.100.7&remoteHostPort=4000"
    assert (await world.ask("POST", f"{path}{end}"))[0] == 200
    shown = (await world.ask("GET", path))[1]
    assert (shown["tuple"]["remoteIp"], shown["tuple"]["remotePort"]) == ("198.51.100.7", 4000)
    again = await world.refused("POST", f"{path}{end}")
    assert (again.status, again.type) == (409, "/problems/transport-already-connected")
    assert (await world.ask("GET", path))[1] == shown


async def test_its_stats_are_those_of_a_pipe(world: EngineWorld) -> None:
    router = await make_router(world)
    path, pipe = await make_pipe(world, router)
    consumer = await pipe_out(world, path, await make_producer(world, router, SIMULCAST))
    status, stats = await world.ask("GET", f"{path}/stats")
    assert (status, stats["id"], stats["transport"]["type"]) == (200, pipe["id"], "pipe-transport")
    assert stats["transport"]["tuple"] == pipe["tuple"]
    ssrcs = [encoding["ssrc"] for encoding in consumer["rtpParameters"]["encodings"]]
    assert [stream["ssrc"] for stream in stats["streams"]] == ssrcs
    of_consumer = (await world.ask("GET", f"{router}/consumers/{consumer['id']}/stats"))[1]
    assert of_consumer["transport"]["type"] == "pipe-transport"
    (shown,) = [one for one in (await world.ask("GET", f"{router}/stats"))[1]["transports"] if "tuple" in one]
    assert shown["transportId"] == pipe["id"]


# ------------------------------------------------------------------ what goes over it


async def test_a_pipe_consumer_sends_all_encodings_and_is_one_of_the_consumers(world: EngineWorld) -> None:
    router = await make_router(world)
    producer = await make_producer(world, router, SIMULCAST)
    path, pipe = await make_pipe(world, router)
    consumer = await pipe_out(world, path, producer, appData={"to": "far"})
    assert (consumer["producerId"], consumer["kind"], consumer["type"]) == (id_of(producer), "video", "pipe")
    assert (consumer["paused"], consumer["producerPaused"]) == (False, False)
    assert len({encoding["ssrc"] for encoding in consumer["rtpParameters"]["encodings"]}) == 2
    (listed,) = (await world.ask("GET", f"{router}/consumers"))[1]["consumers"]
    assert (listed["id"], listed["type"], listed["pipeTransportId"]) == (consumer["id"], "pipe", pipe["id"])
    assert (listed["participantId"], listed["appData"]) == ("ann", {"to": "far"})
    assert not {"transportOptions", "iceState", "dtlsState"} & listed.keys()


async def test_a_pipe_consumer_is_paused_resumed_changed_and_deleted_as_any(world: EngineWorld) -> None:
    router = await make_router(world)
    path, _ = await make_pipe(world, router)
    consumer = await pipe_out(world, path, await make_producer(world, router), paused=True)
    assert consumer["paused"] is True
    one = f"{router}/consumers/{consumer['id']}"
    for action, paused in [("resume", False), ("pause", True)]:
        assert (await world.ask("POST", f"{one}/{action}"))[0] == 200
        assert (await world.ask("GET", one))[1]["paused"] is paused
    assert (await world.ask("PUT", one, json={"paused": False, "priority": 7}))[0] == 200
    assert (await world.ask("GET", one))[1]["paused"] is False
    assert (await world.ask("POST", f"{one}/request-key-frame"))[0] == 200
    assert (await world.ask("DELETE", one))[0] == 200
    assert (await world.ask("GET", f"{router}/consumers"))[1] == {"consumers": []}
    assert (await world.ask("GET", path))[0] == 200


async def test_a_producer_has_the_id_and_the_streams_that_it_has_at_the_other_end(world: EngineWorld) -> None:
    here, there = await make_router(world), await make_router(world)
    (near, near_end), (far, far_end) = await make_pipe(world, here), await make_pipe(world, there)
    await connect(world, near, far_end)
    await connect(world, far, near_end)
    origin = await make_producer(world, here, SIMULCAST)
    consumer = await pipe_out(world, near, origin)
    producer = await pipe_in(world, far, consumer, paused=True, appData={"from": "near"})
    assert (producer["id"], producer["participantId"], producer["type"]) == (id_of(origin), "ann", "simulcast")
    assert producer["paused"] is True
    one = f"{there}/producers/{producer['id']}"
    listed = (await world.ask("GET", f"{there}/producers"))[1]["producers"]
    assert [(one["id"], one["pipeTransportId"], one["appData"]) for one in listed] == [
        (producer["id"], far_end["id"], {"from": "near"})
    ]
    assert not {"transportOptions", "iceState", "dtlsState"} & listed[0].keys()
    assert (await world.ask("POST", f"{one}/resume"))[0] == 200
    assert (await world.ask("PUT", one, json={"appData": {"b": 2}}))[1]["appData"] == {"b": 2}
    assert (await world.ask("POST", f"{one}/pause"))[0] == 200
    assert (await world.ask("GET", f"{one}/stats"))[1]["transport"]["type"] == "pipe-transport"
    assert (await world.ask("DELETE", one))[0] == 200
    assert (await world.ask("GET", origin))[1]["paused"] is False  # that is another producer, of the same id


@pytest.mark.parametrize("action", ["connect", "restart-ice"])
async def test_what_goes_over_a_pipe_has_no_transport_for_a_client(world: EngineWorld, action: str) -> None:
    here, there = await make_router(world), await make_router(world)
    (near, _), (far, _) = await make_pipe(world, here), await make_pipe(world, there)
    consumer = await pipe_out(world, near, await make_producer(world, here))
    await pipe_in(world, far, consumer)
    body = {"json": DTLS} if action == "connect" else {}
    for path in (f"{here}/consumers/{consumer['id']}", f"{there}/producers/{consumer['producerId']}"):
        problem = await world.refused("POST", f"{path}/{action}", **body)
        assert (problem.status, problem.type) == (409, "/problems/transport-shared")


async def test_an_end_takes_with_it_what_goes_over_it(world: EngineWorld) -> None:
    here, there = await make_router(world), await make_router(world)
    (near, _), (far, _) = await make_pipe(world, here), await make_pipe(world, there)
    origin = await make_producer(world, here)
    await pipe_in(world, far, await pipe_out(world, near, origin))
    for path in (near, far):
        assert (await world.ask("DELETE", path))[0] == 200
    assert (await world.ask("GET", f"{here}/consumers"))[1] == {"consumers": []}
    assert (await world.ask("GET", f"{there}/producers"))[1] == {"producers": []}
    assert (await world.ask("GET", origin))[0] == 200
    assert not world.worker.ports.open


async def test_the_feed_tells_of_ends_and_of_what_goes_over_them(world: EngineWorld) -> None:
    here, there = await make_router(world), await make_router(world)
    origin = await make_producer(world, here)
    begin = world.events.seq
    (near, _), (far, far_end) = await make_pipe(world, here), await make_pipe(world, there)
    await connect(world, near, far_end)
    await pipe_in(world, far, await pipe_out(world, near, origin))
    await world.ask("DELETE", near)
    assert kinds(world)[begin:] == [
        "transport-created",
        "transport-created",
        "pipe-connected",
        "consumer-created",
        "producer-created",
        "consumer-closed",
        "transport-closed",
    ]
    told = heard(world)[begin:]
    assert [getattr(one.event, "pipe", ABSENT) for one in told[:2]] == [True, True]
    assert [(getattr(one.event, "piped", False), one.participant_id) for one in told[3:5]] == [(True, "ann")] * 2
    assert [one.participant_id for one in told[:3]] == [None] * 3


# ------------------------------------------------------------------ from router to router of one server


async def test_a_producer_is_piped_to_another_router_once_however_often_it_is_asked_for(world: EngineWorld) -> None:
    here, there = await make_router(world), await make_router(world)
    origin = await make_producer(world, here, SIMULCAST)
    path = f"{origin}/pipe/{id_of(there)}"
    status, piped = await world.ask("POST", path)
    assert status == 200
    assert (piped["producerId"], piped["sourceRouterId"], piped["destinationRouterId"]) == (
        id_of(origin),
        id_of(here),
        id_of(there),
    )
    assert piped["pipeConsumer"]["type"] == "pipe"
    assert piped["pipeProducer"]["id"] == id_of(origin)
    assert piped["pipeProducer"]["rtpParameters"]["encodings"] == piped["pipeConsumer"]["rtpParameters"]["encodings"]
    assert (await world.ask("POST", path)) == (200, piped)
    for router in (here, there):
        (end,) = (await world.ask("GET", f"{router}/pipe-transports"))[1]["pipeTransports"]
        assert end["connected"] is True
    again = await make_producer(world, here)
    assert (await world.ask("POST", f"{again}/pipe/{id_of(there)}"))[0] == 200
    assert len((await world.ask("GET", f"{here}/pipe-transports"))[1]["pipeTransports"]) == 1  # for all of them


async def until(world: World, path: str, name: str, value: object) -> None:
    """Orders are carried out behind the answer."""
    with trio.fail_after(2):
        while (await world.ask("GET", path))[1].get(name) != value:
            await trio.lowlevel.checkpoint()


async def test_pause_resume_and_close_cross_the_pipe() -> None:
    async with serving_engine() as world:
        here, there = await make_router(world), await make_router(world)
        origin = await make_producer(world, here)
        await world.ask("POST", f"{origin}/pipe/{id_of(there)}")
        copy = f"{there}/producers/{id_of(origin)}"
        await world.ask("POST", f"{origin}/pause")
        await until(world, copy, "paused", True)
        await world.ask("POST", f"{origin}/resume")
        await until(world, copy, "paused", False)
        await world.ask("DELETE", origin)
        await until(world, f"{there}/producers", "producers", [])
        assert (await world.ask("GET", f"{here}/consumers"))[1] == {"consumers": []}


async def test_what_the_destination_has_already_is_refused_and_nothing_is_left(world: EngineWorld) -> None:
    here, there = await make_router(world), await make_router(world)
    origin = await make_producer(world, here)
    near, _ = await make_pipe(world, here)
    far, _ = await make_pipe(world, there)
    await pipe_in(world, far, await pipe_out(world, near, origin))
    before = [(await world.ask("GET", f"{router}/{what}"))[1] for router in (here, there) for what in INSIDE]
    problem = await world.refused("POST", f"{origin}/pipe/{id_of(there)}")
    assert (problem.status, problem.type) == (409, "/problems/producer-exists")
    assert [(await world.ask("GET", f"{router}/{what}"))[1] for router in (here, there) for what in INSIDE] == before


INSIDE = ("producers", "consumers", "pipe-transports")


async def test_a_participant_that_the_other_room_has_is_refused_and_nothing_is_left() -> None:
    async with serving_engine() as world:
        ann = await world.join("ann")
        (router,) = (await world.ask("GET", "/rooms/room"))[1]["routerIds"]
        there = f"/sfu/routers/{router}"
        origin = await make_producer(world, await make_router(world), AUDIO, "ann")
        problem = await world.refused("POST", f"{origin}/pipe/{router}")
        assert (problem.status, problem.type) == (409, "/problems/participant-exists")
        assert "'ann'" in problem.detail
        for what, name in zip(INSIDE, ("producers", "consumers", "pipeTransports"), strict=True):
            assert (await world.ask("GET", f"{there}/{what}"))[1] == {name: []}
        await ann.close()


# ------------------------------------------------------------------ people of another server


async def test_who_is_known_over_a_pipe_is_a_remote_participant_for_as_long_as_something_comes() -> None:
    async with serving_engine() as world:
        ben = await world.join("ben")
        (router_id,) = (await world.ask("GET", "/rooms/room"))[1]["routerIds"]
        router = f"/sfu/routers/{router_id}"
        far, _ = await make_pipe(world, router)
        await pipe_in(world, far, AUDIO | {"producerId": NOWHERE})
        joined = await ben.expect(wire.ParticipantJoined)
        assert (joined.participant.id, joined.participant.remote, joined.participant.connected) == ("ann", True, True)
        added = await ben.expect(wire.ProducerAdded)
        assert (added.producer_id, added.kind) == (NOWHERE, MediaKind.AUDIO)
        shown = (await world.ask("GET", "/rooms/room/participants/ann"))[1]
        assert (shown["remote"], shown["producerIds"]) == (True, [NOWHERE])
        await world.ask("DELETE", far)
        left = [await ben.hear(), await ben.hear()]
        assert {type(one) for one in left} == {wire.ProducerRemoved, wire.ParticipantLeft}
        assert (await world.refused("GET", "/rooms/room/participants/ann")).status == 404
        await ben.close()
