"""The packets from which lost ones are sent again."""

from __future__ import annotations

import pytest

from labsfu.core.forwarding.packet_history import CAPACITY, PacketHistory

MAX_AGE = 2.0
STARTS = [65536, 65536 + 32766, 2 * 65536 - 3, 2 * 65536 - 1, 9 * 65536 - 2]


def packet(number: int) -> bytes:
    return b"packet %d" % number


def filled(first: int, offsets: list[int], now: float = 10.0) -> PacketHistory:
    history = PacketHistory(MAX_AGE)
    for offset in offsets:
        history.store(first + offset, packet(first + offset), now)
    return history


def found(history: PacketHistory, first: int, offsets: range, now: float = 10.0) -> list[int]:
    there = []
    for offset in offsets:
        kept = history.find(first + offset, now)
        if kept is not None:
            assert kept == packet(first + offset)
            there.append(offset)
    return there


ORDERS = [
    ("in order", [1, 2, 3, 4], [1, 2, 3, 4]),
    ("out of order", [4, 1, 3, 2], [1, 2, 3, 4]),
    ("with blanks", [2, 4, 2, 8, 6, 0], [0, 2, 4, 6, 8]),
    ("a jump keeps what came before it", [1, 2, 3, 2990], [1, 2, 3, 2990]),
    ("the oldest late one", [CAPACITY, 1], [1, CAPACITY]),
    ("too old", [CAPACITY, 0, 1], [1, CAPACITY]),
    ("old again and again", [9 + CAPACITY, 9, 8, 9, 10], [10, 9 + CAPACITY]),
]


@pytest.mark.parametrize(("stored", "kept"), [case[1:] for case in ORDERS], ids=[case[0] for case in ORDERS])
@pytest.mark.parametrize("first", STARTS)
def test_what_was_stored_is_found(first: int, stored: list[int], kept: list[int]) -> None:
    assert found(filled(first, stored), first, range(-5, 3000)) == kept


def test_a_duplicate_changes_nothing() -> None:
    history = filled(65536, [0, 1])
    history.store(65536, b"another", 11.9)
    history.store(65537, b"another", 11.9)
    assert history.find(65536, 11.9) == packet(65536)
    assert found(history, 65536, range(2), 12.1) == []


@pytest.mark.parametrize("max_age", [1.0, 2.0])
def test_a_packet_is_found_for_as_long_as_was_said(max_age: float) -> None:
    history = PacketHistory(max_age)
    history.store(65536, b"first", 10.0)
    assert history.find(65536, 10.0 + max_age) == b"first"
    assert history.find(65536, 10.001 + max_age) is None


@pytest.mark.parametrize("first", STARTS)
def test_packets_are_let_go_by_age(first: int) -> None:
    history = PacketHistory(MAX_AGE)
    for offset in range(2000):
        history.store(first + offset, packet(first + offset), 10.0 + offset / 100)
        assert len(history._by_number) <= 201
        assert len(history._arrivals) == len(history._by_number)
    now = 10.0 + 1999 / 100
    assert found(history, first, range(2000), now)[-200:] == list(range(1800, 2000))


def test_packets_are_let_go_by_number_of_them() -> None:
    history = filled(65536, list(range(3 * CAPACITY)))
    assert found(history, 65536, range(3 * CAPACITY)) == list(range(2 * CAPACITY, 3 * CAPACITY))
    assert len(history._arrivals) == len(history._by_number) == CAPACITY


def test_all_that_is_too_old_is_let_go_at_once() -> None:
    history = filled(65536, list(range(1000)))
    history.store(66536, packet(66536), 60.0)
    assert list(history._by_number) == [66536]
    assert len(history._arrivals) == 1


def test_one_that_came_late_stays_its_full_time() -> None:
    history = filled(65536, [0, 1, 3, 4])
    history.store(65538, packet(65538), 11.5)
    history.store(65541, packet(65541), 12.5)
    assert found(history, 65536, range(6), 12.5) == [2, 5]
    assert found(history, 65536, range(6), 13.4) == [2, 5]


def test_one_lost_after_a_long_silence_may_still_come() -> None:
    history = filled(65536, [0])
    history.store(65538, packet(65538), 60.0)
    history.store(65537, packet(65537), 60.1)
    assert found(history, 65536, range(3), 60.2) == [1, 2]


def test_clear_forgets_the_packets_and_how_high_the_numbers_were() -> None:
    history = filled(65536 + 40000, [0, 1])
    history.clear()
    assert found(history, 65536 + 40000, range(2)) == []
    history.store(65536, packet(65536), 10.0)
    assert found(history, 65536, range(2)) == [0]
