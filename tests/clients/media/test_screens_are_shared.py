"""Screen-share content: the strip, stillness, scrolling, turning pages, and that it can be drawn again."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest

from clients.media.pattern import PatternReading, draw, read, strip_lines
from clients.media.scene import Pixels
from clients.media.screen import FRAMES_PER_PAGE, SCREEN_FPS, SCROLLED_FRAMES, ScreenTrack, draw_screen, shown_at
from clients.media.sinks import PictureSink
from tests.support.invented_time import InventedTime

SIZES = [(320, 180), (640, 360), (1280, 720), (1920, 1080), (426, 240)]


def below_the_strip(frame: int, size: tuple[int, int] = (640, 360), source: int = 5) -> Pixels:
    top = strip_lines(size[1])
    return draw_screen(*size, PatternReading(source, frame, frame * 200_000))[top + top % 2 : size[1]]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_reads_back(size: tuple[int, int]) -> None:
    for frame in (0, 55, 99, 2**32 - 1):
        reading = PatternReading(40_000, frame, 2**48 - 1)
        picture = draw_screen(*size, reading)
        assert picture.shape == (size[1] * 3 // 2, size[0])
        assert read(picture[: size[1]]) == reading


def test_a_screen_is_mostly_still_then_scrolled_then_turned() -> None:
    changed = [
        frame
        for frame, (before, after) in enumerate(pairwise(below_the_strip(n) for n in range(FRAMES_PER_PAGE + 3)), 1)
        if not np.array_equal(before, after)
    ]
    assert changed == [*SCROLLED_FRAMES, FRAMES_PER_PAGE]
    assert len(changed) < FRAMES_PER_PAGE / 4


def test_scrolling_moves_the_text_up() -> None:
    before, after = (below_the_strip(frame) for frame in (SCROLLED_FRAMES.start - 1, SCROLLED_FRAMES.start))
    lines = shown_at(SCROLLED_FRAMES.start)[1]
    assert lines > 0
    assert np.array_equal(before[lines:], after[:-lines])
    assert not np.array_equal(before, after)


def test_pages_and_sharers_have_texts_of_their_own() -> None:
    one, next_page, other = below_the_strip(0), below_the_strip(FRAMES_PER_PAGE), below_the_strip(0, source=6)
    assert not np.array_equal(one, next_page)
    assert not np.array_equal(one, other)


def test_a_page_looks_like_text() -> None:
    """Dark on light, sharp, most of it paper: unlike what a camera sees."""
    page = below_the_strip(0)
    assert set(np.unique(page)) == {40, 235}
    assert 0.03 < np.mean(page == 40) < 0.25
    camera = draw(640, 360, PatternReading(5, 0, 0))[80:360]
    sharp_edges = [np.mean(np.abs(np.diff(picture.astype(np.int16), axis=1)) > 50) for picture in (page, camera)]
    assert sharp_edges[0] > 10 * sharp_edges[1]


def test_a_track_sends_it_and_a_sink_judges_it() -> None:
    time = InventedTime()
    track = ScreenTrack(9, size=(640, 360), clock=time, sleep=time.sleep, first_frame=SCROLLED_FRAMES.start - 5)
    sink = PictureSink(9, clock=time, psnr_every=1, drawing=draw_screen)

    async def send() -> None:
        for number in range(20):
            frame = await track.recv()
            assert frame.pts == number * 90_000 // SCREEN_FPS
            sink.add(frame, time.now)

    asyncio.run(send())
    report = sink.report()
    assert (report.frames_seen, report.frames_lost, report.psnr_min_db) == (20, 0, 100)
    assert [sent.frame for sent in track.sent] == list(range(SCROLLED_FRAMES.start - 5, SCROLLED_FRAMES.start + 15))


@pytest.mark.parametrize("size", [(321, 180), (120, 90)])
def test_odd_and_tiny_screens_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="even sides"):
        draw_screen(*size, PatternReading(1, 2, 3))
