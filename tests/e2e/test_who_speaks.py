"""A real server hears real clients: who speaks and who is loud, on sockets, over HTTP and on the feed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from clients.api import ApiClient
from clients.events import EventFeed
from clients.media.tracks import ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.synthetic.audio import SyntheticAudio
from labsfu.wire import events
from labsfu.wire.base import ABSENT
from labsfu.wire.feed import Happened
from labsfu.wire.socket import ActiveSpeaker
from tests.support.listeners import Change, false_changes, lags
from tests.support.speech import FRAME, Scene, Turn, door_slam, mhm

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

SILENCE = -127
LATE = 1.5
"""Seconds of lag at most: one by the algorithm, and what a busy machine adds."""


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    async with ServerProcess("--log-level", "warning") as server:
        yield server.url
    assert server.exit_code == 0, "\n".join(server.stderr_tail)
    assert not [line for line in server.stderr_tail if "Traceback" in line or "error" in line.lower()]


async def perform(scene: Scene, sources: Mapping[str, SyntheticAudio]) -> float:
    """Have each say what the scene says, as time goes; when it began, monotonic seconds."""
    began = time.monotonic()
    frame = 0
    while frame < len(next(iter(scene.levels.values()))):
        for name, source in sources.items():
            source.level = round(scene.levels[name][frame])
        await asyncio.sleep(FRAME)
        frame = int((time.monotonic() - began) / FRAME)
    return began


def changes_of(client: LabClient, began: float) -> list[Change]:
    """What a client was told, by the time of the performance."""
    return [
        Change(received.at - began, received.message.participant_id)
        for received in client.events
        if isinstance(received.message, ActiveSpeaker)
    ]


async def read(feed: EventFeed) -> list[events.Event]:
    """All events until nobody speaks any more: the feed may be behind what a client is told."""
    seen: list[events.Event] = []
    async for frame in feed:
        if isinstance(frame, Happened):
            seen.append(frame.event)
            if isinstance(frame.event, events.ActiveSpeaker) and frame.event.participant_id is ABSENT:
                break
    return seen


async def until(client: LabClient, condition: Callable[[], bool]) -> None:
    await client.until(condition, timeout=10)


async def test_two_who_talk_are_followed_everywhere(url: str) -> None:
    scene = Scene(("ann", "bob"), 8, seed=1)
    scene.say("ann", 0.5, 3)
    scene.mix("bob", 1.8, mhm(scene.rng))
    scene.say("bob", 3.2, 5.5)
    scene.mix("ann", 4.5, door_slam(scene.rng))
    scene.say("ann", 5.7, 8)
    turns = [Turn("ann", 0.5, 3), Turn("bob", 3.2, 5.5), Turn("ann", 5.7, 8)]
    async with AsyncExitStack() as stack:
        feed = await stack.enter_async_context(EventFeed(url))
        reader = asyncio.create_task(read(feed))
        clients = {
            name: await stack.enter_async_context(LabClient(url, room="r", name=name, synthetic=True))
            for name in scene.levels
        }
        sources = {name: SyntheticAudio(number, level=SILENCE) for number, name in enumerate(clients)}
        ids = {name: await clients[name].publish(source) for name, source in sources.items()}
        began = await perform(scene, sources)
        for client in clients.values():
            changes = changes_of(client, began)
            assert false_changes(turns, changes) == []
            assert max(lags(turns, changes)) < LATE
            assert client.active_speaker == "ann"

        sources["ann"].level, sources["bob"].level = -25, -60
        ann = clients["ann"]
        await until(ann, lambda: ann.audio_levels == {ids["ann"]: -25, ids["bob"]: -60})
        async with ApiClient(url) as api:
            room = await api.room("r")
            speaker = await api.room_active_speaker("r")
            assert (speaker.participant_id, speaker.producer_id) == ("ann", ids["ann"])
            assert speaker.since is not None
            assert 0 < time.time() * 1000 - speaker.since < 10_000
            of_router = await api.router_active_speaker(room.router_ids[0])
            assert (of_router.producer_id, of_router.since) == (ids["ann"], speaker.since)
            levels = await api.room_audio_level("r")
            assert [(level.participant_id, level.volume) for level in levels.levels] == [("ann", -25), ("bob", -60)]
            assert (await api.router_audio_level(room.router_ids[0])).levels == levels.levels

        late = await stack.enter_async_context(LabClient(url, room="r", name="cyd", synthetic=True))
        await until(late, lambda: late.active_speaker == "ann")
        await until(late, lambda: [type(signal.message) for signal in late.events].count(ActiveSpeaker) == 1)
        await ann.leave()
        await until(late, lambda: late.active_speaker is None)
        async with asyncio.timeout(10):
            seen = await reader
    told = [event.participant_id for event in seen if isinstance(event, events.ActiveSpeaker)]
    assert told == ["ann", "bob", "ann", ABSENT]
    assert sum(isinstance(event, events.AudioLevels) for event in seen) >= 7


async def test_tones_that_aiortc_encodes_are_heard_at_their_level(url: str) -> None:
    async with (
        LabClient(url, room="r", name="ann") as ann,
        LabClient(url, room="r", name="bob") as bob,
        ApiClient(url) as api,
    ):
        high, low = ToneTrack(1, dbov=-15, marked=False), ToneTrack(2, muted=True, dbov=-25, marked=False)
        anns, bobs = await ann.publish(high), await bob.publish(low)
        await until(bob, lambda: bob.active_speaker == "ann" and anns in bob.audio_levels)
        low.unmute()
        high.mute()
        await until(ann, lambda: ann.active_speaker == "bob")
        await until(ann, lambda: set(ann.audio_levels) == {bobs})
        await until(ann, lambda: abs(ann.audio_levels[bobs] + 25) <= 1)
        shown = await api.room_audio_level("r")
        assert [level.producer_id for level in shown.levels] == [bobs]
        assert abs(shown.levels[0].volume + 25) <= 1
