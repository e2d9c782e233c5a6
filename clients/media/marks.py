"""Time marks in sound: at each whole second of the sender's clock a pair of chirps that says which second it is.

A mark is a chirp from 100 up to 350 Hz, 100 ms long, that begins at the second, and the same one backwards (down) that
begins 150 ms + 40 ms x (the second modulo 16) after the first. It lies below the pitches of `clients.media.tone` and
within what every speech codec passes, so a tone goes on sounding above it. A detector finds both by matched filters at
2400 Hz; a pair with another distance is no mark. So a mark is known to 0.5 ms and its second is unambiguous for delays
between -8 and 8 s.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEADROOM_DB", "MARK_MODULUS", "HeardMark", "MarkDetector", "add_marks", "mark_delay_s"]

_Floats = NDArray[np.float32]
_SAMPLE_RATE = 48_000

MARK_MODULUS = 16
"""Seconds after which marks repeat."""
HEADROOM_DB = 10.0
"""How far a mark's peak is below its tone's."""

_CHIRP_S = 0.1
_FROM_HZ, _TO_HZ = 100.0, 350.0
_TAPER_S = 0.01
_FIRST_GAP_S, _GAP_STEP_S = 0.15, 0.04
_GAP_TOLERANCE_S = 0.004

_RATE = 2400
_DECIMATION = _SAMPLE_RATE // _RATE
_CHIRP = int(_CHIRP_S * _SAMPLE_RATE)
_TEMPLATE = int(_CHIRP_S * _RATE)
_LEAST_LIKENESS = 0.5
"""Of a stretch of sound, the part of its power that is the chirp: by noise, 1 of 10**7 stretches gets so far."""
_LEAST_POWER = (1e-4) ** 2
"""Mean square, of full scale 1, below which a stretch is silence."""
_APART = _TEMPLATE // 2
"""Two peaks nearer than this are of one chirp."""


def _phase(rate: int) -> NDArray[np.float64]:
    """Phase of the upward chirp, sampled at a rate, in radians."""
    t = np.arange(int(_CHIRP_S * rate)) / rate
    return 2 * math.pi * (_FROM_HZ * t + (_TO_HZ - _FROM_HZ) / (2 * _CHIRP_S) * t * t)


def _envelope(rate: int) -> NDArray[np.float64]:
    edge = int(_TAPER_S * rate)
    rise = np.sin(np.arange(edge) / edge * math.pi / 2) ** 2
    return np.concatenate((rise, np.ones(int(_CHIRP_S * rate) - 2 * edge), rise[::-1]))


def _low_pass(taps: int, cut_hz: float, rate: int) -> NDArray[np.float64]:
    """A windowed sinc, of gain 1 at zero."""
    at = np.arange(taps) - (taps - 1) / 2
    response = np.sinc(2 * cut_hz / rate * at) * np.blackman(taps)
    return np.asarray(response / response.sum(), dtype=np.float64)


def _columns() -> _Floats:
    """The matched filters as columns: up in phase and in quadrature, down likewise; each of power 1."""
    up = np.exp(1j * _phase(_RATE)) * _envelope(_RATE)
    both = [up.real, up.imag, up.real[::-1], up.imag[::-1]]
    return (np.stack(both, axis=1) * math.sqrt(2 / np.sum(np.abs(up) ** 2))).astype(np.float32)


_UP = np.sin(_phase(_SAMPLE_RATE)) * _envelope(_SAMPLE_RATE)
_DECIMATOR = _low_pass(161, 700, _SAMPLE_RATE).astype(np.float32)
# high enough to pass the chirps, low enough to stop the lowest tone (460 Hz)
_BAND = _low_pass(161, 405, _RATE).astype(np.float32)
_MATCHED = _columns()
_LAG = (len(_DECIMATOR) - 1) // 2 + (len(_BAND) - 1) // 2 * _DECIMATION
"""Samples at 48 kHz by which the filters delay."""
_BLOCK = 240
"""Decimated samples that are looked at in one go: 100 ms."""


def add_marks(samples: NDArray[np.float64], began_s: float, amplitude: float) -> None:
    """Add the marks that sound in these samples.

    Args:
        samples: at 48 kHz; changed in place.
        began_s: when the first of them is, seconds of the sender's clock.
        amplitude: peak of the marks in units of the samples.
    """
    longest_s = _FIRST_GAP_S + (MARK_MODULUS - 1) * _GAP_STEP_S + _CHIRP_S
    for second in range(math.floor(began_s - longest_s), math.floor(began_s + len(samples) / _SAMPLE_RATE) + 1):
        gap_s = _FIRST_GAP_S + second % MARK_MODULUS * _GAP_STEP_S
        for at_s, chirp in ((second, _UP), (second + gap_s, _UP[::-1])):
            begin = round((at_s - began_s) * _SAMPLE_RATE)
            first, last = max(0, begin), min(len(samples), begin + _CHIRP)
            if first < last:
                samples[first:last] += amplitude * chirp[first - begin : last - begin]


def mark_delay_s(second: int, heard_at_s: float) -> float:
    """How long after its second a mark was heard.

    Args:
        second: the second modulo `MARK_MODULUS`, as the mark says.
        heard_at_s: when it was heard, seconds of the same clock.

    Returns:
        Seconds, between -8 and 8.
    """
    half = MARK_MODULUS / 2
    return (heard_at_s - second + half) % MARK_MODULUS - half


@dataclass(frozen=True, slots=True)
class HeardMark:
    """A mark found in a stream of samples.

    Attributes:
        second: what it says: its second modulo `MARK_MODULUS`.
        sample: number of the sample at which it begins, counted from the first one fed.
    """

    second: int
    sample: int


class _Peaks:
    """The best of each group of neighbouring likenesses that are high enough."""

    __slots__ = ("_at", "_best")

    def __init__(self) -> None:
        self._at, self._best = 0, 0.0

    def add(self, likeness: _Floats, begin: int) -> int | None:
        """Take the likenesses from number `begin` on; gives the number of a peak once nothing near it can be higher."""
        found = None
        highest = int(likeness.argmax())
        if likeness[highest] >= max(_LEAST_LIKENESS, self._best):
            self._at, self._best = begin + highest, float(likeness[highest])
        if self._best and begin + len(likeness) - self._at > _APART:
            found, self._best = self._at, 0.0
        return found


class MarkDetector:
    """Finds marks in 48 kHz sound, fed in pieces of any length."""

    __slots__ = ("_band_in", "_down", "_fed", "_last_up", "_narrow", "_up", "_waiting")

    def __init__(self) -> None:
        self._waiting = np.zeros(len(_DECIMATOR) - 1, dtype=np.float32)
        self._band_in = np.zeros(len(_BAND) - 1, dtype=np.float32)
        self._narrow = np.zeros(_TEMPLATE - 1, dtype=np.float32)
        self._fed = -(_TEMPLATE - 1)  # number of the decimated sample at which the next window begins
        self._up, self._down = _Peaks(), _Peaks()
        self._last_up: int | None = None

    def add(self, mono: _Floats) -> list[HeardMark]:
        """Take samples (full scale 1) and tell the marks that were completed by them."""
        self._waiting = np.concatenate((self._waiting, mono))
        found = []
        while len(self._waiting) >= len(_DECIMATOR) - 1 + _BLOCK * _DECIMATION:
            windows = np.lib.stride_tricks.sliding_window_view(self._waiting, len(_DECIMATOR))
            decimated = windows[: _BLOCK * _DECIMATION : _DECIMATION] @ _DECIMATOR
            self._waiting = self._waiting[_BLOCK * _DECIMATION :]
            found += self._take(decimated)
        return found

    def _take(self, decimated: _Floats) -> list[HeardMark]:
        """100 ms at 2400 Hz: cut off the tones, compare with the chirps, pair the peaks."""
        wide = np.concatenate((self._band_in, decimated))
        self._band_in = wide[_BLOCK:]
        band = np.lib.stride_tricks.sliding_window_view(wide, len(_BAND)) @ _BAND
        narrow = np.concatenate((self._narrow, band))
        self._narrow = narrow[_BLOCK:]
        windows = np.lib.stride_tricks.sliding_window_view(narrow, _TEMPLATE)
        power = np.einsum("ij,ij->i", windows, windows)
        parts = (windows @ _MATCHED) ** 2
        floor = np.maximum(power, _TEMPLATE * _LEAST_POWER)
        begin, self._fed = self._fed, self._fed + _BLOCK
        up = self._up.add((parts[:, 0] + parts[:, 1]) / floor, begin)
        if up is not None:
            self._last_up = up
        down = self._down.add((parts[:, 2] + parts[:, 3]) / floor, begin)
        mark = None if down is None else self._pair(down)
        return [] if mark is None else [mark]

    def _pair(self, down: int) -> HeardMark | None:
        if self._last_up is None:
            return None
        steps = ((down - self._last_up) / _RATE - _FIRST_GAP_S) / _GAP_STEP_S
        second = round(steps)
        if not 0 <= second < MARK_MODULUS or abs(steps - second) * _GAP_STEP_S > _GAP_TOLERANCE_S:
            return None
        return HeardMark(second, self._last_up * _DECIMATION - _LAG)
