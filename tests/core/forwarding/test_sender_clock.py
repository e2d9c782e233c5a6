"""The difference between a sender's wall clock and ours."""

from __future__ import annotations

from labsfu.core.forwarding.sender_clock import WINDOW, SenderClock


def test_the_quickest_report_tells_best() -> None:
    assert SenderClock().offset is None
    clock = SenderClock()
    for sent, delay in ((1.0, 0.3), (2.0, 0.05), (3.0, 0.2)):
        clock.observe(sent, sent + 100 + delay)
    assert clock.offset is not None
    assert round(clock.offset, 6) == 100.05


def test_a_clock_that_is_set_is_followed_after_a_while() -> None:
    clock = SenderClock()
    clock.observe(1.0, 101.0)
    for n in range(WINDOW):
        clock.observe(2.0 + n, 202.0 + n)
    assert clock.offset == 200.0
