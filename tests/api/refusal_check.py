"""Sends the request of a case, and judges the answer and what it left behind."""

from __future__ import annotations

from urllib.parse import unquote, urlencode

import msgspec
from quart import Response
from quart.testing.connections import WebsocketResponseError

from labsfu.wire.payloads import Problem
from tests.api.refusal_case import TOKEN, Case
from tests.api.refusal_scene import Scene


async def check(scene: Scene, case: Case) -> None:
    """Raise AssertionError unless the case is refused as it should be and nothing changed."""
    before = scene.snapshot()
    response = await send(scene, case)
    assert response is not None, "accepted"
    assert response.status_code == case.status, await response.get_data()
    assert response.content_type == "application/problem+json"
    data = await response.get_data()
    problem = msgspec.json.decode(data, type=Problem)
    assert (problem.type, problem.status) == (f"/problems/{case.slug}", case.status)
    assert problem.title == case.slug.replace("-", " ").capitalize()
    assert scene.fill_in(case.named) in problem.detail, problem.detail
    assert problem.instance == unquote(scene.fill_in(case.path)), problem.instance
    assert (problem.errors or ()) == case.errors
    if case.status == 401:
        assert response.headers.get("WWW-Authenticate") == "Bearer"
    if case.allow:
        assert set(response.headers.get("Allow", "").split(", ")) == case.allow
    assert scene.snapshot() == before, "something changed"


async def send(scene: Scene, case: Case) -> Response | None:
    """The answer; None when a socket was opened."""
    path = scene.fill_in(case.path)
    if case.query:
        path += "?" + urlencode(case.query)
    headers = {"Host": "localhost", **(TOKEN if case.config.token else {}), **case.headers}
    if not case.is_socket:
        response: Response = await scene.world.client.open(  # type: ignore[call-arg]  # json has a default
            path, method=case.method, headers=headers, data=case.body or b""
        )
        return response
    async with scene.world.client.websocket(path, headers=headers) as socket:
        try:
            await socket.receive()
        except WebsocketResponseError as refused:
            return refused.response
    return None
