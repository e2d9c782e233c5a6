"""The follower against real servers: whatever happens to the connection, the state is the server's in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clients.api import ApiClient
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.synthetic.audio import SyntheticAudio
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.transport import DtlsState
from tui.feed import Follower, take_snapshot
from tui.model.snapshot import state_of

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

PATIENCE = 20.0


@asynccontextmanager
async def following(url: str, token: str | None = None, follower: Follower | None = None) -> AsyncIterator[Follower]:
    """A follower at work; one that worked before is at work again."""
    follower = Follower(url, token) if follower is None else follower
    task = asyncio.create_task(follower.run())
    try:
        yield follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - a state tells nobody that it changed: it is looked at, as by the screen
            await asyncio.sleep(0.02)


def at(url: str) -> tuple[str, ...]:
    """The flags of a server that is to be where another one was."""
    return ("--port", str(urlsplit(url).port))


async def test_what_was_there_before_and_what_comes_after_is_known() -> None:
    async with ServerProcess() as server, ApiClient(server.url) as api:
        await api.create_room(RoomType.CALL, 2, "before")
        await api.create_participant("before", "ada", participant_type=ParticipantType.HOST, display_name="Ada")
        async with following(server.url) as follower:
            await until(lambda: follower.state.link.status == "live")
            assert follower.state.rooms.keys() == {"before"}
            await api.create_room(RoomType.CALL, 2, "after")
            await api.delete_room("before")
            await until(lambda: follower.state.rooms.keys() == {"after"})


async def test_people_and_their_streams_are_known_as_http_shows_them() -> None:
    async with ServerProcess() as server, ApiClient(server.url) as api, following(server.url) as follower:
        async with (
            LabClient(server.url, room="tea", name="ada", synthetic=True) as ada,
            LabClient(server.url, room="tea", name="grace", synthetic=True) as grace,
        ):
            await ada.publish(SyntheticAudio(1))
            await grace.until(lambda: bool(grace.tracks), PATIENCE)
            await until(lambda: any(not one.paused for one in follower.state.consumers.values()))
            state = follower.state
            assert [one.participant_id for one in state.producers.values()] == ["ada"]
            (consumer,) = state.consumers.values()
            assert consumer.participant_id == "grace"
            assert state.transports[consumer.transport_id].dtls is DtlsState.CONNECTED
            # whose the transports are that carry nothing was told, too
            assert sorted(str(one.participant_id) for one in state.transports.values()) == ["ada"] * 2 + ["grace"] * 2
            shown = state_of(await take_snapshot(api))
            assert (shown.producers, shown.consumers, shown.rooms) == (state.producers, state.consumers, state.rooms)
            assert consumer.codec == ""
            await follower.describe([consumer.id, "gone"])
            assert consumer.codec == "opus"
        await until(lambda: not follower.state.consumers)


async def test_a_server_that_is_killed_is_told_and_another_run_is_followed_from_its_own_state() -> None:
    async with ServerProcess() as server, ApiClient(server.url) as api, following(server.url) as follower:
        await api.create_room(RoomType.CALL, 2, "old")
        await until(lambda: follower.state.rooms.keys() == {"old"})
        await server.stop()
        await until(lambda: follower.state.link.status == "lost")
        assert follower.state.link.why
        assert follower.state.rooms.keys() == {"old"}  # what was seen last stays to be seen
        async with ServerProcess(*at(server.url)):
            await until(lambda: follower.state.link.status == "live")
            assert not follower.state.rooms
            assert follower.state.link.resumed == 1
            await api.create_room(RoomType.CALL, 2, "new")
            await until(lambda: follower.state.rooms.keys() == {"new"})


async def test_it_waits_for_a_server_that_is_not_there_yet() -> None:
    async with ServerProcess() as server:
        pass
    async with following(server.url) as follower:
        await until(lambda: follower.state.link.status == "lost")
        async with ServerProcess(*at(server.url)):
            await until(lambda: follower.state.link.status == "live")


async def test_a_connection_that_was_lost_is_resumed_where_it_was() -> None:
    async with ServerProcess() as server, ApiClient(server.url) as api:
        await api.create_room(RoomType.CALL, 2, "a")
        async with following(server.url) as follower:
            await until(lambda: follower.state.rooms.keys() == {"a"})
        before = follower.state
        await api.create_room(RoomType.CALL, 2, "b")
        await api.delete_room("a")
        async with following(server.url, follower=follower):
            await until(lambda: follower.state.rooms.keys() == {"b"})
        assert follower.state is before
        assert [one.seq for one in before.tail] == list(range(1, before.seq + 1))


async def test_events_that_the_server_has_dropped_are_made_up_for_by_a_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "labsfu.toml"
    file.write_text("event-ring = 3\n", encoding="utf-8")
    async with ServerProcess("--config", str(file)) as server, ApiClient(server.url) as api:
        for name in ("a", "b", "c"):
            await api.create_room(RoomType.CALL, 2, name)
        async with following(server.url) as follower:
            await until(lambda: follower.state.rooms.keys() == {"a", "b", "c"})
        before = follower.state
        await api.delete_room("a")
        for name in ("d", "e"):
            await api.create_room(RoomType.CALL, 2, name)
        async with following(server.url, follower=follower):
            await until(lambda: follower.state.rooms.keys() == {"b", "c", "d", "e"})
        assert follower.state is not before


async def test_who_speaks_when_the_watcher_comes_is_known_from_http() -> None:
    async with (
        ServerProcess() as server,
        ApiClient(server.url) as api,
        LabClient(server.url, room="tea", name="ada", synthetic=True) as ada,
    ):
        await ada.publish(SyntheticAudio(1))
        async with following(server.url) as follower:
            await until(lambda: any(room.speaker == "ada" for room in follower.state.rooms.values()))
        snapshot = await take_snapshot(api)
        assert [room.speaker for room in state_of(snapshot).rooms.values()] == ["ada"]


async def test_a_token_that_is_wanted_is_named() -> None:
    async with ServerProcess("--token", "secret") as server:
        async with following(server.url) as follower:
            await until(lambda: follower.state.link.status == "lost")
            assert follower.state.link.why == "it wants a token: --token or LABSFU_TOKEN"
        async with following(server.url, "secret") as follower:
            await until(lambda: follower.state.link.status == "live")


async def test_a_server_that_may_not_be_asked_fast_is_asked_slowly(tmp_path: Path) -> None:
    settings = tmp_path / "labsfu.toml"
    settings.write_text("max-requests-per-second = 20\n", encoding="utf-8")
    async with ServerProcess("--config", str(settings)) as server, ApiClient(server.url) as api:
        for _ in range(30):
            await api.create_router(1)
        async with following(server.url) as follower:
            await until(lambda: follower.state.link.status == "live")
            assert len(follower.state.routers) == 30
