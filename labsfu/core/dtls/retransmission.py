"""When a flight is sent again (RFC 6347 4.2.4), on the time that the caller tells.

OpenSSL has a timer too, but on the real clock and at 1 s; ours starts at 100 ms, as mediasoup's.
"""

from __future__ import annotations

INITIAL_INTERVAL = 0.1
MAX_INTERVAL = 4.0
HANDSHAKE_TIMEOUT = 30.0
ANSWER_INTERVAL = 0.05


class FlightTimer:
    """Keeps the last flight and says when it is due again."""

    __slots__ = ("_answered", "_gives_up", "_interval", "_resends", "flight")

    def __init__(self) -> None:
        self.flight: list[bytes] = []
        self._interval = INITIAL_INTERVAL
        self._resends: float | None = None
        self._gives_up: float | None = None
        self._answered: float | None = None

    def sent(self, flight: list[bytes], now: float, *, anew: bool) -> None:
        """Note a flight that goes out now; `anew` if it is not a re-send, so that the interval starts small."""
        self.flight = flight
        if anew:
            self._interval = INITIAL_INTERVAL
        self._resends = now + self._interval
        if self._gives_up is None:
            self._gives_up = now + HANDSHAKE_TIMEOUT

    def expired(self, now: float) -> bool:
        """Whether the handshake has taken too long, from its first flight on."""
        return self._gives_up is not None and now >= self._gives_up

    def due(self, now: float) -> bool:
        """Whether the flight is to be sent again; if so, the interval doubles and the timer is set."""
        if self._resends is None or now < self._resends:
            return False
        self._interval = min(2 * self._interval, MAX_INTERVAL)
        self._resends = now + self._interval
        return True

    def may_answer(self, now: float) -> bool:
        """Whether the last flight may be sent in answer to a repeated one, which is not worth more than 20 a second."""
        if self._answered is not None and now < self._answered + ANSWER_INTERVAL:
            return False
        self._answered = now
        return True

    def stop(self) -> None:
        """The handshake is over; the flight is kept for a peer that missed it."""
        self._resends = self._gives_up = None

    def deadline(self) -> float | None:
        """When something is due; None if never."""
        if self._resends is None or self._gives_up is None:
            return None
        return min(self._resends, self._gives_up)
