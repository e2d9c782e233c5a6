"""Producers over HTTP, made both ways, over a real engine."""

from typing import Any

import msgspec
import pytest

from labsfu.wire import socket as wire
from labsfu.wire.rtp import MediaKind
from labsfu.wire.transport import TransportOptions
from tests.support.api_world import EngineWorld, Peer, ServedWorld, serving_engine
from tests.support.engine_worker import EngineWorker
from tests.support.http_media import AUDIO, DTLS, NOWHERE, VIDEO, make_producer, make_router, snapshot
from tests.support.media import audio_parameters

pytestmark = pytest.mark.trio


@pytest.fixture
async def world() -> EngineWorld:
    return EngineWorld()


async def test_a_producer_is_made_at_once_shown_listed_and_deleted(world: EngineWorld) -> None:
    router = await make_router(world)
    body = AUDIO | {"paused": True, "appData": {"mood": ["good", None, 1.5]}}
    response = await world.client.post(f"{router}/producers?participantId=ann", json=body)
    assert response.status_code == 201
    producer = await response.get_json()
    path = f"{router}/producers/{producer['id']}"
    assert response.headers["Location"] == path
    assert (producer["state"], producer["kind"], producer["type"], producer["paused"]) == (
        "producing",
        "audio",
        "simple",
        True,
    )
    assert (producer["participantId"], producer["routerId"]) == ("ann", router.rpartition("/")[2])
    assert producer["appData"] == {"mood": ["good", None, 1.5]}
    assert producer["rtpParameters"]["codecs"][0]["mimeType"] == "audio/opus"
    assert producer["transportOptions"]["iceCandidates"]
    assert (producer["iceState"], producer["dtlsState"]) == ("new", "new")
    assert await world.ask("GET", path) == (200, producer)
    assert await world.ask("GET", f"{router}/producers") == (200, {"producers": [producer]})
    assert (await world.ask("DELETE", path))[0] == 200
    assert (await world.refused("GET", path)).type == "/problems/producer-not-found"
    assert (await world.ask("GET", "/sfu"))[1]["counts"]["transports"] == 0


@pytest.mark.parametrize("empty", [{}, {"json": {}}, {"data": b"", "headers": {"Content-Type": "text/plain"}}])
async def test_without_a_body_it_is_a_transport_that_is_connected_and_completed(
    world: EngineWorld, empty: dict[str, Any]
) -> None:
    router = await make_router(world)
    status, begun = await world.ask("POST", f"{router}/producers?participantId=ann", **empty)
    assert status == 201
    assert begun["state"] == "transport"
    assert "kind" not in begun
    path = f"{router}/producers/{begun['id']}"
    assert (await world.ask("POST", f"{path}/connect", json=DTLS))[0] == 200
    status, complete = await world.ask("PUT", path, json=VIDEO)
    assert status == 200
    assert (complete["state"], complete["kind"]) == ("producing", "video")
    assert complete["transportOptions"] == begun["transportOptions"]
    assert await world.ask("GET", path) == (200, complete)


async def test_a_complete_one_changes_but_not_its_kind(world: EngineWorld) -> None:
    path = await make_producer(world, await make_router(world))
    change = {"paused": True, "encodings": [{"active": False, "maxBitrate": 32000}], "appData": {"a": 1}}
    _, changed = await world.ask("PUT", path, json=change)
    assert (changed["paused"], changed["appData"]) == (True, {"a": 1})
    assert changed["rtpParameters"]["encodings"][0]["maxBitrate"] == 32000
    problem = await world.refused("PUT", path, json=VIDEO)
    assert (problem.status, problem.type) == (409, "/problems/producer-complete")
    assert (await world.ask("PUT", path, json={}))[1] == changed


async def test_pause_and_resume_are_told_by_what_it_shows(world: EngineWorld) -> None:
    path = await make_producer(world, await make_router(world))
    for action, paused in [("pause", True), ("pause", True), ("resume", False), ("resume", False)]:
        status, answer = await world.ask("POST", f"{path}/{action}")
        assert status == 200
        assert path.rpartition("/")[2] in answer["message"]
        assert (await world.ask("GET", path))[1]["paused"] is paused


async def test_a_restart_of_ice_gives_new_credentials(world: EngineWorld) -> None:
    path = await make_producer(world, await make_router(world))
    before = (await world.ask("GET", path))[1]["transportOptions"]["iceParameters"]
    status, restarted = await world.ask("POST", f"{path}/restart-ice")
    assert (status, set(restarted)) == (200, {"message", "iceParameters"})
    assert restarted["iceParameters"] != before


async def test_a_second_connect_is_a_conflict(world: EngineWorld) -> None:
    path = await make_producer(world, await make_router(world))
    assert (await world.ask("POST", f"{path}/connect", json=DTLS))[0] == 200
    problem = await world.refused("POST", f"{path}/connect", json=DTLS)
    assert (problem.status, problem.type) == (409, "/problems/transport-already-connected")


@pytest.mark.parametrize("action", [("GET", ""), ("PUT", ""), ("POST", "/pause"), ("DELETE", "")])
async def test_a_producer_of_another_router_is_not_there(world: EngineWorld, action: tuple[str, str]) -> None:
    path = await make_producer(world, await make_router(world))
    other = await make_router(world)
    method, end = action
    options: dict[str, Any] = {"json": {}} if method == "PUT" else {}
    problem = await world.refused(method, f"{other}/producers/{path.rpartition('/')[2]}{end}", **options)
    assert (problem.status, problem.type) == (404, "/problems/producer-not-found")
    assert (await world.ask("GET", path))[0] == 200


