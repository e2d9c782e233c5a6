"""Asking a sender for key frames: at once when first wanted, again each second until one comes, never more often.

RFC 4585 6.3.1 (PLI) leaves the timing to the receiver; mediasoup's is one request outstanding for one second.
"""

from __future__ import annotations

WAIT = 1.0
"""Seconds that a request may stay unanswered before it is repeated."""

REPEATS = 10
"""How often a request is repeated before the sender is taken to have no key frame (an encoder at rest)."""


class KeyFrameRequests:
    """The requests towards one incoming stream."""

    __slots__ = ("_due", "_repeats", "sent")

    def __init__(self) -> None:
        self._due: float | None = None
        self._repeats = 0
        self.sent = 0

    def want(self, now: float) -> bool:
        """Somebody wants a key frame; True when a request must be sent now."""
        if self._due is not None:
            self._repeats = 0
            return False
        self._repeats = 0
        self._send(now)
        return True

    def received(self) -> None:
        """A key frame began to arrive."""
        self._due = None

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._due

    def tick(self, now: float) -> bool:
        """True when the request must be repeated now."""
        if self._due is None or now < self._due:
            return False
        if self._repeats >= REPEATS:
            self._due = None
            return False
        self._repeats += 1
        self._send(now)
        return True

    def _send(self, now: float) -> None:
        self._due = now + WAIT
        self.sent += 1
