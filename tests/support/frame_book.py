"""Which frames of a synthetic video came to be seen, and when: assembly and the rules of key frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.synthetic_vp8 import Fragment

FREEZE = 0.2
"""Seconds between two shown frames from which on a viewer sees a standstill."""


@dataclass(slots=True)
class Frame:
    """What came of one frame; instants in seconds of the lab's clock."""

    captured: float
    key: bool
    missing: set[int]
    completed: float | None = None
    shown: float | None = None


@dataclass(slots=True)
class FrameBook:
    """Frames in order of being captured.

    A frame is complete when all of its packets came. It is shown when it is complete, and so is every frame since the
    last key frame; a complete key frame is shown in any case, and what is missing before it is given up.
    """

    frames: dict[int, Frame] = field(default_factory=dict)
    shown: list[tuple[float, int]] = field(default_factory=list)
    _next: int | None = None

    @property
    def started(self) -> bool:
        """Whether a key frame was shown and nothing has been given up since."""
        return self._next is not None

    @property
    def _last_shown(self) -> int:
        return self.shown[-1][1] if self.shown else -1

    def receive(self, fragment: Fragment, now: float) -> None:
        """Take in a packet's payload."""
        frame = self.frames.get(fragment.frame)
        if frame is None:
            frame = Frame(fragment.captured, fragment.key, set(range(fragment.count)))
            self.frames[fragment.frame] = frame
        frame.missing.discard(fragment.index)
        if frame.missing or frame.completed is not None:
            return
        frame.completed = now
        if frame.key and fragment.frame > self._last_shown and (self._next is None or fragment.frame > self._next):
            self._next = fragment.frame
        self._show(now)

    def give_up(self) -> None:
        """Something that is missing will not come: only a key frame can be shown next."""
        self._next = None

    def _show(self, now: float) -> None:
        while self._next is not None:
            frame = self.frames.get(self._next)
            if frame is None or frame.completed is None:
                return
            frame.shown = now
            self.shown.append((now, self._next))
            self._next += 1

    def freezes(self, begin: float, end: float) -> int:
        """How many standstills there were between two instants."""
        times = [begin, *(at for at, _ in self.shown if begin < at < end), end]
        return sum(later - earlier > FREEZE for earlier, later in pairwise(times))
