"""What a channel of known faults does to pictures and sound, on invented time, is what the sinks report of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame, VideoFrame

from clients.media.reports import PictureReport, SkewReport, ToneReport
from clients.media.sinks import PictureSink, ToneSink
from clients.media.skew import skew
from clients.media.tracks import PatternTrack, ToneTrack
from tests.support.invented_time import InventedTime

FPS = 20
SIZE = (320, 180)
BEGIN = 1000.3
Delay = Callable[[int], float]


@dataclass(slots=True)
class Channel:
    """What happens to the n-th picture and to the n-th 20 ms of sound: delay in seconds, or lost."""

    picture_delay: Delay = lambda _n: 0.0
    sound_delay: Delay = lambda _n: 0.0
    lost_pictures: frozenset[int] = frozenset()
    lost_sound: frozenset[int] = frozenset()
    frozen: range = field(default_factory=lambda: range(0))
    coded: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the sinks say."""

    pictures: PictureReport
    tones: ToneReport
    skew: SkewReport


async def captured(seconds: float, frozen: range) -> tuple[list[VideoFrame], list[AudioFrame]]:
    time = InventedTime(BEGIN)
    camera = PatternTrack(5, FPS, SIZE, clock=time, sleep=time.sleep)
    pictures = []
    for number in range(round(seconds * FPS)):
        (camera.freeze if number in frozen else camera.thaw)()
        pictures.append(await camera.recv())
    time.now = BEGIN
    microphone = ToneTrack(5, clock=time, sleep=time.sleep)
    return pictures, [await microphone.recv() for _ in range(round(seconds * 50))]


def through_opus(frames: list[AudioFrame]) -> list[AudioFrame]:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    decoded: list[AudioFrame] = []
    for frame in frames:
        payloads, timestamp = encoder.encode(frame)
        for payload in payloads:
            decoded += [out for out in decoder.decode(JitterFrame(payload, timestamp)) if isinstance(out, AudioFrame)]
    return decoded


def watch(seconds: float, channel: Channel, until: float | None = None) -> Outcome:
    """Send for some seconds and look until a moment counted from the beginning."""
    camera, microphone = asyncio.run(captured(seconds, channel.frozen))
    if channel.coded:
        microphone = through_opus(microphone)
    shown = [
        (n / FPS + channel.picture_delay(n), picture)
        for n, picture in enumerate(camera)
        if n not in channel.lost_pictures
    ]
    pictures, tones = PictureSink(5, clock=lambda: BEGIN), ToneSink(clock=lambda: BEGIN)
    for at, picture in sorted(shown, key=lambda pair: pair[0]):
        pictures.add(picture, BEGIN + at)
    for n, sound in enumerate(microphone):
        if n not in channel.lost_sound:
            tones.add(sound, BEGIN + n / 50 + channel.sound_delay(n))
    return Outcome(pictures.report(None if until is None else BEGIN + until), tones.report(), skew(pictures, tones))


def constant(seconds: float) -> Delay:
    return lambda _n: seconds


def test_a_perfect_channel() -> None:
    outcome = watch(5, Channel())
    report = outcome.pictures
    assert (report.frames_seen, report.frames_lost, report.frames_backwards, report.frames_late) == (100, 0, 0, 0)
    assert (report.freezes, report.frames_repeated) == (0, 0)
    assert report.latency_max_ms == pytest.approx(0, abs=0.01)
    assert outcome.tones.heard == {5}
    assert outcome.tones.missing_ms == 0
    assert outcome.skew.skew_p50_ms == pytest.approx(0, abs=1)


@pytest.mark.parametrize("delay_s", [0.05, 0.1501, 0.7])
def test_delay_is_latency(delay_s: float) -> None:
    outcome = watch(5, Channel(constant(delay_s), constant(delay_s)))
    assert outcome.pictures.latency_p50_ms == pytest.approx(delay_s * 1000, abs=0.01)
    assert outcome.pictures.latency_max_ms == pytest.approx(delay_s * 1000, abs=0.01)
    assert outcome.tones.latency_p50_ms == pytest.approx(delay_s * 1000, abs=1)
    assert outcome.pictures.frames_late == (100 if delay_s > 0.4 else 0)
    assert outcome.skew.skew_p50_ms == pytest.approx(0, abs=1)
    assert outcome.pictures.freezes == 0


def test_single_late_pictures_are_counted_and_are_in_the_percentiles() -> None:
    late = {20, 40, 60}
    outcome = watch(5, Channel(lambda n: 0.45 if n in late else 0.05))
    assert outcome.pictures.frames_late == 3
    assert outcome.pictures.latency_p50_ms == pytest.approx(50, abs=0.01)
    assert outcome.pictures.latency_p95_ms == pytest.approx(50, abs=0.01)
    assert outcome.pictures.latency_max_ms == pytest.approx(450, abs=0.01)
    assert outcome.pictures.frames_backwards == 3
    assert outcome.pictures.frames_lost == 0


