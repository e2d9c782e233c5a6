"""When the time marks in a remote track were heard, and how long after they were captured."""

from collections import deque

import numpy as np

from clients.media.marks import MarkDetector, mark_delay_s
from clients.media.tone import SAMPLE_RATE, Samples

__all__ = ["MarkTimes"]

_FULL_SCALE = 32768.0
_REMEMBERED = 2 * SAMPLE_RATE
"""Samples: longer than a mark takes to be recognised."""
_LONGEST_GAP_S = 2.0


class MarkTimes:
    """Counts samples, knows when each piece of them came, and so when a mark was heard.

    A sample is heard when its piece came out of the decoder plus its place in it, as if it were played at once.

    Attributes:
        heard: of each mark in order: the second of the clock at which it was captured, milliseconds from then on
            (unambiguous from -8 to 8 s).
    """

    __slots__ = ("_detector", "_fed", "_pieces", "heard")

    def __init__(self) -> None:
        self._detector = MarkDetector()
        self._pieces: deque[tuple[int, float]] = deque()
        self._fed = 0
        self.heard: list[tuple[int, float]] = []

    def begin(self, now: float, missing_s: float) -> None:
        """A piece of sound comes, decoded at `now`; so many seconds before it are lost, for which silence stands in."""
        if missing_s:
            self._feed(np.zeros(round(min(missing_s, _LONGEST_GAP_S) * SAMPLE_RATE), dtype=np.float32))
        self._pieces.append((self._fed, now))
        while self._pieces[0][0] < self._fed - _REMEMBERED:
            self._pieces.popleft()

    def add(self, samples: Samples, channels: int) -> None:
        """The piece's 48 kHz samples, interleaved; channels are mixed."""
        mono = samples.reshape(-1, channels).astype(np.float32)
        self._feed(mono @ np.full(channels, 1 / (channels * _FULL_SCALE), np.float32))

    def _feed(self, mono: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        self._fed += len(mono)
        for mark in self._detector.add(mono):
            piece = next((piece for piece in reversed(self._pieces) if piece[0] <= mark.sample), None)
            if piece is None:
                continue
            heard_at = piece[1] + (mark.sample - piece[0]) / SAMPLE_RATE
            delay_s = mark_delay_s(mark.second, heard_at)
            self.heard.append((round(heard_at - delay_s), delay_s * 1000))
