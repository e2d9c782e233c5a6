"""Pictures and sound out of a media file by media time: blocking, for one thread at a time."""

import threading
from collections import deque
from collections.abc import Generator
from typing import Generic

import numpy as np
from av import AudioFrame, AudioResampler, VideoFrame

from clients.media.file_decoder import Decoder, FilePath, FrameT, Timed
from clients.media.scene import Pixels, Planes
from clients.media.tone import SAMPLE_RATE, Samples

__all__ = ["FilePath", "PictureReader", "SoundReader"]

_ROUNDING_S = 0.0005
_GAP_S = 0.02
"""A hole in the timestamps of sound longer than this is silence; a shorter one is inexact timestamps."""
_BLACK, _GREY = 16, 128


class _Reader(Generic[FrameT]):
    """What both readers have: a decoder, one frame read ahead, and an end that may come while a thread decodes."""

    def __init__(self, path: FilePath, kind: type[FrameT], *, loop: bool) -> None:
        self._decoder: Decoder[FrameT] = Decoder(path, kind, loop=loop)
        self._frames: Generator[Timed[FrameT], None, None] = self._decoder.frames()
        self._lock = threading.Lock()
        self._closed = False
        self._ahead: Timed[FrameT] | None = next(self._frames)

    @property
    def undecodable(self) -> int:
        """Packets that were left out because they do not decode."""
        return self._decoder.undecodable

    def close(self) -> None:
        """Close the file, at once or when the thread that decodes is done. Idempotent."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._frames.close()
            finally:
                self._lock.release()

    def _advance(self) -> None:
        self._ahead = next(self._frames, None)

    def _over(self, media_s: float) -> bool:
        """Whether the file has ended before that media time."""
        return self._decoder.end_s is not None and media_s >= self._decoder.end_s - _ROUNDING_S


class PictureReader(_Reader[VideoFrame]):
    """The pictures of a file, scaled to one size; what has another shape gets black bars.

    Args:
        path: the file.
        size: width and height, even; None for the file's own.
        loop: whether it begins again at its end.

    Attributes:
        size: width and height of what `at` gives.
        fps: pictures per second of the file, on average; at most 60.

    Raises:
        UnusableFile: it cannot be opened, has no video, or none that decodes.
    """

    def __init__(self, path: FilePath, size: tuple[int, int] | None = None, *, loop: bool = True) -> None:
        super().__init__(path, VideoFrame, loop=loop)
        assert self._ahead is not None  # the decoder gives one or raises
        first = self._ahead
        self.size = size or (first.frame.width // 2 * 2, first.frame.height // 2 * 2)
        self.fps = self._decoder.fps
        self._current = first
        self._pixels: Pixels | None = None

    def at(self, media_s: float) -> Pixels | None:
        """The picture that is shown at a media time, which only grows from call to call.

        Returns:
            Planar YUV 4:2:0, shape (height * 3 / 2, width); None when the file has ended.

        Raises:
            UnusableFile: the file is gone, or was changed, since it was opened.
        """
        with self._lock:
            while not self._closed and self._ahead is not None and self._ahead.begin_s <= media_s + _ROUNDING_S:
                self._current, self._pixels = self._ahead, None
                self._advance()
            if self._closed:
                self._frames.close()
                return None
            if self._over(media_s):
                return None
            if self._pixels is None:
                self._pixels = _fitted(self._current.frame, *self.size)
            return self._pixels


class SoundReader(_Reader[AudioFrame]):
    """The sound of a file, at 48 kHz, in stereo if it has more than one channel.

    Args:
        path: the file.
        loop: whether it begins again at its end.

    Raises:
        UnusableFile: it cannot be opened, has no sound, or none that decodes.
    """

    def __init__(self, path: FilePath, *, loop: bool = True) -> None:
        super().__init__(path, AudioFrame, loop=loop)
        assert self._ahead is not None  # the decoder gives one or raises
        self.channels = min(self._ahead.frame.layout.nb_channels, 2)
        self._resampler = self._new_resampler()
        self._pieces: deque[tuple[int, Samples]] = deque()
        self._decoded_to = 0
        self._end_s: float | None = None

    def take(self, position: int, count: int) -> Samples | None:
        """The samples from that position on, which only grows from call to call; silence where the file has none.

        Returns:
            Interleaved, count * channels of them; None when the file has ended.

        Raises:
            UnusableFile: the file is gone, or was changed, since it was opened.
        """
        with self._lock:
            while not self._closed and self._ahead is not None and self._decoded_to < position + count:
                self._append(self._ahead)
                self._advance()
            if self._closed:
                self._frames.close()
                return None
            if self._over(position / SAMPLE_RATE):
                return None
            return self._cut(position, count)

    def _append(self, timed: Timed[AudioFrame]) -> None:
        if self._end_s is None or timed.begin_s - self._end_s > _GAP_S:
            self._decoded_to = max(self._decoded_to, round(timed.begin_s * SAMPLE_RATE))
        self._end_s = timed.end_s
        frame = timed.frame
        frame.pts = None  # the resampler would make up for jumps in its own way
        try:
            pieces = self._resampler.resample(frame)
        except ValueError:  # the sound's format changed
            self._resampler = self._new_resampler()
            pieces = self._resampler.resample(frame)
        for piece in pieces:
            samples = np.asarray(piece.to_ndarray(), dtype=np.int16).reshape(-1, self.channels)
            self._pieces.append((self._decoded_to, samples))
            self._decoded_to += len(samples)

    def _cut(self, position: int, count: int) -> Samples:
        out = np.zeros((count, self.channels), dtype=np.int16)
        while self._pieces and self._pieces[0][0] + len(self._pieces[0][1]) <= position:
            self._pieces.popleft()
        for begin, samples in self._pieces:
            first, last = max(begin, position), min(begin + len(samples), position + count)
            if first < last:
                out[first - position : last - position] = samples[first - begin : last - begin]
        return out.reshape(-1)

    def _new_resampler(self) -> AudioResampler:
        return AudioResampler(format="s16", layout="stereo" if self.channels == 2 else "mono", rate=SAMPLE_RATE)


def _fitted(frame: VideoFrame, width: int, height: int) -> Pixels:
    """A picture scaled into that size, its shape kept, with black bars where it does not reach."""
    scale = min(width / frame.width, height / frame.height)
    inner_width = min(width, max(2, round(frame.width * scale / 2) * 2))
    inner_height = min(height, max(2, round(frame.height * scale / 2) * 2))
    scaled = frame.reformat(inner_width, inner_height, format="yuv420p").to_ndarray().astype(np.uint8, copy=False)
    if (inner_width, inner_height) == (width, height):
        return scaled
    pixels = np.empty((height * 3 // 2, width), dtype=np.uint8)
    inner, outer = Planes(scaled), Planes(pixels)
    outer.y[:] = _BLACK
    outer.u[:] = outer.v[:] = _GREY
    left, top = (width - inner_width) // 4 * 2, (height - inner_height) // 4 * 2
    outer.y[top : top + inner_height, left : left + inner_width] = inner.y
    for part, whole in ((inner.u, outer.u), (inner.v, outer.v)):
        whole[top // 2 : (top + inner_height) // 2, left // 2 : (left + inner_width) // 2] = part
    return pixels
