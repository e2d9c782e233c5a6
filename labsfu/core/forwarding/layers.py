"""Which layers of a layered producer a consumer is sent: decisions only, no packets (mediasoup 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.rtp import ConsumerLayers

_SHARES = ((1.0,), (0.6, 1.0), (0.4, 0.6, 1.0), (0.25, 0.4, 0.6, 1.0))
"""Share of a stream's bit rate up to each temporal layer, for 1 to 4 of them (WebRTC's SimulcastRateAllocator)."""


@dataclass(frozen=True, slots=True)
class Layers:
    """A spatial layer (which is the index of an encoding) and the highest temporal layer in it; both from 0.

    `spatial` -1 (and `temporal` -1 with it): nothing.
    """

    spatial: int
    temporal: int

    def shown(self) -> ConsumerLayers | Absent:
        """As the API has them; absent for nothing."""
        if self.spatial < 0:
            return ABSENT
        return ConsumerLayers(spatial_layer=self.spatial, temporal_layer=max(self.temporal, 0))


NOTHING = Layers(-1, -1)


@dataclass(frozen=True, slots=True)
class LayerState:
    """What is known of one encoding.

    Attributes:
        alive: packets come.
        temporal_layers: how many it has, 1 at least.
        bitrate: bit/s of all its temporal layers together; 0 (nothing measured) counts as fitting every budget.
        active: neither its sender nor we switched it off.
    """

    alive: bool
    temporal_layers: int
    bitrate: int
    active: bool

    @property
    def usable(self) -> bool:
        """Whether it can be sent."""
        return self.alive and self.active

    def cost(self, temporal: int) -> float:
        """Bit/s up to and with a temporal layer, by the share that it usually has."""
        shares = _SHARES[min(self.temporal_layers, len(_SHARES)) - 1]
        return self.bitrate * shares[min(temporal, len(shares) - 1)]


Available: TypeAlias = tuple[LayerState, ...]
"""All encodings of a producer, by spatial layer."""


def choose_layers(preferred: Layers, available: Available, budget: float | None = None) -> Layers:
    """The layers to send: the highest up to the preferred ones, or, if none of these is there, the lowest above.

    Of the preferred spatial layer no more than the preferred temporal layer, of any other all that fit.

    Args:
        preferred: what the consumer wants; `NOTHING` gives `NOTHING`.
        available: all encodings, by spatial layer.
        budget: bit/s; None for no limit. However small it is, T0 of the lowest layer there is fits.

    Returns:
        The layers; `NOTHING` when no encoding is usable.
    """
    if preferred.spatial < 0:
        return NOTHING
    lowest = NOTHING
    for layers in _downwards(preferred, available):
        if budget is None or available[layers.spatial].cost(layers.temporal) <= budget:
            return layers
        lowest = layers
    return lowest


def _downwards(preferred: Layers, available: Available) -> Iterator[Layers]:
    """All that may be chosen, the best first: a higher spatial layer is better than a higher temporal one."""
    usable = [spatial for spatial, state in enumerate(available) if state.usable]
    below = [spatial for spatial in usable if spatial <= preferred.spatial]
    for spatial in reversed(below or usable[:1]):
        highest = max(available[spatial].temporal_layers, 1) - 1
        if spatial == preferred.spatial:
            highest = min(highest, max(preferred.temporal, 0))
        for temporal in range(highest, -1, -1):
            yield Layers(spatial, temporal)


def clamp_preferred(spatial: int, temporal: int | None, spatial_layers: int, temporal_layers: int) -> Layers:
    """What a consumer asks for, cut to what the producer has (mediasoup's setPreferredLayers).

    Args:
        spatial: the spatial layer wanted.
        temporal: the temporal layer wanted; None for the highest.
        spatial_layers: how many there are, 1 at least.
        temporal_layers: the same.
    """
    highest = temporal_layers - 1
    return Layers(_clamp(spatial, spatial_layers - 1), highest if temporal is None else _clamp(temporal, highest))


def _clamp(wanted: int, highest: int) -> int:
    return min(max(wanted, 0), highest)
