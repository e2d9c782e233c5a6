"""Files as tracks: pictures and sound by their timestamps, scaled, resampled, looped, in step, and refused by name."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

from clients.errors import ClientError, UnusableFile
from clients.media.files import FileAudioTrack, FileVideoTrack
from clients.media.pacing import Start
from clients.media.pattern import read
from clients.media.sinks import ToneSink, luma_of, samples_of
from tests.support.invented_time import InventedTime
from tests.support.media_files import write_media

pytestmark = pytest.mark.asyncio

TEN_A_SECOND = [n / 10 for n in range(20)]


def camera(path: Path, time: InventedTime, **options: object) -> FileVideoTrack:
    return FileVideoTrack(path, clock=time, sleep=time.sleep, **options)  # type: ignore[arg-type] # as the test says


def microphone(path: Path, time: InventedTime, **options: object) -> FileAudioTrack:
    return FileAudioTrack(path, clock=time, sleep=time.sleep, **options)  # type: ignore[arg-type] # as the test says


def number_in(frame: VideoFrame) -> int | None:
    reading = read(luma_of(frame))
    return None if reading is None else reading.frame


async def numbers(track: FileVideoTrack, count: int) -> list[int | None]:
    return [number_in(await track.recv()) for _ in range(count)]


async def count_until_the_end(track: FileVideoTrack | FileAudioTrack) -> int:
    for number in range(1000):
        try:
            await track.recv()
        except MediaStreamError:
            return number
    raise AssertionError("the track does not end")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mkv", "ffv1"), ("a.webm", "libvpx"), ("a.mp4", "libx264"), ("a.mov", "mpeg4")]
)
async def test_pictures_of_any_format_come_at_their_time(tmp_path: Path, name: str, codec: str) -> None:
    time = InventedTime()
    track = camera(write_media(tmp_path / name, pictures_at=TEN_A_SECOND, video_codec=codec), time, fps=10)
    assert track.size == (320, 180)
    frames = [await track.recv() for _ in range(20)]
    assert [number_in(frame) for frame in frames] == list(range(20))
    assert [frame.pts for frame in frames] == [n * 9000 for n in range(20)]
    assert {(frame.width, frame.height, frame.format.name) for frame in frames} == {(320, 180, "yuv420p")}
    assert time.now == pytest.approx(1000 + 1.9)
    track.stop()


async def test_another_rate_repeats_or_leaves_out_pictures(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND)
    assert await numbers(camera(path, InventedTime(), fps=20), 10) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert await numbers(camera(path, InventedTime(), fps=5), 5) == [0, 2, 4, 6, 8]


async def test_uneven_timestamps_are_kept(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=[0, 0.1, 0.5, 0.55, 0.9])
    assert await numbers(camera(path, InventedTime(), fps=10), 10) == [0, 1, 1, 1, 1, 2, 3, 3, 3, 4]


async def test_a_file_begins_again_in_time(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=[n / 10 for n in range(5)])
    time = InventedTime()
    track = camera(path, time, fps=10)
    seen = await numbers(track, 30)
    assert seen[:5] == [0, 1, 2, 3, 4]
    assert seen.count(0) == pytest.approx(6, abs=1)
    assert {later for now, later in pairwise(seen) if now == 4} <= {4, 0}
    assert time.now == pytest.approx(1000 + 2.9)


async def test_without_a_loop_the_track_ends_with_the_file(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=[n / 10 for n in range(5)], sound_s=0.5)
    for track in (camera(path, InventedTime(), fps=10, loop=False), microphone(path, InventedTime(), loop=False)):
        frames = await count_until_the_end(track)
        assert frames == pytest.approx(5 if isinstance(track, FileVideoTrack) else 25, abs=1)
        assert track.readyState == "ended"


@pytest.mark.parametrize("size", [(640, 360), (160, 90), (240, 240), (480, 180)])
async def test_pictures_are_scaled_and_keep_their_shape(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND)
    track = camera(path, InventedTime(), fps=10, size=size)
    frame = await track.recv()
    assert (frame.width, frame.height) == size == track.size
    assert number_in(frame) == 0
    luma = luma_of(frame)
    if size == (480, 180):
        assert luma[:, :70].max() < 30
    if size == (240, 240):
        assert luma[:50].max() < 30


async def test_the_file_s_own_rate_and_size_are_taken(tmp_path: Path) -> None:
    path = write_media(
        tmp_path / "a.mp4", pictures_at=[n / 25 for n in range(25)], video_codec="libx264", size=(160, 90)
    )
    track = camera(path, InventedTime())
    assert track.fps == pytest.approx(25, rel=0.05)
    assert track.size == (160, 90)


async def test_a_stall_skips_pictures(tmp_path: Path) -> None:
    time = InventedTime()
    track = camera(write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND), time, fps=10)
    await numbers(track, 3)
    time.now += 0.8
    frame = await track.recv()
    assert (number_in(frame), frame.pts, track.skipped) == (10, 90_000, 7)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "channels"),
    [
        ("a.wav", "pcm_s16le", 48_000, 1),
        ("a.wav", "pcm_s16le", 8_000, 1),
        ("a.flac", "flac", 44_100, 2),
        ("a.webm", "libopus", 48_000, 2),
        ("a.mp4", "aac", 44_100, 1),
    ],
)
async def test_sound_of_any_format_is_heard(tmp_path: Path, name: str, codec: str, rate: int, channels: int) -> None:
    path = write_media(tmp_path / name, sound_s=2.0, rate=rate, channels=channels, audio_codec=codec)
    time = InventedTime()
    track = microphone(path, time)
    frames = [await track.recv() for _ in range(150)]
    assert [frame.pts for frame in frames] == [n * 960 for n in range(150)]
    assert {(frame.samples, frame.sample_rate, frame.format.name) for frame in frames} == {(960, 48_000, "s16")}
    assert {frame.layout.nb_channels for frame in frames} == {channels}
    sink = ToneSink(clock=time)
    for frame in frames:
        sink.add(frame, 0.0)
    assert sink.report().heard_s.keys() == {7}
    assert sink.report().heard_s[7] >= 2.7  # over its end and beginning again
    assert time.now == pytest.approx(1000 + 149 * 0.02)


async def test_resampled_sound_has_no_seams(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", sound_s=2.0, rate=44_100, audio_codec="pcm_s16le")
    track = microphone(path, InventedTime())
    sound = np.concatenate([samples_of(await track.recv())[0] for _ in range(90)]).astype(np.int64)
    assert np.abs(np.diff(sound, 2)[200:]).max() < 500  # a click would be thousands


async def test_holes_in_the_timestamps_are_silence(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND, sound_s=1.0, sound_from_s=0.6)
    track = microphone(path, InventedTime())
    loud = [bool(np.abs(samples_of(await track.recv())[0]).max() > 1000) for _ in range(100)]
    assert loud == [30 <= n < 80 for n in range(100)]


async def test_shorter_sound_waits_for_its_video_before_it_begins_again(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND, sound_s=1.0)
    time = InventedTime()
    track = microphone(path, time)
    loud = [bool(np.abs(samples_of(await track.recv())[0]).max() > 1000) for _ in range(250)]
    begins = [n for n in range(1, 250) if loud[n] and not loud[n - 1]]
    assert begins == pytest.approx([97, 194], abs=1)  # the last picture is shown for 40 ms


async def test_tracks_that_share_a_start_are_in_step(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND, sound_s=2.0)
    time, start = InventedTime(), Start()
    sound, pictures = microphone(path, time, start=start), camera(path, time, fps=10, start=start)
    await sound.recv()
    time.now += 0.52
    frame = await pictures.recv()
    assert (number_in(frame), frame.pts) == (5, 45_000)
    assert pictures.skipped == 0


async def test_stopping_ends_a_track_even_while_it_waits(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND, sound_s=1.0)
    gate = asyncio.Event()

    async def until_gate(_seconds: float) -> None:
        await gate.wait()

    for track in (FileVideoTrack(path, sleep=until_gate), FileAudioTrack(path, sleep=until_gate)):
        gate.clear()
        await track.recv()
        waiting = asyncio.ensure_future(track.recv())
        await asyncio.sleep(0)
        track.stop()
        gate.set()
        with pytest.raises(MediaStreamError):
            await waiting
        with pytest.raises(MediaStreamError):
            await track.recv()


def missing(folder: Path) -> Path:
    return folder / "nowhere.mp4"


def folder_itself(folder: Path) -> Path:
    return folder


def text(folder: Path) -> Path:
    (folder / "notes.txt").write_text("no media here\n" * 50)
    return folder / "notes.txt"


def empty(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def half_header(folder: Path) -> Path:
    whole = write_media(
        folder / "whole.mp4", pictures_at=TEN_A_SECOND, video_codec="libx264", sound_s=1, audio_codec="aac"
    )
    (folder / "cut.mp4").write_bytes(whole.read_bytes()[:400])
    return folder / "cut.mp4"


@pytest.mark.parametrize("make", [missing, folder_itself, text, empty, half_header])
async def test_what_is_no_media_is_refused_by_name_at_once(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    for track in (FileVideoTrack, FileAudioTrack):
        with pytest.raises(UnusableFile) as refused:
            track(path)
        assert isinstance(refused.value, ClientError)
        assert refused.value.path == str(path)
        assert str(path) in str(refused.value)
        assert refused.value.reason


async def test_a_file_without_the_kind_is_refused(tmp_path: Path) -> None:
    pictures = write_media(tmp_path / "pictures.mkv", pictures_at=TEN_A_SECOND)
    sound = write_media(tmp_path / "sound.wav", sound_s=1.0, audio_codec="pcm_s16le")
    with pytest.raises(UnusableFile, match=r"pictures\.mkv: it has no audio"):
        FileAudioTrack(pictures)
    with pytest.raises(UnusableFile, match=r"sound\.wav: it has no video"):
        FileVideoTrack(sound)


@pytest.mark.parametrize("options", [{"size": (321, 180)}, {"size": (100, 50)}, {"fps": 0}, {"fps": -1.0}])
async def test_impossible_sizes_and_rates_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=TEN_A_SECOND)
    with pytest.raises(ValueError, match=r"even sides|more than 0"):
        camera(path, InventedTime(), **options)


async def test_a_file_that_vanishes_is_named_when_it_is_needed_again(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mkv", pictures_at=[0, 0.1])
    track = camera(path, InventedTime(), fps=10)
    await track.recv()
    path.unlink()
    with pytest.raises(UnusableFile, match=r"a\.mkv"):
        await numbers(track, 10)


async def test_damaged_packets_are_left_out(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.webm", pictures_at=TEN_A_SECOND, video_codec="libvpx")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    path.write_bytes(data)
    track = camera(path, InventedTime(), fps=10)
    seen = await numbers(track, 40)
    assert {0, 1} <= set(seen)


async def test_a_still_picture_is_a_camera(tmp_path: Path) -> None:
    path = write_media(tmp_path / "still.jpg", pictures_at=[0.0], video_codec="mjpeg", pixels="yuvj420p")
    track = camera(path, InventedTime(), fps=10)
    assert await numbers(track, 30) == [0] * 30


async def test_a_name_that_looks_like_an_address_is_a_name(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a:b 100%d.mkv", pictures_at=TEN_A_SECOND)
    assert await numbers(camera(path, InventedTime(), fps=10), 2) == [0, 1]
    with pytest.raises(UnusableFile, match="127"):
        FileVideoTrack("http://127.0.0.1:9/camera.mp4")


async def test_a_playlist_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.m3u8"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(UnusableFile, match=r"list\.m3u8"):
        FileVideoTrack(path)
