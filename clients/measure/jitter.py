"""Interarrival jitter (RFC 3550 6.4.1 and A.8)."""

from __future__ import annotations


class Jitter:
    """Of one stream, in the order of arrival.

    Args:
        clock_rate: of its timestamps, Hz.

    Attributes:
        seconds: the estimate.
    """

    __slots__ = ("_at", "_rate", "_timestamp", "seconds")

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._at: float | None = None
        self._timestamp = 0
        self.seconds = 0.0

    def receive(self, timestamp: int, at: float) -> None:
        """Take a packet into account."""
        if self._at is not None:
            transit = at - self._at - signed32(timestamp - self._timestamp) / self._rate
            self.seconds += (abs(transit) - self.seconds) / 16
        self._at, self._timestamp = at, timestamp


def signed32(difference: int) -> int:
    """The difference of two 32-bit timestamps, whichever wrapped."""
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000
