"""Tones are heard at whatever rate a codec samples."""

from fractions import Fraction

import numpy as np
import pytest
from av import AudioFrame

from clients.media.sinks import ToneSink
from clients.media.tone import TONES, tone_frequency


def tone_frame(source: int, number: int, rate: int, *, form: str = "s16", layout: str = "mono") -> AudioFrame:
    """Frame `number` of 20 ms at another rate, as a decoder gives it."""
    times = (np.arange(rate // 50) + number * rate // 50) / rate
    wave = np.sin(2 * np.pi * tone_frequency(source) * times)
    if form == "fltp":
        frame = AudioFrame.from_ndarray(wave.reshape(1, -1).astype(np.float32) / 4, format=form, layout=layout)
    else:
        samples = np.rint(wave * 8000).astype(np.int16)
        channels = 2 if layout == "stereo" else 1
        frame = AudioFrame.from_ndarray(np.repeat(samples, channels).reshape(1, -1), format=form, layout=layout)
    frame.pts, frame.sample_rate, frame.time_base = number * rate // 50, rate, Fraction(1, rate)
    return frame


@pytest.mark.parametrize("source", [0, 17, TONES - 1])
@pytest.mark.parametrize(
    ("rate", "form", "layout"),
    [(8000, "s16", "mono"), (16000, "s16", "mono"), (44100, "s16", "stereo"), (48000, "fltp", "mono")],
)
def test_a_tone_is_heard_and_no_other(source: int, rate: int, form: str, layout: str) -> None:
    sink = ToneSink(clock=lambda: 0.0)
    for number in range(50):
        sink.add(tone_frame(source, number, rate, form=form, layout=layout), number / 50)
    report = sink.report()
    assert report.heard_s.keys() == report.heard == {source}
    assert report.heard_s[source] == pytest.approx(0.95, abs=0.06)
    assert report.missing_ms == 0
    assert report.level_p50_dbov == pytest.approx(-15.1, abs=0.5)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_what_is_missing_is_counted_in_time(rate: int) -> None:
    sink = ToneSink(clock=lambda: 0.0)
    for number in (0, 1, 2, 5, 6, 8):
        sink.add(tone_frame(3, number, rate), 0.0)
    assert sink.report().missing_ms == pytest.approx(60)


def test_a_track_may_change_its_rate() -> None:
    sink = ToneSink(clock=lambda: 0.0)
    for number in range(60):
        sink.add(tone_frame(5, number, (8000, 16000, 48000)[number // 20]), 0.0)
    assert sink.report().heard == {5}
    assert sink.report().heard_s[5] >= 0.9
