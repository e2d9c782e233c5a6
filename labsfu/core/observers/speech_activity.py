"""How much of the last second somebody was loud: what is compared to tell who speaks.

After Volfin and Cohen, "Dominant speaker identification for multipoint videoconferencing" (2013), 3: time is cut into
intervals of 20 ms, and looked at over a medium time (5 of them) and a long one (50).
"""

from __future__ import annotations

from collections import deque

from labsfu.core.observers.noise_floor import NoiseFloor

INTERVAL = 0.02
"""Seconds."""
MEDIUM, LONG = 5, 50
"""Intervals looked at: 100 ms, and a second."""

LOUD = 80
"""The least level of a loud interval, -47 dBov: above 7 subunits of 10, with mediasoup's constants."""
MARGIN = 10
"""How far above its own noise somebody must be to be loud."""
SYLLABLE = 3
"""Intervals that somebody is loud without a gap when it is a syllable: a stroke on a keyboard is shorter."""

LONGEST_PACKET = 8
"""Intervals between two packets of sound that goes on: 120 ms of Opus (RFC 7587 4.2), and some delay; more is a gap."""


class SpeechActivity:
    """The levels of somebody's last second: 0 (silence) to 127 (the loudest)."""

    __slots__ = ("_floor", "_levels", "_spacing", "_until")

    def __init__(self) -> None:
        self._levels: deque[int] = deque(bytes(LONG), maxlen=LONG)
        self._floor = NoiseFloor()
        self._until = 0.0
        self._spacing = 1

    def hear(self, level: int, now: float) -> None:
        """A packet came. It stands for the time since the one before, unless that is so long that nobody spoke."""
        passed = round((now - self._until) / INTERVAL)
        if passed > LONGEST_PACKET:
            self._levels.extend(bytes(min(passed - 1, LONG)))
            self._levels.append(level)
            self._until = now
        elif passed > 1:
            self._levels.extend((level,) * passed)
            self._until += passed * INTERVAL
            self._spacing = passed
        else:  # a packet is never nothing; those that come all at once may run ahead by one
            self._levels.append(level)
            self._until = min(self._until + INTERVAL, now + INTERVAL)
            self._spacing = 1
        self._floor.hear(level)

    def measure(self, now: float) -> tuple[int, int]:
        """How many intervals of the last 100 ms were loud, and how many of the last second were of loud syllables."""
        passed = int((now - self._until) / INTERVAL)
        if passed >= 2 * self._spacing:  # no packet is only late so long
            self._levels.extend(bytes(min(passed, LONG)))
            self._until += passed * INTERVAL
        least = max(LOUD, self._floor.level + MARGIN)
        loud = bytes(level >= least for level in self._levels)
        return sum(loud[-MEDIUM:]), sum(len(run) for run in loud.split(b"\0") if len(run) >= SYLLABLE)
