"""A test picture that says who drew it, which one it is and when: drawn and read without state.

The picture's upper part is a strip of 4 rows of 40 black or white cells (40 x 22.5 cells would fill the picture: a
cell is 16x16 pixels at 640x360, 8x8 at 320x180). Each row is 4 marks, 32 bits, 4 marks. Marks alternate, and are
opposite in odd rows; they give the black and the white level that bits are compared with. The 128 bits, most
significant first: source 16, frame 32, captured_us 48, and the CRC-32 (ISO 3309) of these 12 bytes.

What lies below the strip is a function of size, source and frame alone (see `clients.media.scene`, and
`clients.media.screen` for another one).

How surely nothing is misread: 32 marks must be right, and the CRC finds every 6 wrong bits of the 128 or fewer, and
all but one in 2**32 of worse ones.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from av import VideoFrame
from numpy.typing import NDArray

from clients.media.grid import COLUMNS, MARKS, ROWS, ROWS_PER_PICTURE, Grid, find_grid, whole
from clients.media.scene import Pixels, Planes, paint_square, scene

__all__ = [
    "Drawing",
    "PatternReading",
    "check_size",
    "draw",
    "latency_us",
    "locate",
    "paint_strip",
    "psnr_db",
    "read",
    "strip_lines",
    "wrap_us",
]

_Indices = NDArray[np.intp]

_BLACK = 16
_WHITE = 235
_LEAST_CONTRAST = 60.0
"""White minus black below which a strip is not believed; a decoded strip has about 200."""
_MIN_WIDTH, _MIN_HEIGHT = 160, 90
_CLOCK_BITS = 48
_SAMPLES = np.array([0.3, 0.43, 0.57, 0.7])
"""Where in a cell to look: away from its edges, which the codec smears."""
_ROW_MARKS = np.array([1, 0, 1, 0], dtype=np.uint8)
_MARK_CELLS = np.array([np.tile(_ROW_MARKS ^ (row % 2), 2) for row in range(ROWS)], dtype=np.uint8)
_WHITE_MARKS = _MARK_CELLS == 1


@dataclass(frozen=True, slots=True)
class PatternReading:
    """What a picture says about itself.

    Attributes:
        source: id of the sender, 16 bits.
        frame: number of the picture, 32 bits.
        captured_us: when it was drawn, microseconds of CLOCK_MONOTONIC modulo 2**48 (8.9 years).
    """

    source: int
    frame: int
    captured_us: int

    def __post_init__(self) -> None:
        if not (0 <= self.source < 1 << 16 and 0 <= self.frame < 1 << 32):
            raise ValueError("source is 16 bits, frame is 32 bits")
        if not 0 <= self.captured_us < 1 << _CLOCK_BITS:
            raise ValueError("captured_us is 48 bits: see wrap_us")


Drawing = Callable[[int, int, PatternReading], Pixels]
"""Draws the picture of that width and height which says that: `draw`, or another one with the same strip."""


def wrap_us(seconds: float) -> int:
    """Microseconds of a clock reading in seconds, modulo 2**48, as a picture carries them."""
    return round(seconds * 1e6) % (1 << _CLOCK_BITS)


def latency_us(captured_us: int, now_us: int) -> int:
    """Microseconds from capture to now across the wrap of 2**48; negative when capture lies in the future."""
    half = 1 << (_CLOCK_BITS - 1)
    return (now_us - captured_us + half) % (1 << _CLOCK_BITS) - half


def draw(width: int, height: int, reading: PatternReading) -> Pixels:
    """Draw the picture.

    Args:
        width: pixels, even, at least 160; the strip is sure to survive VP8 from 320 on.
        height: pixels, even, at least 90 (180).
        reading: what the picture shall say; its source decides the hue.

    Returns:
        Planar YUV 4:2:0, shape (height * 3 / 2, width), as `av.VideoFrame.from_ndarray(.., "yuv420p")` takes it.

    Raises:
        ValueError: the size is odd or too small.
    """
    check_size(width, height)
    background = scene(width, height, strip_lines(height), reading.source)
    picture = background.pixels.copy()
    planes = Planes(picture)
    paint_square(planes, background, reading.frame)
    paint_strip(planes.y, reading)
    return picture


def check_size(width: int, height: int) -> None:
    """Refuse the sizes in which no test picture is drawn.

    Raises:
        ValueError: the size is odd or too small.
    """
    if width % 2 or height % 2 or width < _MIN_WIDTH or height < _MIN_HEIGHT:
        raise ValueError("a picture has even sides and at least 160x90 pixels")


def strip_lines(height: int) -> int:
    """How many lines of a picture of that height are its strip."""
    return round(ROWS * height / ROWS_PER_PICTURE)


def paint_strip(luma: Pixels, reading: PatternReading) -> None:
    """Paint the strip on top of a writable Y plane, shape (height, width)."""
    height, width = luma.shape
    columns, rows = _cell_of_pixel(width, height)
    levels = np.where(_cells(reading), _WHITE, _BLACK).astype(np.uint8)
    luma[: len(rows)] = levels[:, columns][rows]


def read(luma: Pixels) -> PatternReading | None:
    """Read a picture's strip.

    Args:
        luma: the Y plane, shape (height, width), of a picture that was drawn at this size or scaled to it, perhaps
            with dark bars around it, or with up to half a cell (an 80th of the width) cut off on any side.

    Returns:
        The reading, or None where there is no strip or a bit of it is wrong (1 in 2**32 wrong ones passes).
    """
    located = locate(luma)
    return None if located is None else located[0]


def locate(luma: Pixels) -> tuple[PatternReading, Grid] | None:
    """Read a picture's strip as `read` does, and tell where it was; in a picture that fills its frame, `whole`."""
    height, width = luma.shape
    if width < _MIN_WIDTH or height < _MIN_HEIGHT:
        return None
    reading = _said(luma, *_samples(width, height))
    if reading is not None:
        return reading, whole(width, height)
    grid = find_grid(luma)
    if grid is None:
        return None
    reading = _said(luma, *_sample_places(grid, width, height))
    return None if reading is None else (reading, grid)


