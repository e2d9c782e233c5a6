"""A refused request costs its connection nothing, however late its body comes."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from labsfu.api.whole_requests import PATIENCE, WholeRequests
from tests.support.api_world import serving

pytestmark = pytest.mark.trio

REFUSED = b"PUT /rooms HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200\r\n\r\n"
ASKED = b"GET /rooms HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = [
    {"type": "http.response.start", "status": 405, "headers": [(b"content-length", b"0")]},
    {"type": "http.response.body", "body": b"", "more_body": False},
]


async def answer(stream: trio.SocketStream) -> bytes:
    """The head of the next answer; its body is read too."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = await stream.receive_some()
        assert part, "the connection was closed"
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += await stream.receive_some()
    return head


async def test_a_connection_outlives_refusals_whose_bodies_come_after_their_heads() -> None:
    async with serving() as served, await trio.open_tcp_stream(*served.address) as stream:
        for _ in range(100):
            await stream.send_all(REFUSED)
            await trio.testing.wait_all_tasks_blocked()
            await stream.send_all(b"x" * 200)
            head = await answer(stream)
            assert head.startswith(b"HTTP/1.1 405")
            assert b"connection: close" not in head
            await stream.send_all(ASKED)
            assert (await answer(stream)).startswith(b"HTTP/1.1 200")


async def told(incoming: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an application that answers at once says over a connection that brings this, and then nothing."""
    sender, receiver = trio.open_memory_channel[Any](10)
    said: list[dict[str, Any]] = []

    async def app(_scope: object, _receive: object, send: Any) -> None:  # noqa: ANN401 - ASGI
        for message in ANSWER:
            await send(message)

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        said.append(message)

    for message in incoming:
        await sender.send(message)
    await WholeRequests(app)({"type": "http"}, receiver.receive, send)  # type: ignore[arg-type]  # enough of a scope
    return said


@pytest.mark.parametrize(
    "incoming",
    [
        [{"type": "http.request", "body": b"", "more_body": False}],
        [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.request", "more_body": False}],
        [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}],
    ],
)
async def test_an_answer_to_a_whole_request_goes_out_as_it_is(
    incoming: list[dict[str, Any]], autojump_clock: trio.testing.MockClock
) -> None:
    assert await told(incoming) == ANSWER
    assert trio.current_time() == 0


async def test_an_answer_to_half_a_request_closes_the_connection(autojump_clock: trio.testing.MockClock) -> None:
    start, body = await told([{"type": "http.request", "body": b"x", "more_body": True}])
    assert start["headers"] == [(b"content-length", b"0"), (b"connection", b"close")]
    assert body == ANSWER[1]
    assert trio.current_time() == PATIENCE
