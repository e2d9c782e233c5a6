"""No picture says what nobody drew: random pictures, random strips, wrong bits, pieces of different pictures."""

import random

import numpy as np
import pytest

from clients.media.pattern import PatternReading, draw, read
from clients.media.scene import Pixels

WIDTH, HEIGHT, CELL = 320, 180, 8
SAID = PatternReading(21, 22, 23_000_000)


def cells_of(picture: Pixels) -> Pixels:
    """The strip's cells, (4, 40), as ones and zeros."""
    return (picture[CELL // 2 : 4 * CELL : CELL, CELL // 2 :: CELL] > 128).astype(np.uint8)


def with_cells(cells: Pixels) -> Pixels:
    """A picture with that strip."""
    picture = np.full((HEIGHT, WIDTH), 128, dtype=np.uint8)
    picture[: 4 * CELL] = np.where(cells, 235, 16).astype(np.uint8).repeat(CELL, axis=0).repeat(CELL, axis=1)
    return picture


def original() -> Pixels:
    return cells_of(draw(WIDTH, HEIGHT, SAID)[:HEIGHT])


def test_the_cells_are_what_is_read() -> None:
    assert read(with_cells(original())) == SAID


def test_random_strips_with_right_marks_read_nothing() -> None:
    """Only the CRC stands against these: of 1500, one passes it in three million runs."""
    dice = np.random.default_rng(11)
    for _ in range(1500):
        cells = original()
        cells[:, 4:-4] = dice.integers(0, 2, (4, 32))
        assert read(with_cells(cells)) is None


@pytest.mark.parametrize("wrong", [1, 2, 3, 4, 5, 6])
def test_up_to_six_wrong_bits_are_always_noticed(wrong: int) -> None:
    dice = random.Random(wrong)
    for _ in range(400):
        cells = original()
        for place in dice.sample(range(128), wrong):
            cells[place // 32, 4 + place % 32] ^= 1
        assert read(with_cells(cells)) is None


def test_random_pictures_read_nothing() -> None:
    dice = np.random.default_rng(12)
    for _ in range(300):
        cell = int(dice.integers(1, 24))
        coarse = dice.integers(0, 256, (-(-HEIGHT // cell), -(-WIDTH // cell)), dtype=np.uint8)
        picture = coarse.repeat(cell, axis=0).repeat(cell, axis=1)[:HEIGHT, :WIDTH]
        assert read(picture) is None


def test_random_black_and_white_cells_read_nothing() -> None:
    dice = np.random.default_rng(13)
    for _ in range(2000):
        assert read(with_cells(dice.integers(0, 2, (4, 40), dtype=np.uint8))) is None


def test_random_strips_in_bars_read_nothing() -> None:
    dice = np.random.default_rng(14)
    for _ in range(300):
        cells = original()
        cells[:, 4:-4] = dice.integers(0, 2, (4, 32))
        assert read(np.pad(with_cells(cells), ((30, 30), (20, 20)), constant_values=16)) is None


def test_two_pictures_mixed_read_as_one_of_them_or_not_at_all() -> None:
    """What a decoder may show after a loss: blocks of one picture in another, or a mean of both."""
    dice = np.random.default_rng(15)
    for number in range(300):
        one, other = PatternReading(5, number, number * 66_667), PatternReading(5, number + 1, (number + 1) * 66_667)
        first, second = (draw(WIDTH, HEIGHT, reading)[:HEIGHT] for reading in (one, other))
        blocks = dice.integers(0, 2, (12, 20), dtype=np.uint8).repeat(16, axis=0).repeat(16, axis=1)[:HEIGHT]
        assert read(np.where(blocks, first, second)) in (None, one, other)
        share = float(dice.random())
        assert read((first * share + second * (1 - share)).astype(np.uint8)) in (None, one, other)
