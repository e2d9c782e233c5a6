"""Through a real server: skew between sound and pictures, a shared screen, and files as camera and microphone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from clients.media.files import FileAudioTrack, FileVideoTrack
from clients.media.pacing import Start
from clients.media.screen import ScreenTrack, draw_screen
from clients.media.sinks import PictureSink, ToneSink
from clients.media.skew import skew
from clients.media.tracks import PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import MediaKind
from tests.support.media_files import write_media

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

SIZE = (320, 180)
PATIENCE = 20.0
LATE_MS = 300


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    async with ServerProcess("--log-level", "warning") as server:
        yield server.url
    assert server.exit_code == 0, "\n".join(server.stderr_tail)


class Watcher:
    """Looks at and listens to everyone, until it is left."""

    def __init__(self, pictures: Callable[[], PictureSink] = PictureSink) -> None:
        self.pictures: dict[ParticipantId, PictureSink] = {}
        self.tones: dict[ParticipantId, ToneSink] = {}
        self._new = pictures
        self._tasks: list[asyncio.Task[None]] = []

    def __call__(self, remote: RemoteTrack) -> None:
        if remote.kind is MediaKind.VIDEO:
            run = self.pictures.setdefault(remote.participant_id, self._new()).run
        else:
            run = self.tones.setdefault(remote.participant_id, ToneSink()).run
        self._tasks.append(asyncio.create_task(run(remote.track)))

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not enough():  # noqa: ASYNC110 - it looks at what several sinks collect
                await asyncio.sleep(0.05)


async def test_sound_that_is_late_is_told_by_as_much(url: str) -> None:
    watcher = Watcher()
    async with (
        LabClient(url, room="r", name="eve", on_track=watcher),
        LabClient(url, room="r", name="al") as al,
        LabClient(url, room="r", name="bob") as bob,
    ):
        await al.publish(PatternTrack(1, 30, SIZE))
        await al.publish(ToneTrack(1))
        await bob.publish(PatternTrack(2, 30, SIZE))
        await bob.publish(ToneTrack(2, clock=lambda: time.monotonic() - LATE_MS / 1000))
        both = (al.id, bob.id)
        await watcher.until(
            lambda: watcher.tones.keys() >= set(both) and all(len(watcher.tones[id_].marks) >= 3 for id_ in both)
        )
        in_time, late = (skew(watcher.pictures[id_], watcher.tones[id_]).skew_p50_ms for id_ in both)
    assert in_time is not None
    assert late is not None
    assert abs(in_time) < 200
    assert late - in_time == pytest.approx(LATE_MS, abs=60)


async def test_a_shared_screen_is_read_and_judged(url: str) -> None:
    watcher = Watcher(lambda: PictureSink(psnr_every=1, drawing=draw_screen))
    async with (
        LabClient(url, room="r", name="eve", on_track=watcher),
        LabClient(url, room="r", name="al") as al,
    ):
        await al.publish(ScreenTrack(4, 10, (640, 360)))
        await watcher.until(lambda: al.id in watcher.pictures and watcher.pictures[al.id].frames_seen >= 20)
        report = watcher.pictures[al.id].report()
    assert report.sees(4)
    assert report.frames_unreadable == 0
    assert report.psnr_p50_db is not None
    assert report.psnr_p50_db > 20


async def test_files_are_seen_and_heard(url: str, tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "talk.mp4",
        pictures_at=[n / 10 for n in range(10)],
        video_codec="libx264",
        sound_s=1.0,
        rate=44_100,
        channels=2,
        audio_codec="aac",
    )
    watcher, start = Watcher(), Start()
    async with (
        LabClient(url, room="r", name="eve", on_track=watcher),
        LabClient(url, room="r", name="al") as al,
    ):
        await al.publish(FileAudioTrack(path, start=start))
        await al.publish(FileVideoTrack(path, size=(640, 480), fps=20, start=start))
        await watcher.until(
            lambda: (
                al.id in watcher.pictures
                and watcher.pictures[al.id].frames_seen == 10
                and watcher.tones[al.id].hears(7)
            )
        )
        report = watcher.pictures[al.id].report()
        heard = watcher.tones[al.id].report().heard
    assert report.sees(7)
    assert (report.frames_unreadable, report.width, report.height) == (0, 640, 480)
    assert heard == {7}
