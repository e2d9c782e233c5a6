"""Layers of a video: what each costs, who gets what of a budget, which frame belongs to which temporal layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RETURN = 1.2
"""A layer that was given up comes back when the budget has this much of its minimum left."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One encoding of a video.

    Attributes:
        rid: its RtpStreamId; None without simulcast.
        width: pixels; height: the same.
        minimum: bit/s below which it is not sent, unless it is the lowest.
        maximum: bit/s it never exceeds.
    """

    rid: str | None
    width: int
    height: int
    minimum: int
    maximum: int


SINGLE = Layer(None, 1280, 720, 30_000, 1_500_000)
"""A video without simulcast."""

SIMULCAST = (
    Layer("r0", 320, 180, 30_000, 150_000),
    Layer("r1", 640, 360, 150_000, 500_000),
    Layer("r2", 1280, 720, 600_000, 1_500_000),
)
"""Three layers, about as browsers cut 720p."""


def simulcast_layers(rids: Sequence[str]) -> tuple[Layer, ...]:
    """The lowest layers of `SIMULCAST`, under these rids; none: the one layer of a video without simulcast.

    Raises:
        ValueError: more rids than layers.
    """
    if not rids:
        return (SINGLE,)
    if len(rids) > len(SIMULCAST):
        raise ValueError(f"{len(rids)} rids for {len(SIMULCAST)} layers")
    return tuple(
        Layer(rid, layer.width, layer.height, layer.minimum, layer.maximum)
        for rid, layer in zip(rids, SIMULCAST, strict=False)
    )


def allocate(layers: Sequence[Layer], budget: float, active: Sequence[bool]) -> list[float]:
    """bit/s of each layer, 0 for those not sent: the lowest first, each up to its maximum before the next one begins.

    Args:
        layers: the lowest first.
        budget: bit/s for all.
        active: which were sent until now; the others need a little more to begin.
    """
    given: list[float] = []
    for index, (layer, was_active) in enumerate(zip(layers, active, strict=True)):
        needed = layer.minimum if was_active or not index else layer.minimum * RETURN
        if index and (budget < needed or not given[-1]):
            given.append(0.0)
            continue
        share = min(layer.maximum, max(budget, layer.minimum))
        given.append(share)
        budget -= share
    return given


def share_out(budget: float, wishes: Sequence[float]) -> list[float]:
    """Divide bit/s equally; what one does not wish for is left to the others."""
    given = [0.0] * len(wishes)
    open_ = sorted(range(len(wishes)), key=lambda index: wishes[index])
    while open_:
        index = open_.pop(0)
        given[index] = min(wishes[index], budget / (len(open_) + 1))
        budget -= given[index]
    return given


@dataclass(frozen=True, slots=True)
class Slot:
    """A frame's place in the pattern of temporal layers.

    Attributes:
        temporal_id: its layer.
        reference: how many frames ago the frame is that it is predicted from.
        sync: that frame is of layer 0.
        weight: its size, in mean frame sizes.
    """

    temporal_id: int
    reference: int
    sync: bool
    weight: float


TEMPORAL_PATTERNS: dict[int, tuple[Slot, ...]] = {
    1: (Slot(0, 1, True, 1.0),),
    # of the bitrate layer 0 has 60 %
    2: (Slot(0, 2, True, 1.2), Slot(1, 1, True, 0.8)),
    # 40 %, 20 % and 40 %
    3: (Slot(0, 4, True, 1.6), Slot(2, 1, True, 0.8), Slot(1, 2, True, 0.8), Slot(2, 1, False, 0.8)),
}
"""L1T1, L1T2, L1T3 (https://www.w3.org/TR/webrtc-svc/), beginning with a frame of layer 0."""
