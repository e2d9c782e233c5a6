"""One continuous sequence out, whatever is left out of what comes in."""

from __future__ import annotations

import copy

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
    ("dropped out of order", [10, ("drop", 12), ("drop", 11), 13], [0, 1]),
    ("dropped out of order around a lost one", [10, ("drop", 14), ("drop", 12), 15, 13, 11], [0, 3, 2, 1]),
    ("dropped twice", [10, ("drop", 12), ("drop", 12), 13], [0, 2]),
    ("a late one is not overtaken by a sync", [10, ("drop", 12), 11, ("sync", 20), 20], [0, 1, 2]),
    ("behind a late one there is no room", [10, ("drop", 13), 12, ("drop", 11), 14], [0, 2, 3]),
]


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("first_output", [0, 65534])
def test_cases(steps: list[int | tuple[str, int]], expected: list[int], first_output: int) -> None:
    outputs = follow(SequenceMap(first_output), steps)
    assert outputs == [e if e == DROPPED else (first_output + e) & 0xFFFF for e in expected]


def follow(numbers: SequenceMap, steps: list[int | tuple[str, int]]) -> list[int]:
    """Let 10 be the first number, then take the steps; the outputs of the numbers to map."""
    numbers.sync(10)
    outputs = []
    for step in steps:
        if isinstance(step, int):
            outputs.append(numbers.map(step))
        elif step[0] == "drop":
            numbers.drop(step[1])
        else:
            numbers.sync(step[1])
    return outputs


DROPS = [
    ("ahead of all", [10], 11, True),
    ("ahead of a gap", [10], 15, True),
    ("behind one that was sent", [10, 12], 11, False),
    ("behind one that was dropped", [10, ("drop", 12)], 11, True),
    ("behind one that was sent late", [10, ("drop", 13), 12], 11, False),
    ("sent already", [10, 11], 11, False),
    ("before the sync", [10], 9, False),
    ("dropped already", [10, ("drop", 11)], 11, False),
]


@pytest.mark.parametrize(("steps", "number", "left_out"), [case[1:] for case in DROPS], ids=[case[0] for case in DROPS])
@pytest.mark.parametrize("first_output", [0, 65534])
def test_drop_tells_whether_the_number_is_left_out(
    steps: list[int | tuple[str, int]], number: int, left_out: bool, first_output: int
) -> None:
    numbers = SequenceMap(first_output)
    follow(numbers, steps)
    assert numbers.drop(number) is left_out


UNMAPS = [
    # (steps; what the outputs from two before the first one on stand for, . for none)
    ("in order", [10, 11, 12], ". . 10 11 12 . ."),
    ("a lost one may come late", [10, 11, 13], ". . 10 11 12 13 . ."),
    ("a dropped one has no output", [10, ("drop", 11), 12], ". . 10 12 . ."),
    ("several dropped", [10, ("drop", 11), ("drop", 12), 13, ("drop", 14), 15, 16], ". . 10 13 15 16 . ."),
    ("dropped around a lost one", [10, ("drop", 11), ("drop", 13), 14], ". . 10 12 14 . ."),
    ("late, after a drop", [10, ("drop", 11), 13, 12], ". . 10 12 13 . ."),
    ("the first one dropped", [("drop", 10), 11], ". . 11 . ."),
    ("all dropped", [("drop", 10), ("drop", 11)], ". . . ."),
    ("dropped at the end", [10, ("drop", 11), ("drop", 12)], ". . 10 . ."),
    ("sent late, before a drop", [10, ("drop", 12), 11], ". . 10 11 . ."),
    ("dropped out of order", [10, ("drop", 12), ("drop", 11), 13], ". . 10 13 . ."),
    ("too late to be dropped: its hole may be filled", [10, 12, ("drop", 11), 13], ". . 10 11 12 13 . ."),
    ("before a new sync", [10, 11, ("sync", 5000), 5000], ". . . . 5000 . ."),
    ("synced anew, nothing sent", [10, 11, ("sync", 5000)], ". . . . . . ."),
    ("synced anew after a drop", [10, ("drop", 11), 12, ("sync", 11), 11, 12], ". . . . 11 12 . ."),
]


