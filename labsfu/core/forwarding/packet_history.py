"""The last packets of one incoming stream, from which lost ones are sent again (RFC 4585 6.2.1, RFC 4588 5.2)."""

from __future__ import annotations

from collections import deque

CAPACITY = 2500
"""Packets that are kept at most; numbers this far behind the newest are too old to be stored."""


class PacketHistory:
    """Packets by their extended number, each for `max_age` seconds from its arrival.

    It is kept in the order of arrival, so that a packet that came late is there as long as any other. A number that
    comes twice keeps its first packet. When the sender began its numbers anew, `clear` it.
    """

    __slots__ = ("_arrivals", "_by_number", "_highest", "_max_age")

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._highest = -1
        self._by_number: dict[int, tuple[float, int, bytes]] = {}
        self._arrivals: deque[tuple[float, int, bytes]] = deque()

    def store(self, number: int, packet: bytes, now: float) -> None:
        """Keep `packet`, which is not copied. Once per packet of every stream: cheap."""
        if number > self._highest:
            self._highest = number
        elif number <= self._highest - CAPACITY or number in self._by_number:
            return
        arrivals = self._arrivals
        self._by_number[number] = entry = (now, number, packet)
        arrivals.append(entry)
        # Ends with the one just stored at the latest.
        while now - arrivals[0][0] > self._max_age or len(arrivals) > CAPACITY:
            del self._by_number[arrivals.popleft()[1]]

    def find(self, number: int, now: float) -> bytes | None:
        """The packet; None when it never came or is too old."""
        entry = self._by_number.get(number)
        if entry is None or now - entry[0] > self._max_age:
            return None
        return entry[2]

    def clear(self) -> None:
        """Forget everything."""
        self._by_number.clear()
        self._arrivals.clear()
        self._highest = -1
