"""What a microphone hears of its surroundings: speech is louder than that (as Jitsi and mediasoup have it)."""

from __future__ import annotations

import math

WINDOW = 750
"""Levels after which the floor may rise: 15 s of packets of 20 ms."""

HIGHEST = 87
"""No floor is louder than this (-40 dBov): a voice that never drops is a voice all the same (a tone, a tune)."""


class NoiseFloor:
    """The least level of late. It sinks at once, and rises by half of what it is too low by, every 15 s.

    Levels are 0 (digital silence, which says nothing of the surroundings) to 127 (the loudest).
    """

    __slots__ = ("_count", "_least", "level")

    def __init__(self) -> None:
        self.level = 0
        self._least = 0
        self._count = 0

    def hear(self, level: int) -> None:
        """Take one level in."""
        if not level:
            return
        if not self.level or level < self.level:
            self._begin(min(level, HIGHEST))
            return
        self._least = min(self._least or level, level)
        self._count += 1
        if self._count >= WINDOW:
            self._begin(min(round(math.sqrt(self.level * self._least)), HIGHEST))

    def _begin(self, level: int) -> None:
        self.level, self._least, self._count = level, 0, 0
