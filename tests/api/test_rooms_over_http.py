"""Rooms and participants over HTTP: what is answered, and every refusal."""

import pytest

from labsfu.config import Config
from labsfu.errors import Unavailable
from tests.support.api_world import ApiWorld

pytestmark = pytest.mark.trio

ROOM = "/rooms?roomType=conference&roomSize=4&roomId=r"
ANN = "/rooms/r/participants/ann"
MAKE_ANN = f"{ANN}?participantType=host&displayName=Ann"


@pytest.fixture
async def world() -> ApiWorld:
    return ApiWorld(Config())


async def test_a_room_is_created_shown_listed_and_deleted(world: ApiWorld) -> None:
    response = await world.client.post(ROOM)
    assert response.status_code == 201
    assert response.headers["Location"] == "/rooms/r"
    status, room = await world.ask("GET", "/rooms/r")
    assert status == 200
    assert (room["id"], room["type"], room["size"], room["participants"]) == ("r", "conference", 4, [])
    assert await world.ask("GET", "/rooms") == (200, {"rooms": [room]})
    assert (await world.ask("DELETE", "/rooms/r"))[0] == 200
    assert (await world.refused("GET", "/rooms/r")).status == 404
    assert world.worker.engine.empty


async def test_a_participant_is_created_shown_listed_and_deleted(world: ApiWorld) -> None:
    await world.ask("POST", ROOM)
    response = await world.client.post(f"{MAKE_ANN}&shareScreen=true")
    assert response.status_code == 201
    assert response.headers["Location"] == ANN
    status, ann = await world.ask("GET", ANN)
    assert status == 200
    assert (ann["id"], ann["roomId"], ann["type"], ann["displayName"]) == ("ann", "r", "host", "Ann")
    assert (ann["shareScreen"], ann["connected"]) == (True, False)
    assert await world.ask("GET", "/rooms/r/participants") == (200, {"participants": [ann]})
    assert (await world.ask("DELETE", ANN))[0] == 200
    assert (await world.refused("GET", ANN)).status == 404


