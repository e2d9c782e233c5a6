"""The event feed's client against a real server: resuming, gaps, other runs, and what only a broken server sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from clients.api import ApiClient
from clients.errors import Disconnected, ProtocolViolation, Refused, ServerFailed
from clients.events import EventFeed, Seen
from clients.server import ServerProcess
from labsfu.wire import events
from labsfu.wire.feed import Gap, Happened
from labsfu.wire.payloads import ParticipantType, RoomType

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[ServerProcess, ApiClient]]:
    async with asyncio.timeout(60), ServerProcess(*arguments) as server, ApiClient(server.url) as api:
        yield server, api


async def make_rooms(api: ApiClient, *names: str) -> None:
    """Each room is two events: its router, and itself."""
    for name in names:
        await api.create_room(RoomType.CALL, 2, name)


async def read(feed: EventFeed, count: int) -> list[Seen]:
    return [await anext(feed) for _ in range(count)]


async def read_past(feed: EventFeed) -> list[Seen]:
    """All that had happened when the feed connected."""
    seen = []
    while not feed.caught_up:
        seen.append(await anext(feed))
    return seen


async def watch_to_the_end(feed: EventFeed) -> None:
    async with feed:
        async for _ in feed:
            pass


def rooms(seen: list[Seen]) -> list[str]:
    return [
        item.event.room_id for item in seen if isinstance(item, Happened) and isinstance(item.event, events.RoomMade)
    ]


def numbers(seen: list[Seen]) -> list[int]:
    assert all(isinstance(item, Happened) for item in seen)
    return [item.seq for item in seen if isinstance(item, Happened)]


async def test_what_happens_is_told_in_order_with_room_and_participant() -> None:
    async with serving() as (server, api), EventFeed(server.url) as feed:
        assert feed.caught_up
        await make_rooms(api, "tea")
        await api.create_participant("tea", "ada", participant_type=ParticipantType.HOST, display_name="Ada")
        await api.delete_room("tea")
        seen = await read(feed, 6)
        assert numbers(seen) == [1, 2, 3, 4, 5, 6]
        names = [type(item.event).__name__ for item in seen if isinstance(item, Happened)]
        assert names == ["RouterMade", "RoomMade", "ParticipantMade", "ParticipantLeft", "RoomClosed", "RouterClosed"]
        left = seen[3]
        assert isinstance(left, Happened)
        assert (left.room_id, left.participant_id) == ("tea", "ada")


async def test_a_killed_connection_is_resumed_without_a_duplicate_and_without_a_hole() -> None:
    async with serving() as (server, api):
        async with EventFeed(server.url) as first:
            await make_rooms(api, "a", "b")
            seen = await read(first, 3)  # the fourth is on its way when the connection dies
            await first.abort()
        await make_rooms(api, "c")
        async with EventFeed(server.url, since=first.seq, epoch=first.epoch) as second:
            await make_rooms(api, "d")
            seen += await read(second, 5)
        assert numbers(seen) == list(range(1, 9))
        assert rooms(seen) == ["a", "b", "c", "d"]


async def test_what_the_ring_dropped_meanwhile_is_a_gap(tmp_path: Path) -> None:
    small = tmp_path / "small.toml"
    small.write_text("event-ring = 4", encoding="utf-8")
    async with serving("--config", str(small)) as (server, api):
        async with EventFeed(server.url) as first:
            await make_rooms(api, "a")
            await read(first, 2)
            await first.abort()
        await make_rooms(api, "b", "c", "d")
        async with EventFeed(server.url, since=first.seq, epoch=first.epoch) as second:
            gap, *rest = await read_past(second)
        assert gap == Gap(reason="too-old", from_seq=3, to_seq=4)
        assert numbers(rest) == [5, 6, 7, 8]
        assert rooms(rest) == ["c", "d"]


async def test_the_snapshot_and_the_feed_meet_without_a_race() -> None:
    async with serving() as (server, api):
        await make_rooms(api, "before")
        info = await api.sfu_info()
        await make_rooms(api, "between")
        known = {room.id for room in await api.rooms()}
        await api.delete_room("before")
        async with EventFeed(server.url, since=info.event_seq, epoch=info.epoch) as feed:
            for item in await read_past(feed):
                assert isinstance(item, Happened)
                if isinstance(item.event, events.RoomMade):
                    known.add(item.event.room_id)
                elif isinstance(item.event, events.RoomClosed):
                    known.discard(item.event.room_id)
        assert known == {"between"}


async def test_another_run_of_the_server_is_a_gap_and_then_all_of_it() -> None:
    async with serving() as (server, api):
        await make_rooms(api, "now")
        async with EventFeed(server.url, since=1, epoch="then") as feed:
            gap, *rest = await read(feed, 3)
            assert gap == Gap(reason="other-epoch", from_seq=1, to_seq=0)
            assert numbers(rest) == [1, 2]
            assert feed.epoch == feed.hello.epoch


async def test_the_end_of_the_server_is_told() -> None:
    async with serving() as (server, _):
        async with EventFeed(server.url) as feed:
            await server.stop()
            with pytest.raises(Disconnected) as ended:
                await anext(feed)
            assert ended.value.code == 1001
        with pytest.raises(ServerFailed):
            await EventFeed(server.url, timeout=1).__aenter__()


async def test_closing_it_ends_the_iteration() -> None:
    async with serving() as (server, _), EventFeed(server.url) as feed:
        await feed.close()
        assert [item async for item in feed] == []


async def test_a_refusal_names_what_is_wrong() -> None:
    async with serving() as (server, _):
        with pytest.raises(Refused) as refused:
            await EventFeed(server.url, epoch="then").__aenter__()
        assert (refused.value.status, refused.value.slug) == (400, "missing-parameter")


HELLO = '{"kind":"hello","epoch":"e","seq":5,"oldest":1}'
ROUTER = '{"seq":%d,"at":1,"kind":"router-created","routerId":"r"}'


@pytest.mark.parametrize(
    ("since", "frames", "problem"),
    [
        (None, [ROUTER % 5], "began with"),
        (None, ["{}"], "not a frame"),
        (None, [HELLO, HELLO], "began again"),
        (None, [HELLO, ROUTER % 6], "event 6 comes after event 4"),
        (2, [HELLO, ROUTER % 3, ROUTER % 3], "event 3 comes after event 3"),
        (2, [HELLO, '{"kind":"gap","reason":"too-old","from":4,"to":4}'], "after event 2"),
        (9, [HELLO, ROUTER % 10], "event 10 comes after event 9"),
        (None, [HELLO, '{"seq":5,"at":1,"kind":"party"}'], "not a frame"),
    ],
)
async def test_a_server_that_leaves_something_out_is_found_out(
    since: int | None, frames: list[str], problem: str
) -> None:
    async def say(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await connection.wait_closed()

    async with asyncio.timeout(20), serve(say, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with pytest.raises(ProtocolViolation, match=problem):
            await watch_to_the_end(EventFeed(f"http://127.0.0.1:{port}", since=since))
