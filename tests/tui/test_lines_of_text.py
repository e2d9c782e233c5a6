"""Numbers, names, plots and tables as text."""

from __future__ import annotations

from datetime import UTC

import pytest

from tests.tui.invented_server import BEGIN
from tui.look.grid import Column, Grid
from tui.look.text import Span, clock, count, cut, kbits, plain, plot_title, printable, short, span_of, spark, tenth

COLUMNS = (
    Column("name", 4, left=True, flexible=True),
    Column("kbit/s", 6),
    Column("seldom", 6, rank=2),
    Column("rare", 4, rank=1),
)


def test_numbers_have_their_thousands_apart_and_what_is_unknown_is_no_zero() -> None:
    assert (count(1234567), kbits(1_234_499), tenth(0.04)) == ("1,234,567", "1,234", "0.0")
    assert count(None) == kbits(None) == tenth(None) == "-"


def test_a_plot_begins_at_zero_and_has_holes_where_nothing_is_known() -> None:
    assert spark([0, 50, 100, None, 100], 7) == "  ▁▄▇ ▇"
    assert spark([5, 10], 2, top=10) == "▄▇"
    assert spark(range(100), 3) == "▇▇▇"
    assert spark([0, 0], 2) == "▁▁"
    assert spark([1, 2], 0) == ""


def test_a_plot_says_how_old_it_is() -> None:
    assert plot_title(20) == "20 s ago         now"
    assert plot_title(5) == "  now"


def test_names_of_anybody_cannot_move_the_cursor_or_the_columns() -> None:
    assert printable("a\x1b[2Jb\n\tc") == "a?[2Jb??c"
    assert printable("Zoë Ольга") == "Zoë Ольга"
    assert printable("e\u0301 漢 😀 \u200b\u202e") == "e? ? ? ??"


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [(0, "0 s"), (119_999, "119 s"), (120_000, "2 min"), (3_599_000, "59 min"), (7_500_000, "2 h 05 min"), (-5, "0 s")],
)
def test_spans_of_time(milliseconds: float, told: str) -> None:
    assert span_of(milliseconds) == told


def test_times_of_day_are_those_of_the_zone() -> None:
    assert clock(BEGIN + 7, UTC, fine=True) == "22:13:20.007"


def test_only_uuids_are_cut_short() -> None:
    assert short("01234567-89ab-cdef-0123-456789abcdef") == "01234567"
    assert short("a-room-with-a-long-name") == "a-room-with-a-long-name"
    assert cut("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (40, "name kbit/s seldom rare"),
        (22, "name kbit/s rare"),
        (16, "name kbit/s rare"),
        (15, "name kbit/s"),
        (3, "name kbit/s"),
    ],
)
def test_the_least_important_columns_go_first_and_text_takes_what_is_left(width: int, titles: str) -> None:
    header = plain(Grid(COLUMNS, width).header())
    assert header.split() == titles.split()
    assert len(header) == max(width, 11)


def test_numbers_stand_at_the_right_and_what_is_too_long_says_so() -> None:
    grid = Grid(COLUMNS, 15)
    assert plain(grid.line(("grace hopper", Span("1,234", "warn"), "x", "y"))) == "grace …   1,234"
    assert grid.has("kbit/s")
    assert not grid.has("rare")
    assert grid.width("rare") == 0