async def test_the_server_tells_about_itself(world: ApiWorld) -> None:
    await world.ask("POST", ROOM)
    await world.ask("POST", MAKE_ANN)
    status, info = await world.ask("GET", "/sfu")
    assert status == 200
    assert info["counts"] == {
        "routers": 1,
        "transports": 0,
        "producers": 0,
        "consumers": 0,
        "rooms": 1,
        "participants": 1,
    }
    assert info["listen"] == {"http": "here:1", "media": ["udp:here:2"]}
    assert [worker["state"] for worker in info["workers"]] == ["running"]
    assert info["rtpCapabilities"]["codecs"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_answered(world: ApiWorld, path: str) -> None:
    assert (await world.ask("GET", path))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "slug", "named"),
    [
        ("POST", "/rooms?roomSize=2", 400, "missing-parameter", "'roomType'"),
        ("POST", "/rooms?roomType=call", 400, "missing-parameter", "'roomSize'"),
        ("POST", "/rooms?roomType=party&roomSize=2", 400, "invalid-parameter", "'party'"),
        ("POST", "/rooms?roomType=call&roomSize=two", 400, "invalid-parameter", "'two'"),
        ("POST", "/rooms?roomType=call&roomSize=0", 400, "invalid-parameter", "'0'"),
        ("POST", "/rooms?roomType=call&roomSize=10001", 400, "invalid-parameter", "'10001'"),
        ("POST", "/rooms?roomType=call&roomSize=3", 400, "invalid-room-size", "3"),
        ("POST", "/rooms?roomType=call&roomSize=2&roomSize=1", 400, "repeated-parameter", "'roomSize'"),
        ("POST", "/rooms?roomType=call&roomSize=2&size=1", 400, "unknown-parameter", "'size'"),
        ("POST", "/rooms?roomType=call&roomSize=2&roomId=a%20b", 400, "invalid-room-id", "'a b'"),
        ("POST", ROOM, 409, "room-exists", "'r'"),
        ("GET", "/rooms?page=1", 400, "unknown-parameter", "'page'"),
        ("GET", "/rooms/none", 404, "room-not-found", "'none'"),
        ("GET", "/rooms/a%20b", 400, "invalid-room-id", "'a b'"),
        ("GET", f"/rooms/{'x' * 65}", 400, "invalid-room-id", "x" * 65),
        ("DELETE", "/rooms/none", 404, "room-not-found", "'none'"),
        ("GET", "/rooms/none/participants", 404, "room-not-found", "'none'"),
        ("POST", f"{ANN}?displayName=Ann", 400, "missing-parameter", "'participantType'"),
        ("POST", f"{ANN}?participantType=host", 400, "missing-parameter", "'displayName'"),
        ("POST", f"{ANN}?participantType=host&displayName=", 400, "invalid-parameter", "'displayName'"),
        ("POST", f"{MAKE_ANN}&shareScreen=perhaps", 400, "invalid-parameter", "'perhaps'"),
        ("POST", MAKE_ANN.replace("/r/", "/none/"), 404, "room-not-found", "'none'"),
        ("POST", MAKE_ANN.replace("ann", "a!b"), 400, "invalid-participant-id", "'a!b'"),
        ("GET", ANN, 404, "participant-not-found", "'ann'"),
        ("DELETE", ANN, 404, "participant-not-found", "'ann'"),
        ("GET", "/nowhere", 404, "route-not-found", "'/nowhere'"),
        ("PUT", "/rooms", 405, "method-not-allowed", "PUT"),
        ("GET", f"{ANN}/connect", 400, "malformed-request", "WebSocket"),
    ],
)
async def test_a_refusal_names_what_was_wrong_and_changes_nothing(
    world: ApiWorld, method: str, path: str, status: int, slug: str, named: str
) -> None:
    await world.ask("POST", ROOM)
    before = (await world.ask("GET", "/rooms"), len(world.worker.engine.asked))
    problem = await world.refused(method, path)
    assert (problem.status, problem.type) == (status, f"/problems/{slug}")
    assert named in problem.detail
    assert problem.title
    assert (await world.ask("GET", "/rooms"), len(world.worker.engine.asked)) == before


async def test_a_wrong_method_is_told_the_right_ones(world: ApiWorld) -> None:
    response = await world.client.put("/rooms")
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))


async def test_a_participant_is_made_once(world: ApiWorld) -> None:
    await world.ask("POST", ROOM)
    await world.ask("POST", MAKE_ANN)
    assert (await world.refused("POST", MAKE_ANN)).type == "/problems/participant-exists"


async def test_a_full_room_is_a_conflict(world: ApiWorld) -> None:
    await world.ask("POST", ROOM.replace("=4", "=1"))
    await world.ask("POST", MAKE_ANN)
    problem = await world.refused("POST", MAKE_ANN.replace("ann", "ben"))
    assert (problem.status, problem.type) == (409, "/problems/room-full")
    assert (await world.ask("POST", MAKE_ANN.replace("ann", "cyd") + "&shareScreen=true"))[0] == 201


async def test_what_nobody_foresaw_is_a_500_with_an_id_that_is_logged(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(world.driver.rooms, "rooms", fail)
    problem = await world.refused("GET", "/rooms")
    assert (problem.status, problem.type) == (500, "/problems/internal-error")
    assert "secret" not in problem.detail
    logged = "".join(capsys.readouterr())
    assert str(problem.instance).removeprefix("urn:uuid:") in logged
    assert "a secret" in logged


async def test_a_worker_that_is_gone_makes_the_server_not_ready(
    world: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def info() -> None:
        raise Unavailable("worker 'fake-1' is gone", slug="worker-unavailable")

    monkeypatch.setattr(world.worker, "info", info)
    assert (await world.refused("GET", "/readyz")).status == 503
    assert (await world.ask("GET", "/healthz"))[0] == 200
