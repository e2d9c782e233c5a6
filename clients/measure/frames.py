"""Which frames of a stream are whole, whatever the codec: by timestamp, marker and sequence number."""

from __future__ import annotations

from collections import deque

from clients.measure.window import Window

_KEPT = 4096
"""Packets by which frames are told apart."""
_AVERAGED = 30
_ENOUGH = 5
"""Frames before an average means something; libwebrtc waits for as many."""


class _Frame:
    __slots__ = ("count", "first", "last", "marked", "whole")

    def __init__(self, number: int) -> None:
        self.first = self.last = number
        self.count = 0
        self.marked = self.whole = False


class FrameBook:
    """Frames of one stream.

    A frame is whole when all its packets have come, by themselves or by repair: from the one after another frame's
    end to the one with the marker, or to the one before another frame. Where one number between two frames is missing
    it is the older one's end if that lacks its marker; of several it is not known where the one frame ends and the
    other begins, and neither is whole. A frame is shown when it is whole and newer than
    what was shown; nothing waits for anything older. So freezes are what they are at best: a decoder that needs a
    frame which did not come freezes for longer.

    Attributes:
        received: whole frames.
        freezes: intervals between frames shown of at least max(3 * average, average + 150 ms), the average being that
            of up to 30 intervals before (webrtc-stats `freezeCount`).
        frozen: sum of those intervals, seconds.
        delay: sum of all intervals, seconds.
        squared_delay: sum of their squares.
    """

    __slots__ = (
        "_floor", "_frames", "_intervals", "_packets", "_recent", "_shown", "_shown_at", "delay", "freezes", "frozen",
        "received", "squared_delay",
    )  # fmt: skip

    def __init__(self) -> None:
        self.received = 0
        self.freezes = 0
        self.frozen = 0.0
        self.delay = 0.0
        self.squared_delay = 0.0
        self._frames: dict[int, _Frame] = {}
        self._packets: dict[int, _Frame] = {}
        self._intervals: deque[float] = deque(maxlen=_AVERAGED)
        self._recent = Window()
        self._floor = -1
        self._shown = -1
        self._shown_at = 0.0

    def per_second(self, now: float) -> int:
        """Whole frames in the last second."""
        return self._recent.total(now)

    def receive(self, number: int, timestamp: int, marker: bool, at: float, lowest: int) -> None:
        """Take a packet into account, a repaired one with the number and timestamp of the original.

        Args:
            number: extended sequence number; one that came before, or is older than what is kept, changes nothing.
            timestamp: 32 bits.
            marker: whether it ends its frame.
            at: seconds.
            lowest: number of the stream's first packet, where a frame is taken to begin.
        """
        if number in self._packets or number < self._floor:
            return
        frame = self._frames.get(timestamp)
        if frame is None:
            frame = self._frames[timestamp] = _Frame(number)
        frame.first = min(frame.first, number)
        frame.last = max(frame.last, number)
        frame.count += 1
        frame.marked |= marker
        self._packets[number] = frame
        for near in (number - 1, number, number + 1, number + 2):
            one = self._packets.get(near)
            if one is not None and not one.whole and self._is_whole(one, lowest):
                self._complete(one, at)
        if len(self._packets) > _KEPT:
            self._forget()

    def _is_whole(self, frame: _Frame, lowest: int) -> bool:
        return (
            frame.count == frame.last - frame.first + 1
            and (frame.marked or frame.last + 1 in self._packets)
            and self._begins_at(frame.first, lowest)
        )

    def _begins_at(self, first: int, lowest: int) -> bool:
        """Whether a frame's lowest number that came is its first one."""
        if first == lowest or first - 1 in self._packets:
            return True
        before = self._packets.get(first - 2)
        return before is not None and not before.marked

    def _complete(self, frame: _Frame, at: float) -> None:
        frame.whole = True
        self.received += 1
        self._recent.add(1, at)
        if frame.first < self._shown:
            return
        if self._shown >= 0:
            self._show_after(at - self._shown_at)
        self._shown, self._shown_at = frame.first, at

    def _show_after(self, interval: float) -> None:
        self.delay += interval
        self.squared_delay += interval * interval
        if len(self._intervals) >= _ENOUGH:
            average = sum(self._intervals) / len(self._intervals)
            if interval >= max(3 * average, average + 0.150):
                self.freezes += 1
                self.frozen += interval
        self._intervals.append(interval)

    def _forget(self) -> None:
        """The older half. Of a frame that still reaches into the newer one the end is known, its beginning not."""
        self._floor = oldest = sorted(self._packets)[_KEPT // 2]
        self._packets = {number: frame for number, frame in self._packets.items() if number >= oldest}
        self._frames = {timestamp: frame for timestamp, frame in self._frames.items() if frame.last >= oldest}
