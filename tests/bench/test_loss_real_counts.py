"""How pictures at a page are judged by what it presents, and the table that comes of it. No figure is judged here."""

from __future__ import annotations

from tests.bench.loss_real import LATE, Result, shown_in_time, table

END = 10.0


def test_a_picture_is_in_time_when_it_is_presented_half_a_second_after_it_was_taken() -> None:
    assert shown_in_time([(1.0, 1.5)], END) == 1
    assert shown_in_time([(1.0, 1.51)], END) == 0
    assert shown_in_time([(1.0, LATE)], END) == 0


def test_a_picture_that_the_next_one_replaced_unseen_was_there_in_time_if_that_one_was_presented_in_time() -> None:
    assert shown_in_time([(1.0, LATE), (1.03, 1.4)], END) == 2
    assert shown_in_time([(1.0, LATE), (1.2, 1.6)], END) == 1, "in time for itself alone"


def test_pictures_taken_after_the_end_only_stand_for_earlier_ones() -> None:
    assert shown_in_time([(9.9, LATE), (10.0, 10.1)], END) == 1


def test_the_table_has_a_line_for_each_receiver_and_loss() -> None:
    result = Result(
        sent=200,
        decoded=199,
        in_time=198,
        freezes=2,
        frozen=0.51,
        packets=800,
        resent=88,
        nacks=70,
        key_frames=1,
        slip=0.0,
    )
    assert table({("aiortc", 0.1): result}).splitlines()[2] == (
        "| aiortc | 10% | 200 | 99.5% | 99.0% | 2 | 0.5 | 800 | 11.0% | 70 | 1 |"
    )
