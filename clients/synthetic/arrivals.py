"""When the packets of a transport arrived, for transport-wide feedback every 100 ms (as libwebrtc sends it)."""

from __future__ import annotations

from clients.synthetic.transport_cc import TransportFeedback

INTERVAL = 0.1
_LONGEST = 4000  # numbers that a jump may leave out before the count begins anew


class Arrivals:
    """The transport-wide numbers of one transport.

    Args:
        sender: SSRC that the feedback is sent as.

    Attributes:
        due: when `feedback` has something, monotonic seconds.
    """

    __slots__ = ("_at", "_base", "_count", "_media", "_sender", "due")

    def __init__(self, sender: int) -> None:
        self._sender = sender
        self._media = 0
        self._count = 0
        self._base = -1
        self._at: dict[int, float] = {}
        self.due = float("inf")

    def note(self, wide: int, media: int, now: float) -> None:
        """A packet of this 16-bit number arrived; one that was reported missing is reported by itself."""
        if self._base < 0:
            self._base = wide
        number = self._base + ((wide - self._base + 0x8000) & 0xFFFF) - 0x8000
        if abs(number - self._base) > _LONGEST:
            self._at.clear()
            self._base = number = wide
        self._media = media
        self._at.setdefault(number, now)
        if self.due == float("inf"):
            self.due = now + INTERVAL

    def feedback(self, now: float) -> list[TransportFeedback]:
        """What is to be sent now."""
        if now < self.due:
            return []
        self.due = float("inf")
        at, self._at = self._at, {}
        late = sorted(number for number in at if number < self._base)
        feedbacks = [feedback for number in late for feedback in self._report(number, [at[number]])]
        if len(late) < len(at):
            last = max(at)
            feedbacks += self._report(self._base, [at.get(number) for number in range(self._base, last + 1)])
            self._base = last + 1
        return feedbacks

    def _report(self, base: int, arrivals: list[float | None]) -> list[TransportFeedback]:
        feedbacks = []
        while arrivals:
            feedback, covered = TransportFeedback.of_arrivals(self._sender, self._media, base, self._count, arrivals)
            self._count += 1
            feedbacks.append(feedback)
            base += covered
            arrivals = arrivals[covered:]
        return feedbacks
