"""Sequence arithmetic at the edges of the number space."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.sequence import (
    Unwrapper16,
    Unwrapper32,
    distance16,
    distance32,
    is_newer16,
    is_newer32,
)

EDGES16 = [0, 1, 32767, 32768, 65534, 65535]
EDGES32 = [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]


@pytest.mark.rfc("RFC 3550 A.1")
@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (0, 1, -1),
        (0, 65535, 1),
        (65535, 0, -1),
        (1, 65534, 3),
        (65534, 1, -3),
        (32767, 0, 32767),
        (0, 32767, -32767),
        (32768, 0, -32768),
        (0, 32768, -32768),
        (32767, 65535, -32768),
        (100, 32869, 32767),
    ],
)
def test_distance_over_16_bits_goes_the_short_way_round(a: int, b: int, distance: int) -> None:
    assert distance16(a, b) == distance
    assert is_newer16(a, b) == (distance > 0)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [
        (0, 2**32 - 1, 1),
        (2**32 - 1, 0, -1),
        (2**31 - 1, 0, 2**31 - 1),
        (2**31, 0, -(2**31)),
        (0, 2**31, -(2**31)),
        (5, 2**32 - 5, 10),
    ],
)
def test_distance_over_32_bits_goes_the_short_way_round(a: int, b: int, distance: int) -> None:
    assert distance32(a, b) == distance
    assert is_newer32(a, b) == (distance > 0)


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_of_two_numbers_not_half_a_space_apart_exactly_one_is_newer(a: int, b: int) -> None:
    apart = (a - b) & 0xFFFF
    assert is_newer16(a, b) + is_newer16(b, a) == (0 if apart in (0, 32768) else 1)


@pytest.mark.parametrize("start", EDGES16)
def test_the_first_16_bit_value_comes_out_one_cycle_up(start: int) -> None:
    unwrapper = Unwrapper16()
    assert unwrapper.highest == -1
    assert unwrapper.unwrap(start) == 65536 + start == unwrapper.highest


@pytest.mark.rfc("RFC 3550 A.1")
@pytest.mark.parametrize("start", EDGES16)
def test_16_bit_numbers_reordered_around_the_wrap_keep_their_places(start: int) -> None:
    unwrapper = Unwrapper16()
    order = [0, -1, 1, -3, 2, 5, 3, 4, 6, 2]
    base = 65536 + start
    assert [unwrapper.unwrap((start + step) & 0xFFFF) for step in order] == [base + step for step in order]
    assert unwrapper.highest == base + 6


@pytest.mark.parametrize("start", EDGES16)
def test_extended_16_bit_numbers_are_never_negative_and_never_repeat_over_cycles(start: int) -> None:
    unwrapper = Unwrapper16()
    first = unwrapper.unwrap(start)
    assert unwrapper.unwrap((start - 32768) & 0xFFFF) == first - 32768 >= 0
    steps = [unwrapper.unwrap((start + 20000 * n) & 0xFFFF) for n in range(1, 12)]
    assert steps == [first + 20000 * n for n in range(1, 12)]


@pytest.mark.parametrize("start", EDGES32)
def test_32_bit_numbers_reordered_around_the_wrap_keep_their_places(start: int) -> None:
    unwrapper = Unwrapper32()
    assert unwrapper.highest == -1
    order = [0, -3000, 3000, 9000, 6000, -90000]
    base = 2**32 + start
    assert [unwrapper.unwrap((start + step) & 0xFFFFFFFF) for step in order] == [base + step for step in order]
    assert unwrapper.highest == base + 9000


@given(st.integers(0, 65535), st.lists(st.integers(-32767, 32767), max_size=50))
def test_unwrapping_recovers_any_line_whose_steps_stay_within_half_the_space(start: int, steps: list[int]) -> None:
    unwrapper = Unwrapper16()
    line = unwrapper.unwrap(start)
    highest = line
    for step in steps:
        line = max(0, highest + step)
        highest = max(highest, line)
        assert unwrapper.unwrap(line & 0xFFFF) == line
        assert unwrapper.highest == highest
