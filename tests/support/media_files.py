"""Little media files for tests: test pictures and a tone, in whatever container and codec."""

from __future__ import annotations

from collections.abc import Sequence
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
    sound_s: float = 0.0,
    sound_from_s: float = 0.0,
    rate: int = 48_000,
    channels: int = 1,
    audio_codec: str = "flac",
    source: int = 7,
) -> Path:
    """Write a file whose picture n, of source 7, is shown at `pictures_at[n]` seconds, and that sounds its tone."""
    with av.open(str(path), "w") as container:
        video = audio = None
        if pictures_at:
            video = container.add_stream(video_codec, rate=25)
            assert isinstance(video, VideoStream)
            video.width, video.height = size
            video.pix_fmt = "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000)
        if sound_s:
            layout = "mono" if channels == 1 else "stereo"
            audio = container.add_stream(audio_codec, rate=rate, layout=layout)
            assert isinstance(audio, AudioStream)
        if video is not None:
            for number, at in enumerate(pictures_at):
                frame = VideoFrame.from_ndarray(draw(*size, PatternReading(source, number, 0)), format="yuv420p")
                frame.pts, frame.time_base = round(at * 1000), Fraction(1, 1000)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if audio is not None:
            for frame in _sound(source, sound_s, sound_from_s, rate, channels):
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def _sound(source: int, seconds: float, from_s: float, rate: int, channels: int) -> list[AudioFrame]:
    """The tone in frames of 20 ms."""
    times = np.arange(round(seconds * rate)) / rate
    wave = np.rint(np.sin(2 * np.pi * tone_frequency(source) * times) * 8000).astype(np.int16)
    frames = []
    for at in range(0, len(wave), rate // 50):
        samples = np.repeat(wave[at : at + rate // 50], channels).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono" if channels == 1 else "stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, at + round(from_s * rate), Fraction(1, rate)
        frames.append(frame)
    return frames
