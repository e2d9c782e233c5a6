"""Chromium sends its camera in three layers, and each receiver is shown the one that it asks for."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from clients.api import ApiClient
from clients.media.sinks import PictureSink
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from labsfu.wire.rtp import ProducerType
from tests.browser.conftest import NewTab
from tests.browser.pictures import assert_go_on, first_shown, frame_rate, longest_gap
from tests.browser.tab import PATIENCE, Presented, Tab
from tests.browser.three_layers import (
    CALM,
    FRAME_RATE,
    SIZES,
    SOURCE,
    is_shown,
    receiving,
    sending,
    several_more,
    watching,
)

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

RIDS = ("r0", "r1", "r2")
T0_SHARE = 1 / 4
"""Of the pictures of L1T3, how many are of its lowest temporal layer."""

SWITCHES = (0, 1, 0, 2, 1, 2, 0, 2, 0, 1)
"""Layers to ask for, from layer 2 on: all six ways from one to another are among them."""
EVERY = 1.0
"""Seconds from one switch to the next."""
FREEZE = 0.5
"""Seconds that no picture may stand still."""
ATTEMPTS = 3
"""A picture stands still too when another process holds the core. Where nothing else runs, one attempt will do."""

Kill = Callable[[Tab], Awaitable[None]]


@pytest.fixture
def server_flags(tmp_path: Path) -> tuple[str, ...]:
    """A participant outlives its lost socket by one second."""
    settings = tmp_path / "labsfu.toml"
    settings.write_text("participant-grace = 1\n", encoding="utf-8")
    return ("--config", str(settings))


# ---------------------------------------------------------------- who is there


@asynccontextmanager
async def bot(server: ServerProcess) -> AsyncIterator[tuple[LabClient, PictureSink]]:
    """A participant that reads what it is sent, and the books that it keeps."""
    sink = PictureSink(SOURCE, clock=time.time)
    reading: list[asyncio.Task[None]] = []

    def read(remote: RemoteTrack) -> None:
        reading.append(asyncio.create_task(sink.run(remote.track)))

    async with LabClient(server.url, room="r", name="bot", on_track=read) as client:
        yield client, sink
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*reading)


async def told_of(tab: Tab) -> list[tuple[int, str]]:
    """The spatial layers that a page was told it is sent, and why, one after the other.

    Not that one is `available` or is not: an encoder short of time leaves its largest layer out for a moment.
    """
    signals = [said for said in await tab.ask("() => lab.told") if said["action"] == "ConsumerLayersChanged"]
    spatial = [(said["layers"]["spatialLayer"], said["reason"]) for said in signals]
    asked_for = [now for now in spatial if now[1] != "available"]
    return [now for before, now in pairwise([None, *asked_for]) if now is not None and now != before]


# ---------------------------------------------------------------- three layers


async def test_a_page_sends_three_layers_that_the_server_tells_apart(
    server: ServerProcess, socket: str, new_tab: NewTab
) -> None:
    sender = await sending(new_tab, socket)
    sent = await sender.sent_layers()
    assert {rid: (s["frameWidth"], s["frameHeight"]) for rid, s in sent.items()} == dict(zip(RIDS, SIZES, strict=True))
    assert {s["scalabilityMode"] for s in sent.values()} == {"L1T3"}
    async with ApiClient(server.url) as api:
        (router,) = (await api.room("r")).router_ids
        (producer,) = await api.producers(router)
    assert producer.type is ProducerType.SIMULCAST
    assert [(score.rid, score.ssrc) for score in producer.score] == [(rid, sent[rid]["ssrc"]) for rid in RIDS]
    assert all(score.score > 5 for score in producer.score)


async def test_two_pages_and_a_bot_each_are_shown_the_layer_that_they_ask_for(
    server: ServerProcess, socket: str, new_tab: NewTab, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bot(server) as (_, sink):
        sender = await sending(new_tab, socket)
        receiver = await receiving(new_tab, socket, sender)
        asked = []
        for layer in (0, 1, 2, 0):
            await several_more(receiver, sender, CALM)
            asked.append((layer, await receiver.prefer(sender.id, layer)))
            await is_shown(receiver, sender, SIZES[layer])
        before = sink.frames_seen
        small = await several_more(receiver, sender, FRAME_RATE)
        assert {picture.size for picture in small} == {SIZES[0]}
        await receiver.prefer(sender.id, 0, 0)
        await several_more(receiver, sender, 2)
        slow = await several_more(receiver, sender, 10)
        pictures = await receiver.presented(sender.id)
        assert_go_on(pictures, SOURCE)
        assert await told_of(receiver) == [(2, "begun"), *((layer, "preferred") for layer, _ in asked)]
        assert sink.frames_seen > before + FRAME_RATE
        seen = sink.report()
        assert (seen.width, seen.height) == SIZES[2]
        assert (seen.frames_unreadable, seen.frames_backwards) == (0, 0)
    assert frame_rate(small, 0) > 0.7 * FRAME_RATE
    assert frame_rate(slow, 0) == pytest.approx(FRAME_RATE * T0_SHARE, rel=0.3)
    with capsys.disabled():
        times = [f"{layer}: {1000 * first_shown(pictures, SIZES[layer], at):.0f}" for layer, at in asked]
        print(f"\nmilliseconds from asking for a layer to its first picture: {', '.join(times)}")


# ---------------------------------------------------------------- ten switches


@dataclass(frozen=True, slots=True)
class Second:
    """A switch, and how things stood just before it: the page's inbound-rtp stats."""

    layer: int
    asked: float
    before: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Run:
    """Switches, and what was presented meanwhile.

    Attributes:
        gap: seconds that one picture stood still at most.
        frozen: seconds that the browser says pictures were frozen, in the worst of the seconds.
    """

    seconds: tuple[Second, ...]
    pictures: tuple[Presented, ...]
    gap: float
    frozen: float

    @property
    def smooth(self) -> bool:
        return max(self.gap, self.frozen) < FREEZE

    def __str__(self) -> str:
        taken = [f"{1000 * first_shown(self.pictures, SIZES[s.layer], s.asked):.0f}" for s in self.seconds]
        longest = f"longest gap {1000 * self.gap:.0f} ms, frozen {1000 * self.frozen:.0f} ms"
        return f"shown after {', '.join(taken)} ms, {longest}"


