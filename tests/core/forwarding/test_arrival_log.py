"""What a transport's sender is told of the arrival of its packets, and when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labsfu.core.forwarding.arrival_log import (
    INTERVAL,
    LOSS_HISTORY,
    MAX_LATE,
    MAX_OCTETS,
    MAX_SPAN,
    WINDOW,
    ArrivalLog,
)
from labsfu.core.rtcp.transport_cc import TransportFeedback

DRAFT = "draft-holmer-rmcat-transport-wide-cc-extensions-01"
STARTS = [0, 1, 32767, 32768, 65530, 65534, 65535]
SENDER, MEDIA = 0x01020304, 0x0A0B0C0D

# A step is (number from the start, seconds); a report is {number from the start: seconds or None}.
Step = tuple[int, float]
Report = dict[int, float | None]


def told(log: ArrivalLog, steps: list[Step], start: int) -> list[Report]:
    """What is reported while packets arrive as in `steps`, with the timer served as it falls due; then the rest."""
    reports: list[Report] = []

    def serve(now: float) -> None:
        deadline = log.deadline()
        if deadline is not None and deadline <= now:
            reports.extend(read(feedback, start) for feedback in log.due(deadline))

    for number, now in steps:
        serve(now)
        timed = log.deadline() is not None
        assert log.receive((start + number) & 0xFFFF, MEDIA, now) == (not timed and log.deadline() is not None)
    serve(1e6)
    assert log.deadline() is None
    return reports


def read(feedback: TransportFeedback, start: int) -> Report:
    return {
        (sequence - start + 0x8000 & 0xFFFF) - 0x8000: None if arrival is None else round(arrival, 3)
        for sequence, arrival in feedback.arrivals()
    }


CASES: list[tuple[str, list[Step], list[Report]]] = [
    ("in order", [(0, 1.0), (1, 1.01), (2, 1.02)], [{0: 1.0, 1: 1.01, 2: 1.02}]),
    ("a lost one", [(0, 1.0), (2, 1.02)], [{0: 1.0, 1: None, 2: 1.02}]),
    ("overtaken in the interval", [(0, 1.0), (2, 1.01), (1, 1.02)], [{0: 1.0, 1: 1.02, 2: 1.01}]),
    ("overtaken at the start", [(3, 1.0), (1, 1.01)], [{1: 1.01, 2: None, 3: 1.0}]),
    ("a duplicate keeps its first arrival", [(0, 1.0), (1, 1.01), (0, 1.02), (1, 1.03)], [{0: 1.0, 1: 1.01}]),
    ("an interval each", [(0, 1.0), (1, 1.09), (2, 1.2), (3, 1.25)], [{0: 1.0, 1: 1.09}, {2: 1.2, 3: 1.25}]),
    ("lost between two intervals", [(0, 1.0), (2, 1.2)], [{0: 1.0}, {1: None, 2: 1.2}]),
    ("silence costs nothing", [(0, 1.0), (1, 60.0)], [{0: 1.0}, {1: 60.0}]),
    (
        "one reported missing is reported again, with all after it",
        [(0, 1.0), (1, 1.01), (3, 1.02), (2, 1.2), (4, 1.21)],
        [{0: 1.0, 1: 1.01, 2: None, 3: 1.02}, {2: 1.2, 3: 1.02, 4: 1.21}],
    ),
    ("overtaken by the first feedback", [(1, 1.0), (0, 1.2)], [{1: 1.0}, {0: 1.2, 1: 1.0}]),
    ("a duplicate of a reported one is not news", [(0, 1.0), (0, 1.2)], [{0: 1.0}]),
    (
        "late, but within the window of the one after it",
        [(0, 1.0), (2, 1.0), (1, 1.0 + WINDOW - 0.01)],
        [{0: 1.0, 1: None, 2: 1.0}, {1: 1.49, 2: 1.0}],
    ),
    ("later than the window", [(0, 1.0), (2, 1.0), (1, 1.0 + WINDOW)], [{0: 1.0, 1: None, 2: 1.0}]),
    (
        "a hole before a recent one can still be filled",
        [(0, 1.0), (2, 1.4), (1, 1.6)],
        [{0: 1.0}, {1: None, 2: 1.4}, {1: 1.6, 2: 1.4}],
    ),
    (
        "forgotten ones do not come back, new ones do",
        [(0, 1.0), (2, 1.0), (1, 3.0), (3, 3.1), (4, 3.15)],
        [{0: 1.0, 1: None, 2: 1.0}, {3: 3.1, 4: 3.15}],
    ),
    ("a jump ahead begins anew", [(0, 1.0), (MAX_SPAN, 1.05), (MAX_SPAN + 1, 1.06)], [{8192: 1.05, 8193: 1.06}]),
    ("a smaller one is loss", [(0, 1.0), (5, 1.05)], [{0: 1.0, 1: None, 2: None, 3: None, 4: None, 5: 1.05}]),
    ("a jump back begins anew", [(0, 1.0), (-MAX_LATE, 1.2)], [{0: 1.0}, {-MAX_LATE: 1.2}]),
    (
        "a smaller one is late",
        [(0, 1.0), (1 - MAX_LATE, 1.2)],
        [{0: 1.0}, {1 - MAX_LATE: 1.2, **dict.fromkeys(range(2 - MAX_LATE, 0)), 0: 1.0}],
    ),
    ("to the other side of the numbers", [(0, 1.0), (0x8000, 1.2)], [{0: 1.0}, {-0x8000: 1.2}]),
]


@pytest.mark.rfc(f"{DRAFT} 3")
@pytest.mark.parametrize(("steps", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("start", STARTS)
def test_cases(steps: list[Step], expected: list[Report], start: int) -> None:
    assert told(ArrivalLog(SENDER), steps, start) == expected


@pytest.mark.rfc(f"{DRAFT} 3.1")
def test_a_feedback_has_the_octets_of_the_draft() -> None:
    """Worked out by hand: 1.0 s is 4000 ticks, 15 * 256 + 160; statuses small, small, none, large."""
    log = ArrivalLog(SENDER)
    for sequence, now in ((65534, 1.0), (65535, 1.002), (1, 1.066)):
        log.receive(sequence, MEDIA, now)
    (feedback,) = log.due(1.1)
    expected = "afcd0006 01020304 0a0b0c0d fffe0004 00000f00 d480a008 01000002"
    assert feedback.encode() == bytes.fromhex(expected)


def test_the_timer_starts_with_the_first_packet_after_a_feedback() -> None:
    log = ArrivalLog(SENDER)
    assert log.deadline() is None
    assert log.due(5.0) == []
    assert log.receive(7, MEDIA, 5.0)
    assert log.deadline() == 5.0 + INTERVAL
    assert not log.receive(8, MEDIA, 5.05)
    assert log.due(5.09) == []
    assert len(log.due(5.0 + INTERVAL)) == 1
    assert log.deadline() is None
    assert not log.receive(8, MEDIA, 5.2), "a duplicate is nothing to report"
    assert log.deadline() is None
    assert log.receive(9, MEDIA, 5.3)


def test_feedback_is_counted_over_the_wrap_and_names_the_last_media_sender() -> None:
    log = ArrivalLog(SENDER)
    counts = []
    for n in range(258):
        log.receive(n, MEDIA + n, n * 1.0)
        (feedback,) = log.due(n + INTERVAL)
        counts.append(feedback.feedback_count)
        assert (feedback.sender_ssrc, feedback.media_ssrc) == (SENDER, MEDIA + n)
    assert counts == [*range(256), 0, 1]


def test_losses_weigh_the_more_the_newer_they_are_and_are_forgotten_in_the_end() -> None:
    log = ArrivalLog(SENDER)
    assert log.fraction_lost == 0.0
    log.receive(0, MEDIA, 0.0)
    log.receive(3, MEDIA, 0.0)
    log.due(1.0)
    assert log.fraction_lost == 0.5
    log.receive(4, MEDIA, 1.0)
    log.due(2.0)
    assert log.fraction_lost == pytest.approx(0.5 * 1 / 3)
    for n in range(LOSS_HISTORY - 1):
        log.receive(5 + n, MEDIA, 2.0 + n)
        log.due(3.0 + n)
    assert log.fraction_lost == 0.0


PATTERNS = {
    "everything": [True] * 3000,
    "every second": [n % 2 == 0 for n in range(6001)],
    "every third": [n % 3 == 0 for n in range(6001)],
    "a long gap": [*[True] * 700, *[False] * 6000, *[True] * 700],
    "gaps that a feedback does not remember as runs": [n % 29 == 0 for n in range(7541)],
    "a gap first": [True, *[False] * 5000, *[True] * 2000],
}


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
@pytest.mark.parametrize("spread", [1e-6, 0.09], ids=["small deltas", "large deltas"])
def test_what_one_packet_cannot_hold_is_told_in_several(pattern: list[bool], spread: float) -> None:
    """With a big `spread` every other packet comes that much later, so that deltas take two octets."""
    log = ArrivalLog(SENDER)
    arrivals = {60000 + n: 100.0 + n % 2 * spread for n, arrived in enumerate(pattern) if arrived}
    for number, now in arrivals.items():
        log.receive(number & 0xFFFF, MEDIA, now)
    feedbacks = log.due(200.0)
    assert max(len(feedback.encode()) for feedback in feedbacks) <= MAX_OCTETS
    assert [feedback.feedback_count for feedback in feedbacks] == list(range(len(feedbacks)))
    results = [result for feedback in feedbacks for result in feedback.arrivals()]
    assert [sequence for sequence, _ in results] == [60000 + n & 0xFFFF for n in range(len(pattern))]
    for (_, arrival), number in zip(results, range(60000, 60000 + len(pattern)), strict=True):
        expected = arrivals.get(number)
        assert arrival == (None if expected is None else pytest.approx(expected, abs=0.0002))
    assert len(feedbacks) <= 3 + len(arrivals) // 400
    assert all(feedback.deltas[-1] is not None for feedback in feedbacks)


def test_a_pause_that_no_delta_can_hold_parts_a_feedback() -> None:
    log = ArrivalLog(SENDER)
    log.receive(65535, MEDIA, 1.0)
    log.receive(0, MEDIA, 11.0)
    assert [read(feedback, 65535) for feedback in log.due(11.0)] == [{0: 1.0}, {1: 11.0}]


def test_nobody_can_make_it_remember_much() -> None:
    log = ArrivalLog(SENDER)
    sequence = 0
    for n in range(300):
        now = n * 0.01
        sequence = (sequence + 8000) & 0xFFFF
        log.receive(sequence, MEDIA, now)
        log.receive((sequence - 2900) & 0xFFFF, MEDIA, now)
        assert sum(len(feedback.deltas) for feedback in log.due(now)) <= MAX_SPAN
        assert len(log._arrivals) <= MAX_SPAN


@given(
    st.lists(st.tuples(st.integers(-6, 8), st.integers(1, 60)), max_size=120),
    st.sampled_from(STARTS),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_each_packet_that_came_is_told_and_never_taken_back(moves: list[tuple[int, int]], start: int) -> None:
    """Numbers wander: steps of -6..8 every 1..60 ms, so late ones, duplicates and losses mix."""
    log = ArrivalLog(SENDER)
    arrivals: dict[int, list[float]] = {}
    owed: dict[int, float] = {}
    steps: list[Step] = []
    now = 10.0
    for step, milliseconds in moves:
        number = max(arrivals, default=0) + step
        now = round(now + milliseconds / 1000, 3)
        steps.append((number, now))
        overtaken_at = min((times[0] for other, times in arrivals.items() if other > number), default=now)
        if number not in arrivals and now - overtaken_at < WINDOW:
            owed[number] = now
        arrivals.setdefault(number, []).append(now)
    latest: Report = {}
    for report in told(log, steps, start):
        for reported, arrival in report.items():
            assert latest.get(reported) in {None, arrival}, "what was told stays true"
            assert arrival is None or arrival in arrivals[reported]
            latest[reported] = arrival
    assert {number: latest[number] for number in owed} == owed
    assert sorted(latest) == list(range(min(latest, default=0), max(latest, default=-1) + 1)), "none is passed over"
