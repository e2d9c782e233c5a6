"""Validity, loss and jitter of one incoming stream."""

from __future__ import annotations

import pytest

from labsfu.core.forwarding.reception import DISCARDED, MAX_DROPOUT, MAX_MISORDER, Reception

pytestmark = pytest.mark.rfc("RFC 3550 A.1", "RFC 3550 A.3")

STARTS = [0, 1, 32767, 32768, 65534, 65535]


@pytest.mark.parametrize("start", STARTS)
def test_numbers_are_extended_over_the_wrap(start: int) -> None:
    reception = Reception(90_000)
    extended = [reception.receive((start + n) & 0xFFFF) for n in range(70_000)]
    assert extended == list(range(extended[0], extended[0] + 70_000))
    assert reception.lost == 0


@pytest.mark.parametrize("start", STARTS)
def test_a_late_packet_keeps_its_place_also_across_the_wrap(start: int) -> None:
    reception = Reception(90_000)
    first = reception.receive(start)
    assert reception.receive((start + 2) & 0xFFFF) == first + 2
    assert reception.receive((start + 1) & 0xFFFF) == first + 1
    assert reception.receive((start - 1) & 0xFFFF) == first - 1
    assert reception.lost == -1  # the one before the first was not expected


@pytest.mark.parametrize(
    ("ahead", "accepted"),
    [(1, True), (MAX_DROPOUT - 1, True), (MAX_DROPOUT, False), (-MAX_MISORDER, False), (-MAX_MISORDER + 1, True)],
)
def test_a_jump_is_discarded_beyond_the_limits(ahead: int, accepted: bool) -> None:
    reception = Reception(90_000)
    first = reception.receive(30_000)
    assert reception.receive(30_000 + ahead) == (first + ahead if accepted else DISCARDED)


def test_two_in_a_row_after_a_jump_are_a_new_beginning() -> None:
    reception = Reception(90_000)
    reception.receive(10)
    assert reception.receive(40_000) == DISCARDED
    assert reception.restarts == 0
    assert reception.receive(40_001) > 0
    assert reception.restarts == 1
    assert reception.lost == 0


def test_the_fraction_is_of_the_last_interval_and_the_sum_of_all() -> None:
    reception = Reception(90_000)
    for n in range(100):
        if n % 4 != 1:
            reception.receive(n)
    first = reception.report()
    assert (first.fraction, first.cumulative, first.highest) == (64, 25, 99)
    for n in range(100, 200):
        reception.receive(n)
    second = reception.report()
    assert (second.fraction, second.cumulative, second.highest) == (0, 25, 199)


def test_duplicates_make_the_loss_negative_not_huge() -> None:
    reception = Reception(90_000)
    for n in (1, 2, 2, 2):
        reception.receive(n)
    report = reception.report()
    assert (report.fraction, report.cumulative) == (0, -2)


@pytest.mark.rfc("RFC 3550 A.8")
def test_jitter_follows_the_variation_of_transit_times() -> None:
    steady, uneven = Reception(90_000), Reception(90_000)
    for n in range(1000):
        steady.arrive(n * 3000, n / 30 + 0.05)
        uneven.arrive(n * 3000, n / 30 + (0.06 if n % 2 else 0.05))
    assert steady.jitter == 0
    assert uneven.jitter == pytest.approx(900, rel=0.02)  # 10 ms at 90 kHz


def test_a_timestamp_that_wraps_is_no_jitter() -> None:
    reception = Reception(90_000)
    for n in range(100):
        reception.arrive((0xFFFFFFFF - 50 * 3000 + n * 3000) & 0xFFFFFFFF, n / 30)
    assert reception.jitter == 0
