"""`labsfu` whose stats lie: python tests/e2e/planted_lies.py LIES ARGUMENTS (LIES: names with commas between)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from labsfu.cli import main
from labsfu.core.stats import streams
from labsfu.wire.base import ABSENT
from labsfu.wire.stats import InboundRtpStats, RtpStats

HEADER = 12
"""Bytes of an RTP header without extensions."""

Changes = dict[str, Any]


def half_the_loss(said: RtpStats) -> Changes:
    """Of what was lost on the way here every other packet is left out."""
    if not isinstance(said, InboundRtpStats):
        return {}
    return {name: getattr(said, name) // 2 for name in ("packets_lost", "packets_lost_before_repair")}


def bytes_without_headers(said: RtpStats) -> Changes:
    """As in webrtc-stats, whatever the contract says."""
    return {"byte_count": said.byte_count - HEADER * said.packet_count}


def half_the_trip(said: RtpStats) -> Changes:
    """One way instead of both."""
    return {} if said.round_trip_time is ABSENT else {"round_trip_time": said.round_trip_time / 2}


def jitter_in_milliseconds(said: RtpStats) -> Changes:
    """As in the samples, instead of units of the clock."""
    if not isinstance(said, InboundRtpStats):
        return {}
    return {"jitter": round(said.jitter / (90 if said.kind == "video" else 48))}


LIES: dict[str, Callable[[RtpStats], Changes]] = {
    "half-the-loss": half_the_loss,
    "bytes-without-headers": bytes_without_headers,
    "half-the-trip": half_the_trip,
    "jitter-in-milliseconds": jitter_in_milliseconds,
}


def plant(name: str, lies: list[Callable[[RtpStats], Changes]]) -> None:
    """Let a function of the stats lie about what it gives."""
    honest = vars(streams)[name]

    def lying(*arguments: object) -> RtpStats:
        said: RtpStats = honest(*arguments)
        for lie in lies:
            said = msgspec.structs.replace(said, **lie(said))
        return said

    vars(streams)[name] = lying


if __name__ == "__main__":
    chosen = [LIES[name] for name in sys.argv[1].split(",")]
    plant("inbound_stats", chosen)
    plant("outbound_stats", chosen)
    main(sys.argv[2:], prog_name="labsfu")
