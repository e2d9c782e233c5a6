"""One continuous sequence out, whatever is left out of what comes in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.forwarding.sequence_map import DROPPED, HISTORY, SequenceMap

STARTS = [0, 1, 32767, 32768, 65534, 65535]


@pytest.mark.parametrize("first_output", STARTS)
@pytest.mark.parametrize("first_input", [65536 + start for start in STARTS])
def test_numbers_follow_on_from_the_first_output(first_output: int, first_input: int) -> None:
    numbers = SequenceMap(first_output)
    numbers.sync(first_input)
    assert [numbers.map(first_input + n) for n in range(4)] == [(first_output + n) & 0xFFFF for n in range(4)]


CASES = [
    # (input: a number to map, ("drop", n) or ("sync", n); expected outputs of the numbers to map)
    ("a loss stays a gap", [10, 11, 13], [0, 1, 3]),
    ("what is dropped leaves none", [10, ("drop", 11), 12], [0, 1]),
    ("two dropped", [10, ("drop", 11), ("drop", 12), 13], [0, 1]),
    ("dropped at the start", [10, ("drop", 11), ("drop", 13), 12, 14], [0, 1, 2]),
    ("late, before a drop", [10, 12, ("drop", 13), 14, 11], [0, 2, 3, 1]),
    ("late, after a drop", [10, ("drop", 11), 13, 12], [0, 2, 1]),
    ("the dropped one comes again", [10, ("drop", 11), 12, 11], [0, 1, DROPPED]),
    ("too late to be dropped: its gap stays", [10, 12, ("drop", 11), 13], [0, 2, 3]),
    ("a new sync follows on the highest", [10, 11, ("sync", 5000), 5000, 5001], [0, 1, 2, 3]),
    ("after a sync, what came before it is nobody's", [10, ("sync", 20), 20, 19, 21], [0, 1, DROPPED, 2]),
    ("a sync after a drop leaves no gap", [10, ("drop", 11), ("sync", 20), 20], [0, 1]),
]


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("first_output", [0, 65534])
def test_cases(steps: list[int | tuple[str, int]], expected: list[int], first_output: int) -> None:
    numbers = SequenceMap(first_output)
    numbers.sync(10)
    outputs = []
    for step in steps:
        if isinstance(step, int):
            outputs.append(numbers.map(step))
        elif step[0] == "drop":
            numbers.drop(step[1])
        else:
            numbers.sync(step[1])
    assert outputs == [e if e == DROPPED else (first_output + e) & 0xFFFF for e in expected]


def test_what_is_older_than_the_history_is_dropped() -> None:
    numbers = SequenceMap(0)
    numbers.sync(10)
    numbers.map(10)
    numbers.map(10 + HISTORY + 5)
    assert numbers.map(12) == DROPPED
    assert numbers.map(10 + HISTORY) == HISTORY


@given(st.lists(st.booleans(), min_size=1, max_size=4 * HISTORY))
def test_in_order_the_output_has_no_gap_whatever_is_dropped(keep: list[bool]) -> None:
    numbers = SequenceMap(65000)
    numbers.sync(100)
    outputs = []
    for offset, kept in enumerate(keep):
        if kept:
            outputs.append(numbers.map(100 + offset))
        else:
            numbers.drop(100 + offset)
    assert outputs == [(65000 + n) & 0xFFFF for n in range(len(outputs))]
    assert len(numbers._dropped) <= HISTORY + 1
