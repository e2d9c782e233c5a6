"""Tracks that a client sends: test pictures and a speaker's tone, paced by the clock."""

import asyncio
import fractions
import time
from collections.abc import Callable

import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame

from clients.media.marks import HEADROOM_DB, add_marks
from clients.media.pacing import Clock, Pacer, Sleep
from clients.media.pattern import Drawing, PatternReading, draw, wrap_us
from clients.media.reports import SentFrame
from clients.media.scene import Pixels
from clients.media.tone import SAMPLE_RATE, Samples, tone_table

__all__ = ["DEFAULT_FPS", "DEFAULT_LEVEL_DBOV", "DEFAULT_SIZE", "SIZES", "PatternTrack", "ToneTrack", "check_live"]

DEFAULT_FPS = 15
"""Four VP8 encoders and twelve decoders of 640x360 pictures at this rate fit on two cores."""
DEFAULT_SIZE = (640, 360)
SIZES = {"180p": (320, 180), "360p": DEFAULT_SIZE, "720p": (1280, 720)}
"""The usual sizes by name."""
DEFAULT_LEVEL_DBOV = -15.0

_VIDEO_CLOCK_RATE = 90_000
_VIDEO_TIME_BASE = fractions.Fraction(1, _VIDEO_CLOCK_RATE)
_AUDIO_TIME_BASE = fractions.Fraction(1, SAMPLE_RATE)
_AUDIO_FRAME = SAMPLE_RATE // 50
_AUDIO_PATIENCE_S = 0.5
"""Sound is made up for after a stall no longer than this; a longer one leaves a hole in the timestamps."""


class PatternTrack(MediaStreamTrack):
    """Sends test pictures, numbered without gaps.

    A slot that is over before its picture was asked for is skipped (`skipped` counts them: the sender's machine is
    too slow), and timestamps skip with it; the next picture has the next number all the same.

    Args:
        source: id of the sender, 16 bits.
        fps: pictures per second.
        size: width and height, even.
        clock: seconds; what latency is measured by.
        sleep: how the track waits.
        on_frame: called with each new picture's number and time, before it is handed out.
        first_frame: number of the first picture.
        drawing: draws the pictures; a sink that measures quality must be given the same.

    Attributes:
        sent: the pictures handed out so far, repetitions not counted.
        handed_out: when each picture was handed out, repetitions counted: what a camera owes its viewers.
    """

    kind = "video"

    def __init__(
        self,
        source: int,
        fps: float = DEFAULT_FPS,
        size: tuple[int, int] = DEFAULT_SIZE,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        on_frame: Callable[[SentFrame], None] | None = None,
        first_frame: int = 0,
        drawing: Drawing = draw,
    ) -> None:
        super().__init__()
        self.source = source
        self.fps = fps
        self.size = size
        self.sent: list[SentFrame] = []
        self.handed_out: list[float] = []
        self._clock = clock
        self._pacer = Pacer(1 / fps, 1 / fps, clock, sleep)
        self._on_frame = on_frame
        self._next_frame = first_frame
        self._drawing = drawing
        self._frozen = False
        self._picture: Pixels | None = None

    @property
    def skipped(self) -> int:
        """Slots for which no picture was drawn because the sender was late."""
        return self._pacer.skipped

    @property
    def frozen(self) -> bool:
        """Whether the last picture is being repeated."""
        return self._frozen

    def freeze(self) -> None:
        """Repeat the last picture, number and capture time included, until `thaw`."""
        self._frozen = True

    def thaw(self) -> None:
        """Go on with new pictures."""
        self._frozen = False

    async def recv(self) -> VideoFrame:
        """The next picture, when it is due.

        Raises:
            MediaStreamError: the track was stopped.
        """
        check_live(self)
        slot = await self._pacer.slot()
        check_live(self)
        if self._picture is None or not self._frozen:
            self._picture = self._draw()
        self.handed_out.append(self._clock())
        frame = VideoFrame.from_ndarray(self._picture, format="yuv420p")
        frame.pts = round(slot * _VIDEO_CLOCK_RATE / self.fps)
        frame.time_base = _VIDEO_TIME_BASE
        return frame

    def _draw(self) -> Pixels:
        sent = SentFrame(self._next_frame, self._clock())
        picture = self._drawing(*self.size, PatternReading(self.source, sent.frame, wrap_us(sent.sent_at_s)))
        self._next_frame += 1
        self.sent.append(sent)
        if self._on_frame is not None:
            self._on_frame(sent)
        return picture


class ToneTrack(MediaStreamTrack):
    """Sends a speaker's tone, or silence while muted: 48 kHz mono, 20 ms per frame.

    Below the tone sounds a time mark at each whole second of the clock (see `clients.media.marks`). A sample counts as
    captured when it is due: sample n of the track, n / 48000 s after its first frame was asked for.

    Args:
        source: id of the sender, which decides the pitch.
        muted: whether to begin silent.
        dbov: level of the tone, at most -3.01. What the audio-level header extension says; decoded from stereo Opus,
            each channel is 3 dB below. Marks are 10 dB below the tone.
        marked: whether there are time marks.
        clock: seconds; what marks tell.
        sleep: how the track waits.
    """

    kind = "audio"

    def __init__(
        self,
        source: int,
        muted: bool = False,
        *,
        dbov: float = DEFAULT_LEVEL_DBOV,
        marked: bool = True,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__()
        self.source = source
        self._muted = muted
        table = tone_table(source, dbov)
        self._period = len(table)
        self._tone = np.concatenate((table, table[:_AUDIO_FRAME]))
        self._marks_peak = float(table.max()) * 10 ** (-HEADROOM_DB / 20) if marked else 0.0
        self._silence = np.zeros(_AUDIO_FRAME, dtype=np.int16)
        self._pacer = Pacer(_AUDIO_FRAME / SAMPLE_RATE, _AUDIO_PATIENCE_S, clock, sleep)

    @property
    def skipped(self) -> int:
        """Frames of 20 ms left out because the sender was late."""
        return self._pacer.skipped

    @property
    def muted(self) -> bool:
        """Whether silence is sent."""
        return self._muted

    def mute(self) -> None:
        """Send silence from the next frame on."""
        self._muted = True

    def unmute(self) -> None:
        """Send the tone from the next frame on."""
        self._muted = False

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when they are due.

        Raises:
            MediaStreamError: the track was stopped.
        """
        check_live(self)
        position = await self._pacer.slot() * _AUDIO_FRAME
        check_live(self)
        samples = self._silence if self._muted else self._sounding(position)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.pts = position
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = _AUDIO_TIME_BASE
        return frame

    def _sounding(self, position: int) -> Samples:
        """The 20 ms from that sample on: the tone, and what there is of a mark."""
        offset = position % self._period
        tone = self._tone[offset : offset + _AUDIO_FRAME]
        if not self._marks_peak:
            return tone
        both = tone.astype(np.float64)
        add_marks(both, self._pacer.started_at_s + position / SAMPLE_RATE, self._marks_peak)
        return np.clip(np.rint(both), -32768, 32767).astype(np.int16)


def check_live(track: MediaStreamTrack) -> None:
    """Refuse to go on with a track that was stopped.

    Raises:
        MediaStreamError: it was.
    """
    if track.readyState != "live":
        raise MediaStreamError
