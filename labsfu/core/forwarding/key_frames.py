"""Asking a sender for key frames: at once when wanted, again until one comes, on average at most once a second.

RFC 4585 6.3.1 (PLI) leaves the timing to the receiver; mediasoup has one request outstanding for one second. Here a few
may go out quickly, so that people who join one after the other see a picture at once, but no viewer can make a sender
code nothing but key frames.
"""

from __future__ import annotations

from collections import deque

FIRST_WAIT = 0.35
"""Seconds beyond the round trip that a first request may stay unanswered: libwebrtc's encoders heed none that comes
less than 300 ms after another for the same source, whichever its encoding."""

WAIT = 1.0
"""Seconds that a repeated request may stay unanswered."""

REPEATS = 10
"""How often a request is repeated before the sender is taken to have no key frame (an encoder at rest)."""

BURST = 4
"""So many requests may go out in `BURST * WAIT` seconds."""


class KeyFrameRequests:
    """The requests towards one incoming stream.

    Given: `round_trip` to the sender, seconds, to be set when it is known better.
    """

    __slots__ = ("_due", "_outstanding", "_repeats", "_sent", "round_trip")

    def __init__(self) -> None:
        self._due: float | None = None
        self._outstanding = False
        self._repeats = 0
        self._sent: deque[float] = deque(maxlen=BURST)
        self.round_trip = 0.0

    def want(self, now: float) -> bool:
        """Somebody wants a key frame; True when a request must be sent now."""
        self._repeats = 0
        if self._outstanding or self._due is not None:
            return False
        allowed = self._allowed_at()
        if now < allowed:
            self._due = allowed
            return False
        self._send(now)
        return True

    def received(self) -> None:
        """A key frame came, which answers all that was asked before it."""
        self._outstanding = False
        self._due = None

    def forget(self) -> None:
        """Nobody waits any more."""
        self.received()

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._due

    def tick(self, now: float) -> bool:
        """True when a request must be sent now: one that was held back, or one that was not answered."""
        if self._due is None or now < self._due:
            return False
        if self._outstanding and self._repeats >= REPEATS:
            self.forget()
            return False
        self._repeats += 1
        self._send(now)
        return True

    def _allowed_at(self) -> float:
        return self._sent[0] + BURST * WAIT if len(self._sent) == BURST else float("-inf")

    def _send(self, now: float) -> None:
        self._sent.append(now)
        self._outstanding = True
        wait = WAIT if self._repeats else min(WAIT, FIRST_WAIT + self.round_trip)
        self._due = max(now + wait, self._allowed_at())
