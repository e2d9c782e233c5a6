"""Tones that name their speaker: a grid of 50 pitches, their samples, and a detector.

Pitches are 20 Hz times the integers from 23 to 170 that neither 2 nor 3 divides, 460 to 3380 Hz and at least 40 Hz
apart. The second and the third harmonic of a tone are multiples of 2 or 3 of the grid's step, hence never another
tone. Every pitch has a whole number of periods in 50 ms: a tone is a table that repeats, and in a window of 100 ms
(bins of 10 Hz, Hann window, whose zeros lie two bins off) neighbours do not leak into one another.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "SAMPLE_RATE",
    "SILENCE_DBOV",
    "TONES",
    "WINDOW_S",
    "Samples",
    "ToneDetector",
    "level_dbov",
    "tone_frequency",
    "tone_number",
    "tone_table",
]

Samples = NDArray[np.int16]
"""16-bit samples."""

SAMPLE_RATE = 48_000
WINDOW_S = 0.1
SILENCE_DBOV = -127.0
"""The level of digital silence and the least one there is (RFC 6464 section 3)."""

_STEP_HZ = 20
_FREQUENCIES = tuple(_STEP_HZ * n for n in range(23, 171) if n % 2 and n % 3)
TONES = len(_FREQUENCIES)
_TABLE = SAMPLE_RATE // _STEP_HZ
_WINDOW = int(SAMPLE_RATE * WINDOW_S)
_BIN_HZ = SAMPLE_RATE // _WINDOW
_BINS = np.array(_FREQUENCIES) // _BIN_HZ
_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
_FULL_SCALE = 32768.0
_AUDIBLE_DBOV = -55.0
"""A tone below this is not heard."""
_BELOW_LOUDEST_DB = 12.0
"""Of two tones at once the weaker may be this much below; a tone cut off within a window smears -16 dB."""
_ABOVE_NOISE_DB = 15.0
"""A tone stands this far out of the median of the band; of white noise one bin in 10**9 does."""
_BAND = slice(300 // _BIN_HZ, 3600 // _BIN_HZ)


def tone_number(source: int) -> int:
    """The tone of a source, 0 to TONES - 1; sources that differ by a multiple of TONES share one."""
    return source % TONES


def tone_frequency(source: int) -> float:
    """The pitch of a source's tone in Hz."""
    return float(_FREQUENCIES[tone_number(source)])


def tone_table(source: int, dbov: float) -> Samples:
    """50 ms of a source's tone (2400 samples at 48 kHz), which repeat without a seam.

    Args:
        source: whose tone.
        dbov: root-mean-square level, at most -3.01 (a sine at full scale).

    Raises:
        ValueError: louder than full scale.
    """
    amplitude = _FULL_SCALE * 2**0.5 * 10 ** (dbov / 20)
    if amplitude > _FULL_SCALE:
        raise ValueError("a sine is at most -3.01 dBov")
    phase = 2 * np.pi * tone_frequency(source) * np.arange(_TABLE) / SAMPLE_RATE
    return np.clip(np.rint(amplitude * np.sin(phase)), -32768, 32767).astype(np.int16)


def level_dbov(mean_square: float) -> float:
    """Level of samples of a given mean square (full scale 32768) in dBov, 0 to -127 (RFC 6464 section 3)."""
    if mean_square <= 0:
        return SILENCE_DBOV
    return max(SILENCE_DBOV, 10 * float(np.log10(mean_square / _FULL_SCALE**2)))


class ToneDetector:
    """Tells which tones sound, over windows of 100 ms.

    Feed it decoded 48 kHz samples of any length; it judges each window as it fills. The attributes are those of the
    last full window: `heard` (tone numbers) and `level_dbov`; `seconds` accumulates by tone number, `silent_s` where
    no tone was heard, `total_s` over all windows.
    """

    __slots__ = ("_filled", "_pending", "_seconds", "heard", "level_dbov", "silent_s", "windows")

    def __init__(self) -> None:
        self._pending = np.zeros(_WINDOW, dtype=np.float32)
        self._filled = 0
        self._seconds: dict[int, float] = {}
        self.heard: frozenset[int] = frozenset()
        self.level_dbov = SILENCE_DBOV
        self.silent_s = 0.0
        self.windows = 0

    @property
    def seconds(self) -> Mapping[int, float]:
        """Seconds heard by tone number."""
        return MappingProxyType(self._seconds)

    @property
    def total_s(self) -> float:
        """Seconds judged so far."""
        return self.windows * WINDOW_S

    def add(self, samples: Samples, channels: int = 1) -> None:
        """Take samples, interleaved when there are several channels; channels are mixed."""
        mono = samples.reshape(-1, channels).astype(np.float32) @ np.full(channels, 1 / channels, np.float32)
        while len(mono):
            taken = mono[: _WINDOW - self._filled]
            self._pending[self._filled : self._filled + len(taken)] = taken
            self._filled += len(taken)
            mono = mono[len(taken) :]
            if self._filled == _WINDOW:
                self._judge()
                self._filled = 0

    def _judge(self) -> None:
        self.windows += 1
        self.level_dbov = level_dbov(float(np.dot(self._pending, self._pending)) / _WINDOW)
        self.heard = frozenset() if self.level_dbov < _AUDIBLE_DBOV else _tones_in(self._pending)
        for tone in self.heard:
            self._seconds[tone] = self._seconds.get(tone, 0.0) + WINDOW_S
        if not self.heard:
            self.silent_s += WINDOW_S


def _tones_in(window: NDArray[np.float32]) -> frozenset[int]:
    """The tones that stand out of a window: loud enough, above noise, and the peak of their neighbourhood."""
    spectrum = np.abs(np.fft.rfft(window * _HANN))
    # a sine of amplitude a gives a * N / 4 under a Hann window; its mean square is a**2 / 2
    power = (spectrum * (4 / _WINDOW)) ** 2 / 2
    tones = power[_BINS]
    floor = max(
        _FULL_SCALE**2 * 10 ** (_AUDIBLE_DBOV / 10),
        float(tones.max()) * 10 ** (-_BELOW_LOUDEST_DB / 10),
        float(np.median(power[_BAND])) * 10 ** (_ABOVE_NOISE_DB / 10),
    )
    peaks = (tones > power[_BINS - 2]) & (tones > power[_BINS + 2])
    return frozenset(np.flatnonzero((tones >= floor) & peaks).tolist())
