"""A server that refuses for now is tried again, as late as it asks for; one that refuses for good is not."""

from __future__ import annotations

import asyncio

import pytest

from clients.api import ApiClient
from clients.cascade.follower import Follower
from clients.cascade.state import Side
from clients.errors import Refused, ServerFailed
from labsfu.wire.ids import RoomId

pytestmark = pytest.mark.asyncio


async def refused_with(status: int, slug: str, patience: float, *headers: str) -> tuple[BaseException, int]:
    """What following a server that always says this ends with, and how often it was asked."""
    asked = 0
    body = f'{{"type":"/problems/{slug}","title":"x","status":{status},"detail":"no","instance":"/"}}'

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.readuntil(b"\r\n\r\n")
        lines = (f"HTTP/1.1 {status} No", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body)
        writer.write("\r\n".join(lines).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with ApiClient(url) as api:
            follower = Follower(
                Side(url, RoomId("tea")),
                api,
                token=None,
                ca=None,
                patience=patience,
                on_change=lambda: None,
                on_away=lambda _: None,
            )
            with pytest.raises((Refused, ServerFailed)) as ended:
                await follower.run()
    return ended.value, asked


@pytest.mark.parametrize(
    ("status", "slug"), [(429, "too-many-requests"), (409, "too-many-watchers"), (503, "too-many-connections")]
)
async def test_a_refusal_that_passes_is_tried_again_within_patience(status: int, slug: str) -> None:
    error, asked = await refused_with(status, slug, 0.25)
    assert isinstance(error, ServerFailed)
    assert asked > 1


@pytest.mark.parametrize(("status", "slug"), [(401, "unauthorized"), (403, "not-allowed"), (409, "conflict")])
async def test_a_refusal_that_stays_ends_it_at_once(status: int, slug: str) -> None:
    error, asked = await refused_with(status, slug, 60.0)
    assert isinstance(error, Refused)
    assert asked == 1


async def test_it_is_not_asked_before_it_wants_to_be() -> None:
    _, asked = await refused_with(429, "too-many-requests", 0.5, "Retry-After: 7")
    assert asked == 2  # at once, and when patience ends