def psnr_db(
    luma: Pixels, reading: PatternReading, drawn: tuple[int, int] | None = None, drawing: Drawing = draw
) -> float:
    """Peak signal-to-noise ratio of a received Y plane against the original, drawn again.

    Args:
        luma: a picture that fills its frame, shape (height, width).
        reading: what it says.
        drawn: width and height at which it was drawn, so that the original can be scaled as well; None compares with
            one drawn at the size received, whose edges differ a little from a scaled one.
        drawing: what drew it.

    Returns:
        Decibels; 100 for an exact copy.
    """
    height, width = luma.shape
    drawn_width, drawn_height = drawn or (width, height)
    original = drawing(drawn_width, drawn_height, reading)
    if (drawn_width, drawn_height) != (width, height):
        scaled = VideoFrame.from_ndarray(original, format="yuv420p").reformat(width, height)
        original = scaled.to_ndarray().astype(np.uint8, copy=False)
    difference = np.subtract(luma, Planes(original).y, dtype=np.int16).ravel().astype(np.float32)
    error = float(np.dot(difference, difference)) / difference.size
    return min(100.0, 10 * float(np.log10(255.0**2 / max(error, 1e-9))))


def _said(luma: Pixels, rows: _Indices, columns: _Indices) -> PatternReading | None:
    """What the strip says whose cells are sampled at these lines and columns; None if it is none."""
    samples = luma[rows[:, None], columns].reshape(ROWS, len(_SAMPLES), COLUMNS, len(_SAMPLES))
    levels = samples.mean(axis=(1, 3), dtype=np.float32)
    marks = np.concatenate((levels[:, :MARKS], levels[:, -MARKS:]), axis=1)
    white, black = float(marks[_WHITE_MARKS].mean()), float(marks[~_WHITE_MARKS].mean())
    middle = (white + black) / 2
    if white - black < _LEAST_CONTRAST or not np.array_equal(marks > middle, _WHITE_MARKS):
        return None
    octets = np.packbits(levels[:, MARKS:-MARKS] > middle).tobytes()
    if zlib.crc32(octets[:12]) != int.from_bytes(octets[12:], "big"):
        return None
    return PatternReading(
        source=int.from_bytes(octets[:2], "big"),
        frame=int.from_bytes(octets[2:6], "big"),
        captured_us=int.from_bytes(octets[6:12], "big"),
    )


def _cells(reading: PatternReading) -> Pixels:
    """The strip as (4, 40) zeros and ones."""
    said = reading.source.to_bytes(2, "big") + reading.frame.to_bytes(4, "big") + reading.captured_us.to_bytes(6, "big")
    octets = said + zlib.crc32(said).to_bytes(4, "big")
    bits = np.unpackbits(np.frombuffer(octets, dtype=np.uint8)).reshape(ROWS, 32)
    return np.concatenate((_MARK_CELLS[:, :MARKS], bits, _MARK_CELLS[:, MARKS:]), axis=1)


@lru_cache(maxsize=32)
def _cell_of_pixel(width: int, height: int) -> tuple[_Indices, _Indices]:
    """The cell column of each of the width's pixels, and the cell row of each line of the strip."""
    columns = (np.arange(width) + 0.5) * COLUMNS / width
    rows = (np.arange(strip_lines(height)) + 0.5) * ROWS_PER_PICTURE / height
    return columns.astype(np.intp), np.minimum(rows.astype(np.intp), ROWS - 1)


@lru_cache(maxsize=32)
def _samples(width: int, height: int) -> tuple[_Indices, _Indices]:
    """The lines and the columns at which the cells of a picture that fills its frame are sampled."""
    return _sample_places(whole(width, height), width, height)


def _sample_places(grid: Grid, width: int, height: int) -> tuple[_Indices, _Indices]:
    """The lines and the columns at which cells are sampled, each ordered by cell; at the rim if they are cut off."""
    rows = grid.top + (np.arange(ROWS)[:, None] + _SAMPLES) * grid.cell_height
    columns = grid.left + (np.arange(COLUMNS)[:, None] + _SAMPLES) * grid.cell_width
    return (
        rows.clip(0, height - 1).astype(np.intp).ravel(),
        columns.clip(0, width - 1).astype(np.intp).ravel(),
    )
