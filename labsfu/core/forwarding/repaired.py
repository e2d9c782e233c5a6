"""Which losses of a receiver sending again has mended, as far as one can tell: it does not ask for them any more."""

from __future__ import annotations

from collections import OrderedDict

MEMORY = 10.0
"""Seconds that a number is remembered; who misses a packet for longer asks for it no more."""

CAPACITY = 2500
"""Numbers that are remembered."""


class Repaired:
    """Counts the packets that were sent again, each once, less those that were asked for once more in vain.

    Attributes:
        count: how many were repaired. What is forgotten stays counted.
    """

    __slots__ = ("_sent", "count")

    def __init__(self) -> None:
        self.count = 0
        self._sent: OrderedDict[int, float] = OrderedDict()

    def sent(self, output: int, now: float) -> None:
        """The packet `output` (the number that the receiver knows it by) was sent again."""
        sent = self._sent
        if output not in sent:
            self.count += 1
        sent[output] = now
        sent.move_to_end(output)
        while len(sent) > CAPACITY or now - next(iter(sent.values())) > MEMORY:
            sent.popitem(last=False)

    def in_vain(self, output: int) -> None:
        """It was asked for once more, and is not sent again: sending it had not helped."""
        if self._sent.pop(output, None) is not None:
            self.count -= 1
