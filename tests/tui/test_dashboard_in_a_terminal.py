"""The dashboard as a user runs it: a real terminal, a real server, real people."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

from clients.api import ApiClient
from clients.errors import ServerFailed
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.video import SyntheticVideo
from tests.tui.terminal import terminal

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

LABSFU = (sys.executable, "-m", "labsfu")


async def people(url: str, stack: AsyncExitStack) -> None:
    """Ada, who sends; and Grace, who receives that."""
    ada = await stack.enter_async_context(LabClient(url, room="tea", name="ada", synthetic=True))
    grace = await stack.enter_async_context(LabClient(url, room="tea", name="grace", synthetic=True))
    await ada.publish(SyntheticAudio(1))
    await ada.publish(SyntheticVideo(1))
    await grace.until(lambda: len(grace.tracks) == 2, 20)


def rate(screen: str, row: str) -> int:
    """kbit/s in the first row that begins so; 0 while there is none."""
    found = re.search(rf"^ *{row} +live +([\d,]+) ", screen, re.MULTILINE)
    return 0 if found is None else int(found[1].replace(",", ""))


async def test_a_room_its_people_and_their_bitrates_are_seen_and_the_server_may_come_and_go() -> None:
    async with terminal(80, 24) as window, AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerProcess("--log-level", "error"))
        await window.run(*LABSFU, "tui", server.url)
        await window.shows("live", "rooms 0", "all workers")
        async with AsyncExitStack() as present:
            await people(server.url, present)
            await window.press("2")
            await window.shows("tea", "2/")
            await window.press("Enter")
            screen = await window.shows("rooms > tea", "ada", "grace", "audio of ada", "video of ada", "live")
            while not (rate(screen, "video of ada") > 100 and rate(screen, "audio of ada") > 10):
                screen = await window.shows("video of ada", "live")
        await window.shows("rooms > tea", without=["video of ada"])
        await server.stop()
        await window.shows("lost the server at", "trying again", "✗ lost")
        port = str(urlsplit(server.url).port)
        await stack.enter_async_context(ServerProcess("--log-level", "error", "--port", port))
        await window.shows("live (resumed 1x)", without=["trying again"])
        await window.press("q")
        await window.shows("ended 0, tty as before")
        assert await window.modes() == "0,1,0"


async def test_alone_it_starts_a_server_of_its_own_and_says_when_that_dies() -> None:
    async with terminal(80, 24) as window:
        await window.run(*LABSFU)
        await window.shows("live", "rooms 0")
        await window.press("2")
        screen = await window.shows("There is no room yet")
        (url,) = set(re.findall(r"http://[\d.:]+", screen))
        assert f"labsfu client {url} --room tea --name ada" in screen
        async with LabClient(url, room="tea", name="ada", synthetic=True):
            await window.shows("tea", "conference", without=["There is no room yet"])
        os.kill(await window.process("labsfu serve"), signal.SIGKILL)
        await window.shows("the server died: killed by SIGKILL", "✗ over", without=["trying again"])
        await window.press("q")
        await window.shows("ended 0, tty as before")


async def test_quitting_ends_the_server_of_its_own() -> None:
    async with terminal(80, 24) as window:
        await window.run(*LABSFU)
        screen = await window.shows("live", "rooms 0")
        (url,) = set(re.findall(r"http://[\d.:]+", screen))
        await window.press("q")
        await window.shows("ended 0, tty as before")
    with pytest.raises(ServerFailed):
        async with ApiClient(url) as api:
            await api.healthz()


async def test_without_colours_there_are_none_and_nothing_is_lost() -> None:
    async with ServerProcess("--log-level", "error") as server, terminal(80, 24) as window:
        async with LabClient(server.url, room="tea", name="ada", synthetic=True):
            await window.run(*LABSFU, "tui", server.url, NO_COLOR="1")
            await window.shows("● live")
            await window.press("2")
            await window.shows("tea")
            coloured = await window.screen(colours=True)
        colours = [code for codes in re.findall(r"\x1b\[([\d;]*)m", coloured) for code in codes.split(";")]
        assert not {code for code in colours if code and 30 <= int(code) <= 107} - {"39", "49"}  # those are none
        assert "7" in colours  # the current row is in reverse
        await window.press("q")
        await window.shows("ended 0, tty as before")
