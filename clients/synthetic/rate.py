"""How much a path carries: a simple controller by loss and delay. It is not libwebrtc's, and obeys the same signals."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

OVERUSE = 0.05
"""Seconds of standing queue from which on the path counts as full."""
HIGH_LOSS, LOW_LOSS = 0.10, 0.02
"""Above the first the rate falls by half of the loss, below the second it may rise (draft-ietf-rmcat-gcc-02 6)."""
BACK_OFF = 0.85
PATIENCE = 0.3
"""Seconds from one cut to the next."""
FAST, SLOW = 1.5, 1.08
"""By what the rate rises in a second: while nothing speaks against it, and while the path is known to be full."""
HOLD, LONGEST_HOLD = 8.0, 64.0
"""Seconds after a cut for which the path counts as full: at first, and at most; twice as long each time in a row."""
WINDOW = 0.5
"""Seconds over which the rate that arrives is measured."""
BASE_WINDOW = 10.0
"""Seconds for which the shortest delay counts as that of the empty path."""


class LossDelayController:
    """The rate of one path.

    It rises by a factor a second, whether what it allows is sent or not (there are no probes); falls to 85 % of what
    arrives when a queue stands before the path, and by half of the loss when more than 10 % is lost. For some time
    after that it does not rise above what arrived then. A REMB is a limit above it.

    Args:
        start: bit/s at first.
        minimum: bit/s it never falls below.
        maximum: bit/s it never rises above.
    """

    __slots__ = (
        "_acked",
        "_base",
        "_cut_at",
        "_full_rate",
        "_hold",
        "_judged_at",
        "_limit",
        "_maximum",
        "_minimum",
        "_octets",
        "_previous_base",
        "_rate",
        "_rotated_at",
    )

    def __init__(self, *, start: float = 600_000, minimum: float = 30_000, maximum: float = 20_000_000) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._rate = start
        self._limit = maximum
        self._full_rate = maximum
        self._hold = HOLD
        self._cut_at = self._judged_at = float("-inf")
        self._acked: deque[tuple[float, int]] = deque()
        self._octets = 0
        self._base = self._previous_base = float("inf")
        self._rotated_at = float("-inf")

    @property
    def target(self) -> float:
        """bit/s that may be sent."""
        return max(self._minimum, min(self._rate, self._limit))

    def on_remb(self, bitrate: float) -> None:
        """The receiver said how much it thinks it can get, bit/s."""
        self._limit = bitrate

    def on_loss(self, fraction: float, now: float) -> None:
        """A share of the packets, 0 to 1, was reported lost."""
        self._judge(now, fraction, 0.0)

    def on_arrivals(self, packets: Iterable[tuple[float, float | None, int]], now: float) -> None:
        """Packets were reported: sent at, arrived at (on another clock; None: lost), octets of each."""
        count = lost = arrived = 0
        total = 0.0
        shortest = float("inf")
        for sent, arrival, octets in packets:
            count += 1
            if arrival is None:
                lost += 1
                continue
            arrived += 1
            delay = arrival - sent
            total += delay
            shortest = min(shortest, delay)
            self._acked.append((arrival, octets))
            self._octets += octets
        if not count:
            return
        queue = 0.0
        if arrived:
            self._note_base(shortest, now)
            queue = total / arrived - min(self._base, self._previous_base)
        self._judge(now, lost / count, queue)

    def _note_base(self, shortest: float, now: float) -> None:
        if now - self._rotated_at > BASE_WINDOW / 2:
            self._previous_base, self._base, self._rotated_at = self._base, float("inf"), now
        self._base = min(self._base, shortest)

    def _arriving(self) -> float | None:
        """bit/s that arrive; None before anything is known."""
        acked = self._acked
        if not acked:
            return None
        newest = max(acked[-1][0], acked[0][0])
        while acked[0][0] < newest - WINDOW:
            self._octets -= acked.popleft()[1]
        return self._octets * 8 / WINDOW if newest - acked[0][0] > WINDOW / 2 else None

    def _judge(self, now: float, loss: float, queue: float) -> None:
        elapsed = min(1.0, now - self._judged_at)
        first = self._judged_at == float("-inf")
        self._judged_at = now
        arriving = self._arriving()
        if queue > OVERUSE or loss > HIGH_LOSS:
            if now - self._cut_at >= PATIENCE:
                self._cut(loss, queue, arriving, now)
        elif loss < LOW_LOSS and not first:
            full = now - self._cut_at < self._hold
            risen = self._rate * (SLOW if full else FAST) ** elapsed
            ceiling = self._full_rate if full else self._maximum
            self._rate = max(self._rate, min(risen, ceiling))

    def _cut(self, loss: float, queue: float, arriving: float | None, now: float) -> None:
        since = now - self._cut_at
        if since > 2 * self._hold:
            self._hold = HOLD
        elif since > self._hold:
            self._hold = min(LONGEST_HOLD, 2 * self._hold)
        self._cut_at = now
        reached = self._rate if arriving is None else min(self._rate, arriving)
        self._full_rate = reached
        rate = self._rate
        if loss > HIGH_LOSS:
            sent = reached / (1 - loss) if loss < 1 else rate
            rate = min(rate, sent) * (1 - loss / 2)
        if queue > OVERUSE:
            rate = min(rate, BACK_OFF * reached)
        self._rate = max(self._minimum, rate)
