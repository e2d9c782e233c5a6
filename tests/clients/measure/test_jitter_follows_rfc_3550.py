"""Interarrival jitter against a sequence computed by hand."""

from __future__ import annotations

import pytest

from clients.measure.jitter import Jitter, signed32


@pytest.mark.rfc("RFC 3550 6.4.1", "RFC 3550 A.8")
@pytest.mark.parametrize("first", [0, 0xFFFFFFFF - 300])
def test_the_estimate_of_a_sequence_computed_by_hand(first: int) -> None:
    # 8 kHz, 160 units (20 ms) apart. By A.8, in units: d = 0; 40; 40; 0; 80
    #   J = 0;  0 + 40/16 = 2.5;  2.5 + 37.5/16 = 4.84375;  4.84375 - 4.84375/16 = 4.541015625;
    #       4.541015625 + 75.458984375/16 = 9.2572021484375
    arrivals = (10.0, 10.020, 10.045, 10.060, 10.080, 10.110)
    expected = (0.0, 0.0, 2.5, 4.84375, 4.541015625, 9.2572021484375)
    jitter = Jitter(8000)
    for index, (at, units) in enumerate(zip(arrivals, expected, strict=True)):
        jitter.receive((first + 160 * index) & 0xFFFFFFFF, at)
        assert jitter.seconds == pytest.approx(units / 8000, abs=1e-12)


def test_packets_of_one_frame_have_one_timestamp_and_each_counts() -> None:
    jitter = Jitter(90000)
    for at in (1.0, 1.016):
        jitter.receive(500, at)
    assert jitter.seconds == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("later", "earlier", "difference"), [(5, 3, 2), (3, 5, -2), (1, 0xFFFFFFFF, 2), (0xFFFFFFFF, 1, -2)]
)
def test_timestamps_differ_by_the_shorter_way(later: int, earlier: int, difference: int) -> None:
    assert signed32(later - earlier) == difference
