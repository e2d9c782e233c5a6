"""Decodes one stream of a media file frame by frame, in media time, over and over if wanted."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Generic, TypeVar

import av
from av import AudioFrame, VideoFrame

from clients.errors import UnusableFile

__all__ = ["Decoder", "FilePath", "FrameT", "Timed"]

FilePath = str | PathLike[str]

FrameT = TypeVar("FrameT", VideoFrame, AudioFrame)

_KINDS = {VideoFrame: "video", AudioFrame: "audio"}
_USUAL_FPS = 25.0
_MOST_FPS = 60.0
_NO_MEDIA = {"tty"}
"""Formats that FFmpeg makes pictures of though nobody who names such a file as a camera means it: plain text."""


@dataclass(frozen=True, slots=True)
class Timed(Generic[FrameT]):
    """A decoded frame with its place in media time, which goes on counting when the file begins again."""

    frame: FrameT
    begin_s: float
    end_s: float


class Decoder(Generic[FrameT]):
    """Decodes the first stream of a kind, over and over if wanted.

    Attributes:
        end_s: media time at which the file's last pass ended, all its streams; None before it has.
        undecodable: packets that were left out because they do not decode.
        fps: pictures per second on average, as far as the file knows.
    """

    def __init__(self, path: FilePath, kind: type[FrameT], *, loop: bool) -> None:
        self.path = fspath(path)
        self.end_s: float | None = None
        self.undecodable = 0
        self.fps = _USUAL_FPS
        self._kind: type[FrameT] = kind
        self._loop = loop
        self._duration_s = 0.0

    def frames(self) -> Generator[Timed[FrameT], None, None]:
        """Every frame in turn.

        Raises:
            UnusableFile: it cannot be opened, has no such stream, or nothing of it decodes.
        """
        offset_s = 0.0
        while True:
            end_s = offset_s
            for timed in self._pass(offset_s):
                end_s = max(end_s, timed.end_s)
                yield timed
            if end_s == offset_s:
                raise UnusableFile(self.path, f"no {_KINDS[self._kind]} in it can be decoded")
            offset_s = max(end_s, offset_s + self._duration_s)
            if not self._loop:
                self.end_s = offset_s
                return

    def _pass(self, offset_s: float) -> Iterator[Timed[FrameT]]:
        """The file once, its beginning at `offset_s`. Nothing that it refers to is fetched from a network."""
        try:
            container = av.open(f"file:{self.path}", options={"protocol_whitelist": "file"})
        except (av.FFmpegError, OSError) as error:
            raise UnusableFile(self.path, getattr(error, "strerror", None) or str(error)) from error
        with container:
            if container.format.name in _NO_MEDIA:
                raise UnusableFile(self.path, "it is no media file")
            kind = _KINDS[self._kind]
            stream = next((stream for stream in container.streams if stream.type == kind), None)
            if stream is None:
                raise UnusableFile(self.path, f"it has no {kind}")
            self._duration_s = (container.duration or 0) / av.time_base
            self.fps = min(float(getattr(stream, "average_rate", None) or _USUAL_FPS), _MOST_FPS)
            begin_s = offset_s - (container.start_time or 0) / av.time_base
            end_s = offset_s
            for frame in self._decoded(container, stream):
                at_s = end_s if frame.pts is None else begin_s + float(frame.pts * (frame.time_base or 0))
                end_s = at_s + _length_s(frame, 1 / self.fps)
                yield Timed(frame, at_s, end_s)

    def _decoded(self, container: av.container.InputContainer, stream: av.stream.Stream) -> Iterator[FrameT]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                frames = packet.decode()
            except av.error.EOFError:
                continue
            except av.FFmpegError:
                self.undecodable += 1
                continue
            for frame in frames:
                if isinstance(frame, self._kind):
                    yield frame


def _length_s(frame: VideoFrame | AudioFrame, usual_s: float) -> float:
    if isinstance(frame, AudioFrame):
        return frame.samples / frame.sample_rate
    return float((frame.duration or 0) * (frame.time_base or 0)) or usual_s
