"""Which packets of a stream came, came late, came twice, came again, and which never did."""

from __future__ import annotations

from enum import Enum

_WINDOW = 1 << 15
"""Numbers behind the highest that can still be told from those ahead of it."""
_BEFORE = 100
"""Numbers before the first packet that belong to the stream all the same (RFC 3550 A.1, MAX_MISORDER)."""


class Fate(Enum):
    """What a packet is to its stream."""

    NEXT = "next"
    """It has the highest number so far."""
    LATE = "late"
    """A higher number came before it, and this one for the first time now."""
    AGAIN = "again"
    """It had come before; or it is too old to be told apart."""


class SequenceBook:
    """Counts packets by their sequence number.

    `expected = distinct + missing + repaired`, where distinct are the numbers that came by themselves.

    Attributes:
        packets: that came by themselves, twice or late, too.
        reordered: that came after a higher number.
        duplicated: that had come before.
        missing: numbers between the lowest and the highest that came neither by themselves nor by repair, so far.
        repaired: numbers that came only as a retransmission.
    """

    __slots__ = ("_gaps", "duplicated", "highest", "lowest", "missing", "packets", "reordered", "repaired")

    def __init__(self) -> None:
        self.lowest = 0
        self.highest = -1
        self.packets = 0
        self.reordered = 0
        self.duplicated = 0
        self.missing = 0
        self.repaired = 0
        self._gaps: dict[int, bool] = {}
        """Of what did not come by itself, within the window: whether it came as a retransmission."""

    @property
    def expected(self) -> int:
        """Numbers from the lowest to the highest."""
        return self.highest - self.lowest + 1

    @property
    def lost(self) -> int:
        """Expected but not received (RFC 3550 6.4.1); late and duplicate packets are received: it may be negative."""
        return self.expected - self.packets

    def extend(self, sequence: int) -> int:
        """A 16-bit number without its wraps: the one that is nearest to the highest."""
        return self.highest + ((sequence - self.highest + _WINDOW) & 0xFFFF) - _WINDOW

    def receive(self, sequence: int) -> Fate:
        """Count a packet that came by itself."""
        self.packets += 1
        if self.highest < 0:
            # room below, for what was sent before it and comes after it
            self.lowest = self.highest = sequence + 0x10000
            return Fate.NEXT
        number = self.extend(sequence)
        if number > self.highest:
            return self._forward(number)
        if number in self._gaps:
            self._fill(number)
        elif self.lowest - _BEFORE <= number < self.lowest:
            self._backward(number)
        else:
            self.duplicated += 1
            return Fate.AGAIN
        self.reordered += 1
        return Fate.LATE

    def repair(self, sequence: int) -> bool:
        """Count a retransmission of a number; whether it was missing."""
        if self.highest < 0:
            return False
        number = self.extend(sequence)
        if self._gaps.get(number) is not False:
            return False
        self._gaps[number] = True
        self.missing -= 1
        self.repaired += 1
        return True

    def _forward(self, number: int) -> Fate:
        for gap in range(self.highest + 1, number):
            self._gaps[gap] = False
        self.missing += number - self.highest - 1
        self.highest = number
        while self._gaps and (oldest := next(iter(self._gaps))) < number - _WINDOW:
            del self._gaps[oldest]
        return Fate.NEXT

    def _backward(self, number: int) -> None:
        """It was sent before the packet that came first."""
        between = dict.fromkeys(range(number + 1, self.lowest), False)
        self.missing += len(between)
        self._gaps = between | self._gaps
        self.lowest = number

    def _fill(self, number: int) -> None:
        if self._gaps.pop(number):
            self.repaired -= 1
        else:
            self.missing -= 1
