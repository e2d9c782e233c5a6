"""Where the strip of a test picture lies: at the top of the whole picture, or, letterboxed or cropped, elsewhere.

The strip is 4 rows of 40 cells (see `clients.media.pattern`). Its outer 4 columns on either side are marks, which
alternate along rows and columns; what lies between them says something and cannot be relied on here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clients.media.scene import Pixels

__all__ = ["COLUMNS", "MARKS", "ROWS", "ROWS_PER_PICTURE", "Grid", "find_grid", "whole"]

_Floats = NDArray[np.float32]

ROWS = 4
COLUMNS = 40
MARKS = 4
"""Columns of marks on either side."""
ROWS_PER_PICTURE = 22.5

_DARK = 48
"""Luma of the bars around a picture is below this; the least in a test picture outside its strip is 60."""
_LEAST_LIT = 0.05
"""Of a column of pixels, the part that is brighter than bars are: no less in any column of a test picture."""
_LEAST_SWING = 60.0
"""White less black below which no strip is believed to be there."""
_LEAST_CELL = 2.0
_UNEVEN = 0.4
"""Cells: how far a mark's edge may lie from where the others say that it is."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The strip's place in a picture, in pixels: its upper left corner and the size of a cell."""

    left: float
    top: float
    cell_width: float
    cell_height: float

    def picture_box(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the picture that the strip belongs to."""
        return self.left, self.top, COLUMNS * self.cell_width, ROWS_PER_PICTURE * self.cell_height


def whole(width: int, height: int) -> Grid:
    """The grid of a picture that fills its frame."""
    return Grid(0.0, 0.0, width / COLUMNS, height / ROWS_PER_PICTURE)


def find_grid(luma: Pixels) -> Grid | None:
    """Look for the strip by the edges of its marks, within dark bars or with up to half a cell cut off on any side.

    Args:
        luma: the Y plane, shape (height, width).

    Returns:
        Where the strip seems to be; whether it says something is for its CRC to decide. None where there is none.
    """
    left, right = _lit_columns(luma)
    cell = (right - left) / COLUMNS
    if cell < _LEAST_CELL:
        return None
    lines = luma.shape[0] * 2 // 3  # of a picture twice as high as the strip's, the strip is in there
    # of columns 0 and 1, what is in them also if half of column 0 is cut off
    first, second = (_mean(luma[:lines], left + at * cell, cell / 4, 1) for at in (0.3, 1.2))
    rows = _steps(first - second)
    if len(rows) < ROWS - 1 or not _even(rows[: ROWS - 1], np.arange(ROWS - 1)):
        return None
    height = (rows[2] - rows[0]) / 2
    if height < _LEAST_CELL:
        return None
    row = [_mean(luma[:, left:right], rows[0] + (at - 0.7) * height, height / 4, 0) for at in range(ROWS)]
    edges = _steps((row[0] - row[1] + row[2] - row[3]) * np.float32(0.5))
    if len(edges) < 2 * (MARKS - 1):
        return None
    marks = edges[[0, 1, 2, -3, -2, -1]]
    if not _even(marks, np.array([0, 1, 2, 36, 37, 38])):
        return None
    width = (marks[-1] - marks[0]) / (COLUMNS - 2)
    return Grid(float(left + marks[0] - width), float(rows[0] - height), float(width), float(height))


def _lit_columns(luma: Pixels) -> tuple[int, int]:
    """The first column that is no dark bar, and the one after the last."""
    lit = np.flatnonzero(np.mean(luma[::4] > _DARK, axis=0) > _LEAST_LIT)
    return (int(lit[0]), int(lit[-1]) + 1) if lit.size else (0, 0)


def _mean(luma: Pixels, middle: float, extent: float, axis: int) -> _Floats:
    """The mean of the columns (axis 1) or of the lines (axis 0) around `middle`, at least of one."""
    begin = int(np.clip(middle - extent / 2, 0, luma.shape[axis] - 1))
    end = max(begin + 1, round(middle + extent / 2))
    band = luma[:, begin:end] if axis else luma[begin:end]
    return np.asarray(band.mean(axis=axis, dtype=np.float32), dtype=np.float32)


def _steps(wave: _Floats) -> NDArray[np.float64]:
    """Where a wave that begins high goes over from high to low and back: one position between each two such runs."""
    swing = float(wave.max() - wave.min()) / 2
    if swing < _LEAST_SWING:
        return np.empty(0)
    sign = np.where(wave > swing / 2, 1, np.where(wave < -swing / 2, -1, 0))
    at = np.flatnonzero(sign)
    turns = np.flatnonzero(np.diff(sign[at]))
    if not at.size or sign[at[0]] < 0:
        return np.empty(0)
    return (at[turns] + at[turns + 1] + 1) / 2


def _even(edges: NDArray[np.float64], cells: NDArray[np.intp]) -> bool:
    """Whether edges lie at these whole numbers of cells from the first one."""
    cell = (edges[-1] - edges[0]) / cells[-1]
    return bool(cell > 0 and np.abs(edges - edges[0] - cells * cell).max() < _UNEVEN * cell)
