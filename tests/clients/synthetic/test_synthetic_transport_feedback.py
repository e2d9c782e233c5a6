"""Transport-wide feedback of synthetic ends, against published packets and the server's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.synthetic.arrivals import INTERVAL, Arrivals
from clients.synthetic.rtcp import parse_compound
from clients.synthetic.transport_cc import MAX_STATUSES, TransportFeedback
from labsfu.core.rtcp.compound import parse_compound as core_parse
from labsfu.core.rtcp.transport_cc import TransportFeedback as CoreFeedback
from labsfu.errors import Malformed

DRAFT = "draft-holmer-rmcat-transport-wide-cc-extensions-01"

# Published in the tests of pion/rtcp: packet, reference time, and ticks from one arrival to the next
PUBLISHED: list[tuple[str, int, tuple[int | None, ...]]] = [
    ("afcd0005 fa17fa17 43032fa0 00990001 3de80217 20019401", 4057090, (148,)),
    ("afcd0007 fa17fa17 193dd8bb 00040007 10636e01 20074c24 24100c0c 10000003", 1074030, (76, 36, 36, 16, 12, 12, 16)),
    (
        "afcd0007 fa17fa17 43032fa0 9c14000c 75842000 bec0c13f 3b3f5390 3b000003",
        7701536,
        (193, 63, 59, 63, 83, None, 144, 59, None, None, None, None),
    ),
]


def deltas(feedback: TransportFeedback) -> tuple[int | None, ...]:
    found: list[int | None] = []
    previous = feedback.reference * 256
    for at in feedback.ticks:
        found.append(None if at is None else at - previous)
        previous = previous if at is None else at
    return tuple(found)


@pytest.mark.rfc(f"{DRAFT} 3.1")
@pytest.mark.parametrize(("text", "reference", "expected"), PUBLISHED)
def test_published_packets_are_read(text: str, reference: int, expected: tuple[int | None, ...]) -> None:
    (feedback,) = parse_compound(bytes.fromhex(text))
    assert isinstance(feedback, TransportFeedback)
    assert feedback.reference == reference
    assert deltas(feedback) == expected


_TIMES = st.lists(st.one_of(st.none(), st.floats(0, 0.05), st.floats(0, 3)), min_size=1, max_size=60)


@pytest.mark.rfc(f"{DRAFT} 3.1")
@given(_TIMES, st.integers(0, 65_535), st.floats(0, 1e5))
def test_the_server_reads_what_arrived(steps: list[float | None], base: int, start: float) -> None:
    arrivals: list[float | None] = []
    now = start
    for step in steps:
        now += step or 0.0
        arrivals.append(None if step is None else now)
    feedback, covered = TransportFeedback.of_arrivals(1, 2, base, 300, arrivals)
    assert covered == len(arrivals)
    data = feedback.encode()
    assert len(data) % 4 == 0
    (theirs,) = core_parse(data)
    assert isinstance(theirs, CoreFeedback)
    assert theirs.feedback_count == 300 & 0xFF
    for (number, at), (index, expected) in zip(theirs.arrivals(), enumerate(arrivals), strict=True):
        assert number == (base + index) & 0xFFFF
        assert (at is None) == (expected is None)
        if at is not None and expected is not None:
            assert at == pytest.approx(expected, abs=0.0002)
    assert parse_compound(data) == [feedback]


@pytest.mark.rfc(f"{DRAFT} 3.1")
@given(st.lists(st.one_of(st.none(), st.integers(-300, 600)), min_size=1, max_size=200), st.integers(-100, 100))
def test_what_the_server_writes_is_read(steps: list[int | None], reference: int) -> None:
    theirs = CoreFeedback(1, 2, 65_530, 3, reference, tuple(steps))
    (feedback,) = parse_compound(theirs.encode())
    assert isinstance(feedback, TransportFeedback)
    assert deltas(feedback) == tuple(steps)
    assert feedback.arrivals() == theirs.arrivals()


def test_a_feedback_ends_before_a_pause_of_eight_seconds_and_after_400_packets() -> None:
    _, covered = TransportFeedback.of_arrivals(1, 2, 0, 0, [1.0, None, 1.1, 10.0])
    assert covered == 3
    feedback, covered = TransportFeedback.of_arrivals(1, 2, 0, 0, [n / 7 for n in range(1000)])
    assert covered == MAX_STATUSES
    assert len(feedback.encode()) <= 1200


@pytest.mark.parametrize(
    "text",
    [
        "8fcd0004 00000001 00000002 00000001 00000000",
        "8fcd0005 00000001 00000002 00000009 00000000 20090000",
        "8fcd0005 00000001 00000002 00000001 00000000 60010000",
    ],
    ids=["no chunk", "too few deltas", "reserved symbol"],
)
def test_feedback_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="rtcp-bad-transport-cc"):
        parse_compound(bytes.fromhex(text))


def test_arrivals_are_told_after_100_ms_with_the_holes_between_them() -> None:
    log = Arrivals(9)
    log.note(65_534, 7, 5.0)
    assert log.feedback(5.05) == []
    log.note(1, 7, 5.06)
    assert log.due == 5.0 + INTERVAL
    (feedback,) = log.feedback(5.1)
    assert (feedback.sender, feedback.media, feedback.base) == (9, 7, 65_534)
    assert feedback.arrivals() == [(65_534, 5.0), (65_535, None), (0, None), (1, 5.06)]
    assert log.due == float("inf")


def test_a_hole_between_two_feedbacks_is_told_and_a_late_packet_by_itself() -> None:
    log = Arrivals(9)
    log.note(10, 7, 5.0)
    log.feedback(5.1)
    log.note(13, 7, 5.2)
    (second,) = log.feedback(5.3)
    assert second.arrivals() == [(11, None), (12, None), (13, 5.2)]
    log.note(12, 7, 5.4)
    log.note(14, 7, 5.4)
    late, third = log.feedback(5.5)
    assert late.arrivals() == [(12, 5.4)]
    assert third.arrivals() == [(14, 5.4)]
    assert [second.count, late.count, third.count] == [1, 2, 3]
