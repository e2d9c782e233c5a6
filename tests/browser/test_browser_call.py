"""Chromium with mediasoup-client is a participant like any other: it sees and hears, is seen and heard, leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from clients.api import ApiClient
from clients.media.pattern import PatternReading, read
from clients.media.scene import Pixels
from clients.media.sinks import luma_of, samples_of
from clients.media.tone import tone_frequency
from clients.media.tracks import PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from labsfu.wire.rtp import MediaKind
from labsfu.wire.socket import ParticipantLeft, ParticipantUpdated
from tests.browser.conftest import NewTab
from tests.browser.tab import PATIENCE, Tab

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

BOT = 7
"""Number of the bot: what its pictures and its tone say."""
SIZE = (320, 180)
FULL_SCALE = 32768.0


def contrast(luma: Pixels) -> int:
    """The brightest less the darkest; Chromium's camera shows a wedge on green that grows from nothing."""
    return int(luma.max()) - int(luma.min())


class Senses:
    """What a bot makes of pictures and sounds that say nothing of themselves."""

    def __init__(self) -> None:
        self.changed = 0
        self.size = (0, 0)
        self.contrast = 0
        self.loudest = 0.0
        self._last: Pixels | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    def take(self, remote: RemoteTrack) -> None:
        self._tasks.append(asyncio.create_task(self._follow(remote)))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def over(self) -> None:
        """All tracks have ended."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)

    async def _follow(self, remote: RemoteTrack) -> None:
        while True:
            try:
                frame = await remote.track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, VideoFrame):
                self._look(frame)
            elif isinstance(frame, AudioFrame):
                samples, _ = samples_of(frame)
                self.loudest = max(self.loudest, float(np.sqrt(np.mean(np.square(samples / FULL_SCALE)))))
            self._news.set()

    def _look(self, frame: VideoFrame) -> None:
        luma = luma_of(frame).copy()
        last = self._last
        self.changed += last is None or last.shape != luma.shape or not np.array_equal(last, luma)
        self.size = (frame.width, frame.height)
        self.contrast = max(self.contrast, contrast(luma))
        self._last = luma


async def read_picture(tab: Tab, other: str) -> PatternReading:
    """What the picture of a bot says that a page shows."""
    reading = read(await tab.picture(other))
    assert reading is not None, "no readable picture on the page"
    return reading


async def test_a_page_is_seen_and_heard_by_a_bot_and_sees_and_hears_it(
    server: ServerProcess, socket: str, new_tab: NewTab
) -> None:
    senses = Senses()
    tab = await new_tab()
    await tab.join(socket)
    await tab.publish()
    async with LabClient(server.url, room="r", name="bot", on_track=senses.take) as bot:
        await bot.publish(PatternTrack(BOT, 20, SIZE))
        await bot.publish(ToneTrack(BOT))

        await senses.until(lambda: senses.changed > 20 and senses.loudest > 0.01)
        assert {remote.participant_id for remote in bot.tracks.values()} == {tab.id}
        assert senses.contrast > 50
        assert senses.size[0] * 9 == senses.size[1] * 16

        await tab.perceives("bot")
        first, shown = await read_picture(tab, "bot"), await tab.shown("bot")
        await tab.until("([who, n]) => lab.person(who).shown().totalVideoFrames > n", ["bot", shown.frames + 5])
        second, later = await read_picture(tab, "bot"), await tab.shown("bot")
        assert first.source == second.source == BOT
        assert second.frame >= first.frame + 4
        assert later.seconds > shown.seconds > 0
        assert later.size == SIZE
        await tab.hears_pitch("bot", tone_frequency(BOT))

        video, audio = await tab.sent("video"), await tab.sent("audio")
        assert video["framesEncoded"] > 20
        assert video["keyFramesEncoded"] >= 1
        assert audio["packetsSent"] > 20
    await senses.over()
    await tab.until("() => lab.consuming() === 0")


async def test_two_pages_decode_each_other(socket: str, new_tab: NewTab) -> None:
    one, other = await new_tab(), await new_tab()
    for tab in (one, other):
        await tab.join(socket)
        await tab.publish()
    assert one.id != other.id
    for tab, peer in ((one, other), (other, one)):
        await tab.perceives(peer.id)
        before, shown = await tab.picture(peer.id), await tab.shown(peer.id)
        await tab.until("([who, n]) => lab.person(who).shown().totalVideoFrames > n", [peer.id, shown.frames + 5])
        after = await tab.picture(peer.id)
        assert max(contrast(before), contrast(after)) > 50
        assert before.shape != after.shape or not np.array_equal(before, after)
        video, audio = await tab.received(peer.id, "video"), await tab.received(peer.id, "audio")
        assert video["framesDecoded"] > 20
        assert video["packetsLost"] == 0
        assert audio["totalAudioEnergy"] > 0
        assert await tab.ask("() => lab.states()") == {"sending": "connected", "receiving": "connected"}


async def test_a_page_that_closes_leaves_and_its_streams_end(
    server: ServerProcess, socket: str, new_tab: NewTab
) -> None:
    senses = Senses()
    leaver, stayer = await new_tab(), await new_tab()
    async with ApiClient(server.url) as api, LabClient(server.url, room="r", name="bot", on_track=senses.take) as bot:
        for tab in (leaver, stayer):
            await tab.join(socket)
        await leaver.publish()
        await senses.until(lambda: senses.changed > 0)
        await stayer.perceives(leaver.id, frames=0)
        assert await stayer.ask("() => [...lab.participants]") == ["bot", leaver.id]

        told = len(bot.events)

        await leaver.page.close()

        await stayer.until("who => !lab.participants.has(who) && lab.consuming() === 0", leaver.id)
        ended = await stayer.ask("() => lab.ended")
        assert sorted((end["kind"], end["participantId"], end["trackState"]) for end in ended) == [
            (kind.value, leaver.id, "ended") for kind in (MediaKind.AUDIO, MediaKind.VIDEO)
        ]
        await bot.until(lambda: not bot.tracks and [*bot.participants] == [stayer.id])
        await senses.over()
        # At once, as one who goes in order: somebody lost would be waited for.
        news = [type(received.message) for received in list(bot.events)[told:]]
        assert ParticipantLeft in news
        assert ParticipantUpdated not in news
        counts = (await api.sfu_info()).counts
        assert (counts.participants, counts.producers, counts.consumers) == (2, 0, 0)
