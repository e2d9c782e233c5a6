"""Who looks and listens for a bot, for as long as it stays: memory does not grow with what was seen."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame

from clients.media.pattern import latency_us, locate, wrap_us
from clients.media.reports import percentile
from clients.media.sinks import luma_of

PLAUSIBLE = 30.0
"""Seconds; a picture that says it is older, or not born yet, is of another machine's clock."""
_STRANGE = 25
"""Pictures in a row without a strip after which only each of as many is searched for one."""
_FULL_SCALE = 32768.0


class Latencies:
    """Seconds from capture to decode: those since last asked, and how often there was which, by milliseconds."""

    def __init__(self) -> None:
        self._recent: list[float] = []
        self._all: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one."""
        self._recent.append(seconds)
        self._all[round(seconds * 1000)] += 1

    def take(self) -> float | None:
        """The median of those since the last call; None without any."""
        recent, self._recent = self._recent, []
        return percentile(recent, 50)

    def median(self) -> float | None:
        """Of all; None without any."""
        left = self._all.total() / 2
        for milliseconds in sorted(self._all):
            left -= self._all[milliseconds]
            if left <= 0:
                return milliseconds / 1000
        return None


class PictureWatch:
    """Watches a video track. Pictures of other bots say when they were captured.

    Attributes:
        frames: decoded so far.
        width: of the last one, pixels; height: the same; 0 before the first.
        latencies: of the pictures that say when they were captured, on this machine's clock.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.width = self.height = 0
        self.latencies = Latencies()
        self._strange = 0

    async def run(self, track: MediaStreamTrack) -> None:
        """Watch until the track ends."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, VideoFrame):
                self.add(frame, time.monotonic())

    def add(self, frame: VideoFrame, now: float) -> None:
        """Take one picture, decoded at `now`, monotonic seconds."""
        self.frames += 1
        self.width, self.height = frame.width, frame.height
        if self._strange >= _STRANGE and self.frames % _STRANGE:
            return
        located = locate(luma_of(frame))
        if located is None:
            self._strange += 1
            return
        self._strange = 0
        latency = latency_us(located[0].captured_us, wrap_us(now)) / 1e6
        if 0.0 <= latency < PLAUSIBLE:
            self.latencies.add(latency)


class SoundWatch:
    """Listens to an audio track."""

    def __init__(self) -> None:
        self._squares = 0.0
        self._samples = 0

    async def run(self, track: MediaStreamTrack) -> None:
        """Listen until the track ends."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, AudioFrame):
                self.add(frame)

    def add(self, frame: AudioFrame) -> None:
        """Take some decoded sound; what is not of 16 bits is not measured."""
        if frame.format.name == "s16":
            samples = frame.to_ndarray().astype(np.float64)
            self._squares += float(np.square(samples).sum())
            self._samples += samples.size

    def take(self) -> float | None:
        """Level of what came since the last call, root mean square, 0..1 of full scale; None without any."""
        samples, squares = self._samples, self._squares
        self._samples, self._squares = 0, 0.0
        return None if not samples else float(np.sqrt(squares / samples)) / _FULL_SCALE
