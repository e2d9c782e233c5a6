"""The books on decoded frames: rate, freezes, latency, and whether the stamps agree."""

from __future__ import annotations

from collections import Counter, deque

from clients.synthetic.assembly import ReceivedFrame
from clients.synthetic.reports import FrameReport
from clients.synthetic.stamp import Stamp

_AVERAGED = 30  # intervals that a freeze is judged by (webrtc-stats)
_FREEZE = 0.15
_STEP = 0.0005  # latency is kept in steps of half a millisecond
_REMEMBERED = 256  # numbers of decoded frames that references are looked up in


class FrameBook:
    """What was decoded of one stream."""

    __slots__ = (
        "_first",
        "_first_at",
        "_freezes",
        "_frozen",
        "_gaps",
        "_intervals",
        "_jumps",
        "_key_frames",
        "_last",
        "_last_at",
        "_latencies",
        "_layers",
        "_longest",
        "_picture",
        "_seen",
        "_sources",
        "_stamped",
        "_temporal",
        "_times",
        "_untrue",
        "decoded",
    )

    def __init__(self) -> None:
        self.decoded = 0
        self._key_frames = 0
        self._times: deque[float] = deque(maxlen=240)
        self._intervals: deque[float] = deque(maxlen=_AVERAGED)
        self._gaps = 0.0
        self._freezes = 0
        self._frozen = self._longest = 0.0
        self._first_at: float | None = None
        self._last_at = 0.0
        self._stamped = self._untrue = self._jumps = 0
        self._first = self._last = self._picture = -1
        self._layers: Counter[int] = Counter()
        self._temporal: Counter[int] = Counter()
        self._sources: Counter[int] = Counter()
        self._seen: dict[tuple[int, int], None] = {}
        self._latencies: Counter[int] = Counter()

    @property
    def last_at(self) -> float:
        """When the last frame was decoded, monotonic seconds; 0 before."""
        return self._last_at

    @property
    def last_stamped(self) -> int:
        """The highest number of a synthetic frame decoded; -1 before."""
        return self._last

    def note(self, frame: ReceivedFrame, now: float) -> None:
        """A video frame was decoded."""
        head, stamp = frame.head, frame.stamp
        self.heard(now)
        if head is not None:
            self._key_frames += head.key
            if head.picture_id >= 0:
                self._jumps += self._picture >= 0 and head.picture_id != (self._picture + 1) & 0x7FFF
                self._picture = head.picture_id
        if stamp is not None:
            whole = stamp.count == frame.packets and stamp.index == stamp.count - 1
            self._untrue += not (whole and self._has_reference(stamp))
            self.stamped(stamp, now)

    def heard(self, now: float) -> None:
        """A frame was decoded, of sound or pictures."""
        self.decoded += 1
        if self._first_at is None:
            self._first_at = now
        else:
            self._gap(now - self._last_at)
        self._last_at = now
        self._times.append(now)

    def stamped(self, stamp: Stamp, now: float) -> None:
        """It was a synthetic one."""
        self._stamped += 1
        self._layers[stamp.layer] += 1
        self._temporal[stamp.temporal_id] += 1
        self._sources[stamp.source] += 1
        self._latencies[int((now - stamp.captured) / _STEP)] += 1
        self._first = stamp.frame if self._first < 0 else min(self._first, stamp.frame)
        self._last = max(self._last, stamp.frame)

    def report(self, now: float, *, complete: int, dropped: int) -> FrameReport:
        """The books as they are."""
        expected = self._last - self._first + 1 if self._stamped else 0
        return FrameReport(
            frames_received=complete,
            frames_decoded=self.decoded,
            key_frames_decoded=self._key_frames,
            frames_dropped=dropped,
            frames_per_second=float(sum(at > now - 1.0 for at in self._times)),
            freeze_count=self._freezes,
            total_freezes_duration=self._frozen,
            total_inter_frame_delay=self._gaps,
            longest_gap=self._longest,
            first_frame_at=self._first_at,
            stamped_frames=self._stamped,
            first_stamped=self._first,
            last_stamped=self._last,
            stamped_missing=max(0, expected - self._stamped),
            stamped_layers=dict(sorted(self._layers.items())),
            stamped_temporal=dict(sorted(self._temporal.items())),
            stamped_sources=dict(sorted(self._sources.items())),
            untrue=self._untrue,
            picture_id_jumps=self._jumps,
            latency_p50=self._latency(0.5),
            latency_p99=self._latency(0.99),
            latency_max=self._latency(1.0),
        )

    def _gap(self, gap: float) -> None:
        """A freeze is a gap of three average ones, and of 150 ms more than one, whichever is longer (webrtc-stats)."""
        self._gaps += gap
        self._longest = max(self._longest, gap)
        intervals = self._intervals
        if intervals:
            average = sum(intervals) / len(intervals)
            if gap > max(3 * average, average + _FREEZE):
                self._freezes += 1
                self._frozen += gap
        intervals.append(gap)

    def _has_reference(self, stamp: Stamp) -> bool:
        seen = self._seen
        known = not stamp.reference or (stamp.layer, stamp.frame - stamp.reference) in seen
        seen[stamp.layer, stamp.frame] = None
        if len(seen) > _REMEMBERED:
            del seen[next(iter(seen))]
        return known

    def _latency(self, share: float) -> float | None:
        """The middle of the step in which this share of the latencies is reached."""
        left = share * self._stamped
        for step in sorted(self._latencies):
            left -= self._latencies[step]
            if left <= 0:
                return (step + 0.5) * _STEP
        return None
