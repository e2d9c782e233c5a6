"""Which numbers are missing, and when they are asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.forwarding.nack_generator import ATTEMPTS, CAPACITY, FIRST_WAIT, MAX_AGE, MIN_WAIT, NackGenerator

pytestmark = pytest.mark.rfc("RFC 4585 6.2.1")

# Extended numbers: the first cycle is 65536; those before its end and its middle are where 16 bits would wrap.
STARTS = [65536, 65536 + 32766, 2 * 65536 - 6, 2 * 65536 - 1, 9 * 65536 - 3]

NEVER_AGAIN = 1e6


def take(nack: NackGenerator, number: int, now: float, key_frame: bool = False) -> bool:
    """Take in a packet as a caller on the hot path does."""
    repaired = False
    if number == nack.next_number:
        nack.next_number += 1
    else:
        repaired = nack.receive(number, now)
    if key_frame:
        nack.key_frame(number)
    return repaired


def begun(first: int) -> NackGenerator:
    nack = NackGenerator()
    nack.begin(first)
    return nack


def missing(nack: NackGenerator, numbers: range) -> list[int]:
    return [number for number in numbers if nack.misses(number)]


GAPS = [
    # after the first packet, 0: numbers, and what is asked for when each has come
    ("in order", [(1, []), (2, []), (3, [])]),
    ("in order, then old ones", [(1, []), (2, []), (-120, []), (-4, []), (3, [])]),
    ("one lost", [(2, [1]), (3, [])]),
    ("one lost, then nine", [(1, []), (3, [2]), (13, list(range(4, 13))), (14, []), (15, [])]),
    ("every other one lost", [(2, [1]), (4, [3]), (6, [5]), (8, [7])]),
    ("one, then three, then one", [(2, [1]), (6, [3, 4, 5]), (8, [7])]),
    ("a big jump, some of it late", [(299, list(range(1, 299))), (2, []), (3, []), (4, [])]),
    ("a duplicate of the newest", [(1, []), (1, []), (2, [])]),
    ("as many as are kept", [(CAPACITY + 1, list(range(1, CAPACITY + 1)))]),
]


@pytest.mark.parametrize("steps", [case[1] for case in GAPS], ids=[case[0] for case in GAPS])
@pytest.mark.parametrize("first", STARTS)
def test_a_gap_is_asked_for(first: int, steps: list[tuple[int, list[int]]]) -> None:
    nack = begun(first)
    came = {0}
    wanted: set[int] = set()
    now = 10.0
    for offset, expected in steps:
        take(nack, first + offset, now)
        now += FIRST_WAIT
        assert nack.due(now, NEVER_AGAIN) == tuple(first + n for n in expected)
        came.add(offset)
        wanted |= set(expected)
        assert {n for n in range(-200, 1500) if nack.misses(first + n)} == wanted - came
        assert not nack.take_overflow()


def test_the_first_packet_misses_nothing_whether_or_not_it_was_announced() -> None:
    nack = NackGenerator()
    assert nack.next_number == 0
    assert not nack.receive(65536 + 500, 10.0)
    assert nack.next_number == 65536 + 501
    assert nack.deadline() is None
    assert not nack.take_overflow()
    assert not nack.receive(65536 + 503, 10.0)
    assert missing(nack, range(65536, 65536 + 600)) == [65536 + 501, 65536 + 502]


def test_reordering_within_the_first_wait_is_never_asked_for_and_repairs_nothing() -> None:
    nack = begun(100)
    nack.receive(102, 10.0)
    assert nack.deadline() == 10.0 + FIRST_WAIT
    assert nack.due(10.0 + FIRST_WAIT - 0.001, 0.1) == ()
    assert nack.receive(101, 10.009) is False
    assert nack.deadline() is None
    assert nack.due(10.0 + FIRST_WAIT, 0.1) == ()


def test_what_was_asked_for_is_a_repair_once() -> None:
    nack = begun(100)
    nack.receive(103, 10.0)
    assert nack.due(10.0 + FIRST_WAIT, 0.1) == (101, 102)
    assert nack.receive(101, 10.1) is True
    assert nack.receive(101, 10.1) is False
    assert nack.due(10.0 + FIRST_WAIT + 0.1, 0.1) == (102,)


@pytest.mark.parametrize(
    ("round_trip", "wait"), [(0.0, MIN_WAIT), (0.020, MIN_WAIT), (0.1, 0.1), (0.35, 0.35)], ids=str
)
def test_it_is_asked_for_once_per_round_trip_and_given_up_after_the_last_attempt(
    round_trip: float, wait: float
) -> None:
    nack = begun(100)
    nack.receive(102, 10.0)
    asked_at = []
    for millisecond in range(5000):
        now = 10.0 + millisecond / 1000
        if nack.due(now, round_trip):
            asked_at.append(now)
            assert nack.misses(101)
    expected = [10.0 + FIRST_WAIT + n * wait for n in range(ATTEMPTS)]
    assert asked_at == pytest.approx(expected, abs=0.0011 * ATTEMPTS)
    assert not nack.misses(101)
    assert nack.deadline() is None


def test_an_answer_to_the_last_attempt_is_welcome() -> None:
    nack = begun(100)
    nack.receive(102, 10.0)
    for attempt in range(ATTEMPTS):
        assert nack.due(11.0 + attempt, 0.1) == (101,)
    assert nack.receive(101, 10.0 + ATTEMPTS + 0.9) is True


def test_the_deadline_is_that_of_the_earliest() -> None:
    nack = begun(100)
    nack.receive(102, 10.0)
    nack.receive(104, 10.004)
    assert nack.deadline() == 10.0 + FIRST_WAIT
    assert nack.due(10.010, 0.1) == (101,)
    assert nack.deadline() == 10.004 + FIRST_WAIT
    assert nack.due(10.004 + FIRST_WAIT, 0.1) == (103,)
    assert nack.deadline() == 10.010 + 0.1
    nack.receive(106, 10.02)
    assert nack.deadline() == 10.02 + FIRST_WAIT
    assert nack.due(10.2, 0.1) == (101, 103, 105)


# ---------------------------------------------------------------- a full list


@pytest.mark.parametrize("first", STARTS)
@pytest.mark.parametrize("jump", [CAPACITY + 2, 2999])
def test_without_a_key_frame_a_full_list_is_cleared_and_a_key_frame_wanted(first: int, jump: int) -> None:
    nack = begun(first)
    nack.receive(first + 2, 10.0)
    nack.receive(first + 2 + jump, 10.0)
    assert missing(nack, range(first, first + 4000)) == []
    assert nack.deadline() is None
    assert nack.take_overflow() is True
    assert nack.take_overflow() is False
    nack.receive(first + 4 + jump, 10.0)
    assert missing(nack, range(first, first + 4000)) == [first + 3 + jump]


def lossy(first: int, key_frames: tuple[int, ...] = (401, 802)) -> NackGenerator:
    """Missing: 400 numbers, a key frame, 400, a key frame, 150; the key frames are learned of in the order given."""
    nack = begun(first)
    for came in (401, 802, 953):
        take(nack, first + came, 10.0)
    for start in key_frames:
        nack.key_frame(first + start)
    return nack


@pytest.mark.parametrize("first", STARTS)
@pytest.mark.parametrize(
    ("more", "kept_from"),
    [(50, 0), (51, 401), (450, 401), (451, 802), (850, 802)],
)
@pytest.mark.parametrize("key_frames", [(401, 802), (802, 401), (401, *[802] * 100)], ids=["", "late", "repeated"])
def test_a_full_list_gives_up_what_is_before_the_oldest_key_frame_that_makes_room(
    first: int, more: int, kept_from: int, key_frames: tuple[int, ...]
) -> None:
    nack = lossy(first, key_frames)
    take(nack, first + 954 + more, 10.0)
    came = {0, 401, 802, 953}
    assert missing(nack, range(first, first + 3000)) == [
        first + n for n in range(kept_from, 954 + more) if n not in came
    ]
    assert not nack.take_overflow()


def test_key_frames_that_make_no_room_do_not_help() -> None:
    nack = lossy(65536)
    take(nack, 65536 + 954 + 851, 10.0)
    assert missing(nack, range(65536, 65536 + 3000)) == []
    assert nack.take_overflow()


def test_what_is_skipped_before_a_known_key_frame_may_be_given_up_too() -> None:
    nack = begun(65536)
    nack.key_frame(65536 + 2000)
    nack.receive(65536 + 2000, 10.0)
    assert missing(nack, range(65536, 65536 + 3000)) == []
    assert not nack.take_overflow()
    assert nack.next_number == 65536 + 2001


@pytest.mark.parametrize("first", STARTS)
def test_a_key_frame_that_comes_late_counts(first: int) -> None:
    nack = begun(first)
    take(nack, first + 901, 10.0)
    take(nack, first + 500, 10.0, key_frame=True)
    take(nack, first + 1300, 10.0)
    assert missing(nack, range(first, first + 2000)) == [
        n for n in range(first + 501, first + 1300) if n != first + 901
    ]


def test_a_key_frame_answers_an_overflow_unless_it_is_an_old_one() -> None:
    nack = begun(65536)
    take(nack, 65536 + 2000, 10.0)
    take(nack, 65536 + 1500, 10.0, key_frame=True)
    take(nack, 65536 + 2001, 10.0)
    assert nack.take_overflow()
    take(nack, 65536 + 4000, 10.0)
    take(nack, 65536 + 4001, 10.0, key_frame=True)
    assert not nack.take_overflow()


def test_key_frames_take_bounded_memory() -> None:
    nack = begun(65536)
    for number in range(65537, 65537 + 5000):
        take(nack, number, 10.0, key_frame=True)
        nack.key_frame(number)
    assert len(nack._key_frames) <= 64
    assert nack._key_frames[-1] == 65537 + 4999


@pytest.mark.parametrize("first", STARTS)
def test_what_is_too_old_is_given_up(first: int) -> None:
    nack = begun(first)
    nack.receive(first + 4, 10.0)
    nack.next_number = first + MAX_AGE + 1
    nack.receive(first + MAX_AGE + 2, 10.0)
    assert missing(nack, range(first, first + MAX_AGE + 10)) == [first + 2, first + 3, first + MAX_AGE + 1]


# ---------------------------------------------------------------- beginning anew


def test_after_a_reset_nothing_is_missing_and_what_was_skipped_is_not_either() -> None:
    nack = begun(100)
    nack.receive(102, 10.0)
    nack.receive(2000, 10.0)
    nack.reset()
    assert nack.deadline() is None
    assert not nack.take_overflow()
    assert nack.next_number == 2001
    nack.receive(1999, 11.0)
    nack.receive(2500, 11.0)
    assert missing(nack, range(3000)) == []
    nack.receive(2502, 11.0)
    assert missing(nack, range(3000)) == [2501]


def test_a_gap_after_packets_in_order_is_missed_though_a_reset_was_before_them() -> None:
    nack = begun(100)
    nack.reset()
    take(nack, 101, 10.0)
    take(nack, 103, 10.0)
    assert missing(nack, range(200)) == [102]


def test_numbers_that_begin_anew_forget_the_old_ones() -> None:
    nack = begun(65536 + 5000)
    nack.receive(65536 + 5002, 10.0)
    nack.key_frame(65536 + 5003)
    nack.begin(65536 + 7)
    assert nack.next_number == 65536 + 8
    assert nack.deadline() is None
    nack.receive(65536 + 10, 11.0)
    assert missing(nack, range(65536, 65536 + 6000)) == [65536 + 8, 65536 + 9]
    nack.receive(65536 + 2000, 11.0)
    assert nack.take_overflow()


def test_a_gap_is_missed_though_the_numbers_began_where_they_were() -> None:
    nack = begun(100)
    nack.begin(100)
    nack.receive(102, 10.0)
    assert nack.misses(101)


@given(st.sampled_from(STARTS), st.lists(st.integers(-30, 30), max_size=60))
def test_missing_is_what_lies_below_the_newest_and_has_not_come(first: int, moves: list[int]) -> None:
    nack = begun(first)
    came = {first}
    for move in moves:
        number = max(first + 1, max(came) + move)
        take(nack, number, 10.0)
        came.add(number)
        expected = [n for n in range(first, max(came)) if n not in came]
        assert missing(nack, range(first, max(came) + 5)) == expected
        assert nack.next_number == max(came) + 1
    assert nack.due(10.0 + FIRST_WAIT, 0.1) == tuple(n for n in range(first, max(came)) if n not in came)
