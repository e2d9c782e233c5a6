"""How each view looks in a small and in a larger terminal, of a recorded call and with its clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.tui.pictures import check_picture
from tests.tui.recording import watched_call
from tests.tui.watching import LARGE, SMALL, Watched, watched
from tui.model.state import State

pytestmark = pytest.mark.asyncio

SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])
END = 24
"""Seconds into the call: people have come and one has gone."""


async def to_the_room(dashboard: Watched) -> None:
    await dashboard.press("2", "enter")


async def to_the_video_of_ada(dashboard: Watched) -> None:
    await to_the_room(dashboard)
    await dashboard.row("video")
    await dashboard.press("enter")


async def to_what_alan_is_sent_of_her(dashboard: Watched) -> None:
    await to_the_room(dashboard)
    await dashboard.row("alan")
    await dashboard.row("video of ada")
    await dashboard.press("enter")


async def to_rooms(dashboard: Watched) -> None:
    await dashboard.press("2")


async def to_events(dashboard: Watched) -> None:
    await dashboard.press("5", "up", "up")


async def to_a_filter(dashboard: Watched) -> None:
    await dashboard.press("5", "slash", *"consumer-cr")


async def to_help(dashboard: Watched) -> None:
    await to_the_room(dashboard)
    await dashboard.press("question_mark")


async def to_a_frozen_light_room(dashboard: Watched) -> None:
    await to_the_room(dashboard)
    await dashboard.press("t", "space")


async def to_a_lost_server(dashboard: Watched) -> None:
    state = dashboard.feed.state
    state.link_is("lost", state.now, "Connection refused")
    dashboard.tick()


async def nowhere(dashboard: Watched) -> None:
    assert dashboard.app.path


@SIZES
@pytest.mark.parametrize(
    ("name", "go"),
    [
        ("overview", nowhere),
        ("rooms", to_rooms),
        ("room", to_the_room),
        ("producer", to_the_video_of_ada),
        ("consumer", to_what_alan_is_sent_of_her),
        ("events", to_events),
        ("filter", to_a_filter),
        ("help", to_help),
        ("frozen-light-room", to_a_frozen_light_room),
        ("lost", to_a_lost_server),
    ],
)
async def test_a_view_looks_as_it_did(
    name: str, go: Callable[[Watched], Awaitable[None]], size: tuple[int, int], tmp_path: Path
) -> None:
    async with watched(watched_call(END), size) as dashboard:
        await go(dashboard)
        await dashboard.pilot.pause()
        check_picture(dashboard.app, f"{name}-{size[0]}x{size[1]}", tmp_path)


@SIZES
async def test_a_server_without_rooms_says_how_to_make_one(size: tuple[int, int], tmp_path: Path) -> None:
    async with watched(State(), size) as dashboard:
        await dashboard.press("2")
        check_picture(dashboard.app, f"empty-{size[0]}x{size[1]}", tmp_path)


@SIZES
async def test_without_colours_the_room_can_be_read(
    size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with watched(watched_call(END), size) as dashboard:
        await to_the_room(dashboard)
        check_picture(dashboard.app, f"no-colour-{size[0]}x{size[1]}", tmp_path)
