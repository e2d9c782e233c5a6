"""The test picture: what is drawn is read, and nothing else is."""

import random
import time

import numpy as np
import pytest
from av import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.media.pattern import PatternReading, draw, latency_us, psnr_db, read, wrap_us
from clients.media.scene import Pixels
from clients.media.sinks import luma_of

SIZES = [(640, 360), (320, 180), (640, 480), (426, 240), (1280, 720), (160, 90)]


def luma(picture: Pixels) -> Pixels:
    return picture[: len(picture) * 2 // 3]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_every_size_reads_back(width: int, height: int) -> None:
    draws = random.Random(1)
    edges = [PatternReading(0, 0, 0), PatternReading(0xFFFF, 0xFFFFFFFF, 2**48 - 1)]
    some = [PatternReading(draws.getrandbits(16), draws.getrandbits(32), draws.getrandbits(48)) for _ in range(40)]
    for reading in edges + some:
        picture = draw(width, height, reading)
        assert picture.shape == (height * 3 // 2, width)
        assert read(luma(picture)) == reading


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**48 - 1))
def test_every_number_reads_back(source: int, frame: int, captured_us: int) -> None:
    reading = PatternReading(source, frame, captured_us)
    assert read(luma(draw(320, 180, reading))) == reading


@pytest.mark.parametrize("size", [(320, 180), (426, 240), (480, 270), (960, 540)])
def test_scaled_pictures_read_back(size: tuple[int, int]) -> None:
    reading = PatternReading(513, 77, 123_456_789_012)
    frame = VideoFrame.from_ndarray(draw(640, 360, reading), format="yuv420p")
    assert read(luma_of(frame.reformat(*size))) == reading


def test_noise_does_not_hide_the_strip() -> None:
    noise = np.random.default_rng(2)
    for frame in range(50):
        reading = PatternReading(9, frame, frame * 66_667)
        noisy = luma(draw(320, 180, reading)) + noise.normal(0, 40, (180, 320))
        assert read(np.clip(noisy, 0, 255).astype(np.uint8)) == reading


def test_dim_and_grey_pictures_read_back() -> None:
    reading = PatternReading(9, 4, 5)
    dim = (luma(draw(320, 180, reading)) * 0.4 + 60).astype(np.uint8)
    assert read(dim) == reading


def test_pictures_without_a_strip_read_nothing() -> None:
    noise = np.random.default_rng(3)
    assert read(np.zeros((360, 640), dtype=np.uint8)) is None
    assert read(np.full((360, 640), 235, dtype=np.uint8)) is None
    for _ in range(200):
        assert read(noise.integers(0, 256, (180, 320), dtype=np.uint8)) is None
    assert read(luma(draw(320, 180, PatternReading(1, 2, 3)))[40:]) is None
    assert read(np.zeros((40, 60), dtype=np.uint8)) is None


def test_mirrored_and_inverted_pictures_read_nothing() -> None:
    picture = luma(draw(640, 360, PatternReading(1, 2, 3)))
    assert read(picture[:, ::-1]) is None
    assert read(picture[::-1]) is None
    assert read(255 - picture) is None


def test_each_single_wrong_cell_is_noticed() -> None:
    picture = luma(draw(320, 180, PatternReading(21, 22, 23)))
    for row in range(4):
        for column in range(40):
            wrong = picture.copy()
            cell = wrong[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
            cell[:] = 251 - cell
            assert read(wrong) is None


def test_two_halves_of_different_pictures_read_nothing() -> None:
    torn = luma(draw(320, 180, PatternReading(21, 22, 23))).copy()
    torn[16:32] = luma(draw(320, 180, PatternReading(21, 23, 66_690)))[16:32]
    assert read(torn) is None


def test_the_picture_is_a_function_of_what_it_says() -> None:
    picture = draw(640, 360, PatternReading(3, 100, 5))
    assert np.array_equal(picture, draw(640, 360, PatternReading(3, 100, 5)))
    assert not np.array_equal(picture[70:], draw(640, 360, PatternReading(3, 101, 5))[70:])  # the square moved
    assert not np.array_equal(picture[360:], draw(640, 360, PatternReading(4, 100, 5))[360:])  # another hue


def test_quality_is_measured_against_the_picture_drawn_again() -> None:
    reading = PatternReading(3, 100, 5)
    original = luma(draw(320, 180, reading))
    assert psnr_db(original, reading) == 100
    off_by_ten = original + np.uint8(10)
    assert psnr_db(off_by_ten, reading) == pytest.approx(28.13, abs=0.01)  # 20 log10(255 / 10)
    assert psnr_db(original, PatternReading(3, 130, 5)) < 25


def test_latency_is_right_across_the_wrap_of_the_clock() -> None:
    assert latency_us(1_000, 51_000) == 50_000
    assert latency_us(2**48 - 10, 40) == 50
    assert latency_us(40, 2**48 - 10) == -50
    assert wrap_us(2**48 / 1e6 + 1) == 1_000_000


@pytest.mark.parametrize("fields", [(1 << 16, 0, 0), (0, 1 << 32, 0), (0, 0, 1 << 48), (-1, 0, 0)])
def test_what_does_not_fit_is_refused(fields: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="bits"):
        PatternReading(*fields)


@pytest.mark.parametrize("size", [(321, 180), (320, 181), (120, 90), (160, 60)])
def test_odd_and_tiny_pictures_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even sides"):
        draw(*size, PatternReading(1, 2, 3))


def test_drawing_costs_well_under_a_millisecond() -> None:
    draw(640, 360, PatternReading(1, 0, 0))
    costs = []
    for frame in range(50):
        begun = time.thread_time()
        draw(640, 360, PatternReading(1, frame, frame))
        costs.append(time.thread_time() - begun)
    assert sorted(costs)[25] < 0.001
