"""The benchmarks themselves: that they run and count. No figure is judged here."""

from __future__ import annotations

import pytest

from tests.bench.forwarding import CLEAN, LOSSY, run


@pytest.mark.parametrize("case", [CLEAN, LOSSY])
def test_forwarding_is_measured_without_an_unsent_packet(case: str) -> None:
    result = run(case, consumers=2, rounds=1, forwarded=400)
    assert result.unsent == 0
    assert result.engine_us > 0
    assert result.ratio > 0
