"""Time marks: found where they are in clean, coded, noisy and torn sound, and nowhere else."""

import asyncio
from collections.abc import Iterable

import numpy as np
import pytest
from aiortc.codecs.g711 import PcmuDecoder, PcmuEncoder
from aiortc.codecs.g722 import G722Decoder, G722Encoder
from aiortc.codecs.opus import OpusDecoder, OpusEncoder
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame
from numpy.typing import NDArray

from clients.media.marks import MARK_MODULUS, HeardMark, MarkDetector, add_marks, mark_delay_s
from clients.media.sinks import ToneSink, samples_of
from clients.media.tone import SAMPLE_RATE, TONES, ToneDetector
from clients.media.tracks import ToneTrack
from tests.support.invented_time import InventedTime

OPUS_DELAY_MS = 6.5
HELD_BACK_MS = 22.0
"""By aiortc's encoders of other rates: what comes out of their resampler is a frame only with the next one's help."""


def sound(source: int, begin: float, seconds: float, *, muted: bool = False) -> list[AudioFrame]:
    """The frames of a tone track that begins at a moment of an invented clock."""

    async def record() -> list[AudioFrame]:
        time = InventedTime(begin)
        track = ToneTrack(source, muted, clock=time, sleep=time.sleep)
        return [await track.recv() for _ in range(round(seconds * 50))]

    return asyncio.run(record())


def mono(frames: Iterable[AudioFrame]) -> NDArray[np.float32]:
    return np.concatenate([samples_of(frame)[0] for frame in frames]).astype(np.float32) / np.float32(32768)


def found(samples: NDArray[np.float32], piece: int = 960) -> list[HeardMark]:
    detector = MarkDetector()
    return [mark for at in range(0, len(samples), piece) for mark in detector.add(samples[at : at + piece])]


@pytest.mark.parametrize("source", [0, 1, 24, TONES - 1])
@pytest.mark.parametrize("begin", [1000.0, 1000.37123, 77.999])
def test_each_second_is_found_to_half_a_millisecond(begin: float, source: int) -> None:
    marks = found(mono(sound(source, begin, 20.0)))
    heard_at = [begin + mark.sample / SAMPLE_RATE for mark in marks]
    assert [round(at) % MARK_MODULUS for at in heard_at] == [mark.second for mark in marks]
    assert [round(at) for at in heard_at] == list(range(round(heard_at[0]), round(heard_at[0]) + len(marks)))
    assert len(marks) >= 18
    assert max(abs(mark_delay_s(m.second, at)) for m, at in zip(marks, heard_at, strict=True)) < 0.0005


def test_pieces_of_any_length_give_the_same() -> None:
    samples = mono(sound(3, 1000.4, 5.0))
    whole = found(samples, len(samples))
    assert len(whole) >= 3
    for piece in (100, 777, 2880, 48_001):
        assert found(samples, piece) == whole


def test_tones_alone_silence_and_noise_have_no_marks() -> None:
    dice = np.random.default_rng(4)
    assert found(np.zeros(480_000, dtype=np.float32)) == []
    assert found(dice.normal(0, 0.1, 60 * SAMPLE_RATE).astype(np.float32), 48_000) == []
    assert found(mono(sound(3, 1000.0, 5.0, muted=True))) == []
    sweep = np.sin(np.cumsum(np.linspace(50, 3000, 480_000)) / SAMPLE_RATE * 2 * np.pi) * 0.5
    assert found(sweep.astype(np.float32)) == []


def test_a_pair_at_another_distance_is_no_mark() -> None:
    samples = np.zeros(3 * SAMPLE_RATE)
    add_marks(samples, 999.5, 0.1)  # seconds 1000 to 1002
    one = samples[: SAMPLE_RATE + SAMPLE_RATE // 2].copy()
    assert [mark.second for mark in found(one.astype(np.float32))] == [1000 % MARK_MODULUS]
    middle = SAMPLE_RATE // 2 + int(0.12 * SAMPLE_RATE)  # after its first chirp
    for shift_ms in (-12, 8, 15, 20, 28):
        moved = np.concatenate((one[:middle], np.zeros(48 * max(0, shift_ms)), one[middle + 48 * max(0, -shift_ms) :]))
        assert found(moved.astype(np.float32)) == [], shift_ms


def test_marks_are_found_through_noise() -> None:
    samples = mono(sound(8, 1000.0, 10.0))
    noisy = samples + np.random.default_rng(6).normal(0, 0.03, len(samples)).astype(np.float32)
    marks = found(noisy)
    assert len(marks) == 10
    for mark in marks:
        assert abs(mark_delay_s(mark.second, 1000 + mark.sample / SAMPLE_RATE)) < 0.001


@pytest.mark.parametrize("delay", [-7.9, -0.5, 0.0, 0.25, 3.0, 7.9])
def test_delays_up_to_eight_seconds_are_unambiguous(delay: float) -> None:
    assert mark_delay_s(123_456 % MARK_MODULUS, 123_456 + delay) == pytest.approx(delay)


def test_marks_do_not_change_what_tone_is_heard() -> None:
    for source in range(TONES):
        detector = ToneDetector()
        for frame in sound(source, 1000.0, 1.0):
            detector.add(*samples_of(frame))
        assert detector.seconds == {source: pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("encoder", "decoder", "codec_delay_ms"),
    [
        (OpusEncoder, OpusDecoder, OPUS_DELAY_MS),
        (PcmuEncoder, PcmuDecoder, HELD_BACK_MS),
        (G722Encoder, G722Decoder, HELD_BACK_MS),
    ],
)
@pytest.mark.parametrize("source", [0, TONES - 1])
@pytest.mark.parametrize("delay_s", [0.0, 0.04, 0.333])
def test_latency_through_a_codec_is_that_of_the_network_and_of_the_codec(
    encoder: type[OpusEncoder], decoder: type[OpusDecoder], codec_delay_ms: float, source: int, delay_s: float
) -> None:
    encodes, decodes, sink = encoder(), decoder(), ToneSink(clock=lambda: 1000.0)
    for number, frame in enumerate(sound(source, 1000.2, 6.0)):
        payloads, timestamp = encodes.encode(frame)
        for payload in payloads:
            for heard in decodes.decode(JitterFrame(payload, timestamp)):
                assert isinstance(heard, AudioFrame)
                sink.add(heard, 1000.2 + number / 50 + delay_s)
    report = sink.report()
    assert report.marks >= 4
    assert report.latency_p50_ms == pytest.approx(delay_s * 1000 + codec_delay_ms, abs=3)
    assert [second for second, _ in sink.marks] == list(range(1001, 1001 + report.marks))


def test_lost_frames_move_no_mark() -> None:
    """What is lost is known by the timestamps: a mark that is torn is missed, the others are where they are."""
    dice = np.random.default_rng(9)
    sink = ToneSink(clock=lambda: 1000.0)
    for number, frame in enumerate(sound(5, 1000.2, 40.0)):
        if dice.random() > 0.05:
            sink.add(frame, 1000.25 + number / 50)
    report = sink.report()
    assert report.missing_ms > 1000
    assert 15 <= report.marks < 40
    assert [latency for _, latency in sink.marks] == pytest.approx([50] * report.marks, abs=5)
