"""The HTTP client against canned answers: what is asked, and what each kind of answer becomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from clients.api import ApiClient, participant_path, socket_url
from clients.errors import ProtocolViolation, Refused, ServerFailed
from labsfu.wire.payloads import ParticipantType, RoomType

pytestmark = pytest.mark.asyncio

ROOM = b'{"id":"r","type":"call","size":2,"routerIds":["x"],"participants":[],"createdAt":1}'
PARTICIPANT = (
    b'{"id":"p","roomId":"r","type":"guest","displayName":"P","shareScreen":true,"connected":false,'
    b'"producerIds":[],"consumerIds":[],"createdAt":1}'
)


@asynccontextmanager
async def answering(*answers: tuple[str, bytes]) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that gives these answers in turn, the last one for ever; yields its URL and what it was asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        status, body = answers[min(len(asked), len(answers)) - 1]
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, asyncio.timeout(20):
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_routes_and_queries_are_the_contracts() -> None:
    async with (
        answering(("201 Created", ROOM), ("201 Created", PARTICIPANT), ("200 OK", b'{"rooms":[]}')) as (
            url,
            asked,
        ),
        ApiClient(url, token="secret") as api,
    ):
        assert (await api.create_room(RoomType.CALL, 2, "r")).router_ids == ("x",)
        made = await api.create_participant(
            "r", "p", participant_type=ParticipantType.GUEST, display_name="P q", share_screen=True
        )
        assert made.share_screen
        assert await api.rooms() == ()
    assert [request.split(" HTTP")[0] for request in asked] == [
        "POST /rooms?roomType=call&roomSize=2&roomId=r",
        "POST /rooms/r/participants/p?participantType=guest&displayName=P+q&shareScreen=true",
        "GET /rooms",
    ]
    assert all("authorization: bearer secret" in request.lower() for request in asked)


async def test_a_problem_becomes_a_refusal_with_its_words() -> None:
    problem = b'{"type":"/problems/room-not-found","title":"t","status":404,"detail":"room \'r\' does not exist"}'
    async with answering(("404 Not Found", problem)) as (url, _), ApiClient(url) as api:
        with pytest.raises(Refused) as refusal:
            await api.room("r")
    assert (refusal.value.status, refusal.value.slug, refusal.value.detail) == (
        404,
        "room-not-found",
        "room 'r' does not exist",
    )


async def test_an_error_without_a_problem_body_is_a_refusal_by_its_status() -> None:
    async with answering(("400 Bad Request", b"")) as (url, _), ApiClient(url) as api:
        with pytest.raises(Refused) as refusal:
            await api.healthz()
    assert (refusal.value.status, refusal.value.type, refusal.value.detail) == (400, "about:blank", "Bad Request")


async def test_an_answer_of_another_shape_is_a_violation() -> None:
    async with answering(("200 OK", b'{"rooms": 7}')) as (url, _), ApiClient(url) as api:
        with pytest.raises(ProtocolViolation, match="rooms"):
            await api.rooms()


async def test_waiting_for_a_server_outlasts_its_refusals_but_not_its_time() -> None:
    busy = ("503 Service Unavailable", b"")
    async with answering(busy, busy, ("200 OK", b"")) as (url, asked), ApiClient(url) as api:
        await api.wait_ready()
        assert len(asked) == 3
    async with ApiClient(url) as api:
        with pytest.raises(ServerFailed, match="not ready in"):
            await api.wait_ready(0.1)


async def test_socket_urls_keep_host_and_query() -> None:
    path = participant_path("a b", "p~1")
    assert path == "/rooms/a%20b/participants/p~1"
    assert socket_url("https://h:1/", path, {"displayName": "Zoë"}) == (
        "wss://h:1/rooms/a%20b/participants/p~1?displayName=Zo%C3%AB"
    )
    assert socket_url("http://h:1", "/x") == "ws://h:1/x"
