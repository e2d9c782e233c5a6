"""Little media files for tests: test pictures and a tone, in whatever container and codec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import AudioFrame, VideoFrame
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from clients.media.pattern import PatternReading, draw
from clients.media.tone import tone_frequency


def write_media(
    path: Path,
    *,
    pictures_at: Sequence[float] = (),
    size: tuple[int, int] = (320, 180),
    video_codec: str = "ffv1",
    pixels: str = "yuv420p",
    sound_s: float = 0.0,
    sound_from_s: float = 0.0,
    rate: int = 48_000,
    channels: int = 1,
    audio_codec: str = "flac",
    source: int = 7,
) -> Path:
    """Write a file whose picture n, of source 7, is shown at `pictures_at[n]` seconds, and that sounds its tone."""
    with av.open(str(path), "w") as container:
        # every stream is added before anything is written, as the containers' headers want it
        streams: list[Iterator[av.Packet[VideoStream]] | Iterator[av.Packet[AudioStream]]] = []
        if pictures_at:
            video = container.add_stream(video_codec, rate=25)
            assert isinstance(video, VideoStream)
            video.width, video.height = size
            video.pix_fmt = pixels
            video.codec_context.time_base = Fraction(1, 1000)
            streams.append(_encoded_pictures(video, source, pictures_at, size))
        if sound_s:
            audio = container.add_stream(audio_codec, rate=rate, layout=_layout(channels))
            assert isinstance(audio, AudioStream)
            streams.append(_encoded_sound(audio, _sound(source, sound_s, sound_from_s, rate, channels)))
        for packets in streams:
            for packet in packets:
                container.mux(packet)
    return path


def _encoded_pictures(
    stream: VideoStream, source: int, pictures_at: Sequence[float], size: tuple[int, int]
) -> Iterator[av.Packet[VideoStream]]:
    for number, at in enumerate(pictures_at):
        frame = VideoFrame.from_ndarray(draw(*size, PatternReading(source, number, 0)), format="yuv420p")
        frame.pts, frame.time_base = round(at * 1000), Fraction(1, 1000)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encoded_sound(stream: AudioStream, frames: Sequence[AudioFrame]) -> Iterator[av.Packet[AudioStream]]:
    for frame in frames:
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _layout(channels: int) -> str:
    return "mono" if channels == 1 else "stereo"


def _sound(source: int, seconds: float, from_s: float, rate: int, channels: int) -> list[AudioFrame]:
    """The tone in frames of 20 ms."""
    times = np.arange(round(seconds * rate)) / rate
    wave = np.rint(np.sin(2 * np.pi * tone_frequency(source) * times) * 8000).astype(np.int16)
    frames = []
    for at in range(0, len(wave), rate // 50):
        samples = np.repeat(wave[at : at + rate // 50], channels).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout=_layout(channels))
        frame.sample_rate, frame.pts, frame.time_base = rate, at + round(from_s * rate), Fraction(1, rate)
        frames.append(frame)
    return frames
