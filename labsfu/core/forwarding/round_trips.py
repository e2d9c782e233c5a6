"""Round trips to a peer that may send no sender reports, or get none (RFC 3611 4.4, 4.5).

One side sends its reference time (RRTR), the other answers with how long it kept it (DLRR).
"""

from __future__ import annotations

from collections import deque

from labsfu.core.rtcp.ntp import delay_from_seconds, middle32, round_trip_seconds
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ReceiverReferenceTime

MAX_REQUESTS = 16  # of ours that are remembered: an answer to an older one, or to none, tells nothing
MAX_SOURCES = 16  # SSRCs of the peer that wait for an answer


class RoundTrips:
    """The round trips of one transport, in both directions.

    Attributes:
        value: seconds to this peer and back, as measured last; None before.
    """

    __slots__ = ("_asked", "_waiting", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        self._asked: deque[int] = deque(maxlen=MAX_REQUESTS)
        self._waiting: dict[int, tuple[int, float]] = {}  # by SSRC, oldest first: its reference time, and when it came

    def request(self, ntp: int) -> ReceiverReferenceTime:
        """The block for our report that is sent at `ntp` (64-bit NTP timestamp)."""
        self._asked.append(middle32(ntp))
        return ReceiverReferenceTime(ntp)

    def answered(self, item: DlrrItem, ntp_now: int) -> None:
        """An item for an SSRC of ours arrived at `ntp_now`; one for a request that was never made is ignored."""
        if item.last_rr not in self._asked:
            return
        measured = round_trip_seconds(middle32(ntp_now), item.last_rr, item.delay)
        if measured is not None:
            self.value = measured

    def requested(self, ssrc: int, block: ReceiverReferenceTime, now: float) -> None:
        """The peer's reference time of `ssrc` arrived; its newest is the one that is answered."""
        self._waiting.pop(ssrc, None)
        while len(self._waiting) >= MAX_SOURCES:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[ssrc] = (middle32(block.ntp_timestamp), now)

    def answer(self, now: float) -> Dlrr | None:
        """The block for our next report: an item for each reference time not answered yet; None without any."""
        if not self._waiting:
            return None
        items = tuple(
            DlrrItem(ssrc, last_rr, delay_from_seconds(now - arrival))
            for ssrc, (last_rr, arrival) in self._waiting.items()
        )
        self._waiting.clear()
        return Dlrr(items)
