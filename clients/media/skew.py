"""Lip sync: how far a person's sound is behind that person's pictures."""

from bisect import bisect_left

from clients.media.pattern import latency_us, wrap_us
from clients.media.reports import SkewReport, percentile
from clients.media.sinks import PictureSink, ToneSink

__all__ = ["skew"]

_NEAR_US = 500_000
"""A mark without a picture captured so near to it tells nothing: the picture is frozen, or has not begun."""


def skew(pictures: PictureSink, tones: ToneSink) -> SkewReport:
    """Compare how long pictures and sound of one sender took from capture until they came out of their decoders.

    Each picture says when it was captured, and a mark sounds at each whole second of the same clock; for every mark
    heard, its latency less that of the picture captured nearest to it. Positive: sound is late. What the receiver
    itself adds to each is in it: aiortc holds a picture until the next one begins, Opus delays sound by 6.5 ms.
    """
    order = sorted((latency_us(captured, 0), latency_ms) for captured, latency_ms in pictures.latencies)
    ages = [age for age, _ in order]
    skews = []
    for second, latency_ms in tones.marks:
        age = latency_us(wrap_us(second), 0)
        at = bisect_left(ages, age)
        near = min(order[max(0, at - 1) : at + 1], key=lambda picture: abs(picture[0] - age), default=None)
        if near is not None and abs(near[0] - age) <= _NEAR_US:
            skews.append(latency_ms - near[1])
    return SkewReport(
        marks=len(skews),
        skew_p50_ms=percentile(skews, 50),
        skew_min_ms=min(skews, default=None),
        skew_max_ms=max(skews, default=None),
    )
