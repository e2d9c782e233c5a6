"""Bodies are JSON of their route's shape, or refused, with what is wrong named."""

from typing import Any

import pytest

from labsfu.config import Config
from tests.support.api_world import EngineWorld, WorldOf, serving_engine
from tests.support.engine_worker import EngineWorker
from tests.support.http_media import AUDIO, make_producer, make_router

pytestmark = pytest.mark.trio

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def world() -> EngineWorld:
    return EngineWorld()


async def producers(world: WorldOf[EngineWorker]) -> str:
    return f"{await make_router(world)}/producers?participantId=ann"


@pytest.mark.parametrize(
    ("body", "paths", "said"),
    [
        ({"kind": "smell"}, ["$.kind"], "smell"),
        ({"kind": 7}, ["$.kind"], "int"),
        ({"paused": "yes"}, ["$.paused"], "str"),
        ({"appData": [1]}, ["$.appData"], "array"),
        ([], ["$"], "array"),
        (None, ["$"], "null"),
        ({"rtpParameters": {}}, ["$.rtpParameters.codecs"], "codecs"),
        (
            {"rtpParameters": {"codecs": [{"mimeType": "audio/opus", "payloadType": 200, "clockRate": 1}]}},
            ["$.rtpParameters.codecs[0].payloadType"],
            "127",
        ),
        (
            {"rtpParameters": {"codecs": [{"mimeType": "audio/opus", "payloadType": 2}]}},
            ["$.rtpParameters.codecs[0].clockRate"],
            "clockRate",
        ),
    ],
)
async def test_a_wrong_shape_is_refused_with_its_json_path(
    world: EngineWorld, body: object, paths: list[str], said: str
) -> None:
    status, problem = await world.ask("POST", await producers(world), json=body)
    assert (status, problem["type"], problem["errors"]) == (400, "/problems/wrong-shape", paths)
    assert said in problem["detail"]


@pytest.mark.parametrize(
    "data", [b"{", b"nothing", b"\xff\xfe", b"{'kind': 1}", b'{"appData": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}"]
)
async def test_what_is_no_json_is_refused(world: EngineWorld, data: bytes) -> None:
    problem = await world.refused("POST", await producers(world), data=data, headers=JSON)
    assert (problem.status, problem.type) == (400, "/problems/not-json")


async def test_an_empty_body_is_no_json_where_one_is_needed(world: EngineWorld) -> None:
    path = await make_producer(world, await make_router(world))
    problem = await world.refused("PUT", path)
    assert (problem.status, problem.type) == (400, "/problems/not-json")


@pytest.mark.parametrize("content_type", ["text/plain", "application/jsonp", "application/json; charset=latin1", None])
async def test_a_body_that_is_not_said_to_be_json_is_refused(world: EngineWorld, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    problem = await world.refused("POST", await producers(world), data=b"{}", headers=headers)
    assert (problem.status, problem.type) == (415, "/problems/unsupported-media-type")
    assert (content_type or "''") in problem.detail


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_is_taken_however_it_is_written(world: EngineWorld, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert (await world.ask("POST", await producers(world), data=b" {} ", headers=headers))[0] == 201


async def test_unknown_fields_are_ignored(world: EngineWorld) -> None:
    body: dict[str, Any] = AUDIO | {"traceId": "t", "rtpParameters": AUDIO["rtpParameters"] | {"msid": "m"}}
    assert (await world.ask("POST", await producers(world), json=body))[0] == 201


@pytest.mark.parametrize("size", [2000, 2_000_000])
@pytest.mark.parametrize("said", [True, False], ids=["its length said", "in chunks"])
async def test_a_body_that_is_too_large_is_refused_and_its_sender_hears_of_it(said: bool, size: int) -> None:
    async with serving_engine(Config(body_bytes=size)) as served:
        path = await producers(served)
        body = b'{"appData": {"a": "' + b"x" * size + b'"}}'
        problem = await served.raw("POST", path, body, chunked=not said)
        assert (problem["status"], problem["type"]) == (413, "/problems/body-too-large")
        assert str(size) in problem["detail"]
        assert (await served.ask("GET", path.partition("?")[0]))[1] == {"producers": []}


@pytest.mark.parametrize(("length", "status"), [(16 * 1024, 201), (16 * 1024 + 1, 400)])
async def test_app_data_is_kept_up_to_its_limit(world: EngineWorld, length: int, status: int) -> None:
    app_data = {"a": "x" * (length - len('{"a":""}'))}
    answered, producer = await world.ask("POST", await producers(world), json={"appData": app_data})
    assert answered == status
    assert (producer.get("appData") == app_data) is (status == 201)
