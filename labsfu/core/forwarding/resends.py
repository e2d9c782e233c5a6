"""What a consumer may be sent again: a guard against storms of NACKs (RFC 4585 6.2.1) and their cost to others."""

from __future__ import annotations

from collections import OrderedDict

BURST = 256 * 1024
"""Octets that may be sent again at once. It is there from the start: nothing matters more than a first key frame."""

DEFAULT_ROUND_TRIP = 0.1
"""Seconds, while the round trip is not known."""

PATIENCE = 0.75
"""The part of a round trip for which a packet is not sent again: who asks exactly once a round trip is served, though
what we measured of it may be a little old."""

MEMORY = 10.0
"""Seconds that a resend is remembered."""

CAPACITY = 2500
"""Resends that are remembered."""

RESENT_JUST_NOW = "resent-just-now"
RESEND_BUDGET_SPENT = "resend-budget-spent"


class Resends:
    """Allows each packet once per round trip, and beyond a burst no more octets than were sent the first time."""

    __slots__ = ("_left", "_resent", "_sent_octets")

    def __init__(self) -> None:
        self._left = BURST
        self._sent_octets = 0
        # By output number, in the order of time.
        self._resent: OrderedDict[int, float] = OrderedDict()

    def allow(self, output: int, octets: int, sent_octets: int, round_trip: float | None, now: float) -> str | None:
        """Whether the packet `output` may be sent again now: None if so (it then counts as sent), else why not.

        Args:
            output: the number that the receiver knows it by.
            octets: its size.
            sent_octets: what the consumer was sent so far, *without* what was sent again.
            round_trip: seconds; None when it is not known.
            now: monotonic seconds.
        """
        left = self._left = min(BURST, self._left + max(0, sent_octets - self._sent_octets))
        self._sent_octets = sent_octets
        resent = self._resent
        last = resent.get(output)
        if last is not None and now - last <= PATIENCE * (DEFAULT_ROUND_TRIP if round_trip is None else round_trip):
            return RESENT_JUST_NOW
        if octets > left:
            return RESEND_BUDGET_SPENT
        self._left = left - octets
        self.sent(output, now)
        return None

    def sent(self, output: int, now: float) -> None:
        """The packet `output` goes out late: who has asked for it meanwhile is not sent it twice."""
        self._resent[output] = now
        self._resent.move_to_end(output)
        self._forget_old(now)

    def _forget_old(self, now: float) -> None:
        resent = self._resent
        while len(resent) > CAPACITY or now - next(iter(resent.values())) > MEMORY:
            resent.popitem(last=False)
