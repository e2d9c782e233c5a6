"""Known frames, gaps and freezes are counted as such, whatever the codec."""

from __future__ import annotations

import pytest

from clients.measure.frames import FrameBook
from clients.measure.window import Window

PER_FRAME = 3
TICKS = 3000


Parts = tuple[int, ...]


def send(book: FrameBook, frame: int, at: float, *, without: Parts = (), only: Parts = (0, 1, 2)) -> None:
    """The packets of a frame, three of them, or some of those."""
    for part in only:
        if part not in without:
            number = 100 + PER_FRAME * frame + part
            book.receive(number, TICKS * frame & 0xFFFFFFFF, part == PER_FRAME - 1, at, 100)


def test_frames_are_whole_when_their_last_packet_has_come() -> None:
    book = FrameBook()
    send(book, 0, 0.0, only=(0, 1))
    assert book.received == 0
    send(book, 0, 0.0, only=(2,))
    send(book, 1, 0.03)
    assert book.received == 2


@pytest.mark.parametrize("part", [0, 1, 2])
def test_one_lost_packet_costs_one_frame_whichever_it_was(part: int) -> None:
    book = FrameBook()
    for frame in range(5):
        send(book, frame, frame / 30, without=(part,) if frame == 2 else ())
    assert book.received == 4


def test_a_whole_frame_that_is_lost_costs_the_frame_after_it_too_for_nobody_knows_where_that_begins() -> None:
    book = FrameBook()
    for frame in (0, 1, 3, 4):
        send(book, frame, frame / 30)
    assert book.received == 3


def test_a_repaired_frame_is_whole_when_the_repair_comes() -> None:
    book = FrameBook()
    for frame in range(3):
        send(book, frame, frame / 30, without=(1,) if frame == 1 else ())
    assert (book.received, book.per_second(0.1)) == (2, 2)
    send(book, 1, 0.1, only=(1,))
    assert (book.received, book.per_second(0.1)) == (3, 3)


def test_a_packet_that_comes_again_changes_nothing() -> None:
    book = FrameBook()
    send(book, 0, 0.0, only=(0, 0, 0))
    send(book, 0, 0.0, only=(1, 2, 1))
    send(book, 1, 0.1)
    assert book.received == 2


def test_a_stream_without_markers_ends_each_frame_with_the_next() -> None:
    book = FrameBook()
    for number in range(6):
        book.receive(100 + number, TICKS * (number // 2), False, 0.0, 100)
    assert book.received == 2


def test_frames_arriving_backwards_are_whole_too() -> None:
    book = FrameBook()
    numbers = list(range(9))
    for number in (0, *reversed(numbers[1:])):
        book.receive(number, TICKS * (number // 3), number % 3 == 2, 0.0, 0)
    assert book.received == 3


def test_a_freeze_is_an_interval_of_three_times_the_average_and_150_ms_more_than_it() -> None:
    book = FrameBook()
    at = 0.0
    for frame in range(31):
        send(book, frame, at)
        at += 0.040
    # 40 ms on average: max(120, 190) ms
    at += 0.190 - 0.040 - 0.001
    send(book, 31, at)
    assert book.freezes == 0
    for frame in range(32, 63):
        at += 0.040
        send(book, frame, at)
    at += 0.191
    send(book, 63, at)
    assert book.freezes == 1
    assert book.frozen == pytest.approx(0.191)


def test_at_a_low_rate_the_average_decides() -> None:
    book = FrameBook()
    for frame in range(10):
        send(book, frame, frame * 0.2)
    # 200 ms on average: max(600, 350) ms
    send(book, 10, 9 * 0.2 + 0.599)
    assert book.freezes == 0
    send(book, 11, 9 * 0.2 + 0.599 + 0.8)
    assert book.freezes == 1
    assert book.frozen == pytest.approx(0.8)


def test_the_first_frames_have_no_average_yet() -> None:
    book = FrameBook()
    for frame, at in enumerate((0.0, 0.03, 3.0)):
        send(book, frame, at)
    assert book.freezes == 0


def test_a_lost_frame_that_is_not_repaired_is_part_of_an_interval_and_one_repaired_late_is_not_shown() -> None:
    book = FrameBook()
    for frame in range(20):
        send(book, frame, frame * 0.1, without=(1,) if frame in (8, 9, 10) else ())
    # 7 to 11 are 400 ms apart: max(300, 250)
    assert book.freezes == 1
    assert book.frozen == pytest.approx(0.4)
    intervals = (book.delay, book.squared_delay)
    send(book, 8, 2.0, only=(1,))
    assert book.received == 18
    assert (book.delay, book.squared_delay) == intervals


def test_the_intervals_and_their_squares_are_summed() -> None:
    book = FrameBook()
    for frame, at in enumerate((0.0, 0.1, 0.3)):
        send(book, frame, at)
    assert book.delay == pytest.approx(0.3)
    assert book.squared_delay == pytest.approx(0.05)


def test_packets_are_forgotten_in_the_end_and_frames_go_on_being_counted() -> None:
    book = FrameBook()
    for frame in range(20000):
        send(book, frame, frame / 30)
    assert book.received == 20000
    assert len(book._packets) <= 4096
    assert len(book._frames) <= 4096
    send(book, 5, 700.0)
    assert book.received == 20000


def test_a_window_holds_one_second() -> None:
    window = Window()
    for tenth in range(20):
        window.add(1, tenth / 10)
    assert window.total(1.9) == 10
    assert window.total(2.5) == 4
    assert window.total(3.0) == 0
