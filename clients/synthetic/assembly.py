"""Frames out of packets, by the rules of RTP and the codec alone: what a decoder could have decoded, without one."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from clients.synthetic.formats import PayloadHead
from clients.synthetic.stamp import Stamp

MOST_OPEN = 64
"""Frames that may wait, incomplete or for what they are predicted from."""
SKIP_AFTER = 0.1
"""Seconds that a frame waits for what is missing before it though it does not need that, as in a jitter buffer."""


class ReceivedFrame(msgspec.Struct, gc=False):
    """A frame of which something came.

    Attributes:
        timestamp: RTP time.
        first: extended number of its first packet, -1 while it is not known; last: of its marked one.
        packets: how many came.
        octets: of their payloads.
        completed_at: when the last of them came.
        head: of its first packet.
        stamp: of its last packet.
    """

    timestamp: int
    first: int = -1
    last: int = -1
    packets: int = 0
    octets: int = 0
    completed_at: float = 0.0
    head: PayloadHead | None = None
    stamp: Stamp | None = None


class FrameAssembly:
    """Puts the packets of a video stream together.

    A frame is complete when all packets from the one that starts it to the marked one are there. It is decoded when it
    is a key frame; or follows a decoded frame without a hole; or, after `SKIP_AFTER`, is of temporal layer 0 and
    follows the last decoded frame of that layer (TL0PICIDX), or is predicted from that very frame alone (Y).

    Args:
        decoded: told of each frame that is decoded and when, in the order of decoding.

    Attributes:
        complete: frames that were complete; dropped: those among them that were never decoded.
        next_number: follows the last packet of the frame decoded last; -1 while only a key frame can be decoded.
    """

    def __init__(self, decoded: Callable[[ReceivedFrame, float], None]) -> None:
        self.complete = 0
        self.dropped = 0
        self.next_number = -1
        self._decoded = decoded
        self._open: dict[int, ReceivedFrame] = {}
        self._waiting: list[ReceivedFrame] = []
        self._empty: set[int] = set()
        self._base_index = -1

    @property
    def waiting(self) -> int:
        """Complete frames that cannot be decoded yet."""
        return len(self._waiting)

    def tick(self, now: float) -> None:
        """Look again at what waits."""
        if self._waiting:
            self._decode_waiting(now)

    def fill(self, number: int, now: float) -> None:
        """A packet without payload came: no frame has it, and it leaves no hole."""
        if number >= self.next_number >= 0:
            self._empty.add(number)
            self._decode_waiting(now)

    def add(
        self, number: int, timestamp: int, marker: bool, octets: int, head: PayloadHead, stamp: Stamp | None, now: float
    ) -> None:
        """A packet came that had not come before."""
        if number < self.next_number:
            return  # what it is part of was given up
        frame = self._open.get(timestamp)
        if frame is None:
            frame = self._open[timestamp] = ReceivedFrame(timestamp)
            if len(self._open) > MOST_OPEN:
                del self._open[next(iter(self._open))]
        frame.packets += 1
        frame.octets += octets
        if head.starts and (frame.first < 0 or number < frame.first):
            frame.first, frame.head = number, head
        if marker:
            frame.last, frame.stamp = number, stamp
        if frame.first >= 0 and frame.last >= 0 and frame.packets == frame.last - frame.first + 1:
            frame.completed_at = now
            self._complete(frame, now)

    def _complete(self, frame: ReceivedFrame, now: float) -> None:
        self.complete += 1
        del self._open[frame.timestamp]
        if not self._waiting and self._can_decode(frame, now):
            self._decode(frame, now)
            if not self._waiting:
                return
        else:
            self._waiting.append(frame)
            self._waiting.sort(key=_first)
        self._decode_waiting(now)

    def _decode_waiting(self, now: float) -> None:
        found = True
        while found and self._waiting:
            found = False
            for index, frame in enumerate(self._waiting):
                if self._can_decode(frame, now):
                    self.dropped += index
                    del self._waiting[: index + 1]
                    self._decode(frame, now)
                    found = True
                    break
        if len(self._waiting) > MOST_OPEN:
            del self._waiting[0]
            self.dropped += 1

    def _can_decode(self, frame: ReceivedFrame, now: float) -> bool:
        head = frame.head
        assert head is not None, "a complete frame has its first packet"
        if head.key:
            return True
        if self.next_number < 0:
            return False
        if self._empty:
            self._pass_empty()
        if frame.first == self.next_number:
            return True
        if head.temporal_id < 0 or head.base_index < 0 or now - frame.completed_at < SKIP_AFTER:
            return False
        if head.temporal_id == 0:
            return head.base_index == (self._base_index + 1) & 0xFF
        return head.sync and head.base_index == self._base_index

    def _pass_empty(self) -> None:
        while self.next_number in self._empty:
            self._empty.discard(self.next_number)
            self.next_number += 1
        self._empty = {number for number in self._empty if number > self.next_number}

    def _decode(self, frame: ReceivedFrame, now: float) -> None:
        head = frame.head
        assert head is not None, "a complete frame has its first packet"
        self.next_number = frame.last + 1
        if head.temporal_id <= 0:
            self._base_index = head.base_index
        if self._open:
            self._drop_passed()
        self._decoded(frame, now)

    def _drop_passed(self) -> None:
        """Incomplete frames before the one that was decoded are of no use."""
        passed = [f.timestamp for f in self._open.values() if 0 <= max(f.first, f.last) < self.next_number]
        for timestamp in passed:
            del self._open[timestamp]


def _first(frame: ReceivedFrame) -> int:
    return frame.first
