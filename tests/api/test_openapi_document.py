"""The document says what the routes do; the page says what the document says."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from labsfu.api.app import ROUTES
from labsfu.api.docs_page import render_page
from labsfu.api.openapi import describe
from labsfu.api.query import TOKEN_PATTERN, UUID_PATTERN
from labsfu.api.refusals import refusals_of
from labsfu.api.routing import PATH_PARAMETERS, Refusal, Route, SocketRoute, path_parameters
from labsfu.errors import InvalidValue
from labsfu.wire.ids import check_token, check_uuid
from tests.support.api_world import EngineWorld
from tests.support.http_media import NOWHERE

pytestmark = pytest.mark.trio

DOCUMENT = describe(ROUTES, "1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]


def operation(method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][path][method]
    return found


def references(value: object) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', msgspec.json.encode(value).decode()))


async def test_it_is_served_for_programs_and_for_people() -> None:
    world = EngineWorld()
    status, document = await world.ask("GET", "/openapi.json")
    assert (status, document["openapi"], document["info"]["version"]) == (200, "3.1.0", "0")
    assert set(document["paths"]) == set(DOCUMENT["paths"])
    page = await world.client.get("/docs")
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")


async def test_every_route_is_in_it_once() -> None:
    routes = {(r.path, r.method.lower()) for r in ROUTES if isinstance(r, Route)}
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == routes
    assert set(DOCUMENT["x-websockets"]) == {r.path for r in ROUTES if isinstance(r, SocketRoute)}
    ids = [o["operationId"] for methods in DOCUMENT["paths"].values() for o in methods.values()]
    assert len(set(ids)) == len(ids)
    assert all(o["summary"] for methods in DOCUMENT["paths"].values() for o in methods.values())


async def test_every_reference_is_there_and_nothing_is_there_for_nobody() -> None:
    assert references(DOCUMENT) == set(SCHEMAS)


async def test_required_parameters_are_marked_and_have_their_limits() -> None:
    (count,) = operation("post", "/sfu/routers")["parameters"]
    assert (count["name"], count["in"], count["required"]) == ("participantCount", "query", True)
    assert count["schema"] == {"type": "integer", "minimum": 1, "maximum": 10000}
    parameters = {p["name"]: p for p in operation("post", "/rooms")["parameters"]}
    assert {name: p["required"] for name, p in parameters.items()} == {
        "roomType": True,
        "roomSize": True,
        "roomId": False,
    }
    (router, producer) = operation("get", "/sfu/routers/{routerId}/producers/{producerId}")["parameters"]
    assert (router["name"], router["in"], router["schema"]["format"]) == ("routerId", "path", "uuid")
    assert producer["required"] is True


async def test_bodies_are_required_or_not() -> None:
    create = operation("post", "/sfu/routers/{routerId}/producers")
    assert create["requestBody"]["required"] is False
    assert create["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/CreateProducerRequestPayload"
    }
    assert operation("put", "/sfu/routers/{routerId}/producers/{producerId}")["requestBody"]["required"] is True
    assert "requestBody" not in operation("post", "/sfu/reset")


async def test_answers_and_refusals_have_their_types() -> None:
    responses = operation("post", "/sfu/routers/{routerId}/producers")["responses"]
    assert responses["201"]["content"]["application/json"]["schema"]["$ref"].endswith("/ProducerPayload")
    assert "Location" in responses["201"]["headers"]
    assert "/problems/unsupported-codec" in responses["422"]["x-problems"]
    assert list(responses["422"]["content"]) == ["application/problem+json"]
    assert "401" not in operation("get", "/healthz")["responses"]


@pytest.mark.parametrize("text", [NOWHERE, NOWHERE.upper().replace("8", "A"), "a", "", "a b", "x" * 64, "x" * 65, "~"])
@pytest.mark.parametrize(("pattern", "check"), [(UUID_PATTERN, check_uuid), (TOKEN_PATTERN, check_token)])
async def test_patterns_of_ids_agree_with_their_checks(
    text: str, pattern: str, check: Callable[[str, str], str]
) -> None:
    try:
        check("thing", text)
    except InvalidValue:
        assert not re.search(pattern, text)
    else:
        assert re.search(pattern, text)


async def test_refusals_follow_from_what_a_route_takes() -> None:
    by_name = {(r.method, r.path): r for r in ROUTES if isinstance(r, Route)}
    plain = refusals_of(by_name["GET", "/sfu/routers"])
    assert Refusal(400, "unknown-parameter") in plain
    assert not {"missing-parameter", "not-json", "invalid-router-id"} & {refusal.slug for refusal in plain}
    full = {refusal.slug for refusal in refusals_of(by_name["POST", "/sfu/routers/{routerId}/producers"])}
    assert {"missing-parameter", "not-json", "wrong-shape", "invalid-router-id", "body-too-large"} <= full
    assert all(name in PATH_PARAMETERS for route in ROUTES for name in path_parameters(route))


async def test_the_page_shows_every_route_and_schema_and_loads_nothing() -> None:
    page = render_page(DOCUMENT)
    for path, methods in DOCUMENT["paths"].items():
        for method in methods:
            assert f"<summary>{method.upper()} {path}<span>" in page
    for path in DOCUMENT["x-websockets"]:
        assert f"<summary>WS {path}<span>" in page
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(SCHEMAS) <= anchors
    links = set(re.findall(r'href="([^"]+)"', page))
    assert {link.removeprefix("#") for link in links if link.startswith("#")} <= anchors
    assert {link for link in links if not link.startswith("#")} == {"openapi.json"}
    assert not re.search(r"<(script|link|img|iframe)|src=|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page


async def test_what_a_schema_says_cannot_break_the_page() -> None:
    document = DOCUMENT | {"info": {"title": "<b>", "version": "1", "description": "<script>alert(1)</script>"}}
    assert "<script>" not in render_page(document)