async def test_a_participant_has_no_more_producers_than_the_limit(world: EngineWorld) -> None:
    router = await make_router(world)
    for _ in range(16):
        await make_producer(world, router, {})
    before = await snapshot(world)
    problem = await world.refused("POST", f"{router}/producers?participantId=ann", json=AUDIO)
    assert (problem.status, problem.type) == (409, "/problems/too-many-producers")
    assert "'ann'" in problem.detail
    assert await snapshot(world) == before
    await make_producer(world, router, owner="ben")
    await make_producer(world, await make_router(world))


OPUS_AS = AUDIO["rtpParameters"]
SPEEX = {"mimeType": "audio/speex", "payloadType": 97, "clockRate": 16000}


@pytest.mark.parametrize(
    ("end", "options", "status", "slug", "named"),
    [
        ("", {}, 400, "missing-parameter", "'participantId'"),
        ("?participantId=", {}, 400, "invalid-participant-id", "''"),
        ("?participantId=a%20b", {}, 400, "invalid-participant-id", "'a b'"),
        ("?participantId=ann&kind=audio", {}, 400, "unknown-parameter", "'kind'"),
        ("?participantId=ann", {"json": {"kind": "audio"}}, 400, "incomplete-producer", "rtpParameters"),
        ("?participantId=ann", {"json": {"rtpParameters": OPUS_AS}}, 400, "incomplete-producer", "kind"),
        (
            "?participantId=ann",
            {"json": AUDIO | {"rtpParameters": OPUS_AS | {"codecs": [SPEEX]}}},
            422,
            "unsupported-codec",
            "speex",
        ),
        (
            "?participantId=ann",
            {"json": AUDIO | {"kind": "video"}},
            400,
            "invalid-rtp-parameters",
            "audio/opus",
        ),
        (
            "?participantId=ann",
            {"json": {"appData": {"a": "x" * 16400}}},
            400,
            "app-data-too-large",
            "16384",
        ),
    ],
)
async def test_what_cannot_be_made_is_refused_and_leaves_nothing(
    world: EngineWorld, end: str, options: dict[str, Any], status: int, slug: str, named: str
) -> None:
    router = await make_router(world)
    before = await snapshot(world)
    problem = await world.refused("POST", f"{router}/producers{end}", **options)
    assert (problem.status, problem.type) == (status, f"/problems/{slug}")
    assert named in problem.detail
    assert await snapshot(world) == before


@pytest.mark.parametrize("path", ["", "/connect", "/pause", "/resume", "/restart-ice", "/consumers?participantId=b"])
async def test_ids_are_checked_for_form_and_existence(world: EngineWorld, path: str) -> None:
    router = await make_router(world)
    method = "POST" if path else "GET"
    body = {"json": DTLS | {"rtpCapabilities": {}}} if method == "POST" else {}
    bad = await world.refused(method, f"{router}/producers/7{path}", **body)
    assert (bad.status, bad.type) == (400, "/problems/invalid-producer-id")
    unknown = await world.refused(method, f"{router}/producers/{NOWHERE}{path}", **body)
    assert (unknown.status, unknown.type) == (404, "/problems/producer-not-found")


# ------------------------------------------------------------------ those of rooms


async def room_producer(served: ServedWorld[EngineWorker]) -> tuple[Peer, wire.Init, str]:
    """A participant, its Init, and the path of its producer."""
    ann = await served.connect("/ws?roomId=tea")
    init = await ann.expect(wire.Init)
    await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=audio_parameters()))
    produced = await ann.expect(wire.Produced)
    (router,) = (await served.ask("GET", "/rooms/tea"))[1]["routerIds"]
    return ann, init, f"/sfu/routers/{router}/producers/{produced.id}"


async def test_one_of_a_room_shows_its_participants_transport_and_does_not_connect() -> None:
    async with serving_engine() as served:
        _, init, path = await room_producer(served)
        status, shown = await served.ask("GET", path)
        assert status == 200
        assert shown["participantId"] == init.participant_id
        assert msgspec.convert(shown["transportOptions"], TransportOptions) == init.producer_transport_options
        connect = await served.refused("POST", f"{path}/connect", json=DTLS)
        restart = await served.refused("POST", f"{path}/restart-ice")
        assert {(p.status, p.type) for p in (connect, restart)} == {(409, "/problems/transport-shared")}


async def test_pausing_and_deleting_one_of_a_room_is_told_on_its_sockets() -> None:
    async with serving_engine() as served:
        ann, init, path = await room_producer(served)
        producer_id = path.rpartition("/")[2]
        ben = await served.connect("/ws?roomId=tea")
        await ben.expect(wire.Init)
        await ben.expect(wire.ProducerAdded)
        await ann.expect(wire.ParticipantJoined)
        await served.ask("POST", f"{path}/pause")
        for peer in (ann, ben):
            assert (await peer.expect(wire.ProducerPaused)).producer_id == producer_id
        await served.ask("PUT", path, json={"paused": False})
        for peer in (ann, ben):
            assert (await peer.expect(wire.ProducerResumed)).producer_id == producer_id
        assert (await served.ask("DELETE", path))[0] == 200
        for peer in (ann, ben):
            removed = await peer.expect(wire.ProducerRemoved)
            assert (removed.producer_id, removed.participant_id) == (producer_id, init.participant_id)
        assert (await served.ask("GET", f"/rooms/tea/participants/{init.participant_id}"))[1]["producerIds"] == []
