"""Sinks: what they report of pictures and sound that came, came late, came twice or did not come."""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame
from av.frame import Frame

from clients.media.pattern import PatternReading, draw, wrap_us
from clients.media.reports import SentFrame, frames_expected, percentile
from clients.media.sinks import PictureSink, ToneSink
from clients.media.tone import tone_table

SIZE = (320, 180)
FPS = 10


def picture(number: int, captured_at: float, source: int = 5) -> VideoFrame:
    pixels = draw(*SIZE, PatternReading(source, number, wrap_us(captured_at)))
    return VideoFrame.from_ndarray(pixels, format="yuv420p")


def watch(numbers: Iterable[int], latency_s: float = 0.03) -> PictureSink:
    """A sink that was shown these numbers, of a sender that drew number n at 100 + n / FPS."""
    sink = PictureSink(clock=lambda: 99.5)
    for number in numbers:
        captured_at = 100 + number / FPS
        sink.add(picture(number, captured_at), captured_at + latency_s)
    return sink


def test_a_sink_shown_nothing_reports_nothing() -> None:
    report = PictureSink(clock=lambda: 0.0).report(now=10.0)
    assert report.source is None
    assert (report.frames_seen, report.frames_lost, report.freezes, report.frozen_ms) == (0, 0, 0, 0)
    assert report.first_frame is report.latency_p50_ms is report.time_to_first_frame_ms is None
    assert not report.sees(5)


def test_a_faultless_stream() -> None:
    report = watch(range(3, 53)).report(now=105.3)
    assert report.sees(5)
    assert (report.source, report.frames_by_source) == (5, {5: 50})
    assert (report.first_frame, report.last_frame, report.frames_seen) == (3, 52, 50)
    assert (report.frames_lost, report.frames_repeated, report.frames_backwards, report.frames_unreadable) == (0,) * 4
    assert report.time_to_first_frame_ms == pytest.approx(830)
    assert report.frames_per_second == pytest.approx(10)
    assert (report.freezes, report.frozen_ms) == (0, 0)
    assert report.longest_gap_ms == pytest.approx(100)
    assert report.latency_p50_ms == report.latency_max_ms == pytest.approx(30)
    assert (report.width, report.height) == SIZE
    assert report.psnr_p50_db is None


def test_missing_numbers_are_lost_and_long_gaps_are_freezes() -> None:
    report = watch([0, 1, 2, 3, 4, 5, 10, 11]).report()
    assert report.frames_seen == 8
    assert report.frames_lost == 4
    assert report.freezes == 1
    assert report.frozen_ms == pytest.approx(500)
    assert report.longest_gap_ms == pytest.approx(500)


@pytest.mark.parametrize(("gap_s", "freezes"), [(0.199, 0), (0.201, 1)])
def test_a_gap_is_a_freeze_from_200_ms_on(gap_s: float, freezes: int) -> None:
    sink = watch([0, 1])
    sink.add(picture(2, 100.2), 100.13 + gap_s)
    assert sink.report().freezes == freezes


def test_a_repeated_picture_is_a_freeze_and_not_a_new_one() -> None:
    sink = watch(range(5))
    for late in range(1, 6):
        sink.add(picture(4, 100.4), 100.43 + late / FPS)
    frozen = sink.report(now=101.03)
    assert (frozen.frames_seen, frozen.frames_repeated, frozen.frames_lost) == (5, 5, 0)
    assert frozen.freezes == 1
    assert frozen.frozen_ms == pytest.approx(600)
    assert frozen.latency_max_ms == pytest.approx(30)
    assert sink.report().freezes == 0
    sink.add(picture(5, 101.1), 101.13)
    thawed = sink.report(now=101.2)
    assert thawed.freezes == 1
    assert thawed.frozen_ms == pytest.approx(700)


def test_late_and_early_numbers_go_into_the_books() -> None:
    report = watch([3, 4, 6, 5, 7]).report()
    assert report.frames_backwards == 1
    assert (report.frames_seen, report.frames_lost) == (5, 0)


def test_a_stranger_is_noticed_and_does_not_spoil_the_numbers() -> None:
    sink = watch(range(5))
    sink.add(picture(90, 100.45, source=6), 100.5)
    report = sink.report()
    assert report.frames_by_source == {5: 5, 6: 1}
    assert not report.sees(5)
    assert (report.source, report.last_frame, report.frames_lost) == (5, 4, 0)


def test_the_expected_source_can_be_named() -> None:
    sink = PictureSink(6, clock=lambda: 100.0)
    sink.add(picture(1, 100.0, source=5), 100.1)
    assert sink.frames_seen == 0
    assert sink.report().time_to_first_frame_ms is None
    sink.add(picture(8, 100.2, source=6), 100.3)
    assert (sink.frames_seen, sink.report().first_frame) == (1, 8)


