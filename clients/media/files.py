"""Media files as camera and microphone: whatever PyAV opens, paced by its timestamps, over and over if wanted.

Decoding runs in a thread, so that a big picture holds up nobody else.
"""

import asyncio
import fractions
import time

from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import AudioFrame, VideoFrame

from clients.media.file_reader import FilePath, PictureReader, SoundReader
from clients.media.pacing import Clock, Pacer, Sleep, Start
from clients.media.pattern import check_size
from clients.media.tone import SAMPLE_RATE
from clients.media.tracks import check_live

__all__ = ["FileAudioTrack", "FileVideoTrack"]

_VIDEO_CLOCK_RATE = 90_000
_VIDEO_TIME_BASE = fractions.Fraction(1, _VIDEO_CLOCK_RATE)
_AUDIO_TIME_BASE = fractions.Fraction(1, SAMPLE_RATE)
_AUDIO_FRAME = SAMPLE_RATE // 50
_AUDIO_PATIENCE_S = 0.5
"""Sound is made up for after a stall no longer than this, as by `clients.media.tracks.ToneTrack`."""


class FileVideoTrack(MediaStreamTrack):
    """Sends the pictures of a file at a steady rate, each slot the one that the file shows at that time.

    Args:
        path: any file that PyAV opens and that has video.
        size: width and height, even, at least 160x90; pictures of another shape get black bars. None: the file's own.
        fps: pictures per second; None: the file's own, at most 60.
        loop: begin again at the end; else the track ends.
        start: shared with the file's sound, so that both are in step; the one that is asked later begins in between.
        clock: seconds.
        sleep: how the track waits.

    Raises:
        UnusableFile: at once, naming the file: it is missing, no media file, or has no video that decodes.
        ValueError: the size is odd or too small, or the rate is not positive.
    """

    kind = "video"

    def __init__(
        self,
        path: FilePath,
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        loop: bool = True,
        start: Start | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__()
        if size is not None:
            check_size(*size)
        if fps is not None and not fps > 0:
            raise ValueError("fps is more than 0")
        self._reader = PictureReader(path, size, loop=loop)
        self.fps = fps or self._reader.fps
        self._pacer = Pacer(1 / self.fps, 1 / self.fps, clock, sleep, start=start)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is sent."""
        return self._reader.size

    @property
    def skipped(self) -> int:
        """Slots for which nothing was sent because the sender was late."""
        return self._pacer.skipped

    @property
    def undecodable(self) -> int:
        """Packets of the file that were left out because they do not decode."""
        return self._reader.undecodable

    async def recv(self) -> VideoFrame:
        """The next picture, when it is due.

        Raises:
            MediaStreamError: the track was stopped, or the file has ended.
            UnusableFile: the file is gone, or was changed, since it was opened.
        """
        check_live(self)
        slot = await self._pacer.slot()
        check_live(self)
        pixels = await asyncio.to_thread(self._reader.at, slot / self.fps)
        if pixels is None:
            self.stop()
        check_live(self)
        if pixels is None:
            raise MediaStreamError
        frame = VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts = round(slot * _VIDEO_CLOCK_RATE / self.fps)
        frame.time_base = _VIDEO_TIME_BASE
        return frame

    def stop(self) -> None:
        """Send no more, and close the file. Idempotent."""
        super().stop()
        self._reader.close()


class FileAudioTrack(MediaStreamTrack):
    """Sends the sound of a file: 48 kHz, mono or stereo, 20 ms per frame, silence where the file has none.

    Args:
        path: any file that PyAV opens and that has sound.
        loop: begin again at the end, that of its video if that is longer; else the track ends.
        start: shared with the file's pictures, so that both are in step; the one that is asked later begins in between.
        clock: seconds.
        sleep: how the track waits.

    Raises:
        UnusableFile: at once, naming the file: it is missing, no media file, or has no sound that decodes.
    """

    kind = "audio"

    def __init__(
        self,
        path: FilePath,
        *,
        loop: bool = True,
        start: Start | None = None,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__()
        self._reader = SoundReader(path, loop=loop)
        self._layout = "stereo" if self._reader.channels > 1 else "mono"
        self._pacer = Pacer(_AUDIO_FRAME / SAMPLE_RATE, _AUDIO_PATIENCE_S, clock, sleep, start=start)

    @property
    def skipped(self) -> int:
        """Frames of 20 ms left out because the sender was late."""
        return self._pacer.skipped

    @property
    def undecodable(self) -> int:
        """Packets of the file that were left out because they do not decode."""
        return self._reader.undecodable

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when they are due.

        Raises:
            MediaStreamError: the track was stopped, or the file has ended.
            UnusableFile: the file is gone, or was changed, since it was opened.
        """
        check_live(self)
        position = await self._pacer.slot() * _AUDIO_FRAME
        check_live(self)
        samples = await asyncio.to_thread(self._reader.take, position, _AUDIO_FRAME)
        if samples is None:
            self.stop()
        check_live(self)
        if samples is None:
            raise MediaStreamError
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=self._layout)
        frame.pts = position
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = _AUDIO_TIME_BASE
        return frame

    def stop(self) -> None:
        """Send no more, and close the file. Idempotent."""
        super().stop()
        self._reader.close()