@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in UNMAPS], ids=[case[0] for case in UNMAPS])
@pytest.mark.parametrize("first_output", [0, 1, 2, 32767, 65533, 65534, 65535])
def test_unmap(steps: list[int | tuple[str, int]], expected: str, first_output: int) -> None:
    numbers = SequenceMap(first_output)
    follow(numbers, steps)
    numbers_out = [numbers.unmap((first_output - 2 + n) & 0xFFFF) for n in range(len(expected.split()))]
    assert numbers_out == [DROPPED if e == "." else int(e) for e in expected.split()]


@pytest.mark.parametrize(("first_input", "first_output"), [(65536, 65000), (65536 + 65530, 0), (3 * 65536 - 1, 65535)])
def test_unmap_knows_as_much_as_the_history(first_input: int, first_output: int) -> None:
    numbers = SequenceMap(first_output)
    numbers.sync(first_input)
    outputs = [numbers.map(first_input + n) for n in range(70_000)]
    last = outputs[-HISTORY:]
    end = first_input + 70_000
    assert [numbers.unmap(output) for output in last] == list(range(end - HISTORY, end))
    assert {numbers.unmap(output) for output in set(range(65536)) - set(last)} == {DROPPED}


def test_unmap_knows_nothing_before_a_sync_and_after_an_unsync() -> None:
    numbers = SequenceMap(0)
    assert {numbers.unmap(output) for output in range(65536)} == {DROPPED}
    follow(numbers, [10, 11])
    numbers.unsync()
    assert {numbers.unmap(output) for output in range(65536)} == {DROPPED}


def test_unmap_of_what_was_never_reached_is_none_however_much_was_dropped() -> None:
    numbers = SequenceMap(100)
    numbers.sync(10)
    numbers.map(10)
    for number in range(11, 11 + 2 * HISTORY):
        numbers.drop(number)
    numbers.map(11 + 2 * HISTORY)
    assert {output: numbers.unmap(output) for output in range(65536) if numbers.unmap(output) != DROPPED} == {
        101: 11 + 2 * HISTORY
    }
    assert len(numbers._dropped) <= HISTORY + 1


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


STEPS = st.one_of(
    st.tuples(st.just("map"), st.integers(-40, 4)),
    st.tuples(st.just("map"), st.integers(-HISTORY - 10, 700)),
    st.tuples(st.just("drop"), st.integers(-40, 4)),
    st.tuples(st.just("drop"), st.integers(-HISTORY - 10, 700)),
    st.tuples(st.just("sync"), st.integers(-5000, 5000)),
)


class Told:
    """What a map was told and has answered since its last `sync`: nothing of how it works."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.highest = first - 1
        self.sent: dict[int, int] = {}
        self.left_out: set[int] = set()

    def remembers(self, number: int) -> bool:
        return number > self.highest - HISTORY and number >= self.first


@given(st.sampled_from(STARTS), st.sampled_from(STARTS), st.lists(STEPS, max_size=80))
def test_unmap_undoes_map_and_never_finds_what_was_dropped(
    first_output: int, first_input: int, steps: list[tuple[str, int]]
) -> None:
    numbers = SequenceMap(first_output)
    told = Told(65536 + first_input)
    numbers.sync(told.first)
    outputs: list[int] = []
    for step, move in steps:
        number = max(1, told.highest + move)
        if step == "sync":
            told = Told(number)
            numbers.sync(number)
        elif step == "drop":
            if numbers.drop(number):
                assert number not in told.sent
                told.left_out.add(number)
            told.highest = max(told.highest, number)
        else:
            output = numbers.map(number)
            assert (output == DROPPED) == (
                number in told.left_out or (number <= told.highest and not told.remembers(number))
            )
            told.highest = max(told.highest, number)
            if output != DROPPED:
                if told.sent.setdefault(number, output) is output:
                    outputs.append(output)
                assert told.sent[number] == output
        for number, output in told.sent.items():
            assert numbers.unmap(output) == (number if told.remembers(number) else DROPPED)
    assert_all_outputs_stand_for_what_may_be_sent(numbers, told, outputs[-1] if outputs else first_output)


def assert_all_outputs_stand_for_what_may_be_sent(numbers: SequenceMap, told: Told, near: int) -> None:
    for output in [*range(near - HISTORY - 50, near + HISTORY + 50), *range(0, 65536, 97)]:
        number = numbers.unmap(output & 0xFFFF)
        if number != DROPPED:
            assert told.remembers(number)
            assert number <= told.highest
            assert number not in told.left_out
            assert copy.copy(numbers).map(number) == output & 0xFFFF
