"""Test pictures through the encoder and the decoder that the clients use, at the lowest rate they have."""

from fractions import Fraction

import pytest
from aiortc.codecs.vpx import MIN_BITRATE, Vp8Decoder, Vp8Encoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame
from av import VideoFrame

from clients.media.pattern import PatternReading, draw, psnr_db, read, wrap_us
from clients.media.sinks import luma_of

FPS = 15


def coded(size: tuple[int, int], readings: list[PatternReading]) -> list[VideoFrame]:
    """The pictures after VP8 at 250 kbit/s."""
    encoder, decoder = Vp8Encoder(), Vp8Decoder()
    encoder.target_bitrate = 1
    assert encoder.target_bitrate == MIN_BITRATE == 250_000
    decoded: list[VideoFrame] = []
    for number, reading in enumerate(readings):
        frame = VideoFrame.from_ndarray(draw(*size, reading), format="yuv420p")
        frame.pts, frame.time_base = number * 90_000 // FPS, Fraction(1, 90_000)
        payloads, timestamp = encoder.encode(frame, force_keyframe=number == 0)
        data = b"".join(vp8_depayload(payload) for payload in payloads)
        decoded += [f for f in decoder.decode(JitterFrame(data, timestamp)) if isinstance(f, VideoFrame)]
    return decoded


def four_seconds(source: int) -> list[PatternReading]:
    return [PatternReading(source, n, wrap_us(498_765.4321 + n / FPS)) for n in range(4 * FPS)]


@pytest.mark.parametrize("source", [7, 40_000])
@pytest.mark.parametrize("size", [(640, 360), (320, 180), (480, 270)])
def test_every_picture_is_read_at_the_lowest_rate(size: tuple[int, int], source: int) -> None:
    readings = four_seconds(source)
    decoded = coded(size, readings)
    assert [read(luma_of(frame)) for frame in decoded] == readings
    assert min(psnr_db(luma_of(f), r) for f, r in zip(decoded, readings, strict=True)) > 30


@pytest.mark.parametrize(
    ("size", "scaled"), [((640, 360), (320, 180)), ((320, 180), (160, 90)), ((1280, 720), (320, 180))]
)
def test_every_picture_is_read_when_scaled_down_after_decoding(size: tuple[int, int], scaled: tuple[int, int]) -> None:
    readings = four_seconds(12)
    assert [read(luma_of(frame.reformat(*scaled))) for frame in coded(size, readings)] == readings


def test_jumping_numbers_are_read_from_the_picture_they_are_in() -> None:
    """A picture is not mistaken for the one before it, of which the codec could leave a block as it was."""
    readings = [PatternReading(3, n * 0x01234567 % 2**32, n * 0x0123456789AB % 2**48) for n in range(60)]
    assert [read(luma_of(frame)) for frame in coded((320, 180), readings)] == readings
