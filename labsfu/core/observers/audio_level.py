"""How loud everybody is: the mean level of each producer, a second at a time (as mediasoup's observer)."""

from __future__ import annotations

from labsfu.wire.ids import ProducerId

INTERVAL = 1.0
"""Seconds over which levels are averaged."""
THRESHOLD = -80
"""dBov; who is below it on average is not told of."""
MIN_PACKETS = 10
"""Fewer packets than that in an interval say nothing."""
MAX_ENTRIES = 16
"""So many of the loudest are told: everybody in a conference of the usual size."""


class LevelSum:
    """The levels of one producer in the interval, as they come: 0 (the loudest) to 127, in -dBov (RFC 6464 3)."""

    __slots__ = ("packets", "total")

    def __init__(self) -> None:
        self.total = 0
        self.packets = 0

    def clear(self) -> None:
        """A new interval begins."""
        self.total = self.packets = 0


class AudioLevelObserver:
    """Tells who is loud. Owned: when the interval ends, None while nobody is to be heard.

    Attributes:
        levels: who was loud in the last interval, and how loud, -80 to 0 dBov; the loudest first.
        at: when that interval ended, monotonic seconds; None before the first.
    """

    def __init__(self) -> None:
        self.levels: tuple[tuple[ProducerId, int], ...] = ()
        self.at: float | None = None
        self._sums: dict[ProducerId, LevelSum] = {}
        self._next: float | None = None
        self._silent = True

    def add(self, id_: ProducerId, sum_: LevelSum) -> None:
        """Tell of this one from now on."""
        self._sums[id_] = sum_

    def remove(self, id_: ProducerId) -> None:
        """Tell of it no more. Idempotent."""
        self._sums.pop(id_, None)
        self.levels = tuple(level for level in self.levels if level[0] != id_)

    def wake(self, now: float) -> None:
        """Somebody is above the threshold: an interval begins. No effect within one."""
        if self._next is None:
            self._next = now + INTERVAL
            for sum_ in self._sums.values():
                sum_.clear()

    @property
    def awake(self) -> bool:
        """Whether an interval is running; if not, it wants to be told when somebody is above the threshold."""
        return self._next is not None

    def deadline(self) -> float | None:
        """When the interval ends."""
        return self._next

    def tick(self, now: float) -> bool:
        """End the interval, if it is time; True if there is something to tell: levels, or that it got silent."""
        if self._next is None or now < self._next:
            return False
        means = {
            id_: -round(sum_.total / sum_.packets) for id_, sum_ in self._sums.items() if sum_.packets >= MIN_PACKETS
        }
        loud = [(id_, mean) for id_, mean in means.items() if mean >= THRESHOLD]
        loud.sort(key=lambda level: -level[1])
        self.levels = tuple(loud[:MAX_ENTRIES])
        self.at = now
        for sum_ in self._sums.values():
            sum_.clear()
        was_silent, self._silent = self._silent, not loud
        self._next = now + INTERVAL if loud else None
        return not (was_silent and self._silent)
