"""A budget that fills up with time."""

from __future__ import annotations

from labsfu.core.token_bucket import TokenBucket


def taken(bucket: TokenBucket, now: float, tries: int = 1000) -> int:
    return sum(bucket.take(now) for _ in range(tries))


def test_it_begins_full_and_gives_no_more_than_it_has() -> None:
    assert taken(TokenBucket(10, 20), 5.0) == 20


def test_it_fills_up_at_its_rate_whatever_the_steps() -> None:
    bucket = TokenBucket(10, 20)
    taken(bucket, 0.0)
    assert sum(taken(bucket, step / 1000, tries=1) for step in range(1, 2001)) in (19, 20)


def test_it_saves_up_no_more_than_a_burst() -> None:
    bucket = TokenBucket(10, 20)
    taken(bucket, 0.0)
    assert taken(bucket, 1000.0) == 20


def test_time_that_goes_back_gives_nothing_and_breaks_nothing() -> None:
    bucket = TokenBucket(10, 20)
    taken(bucket, 100.0)
    assert taken(bucket, 50.0) == 0
    assert taken(bucket, 51.0) == 10
