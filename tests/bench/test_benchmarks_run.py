"""The benchmarks themselves: that they run and count. No figure is judged here."""

from __future__ import annotations

import pytest

from tests.bench.forwarding import CLEAN, LOSSY, run
from tests.bench.pipes import measure_hop
from tests.bench.samples import measure


@pytest.mark.parametrize("case", [CLEAN, LOSSY])
def test_forwarding_is_measured_without_an_unsent_packet(case: str) -> None:
    result = run(case, consumers=2, rounds=1, forwarded=400)
    assert result.unsent == 0
    assert result.engine_us > 0
    assert result.ratio > 0


def test_samples_are_measured() -> None:
    cost = measure(consumers=20, transports=3, rounds=2)
    assert (cost.consumers, cost.transports) == (20, 3)
    assert min(cost.look, cost.counts, cost.sample, cost.encode) > 0
    assert cost.octets > 20 * 100
    assert 0 < cost.share < 1


@pytest.mark.asyncio
async def test_a_hop_is_measured() -> None:
    hop = await measure_hop(2, packets=20, seconds=0.5)
    assert 0 < hop.p50 <= hop.p99
    assert min(hop.near_us, hop.far_us) > 0
