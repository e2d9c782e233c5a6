"""When the packets of a transport arrived, told to its sender as transport-wide feedback.

The format is `labsfu.core.rtcp.transport_cc`; when and what is reported follows libwebrtc's receiver: every 100 ms
while packets come, everything since the last feedback; when one comes that was reported missing, everything from it on
is reported again, from a memory of 500 ms.
"""

from __future__ import annotations

from collections import deque

from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.sequence import distance16

INTERVAL = 0.1  # seconds from the first packet after a feedback to the next feedback
WINDOW = 0.5  # seconds that arrivals are remembered for reporting them again
MAX_OCTETS = 1200  # of one encoded feedback
MAX_SPAN = 8192  # numbers that a jump may make us remember: a bigger one is a sender that counts anew
MAX_LATE = 3000  # numbers that a packet may be late by: further behind is a sender that counts anew
LOSS_HISTORY = 24

# What surely fits: 20 octets are headers, at most 3 padding; a received packet takes a delta of at most two octets; a
# status takes at most 2/7 octets, and in a run of missing ones that is long enough none beyond _LONG_RUN.
_SURE_COUNT = 500
_BUDGET = 7 * (MAX_OCTETS - 50)
_RECEIVED_COST, _MISSING_COST = 16, 2
_LONG_RUN = 28


class ArrivalLog:
    """The arrivals of one transport (draft-holmer-rmcat-transport-wide-cc-extensions-01 3.1).

    Args:
        sender_ssrc: who reports, in each feedback.
    """

    __slots__ = (
        "_arrivals",
        "_complete",
        "_count",
        "_deadline",
        "_losses",
        "_media_ssrc",
        "_next",
        "_reported",
        "_sender",
    )

    def __init__(self, sender_ssrc: int) -> None:
        self._sender = sender_ssrc
        self._media_ssrc = 0
        self._count = 0  # of feedbacks so far
        self._next = -1  # 16-bit number that follows the last of `_arrivals`; -1 before the first packet
        self._arrivals: list[float | None] = []  # of consecutive numbers; the last one has always arrived
        self._reported = 0  # how many of `_arrivals` the last feedback covered
        self._complete = True  # nothing has been forgotten since numbers began
        self._deadline: float | None = None
        self._losses: deque[float] = deque(maxlen=LOSS_HISTORY)

    def receive(self, sequence: int, media_ssrc: int, now: float) -> bool:
        """A packet arrived.

        Args:
            sequence: its transport-wide sequence number, 0..65535.
            media_ssrc: its SSRC; the feedback names the last one.
            now: monotonic seconds.

        Returns:
            Whether `deadline` was set: it is the first one since the last feedback.
        """
        waiting = self._deadline is not None
        if not waiting:
            self._forget(now - WINDOW)
        if sequence == self._next:
            self._arrivals.append(now)
            self._next = (sequence + 1) & 0xFFFF
        elif not self._place(sequence, now):
            return False
        self._media_ssrc = media_ssrc
        if waiting:
            return False
        self._deadline = now + INTERVAL
        return True

    def due(self, now: float) -> list[TransportFeedback]:
        """The feedback to send now, in order; nothing before `deadline`."""
        if self._deadline is None or now < self._deadline:
            return []
        self._deadline = None
        pending = self._arrivals[self._reported :]
        self._reported = len(self._arrivals)
        feedbacks = []
        while pending:
            feedback, covered = TransportFeedback.of_arrivals(
                self._sender, self._media_ssrc, self._next - len(pending), self._count, pending[: _fitting(pending)]
            )
            self._count += 1
            self._losses.append(feedback.deltas.count(None) / covered)
            feedbacks.append(feedback)
            pending = pending[covered:]
        return feedbacks

    def deadline(self) -> float | None:
        """When `due` has something; None while nothing came since the last feedback."""
        return self._deadline

    @property
    def fraction_lost(self) -> float:
        """The share of packets reported missing, 0 to 1: average of the last feedbacks, the newest weighing most."""
        if not self._losses:
            return 0.0
        weights = range(1, len(self._losses) + 1)
        weighted = sum(weight * loss for weight, loss in zip(weights, self._losses, strict=True))
        return weighted / sum(weights)

    def _forget(self, horizon: float) -> None:
        """Let go of what has been reported and arrived at `horizon` or before, and of the holes before that."""
        count = 0
        for index in range(self._reported):
            arrival = self._arrivals[index]
            if arrival is None:
                continue
            if arrival > horizon:
                break
            count = index + 1
        if count:
            del self._arrivals[:count]
            self._reported -= count
            self._complete = False

    def _place(self, sequence: int, now: float) -> bool:
        """Note a packet that is not the next one; False when there is nothing new to report."""
        if self._next < 0:
            return self._begin(sequence, now)
        arrivals = self._arrivals
        ahead = distance16(sequence, self._next)
        if ahead > 0:
            if len(arrivals) + ahead >= MAX_SPAN:
                return self._begin(sequence, now)
            arrivals.extend([None] * ahead)
            arrivals.append(now)
            self._next = (sequence + 1) & 0xFFFF
            return True
        index = len(arrivals) + ahead
        if index < 0:
            return self._place_before(-index, -ahead, sequence, now)
        if arrivals[index] is not None:
            return False
        arrivals[index] = now
        self._reported = min(self._reported, index)
        return True

    def _place_before(self, missing: int, late: int, sequence: int, now: float) -> bool:
        """Note a packet that is `missing` numbers before the first that is remembered."""
        if late > MAX_LATE:
            return self._begin(sequence, now)
        if not self._complete:
            return False
        self._arrivals[:0] = [now, *[None] * (missing - 1)]
        self._reported = 0
        return True

    def _begin(self, sequence: int, now: float) -> bool:
        """Numbers begin (anew): what was not reported of the old ones cannot be told beside the new ones."""
        self._arrivals = [now]
        self._reported = 0
        self._complete = True
        self._next = (sequence + 1) & 0xFFFF
        return True


def _fitting(arrivals: list[float | None]) -> int:
    """How many of `arrivals` one feedback holds in `MAX_OCTETS`; it ends with one that has arrived."""
    if len(arrivals) <= _SURE_COUNT:
        return len(arrivals)
    budget = _BUDGET
    run = fitting = 0
    for position, arrival in enumerate(arrivals, 1):
        if arrival is None:
            run += 1
            if run <= _LONG_RUN:
                budget -= _MISSING_COST
            continue
        run = 0
        budget -= _RECEIVED_COST
        if budget < 0:
            break
        fitting = position
    return fitting
