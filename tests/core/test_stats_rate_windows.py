"""Rates are what a counter gained in a window, by the time that really went by."""

from __future__ import annotations

import pytest

from labsfu.core.forwarding.rate_window import INTERVAL, RateWindow


def fed(span: float, seconds: float, bytes_per_second: float) -> tuple[RateWindow, float, int]:
    """A window of a counter that begins at 100 s: the window, the time and the count at the last look."""
    window = RateWindow(span)
    window.begin(100.0, 0)
    now, looks = 100.0, round(seconds / INTERVAL)
    for look in range(1, looks + 1):
        now = 100.0 + look * INTERVAL
        window.keep(now, round((now - 100) * bytes_per_second))
    return window, now, round((now - 100) * bytes_per_second)


@pytest.mark.parametrize("span", [1.0, 2.5])
@pytest.mark.parametrize("age", [0.5, 1.0, 2.0, 2.5, 3.0, 60.0])
def test_a_constant_stream_has_its_rate_however_young_it_is(span: float, age: float) -> None:
    window, now, count = fed(span, age, 1000)
    assert window.rate(now, count) == 8000


def test_between_two_looks_the_elapsed_time_counts() -> None:
    window, now, count = fed(1.0, 10, 1000)
    assert window.rate(now + 0.2, count + 200) == 8000


def test_a_look_that_comes_late_distorts_nothing() -> None:
    window, now, count = fed(1.0, 10, 1000)
    window.keep(now + 0.7, count + 700)
    window.keep(now + 1.9, count + 1900)
    assert window.rate(now + 1.9, count + 1900) == 8000
    assert window.rate(now + 9.0, count + 9000) == 8000  # no look in the window at all


@pytest.mark.parametrize("span", [1.0, 2.5])
def test_a_stream_that_stops_is_at_zero_a_window_later_and_not_before(span: float) -> None:
    window, now, count = fed(span, 10, 1000)
    for _ in range(round(span / INTERVAL) - 1):
        now += INTERVAL
        window.keep(now, count)
        assert window.rate(now, count) > 0
    now += INTERVAL
    window.keep(now, count)
    assert window.rate(now, count) == 0


def test_a_step_is_seen_in_full_a_window_later() -> None:
    window, now, count = fed(1.0, 10, 1000)
    rates = []
    for _ in range(5):
        now, count = now + INTERVAL, count + 1000
        window.keep(now, count)
        rates.append(window.rate(now, count))
    assert rates == [14_000, 20_000, 26_000, 32_000, 32_000]


def test_a_burst_at_the_beginning_is_no_rate_yet() -> None:
    window = RateWindow(2.5)
    window.begin(100.0, 0)
    assert window.rate(100.001, 1200) == 1200 * 8 / INTERVAL


def test_what_has_not_begun_has_no_rate() -> None:
    assert RateWindow(1.0).rates(100.0, 5000, 7000) == (0, 0)


def test_it_begins_once() -> None:
    window, now, count = fed(2.5, 1, 1000)
    window.begin(now + 1, 0)
    assert window.rate(now + 3.4, count) == 0


def test_several_counters_share_a_window() -> None:
    window = RateWindow(1.0)
    for look in range(9):
        window.keep(100 + look * INTERVAL, look * 10, look * 20, 7)
    assert window.rates(102.0, 80, 160, 7) == (320, 640, 0)


def test_a_window_remembers_no_more_than_it_needs() -> None:
    window, _, _ = fed(2.5, 100, 1000)
    assert len(window._looks) == 12
