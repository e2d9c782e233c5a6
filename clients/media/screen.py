"""Screen-share content that proves itself: pages of text, mostly still, now and then scrolled or turned.

Like the test picture it has the strip on top and is a function of what the strip says, so it can be drawn again. What
happens is counted in pictures, 100 to a page: it stands still, is scrolled, stands still, and the next page appears.
"""

import asyncio
import time
from functools import lru_cache

import numpy as np

from clients.media.pacing import Clock, Sleep
from clients.media.pattern import PatternReading, check_size, paint_strip, strip_lines
from clients.media.scene import Pixels, Planes, scene
from clients.media.tracks import SIZES, PatternTrack

__all__ = ["FRAMES_PER_PAGE", "SCREEN_FPS", "SCROLLED_FRAMES", "ScreenTrack", "draw_screen", "shown_at"]

SCREEN_FPS = 5
FRAMES_PER_PAGE = 100
SCROLLED_FRAMES = range(50, 70)
"""Of a page's pictures, those before which it is scrolled on."""

_LINES_PER_SCROLL = 12
_PAPER, _INK = 235, 40
_GLYPH_WIDTH, _GLYPH_HEIGHT = 5, 7
_CELL_WIDTH, _CELL_HEIGHT = 6, 12
"""Pixels of a letter with the space around it, at 360 lines or fewer; twice as many from 720 lines on."""
_GLYPHS = 40
_MARGIN = 4
"""Letters, left free on either side."""
_TITLE_LINES = 2
_PARAGRAPH = 7
"""Lines of text between headings."""


class ScreenTrack(PatternTrack):
    """Sends a shared screen instead of a camera's pictures; else as `PatternTrack`.

    Args:
        source: id of the sender, 16 bits.
        fps: pictures per second.
        size: width and height, even.
        clock: seconds.
        sleep: how the track waits.
        first_frame: number of the first picture.
    """

    def __init__(
        self,
        source: int,
        fps: float = SCREEN_FPS,
        size: tuple[int, int] = SIZES["720p"],
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        first_frame: int = 0,
    ) -> None:
        super().__init__(source, fps, size, clock=clock, sleep=sleep, first_frame=first_frame, drawing=draw_screen)


def shown_at(frame: int) -> tuple[int, int]:
    """Which page a picture shows, and how many lines of pixels (at 360 lines) it has been scrolled by."""
    page, within = divmod(frame, FRAMES_PER_PAGE)
    scrolls = min(max(0, within - SCROLLED_FRAMES.start + 1), len(SCROLLED_FRAMES))
    return page, scrolls * _LINES_PER_SCROLL


def draw_screen(width: int, height: int, reading: PatternReading) -> Pixels:
    """Draw the screen; arguments, result and errors as of `clients.media.pattern.draw`."""
    check_size(width, height)
    page, scrolled = shown_at(reading.frame)
    top = strip_lines(height)
    top += top % 2
    paper = _page(width, height, reading.source, page)
    begin = scrolled * _zoom(height)
    picture = np.empty((height * 3 // 2, width), dtype=np.uint8)
    planes = Planes(picture)
    planes.y[top:] = paper[begin : begin + height - top]
    picture[height:] = _tint(width, height, reading.source)
    planes.y[:top] = _PAPER
    paint_strip(planes.y, reading)
    return picture


@lru_cache(maxsize=8)
def _tint(width: int, height: int, source: int) -> Pixels:
    """U and V: those of the sharer's scene, made pale; screens of different people differ at a glance."""
    colours = scene(width, height, strip_lines(height), source).pixels[height:]
    return (128 + (colours.astype(np.int16) - 128) // 3).astype(np.uint8)


def _zoom(height: int) -> int:
    return max(1, height // 360)


@lru_cache(maxsize=1)
def _alphabet() -> Pixels:
    """Letter shapes, (40, 12, 6), ones where there is ink; made up, with about as much ink as real ones have."""
    dice = np.random.default_rng(20)
    letters = np.zeros((_GLYPHS, _CELL_HEIGHT, _CELL_WIDTH), dtype=np.uint8)
    letters[:, 2 : 2 + _GLYPH_HEIGHT, :_GLYPH_WIDTH] = dice.random((_GLYPHS, _GLYPH_HEIGHT, _GLYPH_WIDTH)) < 0.4
    return letters


@lru_cache(maxsize=8)
def _page(width: int, height: int, source: int, page: int) -> Pixels:
    """The luma of a whole page, as far as it is ever scrolled; read-only."""
    zoom = _zoom(height)
    lines = height // zoom + len(SCROLLED_FRAMES) * _LINES_PER_SCROLL
    rows, columns = -(-lines // _CELL_HEIGHT), width // zoom // _CELL_WIDTH
    letters = _text(rows, columns, np.random.default_rng((source, page)))
    ink = np.zeros((rows * _CELL_HEIGHT, -(-width // zoom)), dtype=np.uint8)
    shapes = np.concatenate((np.zeros_like(_alphabet()[:1]), _alphabet()))[letters]
    ink[:, : columns * _CELL_WIDTH] = shapes.transpose(0, 2, 1, 3).reshape(len(ink), -1)
    luma = np.where(ink, _INK, _PAPER).astype(np.uint8).repeat(zoom, axis=0).repeat(zoom, axis=1)[:, :width]
    luma.flags.writeable = False
    return luma


def _text(rows: int, columns: int, dice: np.random.Generator) -> Pixels:
    """Numbers of letters, (rows, columns), 0 for none: words in lines of uneven length, headings, empty lines."""
    letters = dice.integers(1, _GLYPHS + 1, (rows, columns), dtype=np.uint8)
    letters[dice.random((rows, columns)) < 1 / 6] = 0
    letters[:, :_MARGIN] = letters[:, -_MARGIN:] = 0
    for row in range(rows):
        within = row % (_TITLE_LINES + _PARAGRAPH)
        longest = 0 if within == 1 else columns // 3 if within == 0 else columns
        letters[row, int(dice.integers(longest * 2 // 3, longest + 1)) :] = 0
    return letters
