"""How often, and how much, a consumer may be sent again."""

from __future__ import annotations

import pytest

from labsfu.core.forwarding.resends import (
    BURST,
    CAPACITY,
    DEFAULT_ROUND_TRIP,
    MEMORY,
    PATIENCE,
    RESEND_BUDGET_SPENT,
    RESENT_JUST_NOW,
    Resends,
)

pytestmark = pytest.mark.rfc("RFC 4585 6.2.1")

PLENTY = 10 * BURST


@pytest.mark.parametrize(
    ("round_trip", "measured"), [(0.05, 0.05), (0.25, 0.25), (None, DEFAULT_ROUND_TRIP), (0.0, 0.0)], ids=str
)
def test_a_packet_is_sent_again_once_per_round_trip(round_trip: float | None, measured: float) -> None:
    wait = PATIENCE * measured
    resends = Resends()
    assert resends.allow(65535, 1200, PLENTY, round_trip, 10.0) is None
    assert resends.allow(65535, 1200, PLENTY, round_trip, 10.0) == RESENT_JUST_NOW
    assert resends.allow(65535, 1200, PLENTY, round_trip, 9.999 + wait) == RESENT_JUST_NOW
    assert resends.allow(65536, 1200, PLENTY, round_trip, 10.0) is None
    assert resends.allow(65535, 1200, PLENTY, round_trip, 10.001 + wait) is None
    assert resends.allow(65535, 1200, PLENTY, round_trip, 10.001 + wait) == RESENT_JUST_NOW


def test_what_just_went_out_late_is_not_sent_again_at_once() -> None:
    resends = Resends()
    resends.sent(7, 10.0)
    assert resends.allow(7, 1200, PLENTY, 0.1, 10.07) == RESENT_JUST_NOW
    assert resends.allow(7, 1200, PLENTY, 0.1, 10.08) is None


def test_a_storm_of_requests_is_answered_once_per_round_trip() -> None:
    resends = Resends()
    answered = [
        number
        for millisecond in range(500)
        for number in range(65530, 65540)
        if resends.allow(number, 100, PLENTY, 0.0995 / PATIENCE, 10.0 + millisecond / 1000) is None
    ]
    assert answered == 5 * list(range(65530, 65540))


def after_its_first_burst() -> Resends:
    resends = Resends()
    assert resends.allow(-1, BURST, 0, 0.1, 0.0) is None
    return resends


def test_a_burst_is_there_before_anything_was_sent() -> None:
    assert Resends().allow(7, BURST + 1, 0, 0.1, 10.0) == RESEND_BUDGET_SPENT
    assert after_its_first_burst().allow(7, 1, 0, 0.1, 10.0) == RESEND_BUDGET_SPENT


BUDGETS = [
    # (octets sent so far, octets to send again, whether they may be)
    ("nothing was sent", [(0, 1, False)]),
    ("no more than was sent", [(1000, 600, True), (1000, 400, True), (1000, 1, False)]),
    ("more is earned by sending", [(1000, 1000, True), (1000, 500, False), (1500, 500, True), (1500, 1, False)]),
    ("what is refused costs nothing", [(1000, 1001, False), (1000, 1000, True)]),
    ("no more than a burst is saved", [(100 * BURST, BURST + 1, False), (100 * BURST, BURST, True)]),
    ("a burst is not saved twice", [(BURST, 1000, True), (BURST + 10, 0, True), (BURST + 10, BURST - 989, False)]),
    ("a count that went back earns nothing", [(1000, 1000, True), (0, 1, False), (1, 1, True), (1, 1, False)]),
]


@pytest.mark.parametrize("steps", [case[1] for case in BUDGETS], ids=[case[0] for case in BUDGETS])
def test_budget(steps: list[tuple[int, int, bool]]) -> None:
    resends = after_its_first_burst()
    for number, (sent, octets, allowed) in enumerate(steps):
        expected = None if allowed else RESEND_BUDGET_SPENT
        assert resends.allow(number, octets, sent, 0.1, 10.0) == expected


def test_what_was_refused_for_the_budget_was_not_sent() -> None:
    resends = after_its_first_burst()
    assert resends.allow(7, 1000, 500, 0.1, 10.0) == RESEND_BUDGET_SPENT
    assert resends.allow(7, 1000, 1000, 0.1, 10.01) is None


def test_what_was_resent_just_now_costs_nothing() -> None:
    resends = after_its_first_burst()
    assert resends.allow(7, 500, 1000, 0.1, 10.0) is None
    assert resends.allow(7, 500, 1000, 0.1, 10.0) == RESENT_JUST_NOW
    assert resends.allow(8, 500, 1000, 0.1, 10.0) is None


def test_sending_again_and_again_for_hours_never_exceeds_what_was_sent() -> None:
    resends = after_its_first_burst()
    resent = 0
    for step in range(1, 20_000):
        for number in range(step, step + 3):
            if resends.allow(number, 1200, step * 1000, 0.0, float(step)) is None:
                resent += 1200
        assert resent <= step * 1000
    assert resent > 0.99 * 20_000 * 1000


def test_memory_is_bounded_in_time_and_in_number() -> None:
    resends = after_its_first_burst()
    for number in range(1000):
        resends.allow(number, 1, PLENTY, 0.1, 10.0)
    resends.allow(0, 1, PLENTY, 0.1, 15.0)
    resends.allow(1000, 1, PLENTY, 0.1, 10.001 + MEMORY)
    assert list(resends._resent) == [0, 1000]
    for number in range(2 * CAPACITY):
        resends.allow(number, 1, PLENTY, 0.1, 30.0)
    assert len(resends._resent) == CAPACITY
