"""Known loss, order, doubles and repairs are counted as such."""

from __future__ import annotations

import random

import pytest

from clients.measure.sequence import Fate, SequenceBook


def book_of(*numbers: int) -> SequenceBook:
    book = SequenceBook()
    for number in numbers:
        book.receive(number & 0xFFFF)
    return book


def counts(book: SequenceBook) -> tuple[int, int, int, int, int]:
    return book.lost, book.missing, book.repaired, book.reordered, book.duplicated


@pytest.mark.parametrize("start", [0, 1000, 65533, 65535])
def test_what_never_came_is_lost_and_missing_over_the_wrap_too(start: int) -> None:
    book = book_of(*(start + n for n in range(10) if n not in (2, 3, 7)))
    assert (book.expected, book.packets) == (10, 7)
    assert counts(book) == (3, 3, 0, 0, 0)


@pytest.mark.parametrize("start", [0, 65534])
def test_what_came_late_is_reordered_and_not_lost(start: int) -> None:
    book = SequenceBook()
    fates = [book.receive(start + n & 0xFFFF) for n in (0, 2, 3, 1, 4)]
    assert fates == [Fate.NEXT, Fate.NEXT, Fate.NEXT, Fate.LATE, Fate.NEXT]
    assert counts(book) == (0, 0, 0, 1, 0)


def test_what_was_sent_before_the_first_packet_and_comes_after_it_belongs_to_the_stream() -> None:
    book = book_of(2, 3, 0xFFFF, 1)
    assert book.expected == 5
    assert counts(book) == (1, 1, 0, 2, 0), "only 0 is missing"


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_a_packet_that_comes_twice_counts_as_received_in_what_is_lost_but_not_in_what_is_missing() -> None:
    book = book_of(10, 11, 11, 11, 13)
    assert counts(book) == (-1, 1, 0, 0, 2)


def test_only_a_missing_number_is_repaired_and_only_once() -> None:
    book = book_of(65534, 1)
    assert [book.repair(n) for n in (65535, 65535, 1, 65534, 2, 0)] == [True, False, False, False, False, True]
    assert counts(book) == (2, 0, 2, 0, 0)


def test_an_original_that_comes_after_its_repair_was_late_and_not_lost() -> None:
    book = book_of(1, 3)
    assert book.repair(2)
    assert book.receive(2) is Fate.LATE
    assert counts(book) == (0, 0, 0, 1, 0)
    assert book.receive(2) is Fate.AGAIN


def test_a_repair_before_the_first_packet_is_of_nothing_known() -> None:
    assert not SequenceBook().repair(7)


def test_a_very_late_packet_is_told_apart_as_long_as_its_number_is_not_ambiguous() -> None:
    book = book_of(0, *range(2, 32768))
    assert book.receive(1) is Fate.LATE
    assert book.missing == 0


def test_what_is_missing_for_longer_than_numbers_last_stays_missing_and_is_forgotten_singly() -> None:
    book = book_of(0, *range(2, 40000))
    assert book.receive(39999 - 32768) is Fate.AGAIN, "that number has come"
    assert book.missing == 1
    assert not book._gaps


def test_a_random_stream_is_measured_exactly() -> None:
    rng = random.Random(1)
    sent = list(range(60000, 80000))
    lost = set(rng.sample(sent[1:-1], 1000))
    stream = [number for number in sent if number not in lost]
    late = 0
    for at in range(10, len(stream) - 10, 40):
        stream[at], stream[at + 1] = stream[at + 1], stream[at]
        late += 1
    doubled = stream[::100]
    book = SequenceBook()
    for number in stream:
        book.receive(number & 0xFFFF)
        if number in lost:
            pytest.fail("a lost packet is not in the stream")
    for number in doubled[-50:]:
        book.receive(number & 0xFFFF)
    assert (book.expected, book.missing, book.reordered, book.duplicated) == (20000, 1000, late, 50)
    assert book.lost == 1000 - 50
