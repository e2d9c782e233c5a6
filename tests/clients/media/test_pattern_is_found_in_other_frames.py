"""The strip in pictures that do not fill their frame, or are cut off: letterboxed, cropped, scaled, noisy, coded."""

import numpy as np
import pytest
from av import VideoFrame

from clients.media.grid import find_grid, whole
from clients.media.pattern import PatternReading, draw, locate, read
from clients.media.scene import Pixels
from clients.media.screen import draw_screen
from clients.media.sinks import PictureSink, luma_of

READING = PatternReading(513, 77, 123_456_789_012)
SIZES = [(320, 180), (640, 360), (1280, 720), (640, 480)]


def luma(size: tuple[int, int], reading: PatternReading = READING) -> Pixels:
    return draw(*size, reading)[: size[1]]


def scaled(picture: Pixels, width: int, height: int) -> Pixels:
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray8")
    return luma_of(frame.reformat(width, height, format="yuv420p"))


@pytest.mark.parametrize("bar", [0, 16, 32])
@pytest.mark.parametrize("bars", [((60, 60), (0, 0)), ((0, 0), (81, 79)), ((11, 20), (33, 50)), ((200, 0), (0, 300))])
@pytest.mark.parametrize("size", SIZES)
def test_bars_around_a_picture(size: tuple[int, int], bars: tuple[tuple[int, int], tuple[int, int]], bar: int) -> None:
    boxed = np.pad(luma(size), bars, constant_values=bar)
    located = locate(boxed)
    assert located is not None
    reading, grid = located
    assert reading == READING
    left, top, width, height = grid.picture_box()
    assert (left, top) == pytest.approx((bars[1][0], bars[0][0]), abs=2)
    assert (width, height) == pytest.approx(size, rel=0.03)


@pytest.mark.parametrize("size", SIZES)
def test_every_crop_up_to_half_a_cell(size: tuple[int, int]) -> None:
    picture = luma(size)
    most = size[0] // 80
    for cut in range(1, most + 1):
        for top, bottom, left, right in ((1, 1, 1, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)):
            cropped = picture[top * cut : size[1] - bottom * cut, left * cut : size[0] - right * cut]
            assert read(cropped) == READING, (cut, top, bottom, left, right)


@pytest.mark.parametrize("shown", [(320, 180), (480, 270), (240, 136), (640, 360), (160, 120)])
@pytest.mark.parametrize("size", SIZES)
def test_boxed_and_cropped_pictures_that_were_scaled(size: tuple[int, int], shown: tuple[int, int]) -> None:
    quarter = size[1] // 4
    assert read(scaled(np.pad(luma(size), ((quarter, quarter), (0, 0)), constant_values=16), *shown)) == READING
    cut = size[0] // 100
    assert read(scaled(luma(size)[cut:-cut, cut:-cut], *shown)) == READING


def test_noise_does_not_hide_a_boxed_strip() -> None:
    noise = np.random.default_rng(2)
    boxed = np.pad(luma((640, 360)), ((60, 60), (0, 0)), constant_values=16).astype(np.float64)
    for _ in range(20):
        noisy = np.clip(boxed + noise.normal(0, 12, boxed.shape), 0, 255).astype(np.uint8)
        assert read(noisy) == READING


def test_a_shared_screen_in_bars_is_read() -> None:
    picture = draw_screen(1280, 720, READING)[:720]
    assert read(scaled(np.pad(picture, ((0, 0), (160, 160)), constant_values=16), 640, 288)) == READING


def test_a_picture_that_fills_its_frame_is_where_it_should_be() -> None:
    picture = luma((640, 360))
    assert locate(picture) == (READING, whole(640, 360))
    found = find_grid(picture)
    assert found is not None
    assert found.picture_box() == pytest.approx((0, 0, 640, 360), abs=3)


@pytest.mark.parametrize("level", [0, 16, 128, 235])
def test_no_grid_where_there_is_nothing(level: int) -> None:
    assert find_grid(np.full((180, 320), level, dtype=np.uint8)) is None


def test_quality_is_not_measured_where_bars_would_be_compared() -> None:
    sink = PictureSink(clock=lambda: 0.0, psnr_every=1)
    pixels = np.full((480 * 3 // 2, 640), 16, dtype=np.uint8)
    pixels[60:420] = luma((640, 360))
    sink.add(VideoFrame.from_ndarray(pixels, format="yuv420p"), 0.1)
    report = sink.report()
    assert (report.frames_seen, report.psnr_p50_db) == (1, None)


@pytest.mark.parametrize("drawing", [draw, draw_screen])
def test_quality_after_scaling_is_measured_against_the_scaled_original(drawing: object) -> None:
    draws = draw if drawing is draw else draw_screen
    frame = VideoFrame.from_ndarray(draws(640, 360, READING), format="yuv420p").reformat(320, 180)
    told = PictureSink(clock=lambda: 0.0, psnr_every=1, drawn=(640, 360), drawing=draws)
    guessed = PictureSink(clock=lambda: 0.0, psnr_every=1, drawing=draws)
    for sink in (told, guessed):
        sink.add(frame, 0.1)
    assert told.report().psnr_min_db == 100
    assert (guessed.report().psnr_min_db or 0) < 50
