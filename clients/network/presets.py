"""Networks with names. Typical of their kind, measured nowhere: what matters is that a name always means the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from clients.network.conditions import Conditions, GilbertElliott


@dataclass(frozen=True, slots=True)
class Link:
    """Both directions of a client's network, as the client sees them.

    Attributes:
        up: from the client to the server.
        down: from the server to the client.
    """

    up: Conditions
    down: Conditions


def _both(conditions: Conditions) -> Link:
    return Link(up=conditions, down=conditions)


PRESETS: Mapping[str, Link] = MappingProxyType({
    # near an access point that others use, too
    "wifi": _both(Conditions(
        loss=GilbertElliott.of(0.005, 3), delay=0.005, jitter=0.003, reorder=0.001, rate=30e6, queue_bytes=131072,
    )),
    # a good cell, moving: few losses, in bursts, when the radio hands over
    "lte": Link(
        up=Conditions(loss=GilbertElliott.of(0.003, 5), delay=0.03, jitter=0.008, rate=8e6, queue_bytes=131072),
        down=Conditions(loss=GilbertElliott.of(0.003, 5), delay=0.03, jitter=0.008, rate=25e6, queue_bytes=262144),
    ),
    # slow, with a deep queue: when it fills, the delay grows to a second
    "3g": Link(
        up=Conditions(loss=GilbertElliott.of(0.01, 4), delay=0.08, jitter=0.02, rate=400e3, queue_bytes=49152),
        down=Conditions(loss=GilbertElliott.of(0.01, 4), delay=0.08, jitter=0.02, rate=1.6e6, queue_bytes=196608),
    ),
    # a geostationary one: half a second there and back, nothing else wrong
    "satellite": Link(
        up=Conditions(loss=0.005, delay=0.28, jitter=0.005, rate=3e6, queue_bytes=262144),
        down=Conditions(loss=0.005, delay=0.28, jitter=0.005, rate=20e6, queue_bytes=1048576),
    ),
    # a shared line in the evening: narrow, its queue full of others' packets
    "congested": _both(Conditions(
        loss=GilbertElliott.of(0.03, 6), delay=0.06, jitter=0.03, reorder=0.005, rate=1e6, queue_bytes=65536,
    )),
    # hardly usable: everything that can go wrong does
    "broken": _both(Conditions(
        loss=GilbertElliott.of(0.2, 8), delay=0.15, jitter=0.06, reorder=0.05, reorder_delay=0.1, duplicate=0.02,
        corrupt=0.01, rate=500e3, queue_bytes=32768,
    )),
})  # fmt: skip
"""wifi, lte, 3g, satellite, congested, broken."""
