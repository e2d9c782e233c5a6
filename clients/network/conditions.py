"""What a path does to what is sent over it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from labsfu.errors import InvalidValue


def _check(name: str, value: float, low: float, high: float = float("inf")) -> None:
    if not (isfinite(value) and low <= value <= high):
        bounds = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
        raise InvalidValue(f"{name} is {value:g}: it must be {bounds}")


@dataclass(frozen=True, slots=True)
class GilbertElliott:
    """Loss in bursts: a chain of two states that takes one step before each packet (Gilbert 1960, Elliott 1963).

    Attributes:
        enter: probability of the step from the good state to the bad one, 0..1.
        leave: probability of the step from the bad state to the good one, 0..1.
        good_loss: probability of loss in the good state, 0..1.
        bad_loss: probability of loss in the bad state, 0..1.

    Raises:
        InvalidValue: a probability is out of range.
    """

    enter: float
    leave: float
    good_loss: float = 0.0
    bad_loss: float = 1.0

    def __post_init__(self) -> None:
        for name in ("enter", "leave", "good_loss", "bad_loss"):
            _check(name, getattr(self, name), 0.0, 1.0)

    @classmethod
    def of(cls, loss: float, burst: float) -> GilbertElliott:
        """The simple Gilbert model with this loss in the long run.

        Args:
            loss: share of the packets that are lost, 0..1, less than 1.
            burst: mean number of packets lost one after the other, at least 1.

        Raises:
            InvalidValue: out of range, or so much loss is not possible with bursts that short.
        """
        _check("loss", loss, 0.0, 1.0)
        _check("burst", burst, 1.0)
        if loss >= 1.0 or loss / (1.0 - loss) > burst:
            raise InvalidValue(f"loss of {loss:g} does not go with bursts of {burst:g} packets")
        return cls(enter=loss / (1.0 - loss) / burst, leave=1.0 / burst)

    @property
    def stationary_loss(self) -> float:
        """Share of the packets that are lost in the long run, 0..1; the chain begins in the good state."""
        total = self.enter + self.leave
        bad = self.enter / total if total else 0.0
        return bad * self.bad_loss + (1.0 - bad) * self.good_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a path does to what is sent over it. The default is a perfect network.

    Attributes:
        loss: share of the packets that are lost, 0..1: of each thousand of a path so many, give or take one packet,
            and any of them; or a chain that loses in bursts.
        delay: seconds that each packet takes.
        jitter: standard deviation of the delay, seconds; it is normal, cut at 0. Jitter keeps the order: a packet waits
            for the one before it.
        reorder: probability that a packet is held back, so that later ones overtake it, 0..1.
        reorder_delay: seconds for which such a packet is held back.
        duplicate: probability that a packet arrives twice, 0..1.
        corrupt: probability that one bit of a packet is turned over, 0..1.
        rate: bit/s of the bottleneck, counting the bytes given to `send` (no IP, no UDP header); None: no bottleneck.
        burst_bytes: size of the token bucket, bytes: what may pass at once after a silence.
        queue_bytes: what may wait before the bottleneck, bytes; what does not fit is dropped (drop tail).

    Raises:
        InvalidValue: a value is out of range.
    """

    loss: float | GilbertElliott = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    reorder: float = 0.0
    reorder_delay: float = 0.03
    duplicate: float = 0.0
    corrupt: float = 0.0
    rate: float | None = None
    burst_bytes: int = 1500
    queue_bytes: int = 65536

    def __post_init__(self) -> None:
        if not isinstance(self.loss, GilbertElliott):
            _check("loss", self.loss, 0.0, 1.0)
        for name in ("reorder", "duplicate", "corrupt"):
            _check(name, getattr(self, name), 0.0, 1.0)
        for name in ("delay", "jitter", "reorder_delay", "queue_bytes"):
            _check(name, getattr(self, name), 0.0)
        _check("burst_bytes", self.burst_bytes, 1.0)
        if self.rate is not None:
            _check("rate", self.rate, 1.0)


PERFECT = Conditions()