async def switch(receiver: Tab, sender: Tab, layers: Sequence[int]) -> Run:
    """Ask for one layer after the other."""
    await receiver.prefer(sender.id, 2)
    await is_shown(receiver, sender, SIZES[2])
    await several_more(receiver, sender, CALM)
    seconds = []
    began = time.monotonic()
    for number, layer in enumerate(layers, 1):
        before = await receiver.received(sender.id, "video")
        seconds.append(Second(layer, await receiver.prefer(sender.id, layer), before))
        await asyncio.sleep(began + number * EVERY - time.monotonic())
    last = await receiver.received(sender.id, "video")
    pictures = await receiver.presented(sender.id)
    frozen = [second.before["totalFreezesDuration"] for second in seconds] + [last["totalFreezesDuration"]]
    most = max(after - before for before, after in pairwise(frozen))
    return Run(tuple(seconds), tuple(pictures), longest_gap(pictures, seconds[0].asked), most)


async def test_ten_switches_in_ten_seconds_freeze_no_picture_for_half_a_second(
    socket: str, new_tab: NewTab, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = await sending(new_tab, socket)
    receiver = await receiving(new_tab, socket, sender)
    runs: list[Run] = []
    while len(runs) < ATTEMPTS and not (runs and runs[-1].smooth):
        runs.append(await switch(receiver, sender, SWITCHES))
    said = f"attempt {len(runs)}, load {os.getloadavg()[0]:g}: {runs[-1]}"
    assert runs[-1].smooth, said
    assert_go_on(runs[-1].pictures, SOURCE)
    for run in runs:
        for second in run.seconds:
            assert first_shown(run.pictures, SIZES[second.layer], second.asked) < EVERY
        decoded = [second.before["framesDecoded"] for second in run.seconds]
        assert all(later > earlier for earlier, later in pairwise(decoded))
        assert run.seconds[-1].before["packetsLost"] == 0
    with capsys.disabled():
        print(f"\nten switches, {said}")


# ---------------------------------------------------------------- killed


async def closes(tab: Tab) -> None:
    await tab.page.close()


async def crashes(tab: Tab) -> None:
    """The page's process dies: nobody says goodbye, nor that DTLS ends."""
    session = await tab.page.context.new_cdp_session(tab.page)
    async with asyncio.timeout(PATIENCE):
        async with tab.page.expect_event("crash"):
            crashing = asyncio.create_task(session.send("Page.crash"))
        crashing.cancel()
    await tab.page.close()


@pytest.mark.parametrize("kill", [closes, crashes])
async def test_a_killed_page_is_gone_for_all_and_another_takes_its_place(
    server: ServerProcess, socket: str, new_tab: NewTab, kill: Kill
) -> None:
    sender = await sending(new_tab, socket)
    receiver = await receiving(new_tab, socket, sender)
    await receiver.prefer(sender.id, 1)
    await is_shown(receiver, sender, SIZES[1])

    await kill(sender)

    await receiver.until("who => !lab.participants.has(who) && lab.consuming() === 0", sender.id)
    (end,) = await receiver.ask("() => lab.ended")
    assert (end["participantId"], end["kind"], end["trackState"]) == (sender.id, "video", "ended")
    async with ApiClient(server.url) as api:
        (router,) = (await api.room("r")).router_ids
        counts = (await api.sfu_info()).counts
        assert (counts.participants, counts.producers, counts.consumers) == (1, 0, 0)
        assert (await api.producers(router), await api.consumers(router)) == ((), ())

        successor = await sending(new_tab, socket)
        await watching(receiver, successor)
        await receiver.prefer(successor.id, 0)
        await is_shown(receiver, successor, SIZES[0])
        assert_go_on(await receiver.presented(successor.id), SOURCE)
        assert len(await api.producers(router)) == 1
