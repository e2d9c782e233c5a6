"""The scenery of the test picture: a shaded background in the source's hue and a chequered square that wanders.

All of it is a function of size, source and frame, so that a receiver can draw the original again. It moves little on
purpose: encoding, not drawing, is what a test machine with two cores has to pay for.
"""

import colorsys
import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Bytes of a picture."""

_GOLDEN_ANGLE = 0.381966
"""Of a turn: neighbouring sources get far hues."""
_STEPS_ACROSS = 160
_STEPS_DOWN = 97
"""Frames the square takes across and down: without a common factor, so the path does not repeat soon."""
_CHEQUERS = 4
_CHROMA_SLOPE = 48
"""Levels across the picture. No two places have the same colour: libvpx with a denoiser and a static threshold, as
aiortc sets it up, sometimes leaves a block as it was when the same block in the same colour is found elsewhere."""


class Planes:
    """Writable views of a planar YUV 4:2:0 picture of shape (height * 3 / 2, width)."""

    __slots__ = ("u", "v", "y")

    def __init__(self, pixels: Pixels) -> None:
        lines, width = pixels.shape
        height = lines * 2 // 3
        flat = pixels.reshape(-1)
        luma, chroma = width * height, width * height // 4
        half = (height // 2, width // 2)
        self.y = flat[:luma].reshape(height, width)
        self.u = flat[luma : luma + chroma].reshape(half)
        self.v = flat[luma + chroma :].reshape(half)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What stays the same over the frames of one source at one size.

    Attributes:
        pixels: the background, planar YUV 4:2:0; read-only.
        square: luma of the square that moves, (side, side).
        square_chroma: U and V of the square.
        top: first line below the strip, even.
        phase: frames by which this source is ahead on the square's path.
    """

    pixels: Pixels
    square: Pixels
    square_chroma: tuple[int, int]
    top: int
    phase: int


@lru_cache(maxsize=64)
def scene(width: int, height: int, strip_lines: int, source: int) -> Scene:
    """The scene of a source at a size; the first `strip_lines` lines are left grey for the strip."""
    hue = source * _GOLDEN_ANGLE % 1.0
    top = strip_lines + strip_lines % 2
    pixels = np.empty((height * 3 // 2, width), dtype=np.uint8)
    planes = Planes(pixels)
    x, y = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    planes.y[:] = 90 + 60 * x + 30 * np.sin(2 * math.pi * y)
    u, v = _chroma(hue)
    half_x, half_y = x[::2], y[::2]
    planes.u[:] = u + _CHROMA_SLOPE * (half_x - 0.5)
    planes.v[:] = v + _CHROMA_SLOPE * (half_x + half_y - 1)
    pixels.flags.writeable = False
    side = height // 5 // 2 * 2
    tile = np.arange(side) * _CHEQUERS // side
    square = np.where((tile[:, None] + tile) % 2, 200, 50).astype(np.uint8)
    return Scene(pixels, square, _chroma((hue + 0.5) % 1.0), top, source * 37)


def paint_square(planes: Planes, background: Scene, frame: int) -> None:
    """Paint the square where it is in this frame, on even pixels so that chroma goes along."""
    height, width = planes.y.shape
    side = len(background.square)
    step = frame + background.phase
    left = _to_and_fro(step, _STEPS_ACROSS, width - side)
    top = background.top + _to_and_fro(step, _STEPS_DOWN, height - side - background.top)
    planes.y[top : top + side, left : left + side] = background.square
    half = side // 2
    for plane, value in zip((planes.u, planes.v), background.square_chroma, strict=True):
        plane[top // 2 : top // 2 + half, left // 2 : left // 2 + half] = value


def _to_and_fro(step: int, steps: int, length: int) -> int:
    """A triangle wave from 0 to length, even."""
    place = step % (2 * steps)
    return min(place, 2 * steps - place) * length // steps // 2 * 2


def _chroma(hue: float) -> tuple[int, int]:
    """U and V (BT.601) of a well saturated colour of this hue."""
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.6, 0.8)
    u = 128 + 224 * (-0.168736 * red - 0.331264 * green + 0.5 * blue)
    v = 128 + 224 * (0.5 * red - 0.418688 * green - 0.081312 * blue)
    return round(u), round(v)
