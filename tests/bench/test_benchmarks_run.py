"""The benchmarks themselves: that they run and count. No figure is judged here."""

from __future__ import annotations

from tests.bench.forwarding import run


def test_forwarding_is_measured_without_an_unsent_packet() -> None:
    result = run(consumers=2, rounds=1, forwarded=200)
    assert result.unsent == 0
    assert result.engine_us > 0
    assert result.ratio > 0
