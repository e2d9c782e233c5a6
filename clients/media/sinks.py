"""Sinks for remote tracks: they read back what pictures and tones say and keep the books."""

import time
from array import array
from typing import ClassVar

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, AudioResampler, VideoFrame

from clients.media.grid import whole
from clients.media.mark_times import MarkTimes
from clients.media.pacing import Clock
from clients.media.pattern import Drawing, PatternReading, draw, latency_us, locate, psnr_db, wrap_us
from clients.media.reports import PictureReport, ToneReport, percentile
from clients.media.scene import Pixels
from clients.media.tone import SAMPLE_RATE, Samples, ToneDetector, tone_number

__all__ = ["PictureSink", "ToneSink", "luma_of", "samples_of"]


def luma_of(frame: VideoFrame) -> Pixels:
    """The Y plane of a decoded picture, (height, width), a view where the format is planar YUV."""
    planar = frame if frame.format.name in ("yuv420p", "yuvj420p") else frame.reformat(format="yuv420p")
    return np.asarray(np.from_dlpack(planar.planes[0]), dtype=np.uint8)


def samples_of(frame: AudioFrame) -> tuple[Samples, int]:
    """The interleaved 16-bit samples of decoded 48 kHz sound, and the number of channels.

    Raises:
        ValueError: another format or rate than the Opus decoder gives.
    """
    if frame.format.name != "s16" or frame.sample_rate != SAMPLE_RATE:
        raise ValueError("a tone sink takes packed 16-bit samples at 48 kHz")
    return np.asarray(frame.to_ndarray(), dtype=np.int16).reshape(-1), frame.layout.nb_channels


