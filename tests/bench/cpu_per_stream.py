"""What a client costs the machine: synthetic, aiortc encoding and decoding, a headless Chromium.

Alone in a room a client only sends. Two in a room also receive one another: what they cost more is receiving.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from clients.api import socket_url
from clients.server import ServerProcess
from clients.swarm.plan import Media
from clients.swarm.swarm import Swarm
from tests.browser.bundle import built_page
from tests.browser.chromium import launched, served
from tests.browser.tab import Tab
from tests.support.cpu import command_line, cpu_seconds, descendants
from tests.support.tools import need

SIZE, FPS = (640, 360), 20
"""Of the test page's camera."""
SETTLING = 4.0
"""Seconds until encoders have found their rate."""
ONE_LAYER = Media(rids=(), bitrates=(900_000,), fps=FPS, size=SIZE)
THREE_LAYERS = Media(fps=FPS)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one kind of client.

    Attributes:
        kind: in words.
        clients: how many there were.
        sent: bit/s of each, sound and pictures.
        sending: seconds of CPU a second, of each client that sends.
        receiving: the same, for receiving one other.
    """

    kind: str
    clients: int
    sent: float
    sending: float
    receiving: float


async def measure_swarm(url: str, kind: str, media: Media, *, synthetic: bool, clients: int, seconds: float) -> Cost:
    """Clients of ours, in one worker."""
    found = []
    for room_size in (1, 2):
        async with Swarm(
            url, people=clients, room_size=room_size, rate="20/s", workers=1, media=media, synthetic=synthetic, seed=1
        ) as swarm:
            before = await swarm.read()
            await asyncio.sleep(1.0)
            idle = (await swarm.report(before)).workers[1].cpu
            await swarm.play()
            await swarm.settled()
            await asyncio.sleep(SETTLING)
            before = await swarm.read()
            await asyncio.sleep(seconds)
            report = await swarm.report(before)
            assert report.people == clients, report.errors
            found.append((report.workers[1].cpu - idle, report.audio.bitrate_sent + report.video.bitrate_sent))
    (alone, sent), (together, _) = found
    return Cost(kind, clients, sent / clients, alone / clients, (together - alone) / clients)


async def measure_chromium(url: str, *, tabs: int, seconds: float) -> Cost:
    """Tabs of one browser; what it costs with the page open and nothing sent is taken off."""
    chromium = need("chromium")
    found = []
    with served(built_page()) as page:
        for room_size in (1, 2):
            async with launched(chromium) as browser, AsyncExitStack() as stack:
                people = [Tab(await browser.new_page()) for _ in range(tabs)]
                for number, tab in enumerate(people):
                    await tab.page.goto(page)
                    room = f"chromium-{room_size}-{number // room_size}"
                    await tab.join(socket_url(url, "/ws", {"roomId": room}))
                    stack.push_async_callback(tab.page.close)
                await asyncio.sleep(1.0)
                idle, _ = await _browser_cost(people, seconds, sending=False)
                for tab in people:
                    await tab.publish()
                await asyncio.sleep(SETTLING)
                cpu, sent = await _browser_cost(people, seconds, sending=True)
                found.append((cpu - idle, sent))
    (alone, sent), (together, _) = found
    return Cost("headless Chromium, 1 layer", tabs, sent / tabs, alone / tabs, (together - alone) / tabs)


async def _browser_cost(people: list[Tab], seconds: float, *, sending: bool) -> tuple[float, float]:
    """CPU seconds a second of the whole browser, and bit/s that its tabs send."""
    cpu, octets = _browser_seconds(), await _octets(people) if sending else 0
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await asyncio.sleep(seconds)
    spent, passed = _browser_seconds() - cpu, loop.time() - begin
    after = await _octets(people) if sending else 0
    return spent / passed, (after - octets) * 8 / passed


async def _octets(people: list[Tab]) -> int:
    total = 0
    for tab in people:
        for kind in ("audio", "video"):
            said = await tab.sent(kind)
            total += said["bytesSent"] + said["headerBytesSent"]
    return total


def _browser_seconds() -> float:
    return sum(
        cpu_seconds(pid) for pid in descendants(os.getpid()) if "--type=" in command_line(pid) or _is_browser(pid)
    )


def _is_browser(pid: int) -> bool:
    words = command_line(pid).split(" ")
    return "chrom" in os.path.basename(words[0]).lower()  # noqa: PTH119 - a word of a command line


async def measure(seconds: float, tell: Callable[[str], None]) -> list[Cost]:
    """All kinds; Chromium only where there is one."""
    costs = []
    async with ServerProcess("--log-level", "warning", "--workers", "0") as server:
        for kind, media, synthetic, clients in (
            ("synthetic, 1 layer", ONE_LAYER, True, 10),
            ("synthetic, 3 layers (simulcast)", THREE_LAYERS, True, 10),
            ("aiortc, encoding and decoding, 1 layer", ONE_LAYER, False, 2),
        ):
            cost = await measure_swarm(server.url, kind, media, synthetic=synthetic, clients=clients, seconds=seconds)
            costs.append(cost)
            tell(str(cost))
        try:
            costs.append(await measure_chromium(server.url, tabs=2, seconds=seconds))
            tell(str(costs[-1]))
        except (pytest.skip.Exception, pytest.fail.Exception) as lack:
            tell(f"no Chromium: {lack.msg}")
    return costs


def table(costs: list[Cost]) -> str:
    """As Markdown; a client is one stream of sound and one of pictures."""
    lines = [
        "| client | measured | kbit/s sent by each | sending: CPU | receiving one: CPU | clients a core, in pairs |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for cost in costs:
        both = cost.sending + cost.receiving
        lines.append(
            f"| {cost.kind} | {cost.clients} | {cost.sent / 1000:.0f} | {cost.sending:.1%} | {cost.receiving:.1%} |"
            f" {1 / both if both > 0 else 0:.0f} |"
        )
    return "\n".join(lines)
