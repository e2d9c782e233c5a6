"""Tones: the grid, and the detector fed with the samples that the clients' Opus codec gives."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame

from clients.media.sinks import ToneSink, samples_of
from clients.media.tone import (
    SAMPLE_RATE,
    SILENCE_DBOV,
    TONES,
    Samples,
    ToneDetector,
    tone_frequency,
    tone_number,
    tone_table,
)
from clients.media.tracks import ToneTrack

FRAMES_PER_S = 50
MONO_AS_STEREO_DB = 3
"""What each channel loses where the encoder's resampler makes stereo of mono."""


def tone(source: int, seconds: float, dbov: float = -15.0) -> Samples:
    table = tone_table(source, dbov)
    return np.resize(table, int(seconds * SAMPLE_RATE))


def heard_in(samples: Samples) -> ToneDetector:
    detector = ToneDetector()
    detector.add(samples)
    return detector


def through_opus(track: ToneTrack, seconds: float, drop: frozenset[int] = frozenset()) -> list[AudioFrame]:
    """The track's sound as the far end decodes it, without the packets in `drop`."""

    async def record() -> list[AudioFrame]:
        return [await track.recv() for _ in range(int(seconds * FRAMES_PER_S))]

    encoder, decoder = OpusEncoder(), OpusDecoder()
    decoded: list[AudioFrame] = []
    for number, frame in enumerate(asyncio.run(record())):
        payloads, timestamp = encoder.encode(frame)
        if number in drop:
            continue
        for payload in payloads:
            for heard in decoder.decode(JitterFrame(payload, timestamp)):
                assert isinstance(heard, AudioFrame)
                decoded.append(heard)
    return decoded


class Instant:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def speaker(source: int, *, muted: bool = False, dbov: float = -15.0) -> ToneTrack:
    clock = Instant()
    return ToneTrack(source, muted, dbov=dbov, clock=clock, sleep=clock.sleep)


def test_there_are_many_tones_and_no_harmonic_is_another() -> None:
    pitches = [tone_frequency(source) for source in range(TONES)]
    assert TONES >= 32
    assert len(set(pitches)) == TONES
    assert min(pitches) >= 400
    assert max(pitches) <= 3400
    assert min(b - a for a, b in pairwise(sorted(pitches))) >= 40
    for pitch in pitches:
        for harmonic in (2, 3):
            assert min(abs(harmonic * pitch - other) for other in pitches) >= 20


def test_the_table_is_the_pitch_and_repeats_without_a_seam() -> None:
    for source in (0, 17, TONES - 1):
        spectrum = np.abs(np.fft.rfft(tone(source, 1.0).astype(np.float64)))  # bins of 1 Hz
        peak = spectrum.max()
        assert int(spectrum.argmax()) == tone_frequency(source)
        spectrum[int(tone_frequency(source))] = 0
        assert spectrum.max() < peak * 1e-4  # rounding to 16 bits is all there is besides


def test_each_tone_is_heard_as_itself_and_no_other() -> None:
    for source in range(TONES):
        assert heard_in(tone(source, 0.5)).seconds == {source: pytest.approx(0.5)}


def test_neighbours_are_told_apart_alone_and_together() -> None:
    for source in range(TONES - 1):
        both = tone(source, 0.3) + tone(source + 1, 0.3)
        assert heard_in(both).heard == {source, source + 1}


def test_sources_beyond_the_grid_share_tones() -> None:
    assert tone_number(TONES + 3) == 3
    assert tone_frequency(TONES + 3) == tone_frequency(3)


def test_level_follows_the_sound() -> None:
    assert heard_in(tone(4, 0.2, -15.0)).level_dbov == pytest.approx(-15, abs=0.1)
    assert heard_in(tone(4, 0.2, -40.0)).level_dbov == pytest.approx(-40, abs=0.1)
    assert heard_in(np.zeros(9600, dtype=np.int16)).level_dbov == SILENCE_DBOV


def test_noise_and_clicks_are_not_tones() -> None:
    noise = np.random.default_rng(5)
    assert heard_in(noise.normal(0, 5000, SAMPLE_RATE * 20).astype(np.int16)).seconds == {}
    click = np.zeros(SAMPLE_RATE, dtype=np.int16)
    click[10_000] = 32_000
    assert heard_in(click).seconds == {}


def test_a_tone_is_heard_through_noise() -> None:
    noise = np.random.default_rng(6).normal(0, 1500, SAMPLE_RATE)
    assert set(heard_in((tone(8, 1.0) + noise).astype(np.int16)).seconds) == {8}


def test_a_tone_that_begins_at_any_moment_names_nobody_else() -> None:
    for begins in range(0, 4800, 300):
        samples = np.concatenate((np.zeros(begins, dtype=np.int16), tone(20, 0.3)))
        assert set(heard_in(samples).seconds) == {20}


def test_pieces_of_any_length_and_stereo_give_the_same() -> None:
    whole = tone(5, 1.0)
    pieces, stereo = ToneDetector(), ToneDetector()
    for at in range(0, len(whole), 777):
        pieces.add(whole[at : at + 777])
        stereo.add(np.repeat(whole[at : at + 777], 2), channels=2)
    assert pieces.seconds == stereo.seconds == heard_in(whole).seconds == {5: pytest.approx(1.0)}


def test_louder_than_full_scale_is_refused() -> None:
    tone_table(1, -3.02)
    with pytest.raises(ValueError, match=r"-3\.01 dBov"):
        tone_table(1, -3.0)


@pytest.mark.parametrize("source", [0, 1, 24, 25, TONES - 1])
def test_a_speaker_is_heard_through_opus(source: int) -> None:
    sink = ToneSink(clock=lambda: 10.0)
    for number, frame in enumerate(through_opus(speaker(source), 2.0)):
        sink.add(frame, 10.0 + number / FRAMES_PER_S)
    report = sink.report()
    assert sink.hears(source)
    assert not sink.hears(source + 1)
    assert set(report.heard_s) == {source}
    assert report.heard == {source}
    assert report.heard_s[source] >= 1.8
    assert report.level_p50_dbov == pytest.approx(-15 - MONO_AS_STEREO_DB, abs=0.5)
    assert report.time_to_first_tone_ms is not None
    assert report.time_to_first_tone_ms <= 200
    assert report.missing_ms == 0


def test_a_quiet_speaker_is_heard_through_opus() -> None:
    detector = ToneDetector()
    for frame in through_opus(speaker(9, dbov=-45.0), 1.0):
        detector.add(*samples_of(frame))
    assert set(detector.seconds) == {9}


def test_a_muted_speaker_is_not_heard() -> None:
    sink = ToneSink(clock=lambda: 0.0)
    for frame in through_opus(speaker(9, muted=True), 2.0):
        sink.add(frame, 1.0)
    report = sink.report()
    assert report.heard == frozenset()
    assert report.heard_s == {}
    assert report.first_heard_at_s is None
    assert report.silent_s == pytest.approx(report.total_s)
    assert report.level_p50_dbov is not None
    assert report.level_p50_dbov < -100


def test_lost_packets_show_as_missing_sound_and_name_nobody_else() -> None:
    drop = frozenset({30, 31, 55, 80})
    sink = ToneSink(clock=lambda: 0.0)
    for frame in through_opus(speaker(31), 3.0, drop):
        sink.add(frame, 0.0)
    report = sink.report()
    assert report.missing_ms == pytest.approx(len(drop) * 20)
    assert set(report.heard_s) == {31}


def test_other_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="16-bit"):
        samples_of(AudioFrame(format="fltp", layout="mono", samples=960))