def test_unreadable_pictures_are_counted() -> None:
    sink = watch(range(3))
    assert sink.add(VideoFrame.from_ndarray(np.full((270, 320), 128, np.uint8), format="yuv420p"), 101.0) is None
    assert sink.report().frames_unreadable == 1


def test_other_pixel_formats_are_read_too() -> None:
    sink = PictureSink(clock=lambda: 0.0)
    reading = sink.add(picture(1, 100.0).reformat(format="rgb24"), 100.1)
    assert reading is not None
    assert reading.frame == 1


def test_latency_has_percentiles() -> None:
    sink = PictureSink(clock=lambda: 100.0)
    for number in range(101):
        captured_at = 100 + number / FPS
        sink.add(picture(number, captured_at), captured_at + number / 1000)
    report = sink.report()
    found = (report.latency_p50_ms, report.latency_p95_ms, report.latency_p99_ms, report.latency_max_ms)
    assert found == pytest.approx((50, 95, 99, 100))


def test_quality_is_sampled() -> None:
    sink = PictureSink(clock=lambda: 100.0, psnr_every=2)
    for number in range(4):
        frame = picture(number, 100.0)
        pixels = np.array(frame.to_ndarray(), dtype=np.uint8)
        pixels[:180] += np.uint8(10)
        sink.add(VideoFrame.from_ndarray(pixels, format="yuv420p"), 100.1)
    report = sink.report()
    assert report.psnr_p50_db == report.psnr_min_db == pytest.approx(28.13, abs=0.01)


class Recording(MediaStreamTrack):
    """A remote track that plays what it was given and ends."""

    def __init__(self, frames: list[Frame]) -> None:
        super().__init__()
        self.frames = frames

    async def recv(self) -> Frame:
        if not self.frames:
            self.stop()
            raise MediaStreamError
        return self.frames.pop(0)


@pytest.mark.asyncio
async def test_pumps_end_when_the_track_ends() -> None:
    pictures = PictureSink(clock=lambda: 100.5)
    await pictures.run(Recording([picture(n, 100.0) for n in range(4)]))
    assert pictures.report().frames_seen == 4
    assert pictures.report().latency_p50_ms == pytest.approx(500)

    sound = ToneSink(clock=lambda: 100.5)
    await sound.run(Recording([tone_frame(7, n) for n in range(20)]))
    assert sound.report().heard == {7}


def tone_frame(source: int, number: int, *, silent: bool = False) -> AudioFrame:
    """Frame `number` of 20 ms, stereo as the Opus decoder gives it."""
    table = np.resize(tone_table(source, -20.0), 4800)
    mono = table[number * 960 % 2400 :][:960] * (0 if silent else 1)
    frame = AudioFrame.from_ndarray(np.repeat(mono, 2).reshape(1, -1).astype(np.int16), format="s16", layout="stereo")
    frame.pts, frame.sample_rate, frame.time_base = number * 960, 48000, Fraction(1, 48000)
    return frame


def test_a_tone_sink_tells_sound_from_silence() -> None:
    sink = ToneSink(clock=lambda: 200.0)
    for number in range(100):
        sink.add(tone_frame(7, number, silent=not 25 <= number < 75), 200.0 + number * 0.02)
    report = sink.report()
    assert report.heard == {7}
    assert report.heard_s == {7: pytest.approx(1.0, abs=0.11)}
    assert report.silent_s + report.heard_s[7] == pytest.approx(report.total_s) == pytest.approx(2.0)
    assert report.time_to_first_tone_ms == pytest.approx(580, abs=101)
    assert report.level_last_dbov == -127
    assert sink.hearing == frozenset()


def test_a_blip_of_a_tone_is_not_heard_but_is_on_record() -> None:
    sink = ToneSink(clock=lambda: 0.0)
    for number in range(50):
        sink.add(tone_frame(7, number, silent=number >= 5), 0.0)
    report = sink.report()
    assert report.heard == frozenset()
    assert report.heard_s == {7: pytest.approx(0.1)}
    assert not sink.hears(7)


def test_expected_pictures_are_those_sent_after_the_first_seen_and_before_the_cut() -> None:
    sent = [SentFrame(n, 50 + n / 10) for n in range(100)]
    assert frames_expected(sent, first_seen=20, until_s=55.05) == 31  # 20 to 50
    assert frames_expected(sent, first_seen=0, until_s=99) == 100
    assert frames_expected(sent, first_seen=60, until_s=55) == 0
    assert frames_expected([], first_seen=0, until_s=99) == 0


def test_percentiles_interpolate_between_ranks() -> None:
    samples = [float(n) for n in (4, 1, 3, 2)]
    for percent in (0, 10, 50, 95, 100):
        assert percentile(samples, percent) == pytest.approx(float(np.percentile(samples, percent)))
    assert percentile([], 50) is None
    assert percentile([7.0], 99) == 7
    with pytest.raises(ValueError, match="0 to 100"):
        percentile(samples, 101)