@pytest.mark.parametrize("lost", [{7}, {10, 11, 12}, set(range(30, 90, 4))])
def test_loss_is_what_was_lost(lost: set[int]) -> None:
    report = watch(5, Channel(lost_pictures=frozenset(lost))).pictures
    assert (report.frames_lost, report.frames_seen) == (len(lost), 100 - len(lost))
    assert report.frames_per_second == pytest.approx((99 - len(lost)) / 99 * FPS)
    assert report.freezes == 0


def test_reordered_pictures_are_backwards_and_not_lost() -> None:
    swapped = {10, 30, 50, 70}
    report = watch(5, Channel(lambda n: 0.06 if n in swapped else 0.0)).pictures
    assert (report.frames_backwards, report.frames_lost, report.frames_seen) == (4, 0, 100)


def test_a_gap_in_the_channel_is_a_freeze_of_its_length() -> None:
    report = watch(5, Channel(lost_pictures=frozenset(range(40, 49)))).pictures
    assert (report.freezes, report.frames_lost) == (1, 9)
    assert report.frozen_ms == report.longest_gap_ms == pytest.approx(500)


def test_a_stall_that_delivers_all_at_once_is_a_freeze_without_loss() -> None:
    report = watch(5, Channel(lambda n: max(0.0, 1.0 + 2.0 - n / FPS) if 20 <= n < 60 else 0.0)).pictures
    assert (report.freezes, report.frames_lost) == (1, 0)
    assert report.frozen_ms == pytest.approx(3000 - 950)
    assert report.latency_max_ms == pytest.approx(2000, abs=0.1)


def test_a_camera_that_freezes_repeats_and_loses_nothing() -> None:
    report = watch(5, Channel(frozen=range(40, 60))).pictures
    assert (report.freezes, report.frames_repeated, report.frames_lost) == (1, 20, 0)
    assert report.frozen_ms == pytest.approx(1050)


def test_a_stream_that_stopped_is_frozen_until_the_end() -> None:
    report = watch(5, Channel(lost_pictures=frozenset(range(60, 100))), until=5).pictures
    assert report.freezes == 1
    assert report.frozen_ms == pytest.approx(5000 - 59 / FPS * 1000)


def test_lost_sound_is_missing_sound() -> None:
    tones = watch(5, Channel(lost_sound=frozenset(range(100, 120)) | {7, 140})).tones
    assert tones.missing_ms == pytest.approx(22 * 20)


@pytest.mark.parametrize("coded", [False, True], ids=["plain", "Opus"])
@pytest.mark.parametrize("skew_ms", [-1500, -200, -45, -15, 0, 15, 45, 120, 700, 2500])
def test_skew_is_told_within_ten_milliseconds(skew_ms: int, coded: bool) -> None:
    base_s = max(0, -skew_ms) / 1000 + 0.05
    outcome = watch(8, Channel(constant(base_s), constant(base_s + skew_ms / 1000), coded=coded))
    assert outcome.skew.marks >= 4
    assert outcome.skew.skew_p50_ms == pytest.approx(skew_ms, abs=10)
    assert outcome.skew.skew_min_ms == pytest.approx(skew_ms, abs=10)
    assert outcome.skew.skew_max_ms == pytest.approx(skew_ms, abs=10)


def test_skew_is_told_through_jitter_and_loss() -> None:
    """Delay that changes by up to 20 ms from frame to frame, 5 % of both lost: the median is still right."""
    outcome = watch(
        20,
        Channel(
            lambda n: 0.05 + n * 7919 % 21 / 1000,
            lambda n: 0.13 + n * 104_729 % 21 / 1000,
            lost_pictures=frozenset(range(3, 400, 20)),
            lost_sound=frozenset(range(9, 1000, 20)),
        ),
    )
    assert outcome.skew.marks >= 8
    assert outcome.skew.skew_p50_ms == pytest.approx(80, abs=10)


def test_skew_that_grows_is_seen_in_its_extremes() -> None:
    outcome = watch(10, Channel(constant(0.05), lambda n: 0.05 + n / 50 * 0.01))
    assert outcome.skew.skew_min_ms == pytest.approx(7, abs=10)
    assert outcome.skew.skew_max_ms == pytest.approx(87, abs=10)


def test_no_skew_is_told_without_pictures_or_without_sound() -> None:
    silent = watch(3, Channel(lost_sound=frozenset(range(150))))
    blind = watch(3, Channel(lost_pictures=frozenset(range(60))))
    for outcome in (silent, blind):
        assert outcome.skew == SkewReport(0, None, None, None)
    assert silent.tones.latency_p50_ms is None
    assert blind.tones.marks >= 2


def test_marks_heard_while_pictures_are_gone_are_left_out_of_skew() -> None:
    outcome = watch(8, Channel(lost_pictures=frozenset(range(80, 160))))  # from 4 s on
    assert outcome.tones.marks >= 6
    assert outcome.skew.marks == 4  # 1001 to 1004; the last picture was captured at 1004.25
