from __future__ import annotations

import pytest

from labsfu.core.ortc.scalability import ScalabilityMode, parse_scalability_mode
from labsfu.wire.base import ABSENT, Absent


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("L1T3", ScalabilityMode(1, 3)),
        ("L3T2_KEY", ScalabilityMode(3, 2, ksvc=True)),
        ("S2T3", ScalabilityMode(2, 3)),
        ("L20T30", ScalabilityMode(20, 30)),
        ("L3T3_KEY_SHIFT", ScalabilityMode(3, 3, ksvc=True)),
        ("L2T1h", ScalabilityMode(2, 1)),
        ("L4T7_KEY_SHIFT", ScalabilityMode(4, 7, ksvc=True)),
    ],
)
def test_layers_are_read(mode: str, expected: ScalabilityMode) -> None:
    assert parse_scalability_mode(mode) == expected


@pytest.mark.parametrize("mode", [ABSENT, "", "L0T3", "L1T0", "1T3", "xL2T2", "L", "S1", "l2t2", "L٣T٣"])
def test_what_does_not_match_is_one_layer(mode: str | Absent) -> None:
    assert parse_scalability_mode(mode) == ScalabilityMode(1, 1, ksvc=False)


@pytest.mark.parametrize(("mode", "layered"), [("L1T1", False), ("L2T1", True), ("L1T2", True)])
def test_a_mode_is_layered_if_there_is_a_layer_to_leave_out(mode: str, layered: bool) -> None:
    assert parse_scalability_mode(mode).is_layered is layered
