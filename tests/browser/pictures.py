"""What can be said of the pictures that a page presented, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from clients.media.pattern import latency_us, wrap_us
from labsfu.core.sequence import distance32
from tests.browser.tab import Presented

CLOCK_RATE = 90_000
LATE = 1.0
"""Seconds from capture to presentation, at most."""
STRAY = 0.05
"""Seconds by which an RTP timestamp may stray from when its picture was captured: one picture at 20 a second."""
UNREADABLE = 0.02
"""The share of pictures that an encoder short of time may squeeze until they cannot be read, never two in a row: what
is put together of two streams stays so until the next key frame."""


def first_shown(pictures: Sequence[Presented], size: tuple[int, int], since: float) -> float:
    """Seconds from then on until a picture of this size was presented."""
    return next((p.at - since for p in pictures if p.at >= since and p.size == size), float("inf"))


def longest_gap(pictures: Sequence[Presented], since: float) -> float:
    """Seconds that one picture stood still at most."""
    return max(later.at - earlier.at for earlier, later in pairwise(pictures) if later.at >= since)


def frame_rate(pictures: Sequence[Presented], since: float) -> float:
    """Pictures a second from then on; 0 before there are two."""
    times = [p.at for p in pictures if p.at >= since]
    return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0


def assert_go_on(pictures: Sequence[Presented], source: int) -> None:
    """All are of this source, fresh, none older than the one before; RTP timestamps keep to the camera's time."""
    unread = [p.said is None for p in pictures]
    assert not any(one and other for one, other in pairwise(unread)), "two in a row could not be read"
    assert sum(unread) <= UNREADABLE * len(pictures), "some could not be read"
    pictures = [p for p in pictures if p.said is not None]
    said = [p.said for p in pictures if p.said is not None]
    assert {reading.source for reading in said} == {source}
    assert all(latency_us(s.captured_us, wrap_us(p.at)) < LATE * 1e6 for p, s in zip(pictures, said, strict=True)), (
        "some came late"
    )
    assert all(later.frame >= earlier.frame for earlier, later in pairwise(said)), "it went back"
    stray = [0.0]
    for (p, earlier), (q, later) in pairwise(zip(pictures, said, strict=True)):
        step = distance32(q.timestamp, p.timestamp) / CLOCK_RATE
        assert step > 0, (p, q)
        stray.append(stray[-1] + step - latency_us(earlier.captured_us, later.captured_us) / 1e6)
    assert max(stray) - min(stray) < STRAY, f"from {min(stray):.3f} to {max(stray):.3f} s"