class PictureSink:
    """Reads the pictures of one remote video track.

    Args:
        source: whom the track should show; without it, whoever is seen first.
        clock: seconds, the same clock the sender's pictures are stamped by.
        psnr_every: measure quality on each n-th picture, if it fills its frame; 0 for never.
        drawn: width and height at which the sender draws, so that quality is measured right after scaling.
        drawing: what draws the sender's pictures.
    """

    FREEZE_S: ClassVar[float] = 0.2
    LATE_S: ClassVar[float] = 0.4
    """One-way delay that ITU-T G.114 would not have exceeded."""

    def __init__(
        self,
        source: int | None = None,
        *,
        clock: Clock = time.monotonic,
        psnr_every: int = 0,
        drawn: tuple[int, int] | None = None,
        drawing: Drawing = draw,
    ) -> None:
        self.source = source
        self.last: PatternReading | None = None
        self._clock = clock
        self._psnr_every = psnr_every
        self._drawn = drawn
        self._drawing = drawing
        self._started_at = clock()
        self._by_source: dict[int, int] = {}
        self._seen: set[int] = set()
        self._repeated = self._backwards = self._unreadable = 0
        self._first_at: float | None = None
        self._new_at = self._started_at
        self._freezes = 0
        self._frozen_s = self._longest_s = 0.0
        self._latency_ms = array("d")
        self._captured_us = array("q")
        self._psnr_db = array("d")
        self._size = (0, 0)

    @property
    def frames_seen(self) -> int:
        """Distinct pictures so far: cheap, for waiting until pictures flow."""
        return len(self._seen)

    def seen_up_to(self, last: int) -> int:
        """How many distinct pictures were seen whose number is at most `last`."""
        return sum(number <= last for number in self._seen)

    async def run(self, track: MediaStreamTrack) -> None:
        """Take the track's pictures until it ends."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, VideoFrame):
                self.add(frame, self._clock())

    def add(self, frame: VideoFrame, now: float) -> PatternReading | None:
        """Take one decoded picture, decoded at `now`, and tell what it said."""
        luma = luma_of(frame)
        self._size = (frame.width, frame.height)
        located = locate(luma)
        if located is None:
            self._unreadable += 1
            return None
        reading, grid = located
        self._by_source[reading.source] = self._by_source.get(reading.source, 0) + 1
        if self.source is None:
            self.source = reading.source
        if reading.source == self.source:
            self._take(reading, luma if grid == whole(frame.width, frame.height) else None, now)
        return reading

    @property
    def latencies(self) -> list[tuple[int, float]]:
        """Of each distinct picture, in the order seen: captured_us as it says, milliseconds from then to decode."""
        return list(zip(self._captured_us, self._latency_ms, strict=True))

    def _take(self, reading: PatternReading, luma: Pixels | None, now: float) -> None:
        """Enter a picture of our source; its pixels only if they can be compared with the original."""
        if reading.frame in self._seen:
            self._repeated += 1
            return
        if self.last is None:
            self._first_at = now
        else:
            self._backwards += reading.frame < self.last.frame
            self._close_gap(now)
        self._new_at = now
        self._seen.add(reading.frame)
        self.last = reading
        self._latency_ms.append(latency_us(reading.captured_us, wrap_us(now)) / 1000)
        self._captured_us.append(reading.captured_us)
        if luma is not None and self._psnr_every and len(self._seen) % self._psnr_every == 0:
            self._psnr_db.append(psnr_db(luma, reading, self._drawn, self._drawing))

    def _close_gap(self, now: float) -> None:
        gap = now - self._new_at
        self._longest_s = max(self._longest_s, gap)
        if gap > self.FREEZE_S:
            self._freezes += 1
            self._frozen_s += gap

    def report(self, now: float | None = None) -> PictureReport:
        """What was seen until `now`.

        Args:
            now: when the receiver stopped looking, so that a freeze which did not end counts; without it, only gaps
                that ended count.
        """
        open_gap = now - self._new_at if now is not None and self._first_at is not None else 0.0
        open_freeze = open_gap if open_gap > self.FREEZE_S else 0.0
        first, last = min(self._seen, default=None), max(self._seen, default=None)
        span = 0 if first is None or last is None else last - first + 1
        first_at = self._first_at
        watched_s = 0.0 if first_at is None else self._new_at - first_at
        return PictureReport(
            source=self.source,
            frames_by_source=dict(self._by_source),
            frames_seen=len(self._seen),
            frames_lost=span - len(self._seen),
            frames_repeated=self._repeated,
            frames_backwards=self._backwards,
            frames_unreadable=self._unreadable,
            frames_late=sum(latency > self.LATE_S * 1000 for latency in self._latency_ms),
            first_frame=first,
            last_frame=last,
            first_seen_at_s=first_at,
            time_to_first_frame_ms=None if first_at is None else (first_at - self._started_at) * 1000,
            frames_per_second=(len(self._seen) - 1) / watched_s if watched_s > 0 else None,
            freezes=self._freezes + (open_freeze > 0),
            frozen_ms=(self._frozen_s + open_freeze) * 1000,
            longest_gap_ms=max(self._longest_s, open_gap) * 1000,
            latency_p50_ms=percentile(self._latency_ms, 50),
            latency_p95_ms=percentile(self._latency_ms, 95),
            latency_p99_ms=percentile(self._latency_ms, 99),
            latency_max_ms=max(self._latency_ms, default=None),
            psnr_p50_db=percentile(self._psnr_db, 50),
            psnr_min_db=min(self._psnr_db, default=None),
            width=self._size[0],
            height=self._size[1],
        )


class ToneSink:
    """Listens to one remote audio track, whatever rate its codec samples at.

    Args:
        clock: seconds.
    """

    LEAST_HEARD_S: ClassVar[float] = 0.2

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._started_at = clock()
        self._detector = ToneDetector()
        self._judged = 0
        self._first_at: float | None = None
        self._levels_dbov = array("d")
        self._resampler: AudioResampler | None = None
        self._resampled = ("", "", 0)
        self._next_pts: int | None = None
        self._missing_s = 0.0
        self._marks = MarkTimes()

    @property
    def marks(self) -> list[tuple[int, float]]:
        """Of each time mark, in the order heard: its second of the clock, milliseconds from capture to decode."""
        return self._marks.heard

    @property
    def hearing(self) -> frozenset[int]:
        """Numbers of the tones in the last 100 ms."""
        return self._detector.heard

    async def run(self, track: MediaStreamTrack) -> None:
        """Take the track's sound until it ends."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, AudioFrame):
                self.add(frame, self._clock())

    def add(self, frame: AudioFrame, now: float) -> None:
        """Take one frame of decoded sound, decoded at `now`; its timestamp counts samples."""
        missing_s = 0.0
        if frame.pts is not None:
            if self._next_pts is not None:
                missing_s = max(0, frame.pts - self._next_pts) / frame.sample_rate
            self._next_pts = frame.pts + frame.samples
        self._missing_s += missing_s
        self._marks.begin(now, missing_s)
        for heard in self._at_48_khz(frame):
            samples, channels = samples_of(heard)
            self._detector.add(samples, channels)
            self._marks.add(samples, channels)
        if self._detector.windows == self._judged:
            return
        self._judged = self._detector.windows
        self._levels_dbov.append(self._detector.level_dbov)
        if self._first_at is None and self._detector.heard:
            self._first_at = now

    def _at_48_khz(self, frame: AudioFrame) -> list[AudioFrame]:
        """The frame as the detector takes it; what the resampler still holds comes with the next one."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind[0] == "s16" and kind[2] == SAMPLE_RATE:
            return [frame]
        if self._resampler is None or self._resampled != kind:
            self._resampler = AudioResampler(format="s16", layout=kind[1], rate=SAMPLE_RATE)
            self._resampled = kind
        return self._resampler.resample(frame)

    def hears(self, source: int) -> bool:
        """Whether that source's tone has been heard for long enough."""
        return self._detector.seconds.get(tone_number(source), 0.0) >= self.LEAST_HEARD_S

    def report(self) -> ToneReport:
        """What was heard so far."""
        seconds = dict(self._detector.seconds)
        first_at = self._first_at
        latencies_ms = [latency_ms for _, latency_ms in self.marks]
        return ToneReport(
            heard=frozenset(tone for tone, heard_s in seconds.items() if heard_s >= self.LEAST_HEARD_S),
            heard_s=seconds,
            silent_s=self._detector.silent_s,
            total_s=self._detector.total_s,
            first_heard_at_s=first_at,
            time_to_first_tone_ms=None if first_at is None else (first_at - self._started_at) * 1000,
            level_p50_dbov=percentile(self._levels_dbov, 50),
            level_last_dbov=self._levels_dbov[-1] if self._levels_dbov else None,
            missing_ms=self._missing_s * 1000,
            marks=len(latencies_ms),
            latency_p50_ms=percentile(latencies_ms, 50),
            latency_max_ms=max(latencies_ms, default=None),
        )
