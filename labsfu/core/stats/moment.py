"""When stats are taken."""

from __future__ import annotations

from typing import NamedTuple


class Moment(NamedTuple):
    """One moment on two clocks: `now` in monotonic seconds, `at` in epoch milliseconds."""

    now: float
    at: int


def milliseconds(seconds: float) -> float:
    """As the API has durations, to the microsecond."""
    return round(seconds * 1000, 3)
