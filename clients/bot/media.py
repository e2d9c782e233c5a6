"""What a bot sends."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from aiortc import MediaStreamTrack

from clients.bot.options import BotOptions
from clients.media.files import FileAudioTrack, FileVideoTrack
from clients.media.pacing import Start
from clients.media.screen import SCREEN_FPS, ScreenTrack
from clients.media.tone import tone_frequency
from clients.media.tracks import DEFAULT_FPS, DEFAULT_SIZE, SIZES, PatternTrack, ToneTrack
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.video import SyntheticVideo

_SYNTHETIC_FPS = 30.0
_TEMPORAL_LAYERS = 3
"""Of each encoding, as browsers have them."""

Media = (
    PatternTrack | ToneTrack | FileVideoTrack | FileAudioTrack | SyntheticVideo | SyntheticAudio
)  # ScreenTrack is a PatternTrack


@dataclass(slots=True)
class Source:
    """Something that is sent.

    Attributes:
        media: a track, or what makes media up.
        told: what it is, in words.
        size: width and height of its pictures; None of sound, and of what has no pictures.
        fps: frames a second; None of sound.
    """

    media: Media
    told: str
    size: tuple[int, int] | None = None
    fps: float | None = None
    _skipped: int = 0
    _late: bool = False

    @property
    def kind(self) -> str:
        """Audio or video."""
        return str(self.media.kind)

    @property
    def skipped(self) -> int:
        """Frames that were not made because this machine was late."""
        return self.media.skipped

    def begin_late(self, share: float) -> int:
        """Pictures left out since the last call, if that begins to be more than this share of a second's; else 0."""
        left_out, self._skipped = self.skipped - self._skipped, self.skipped
        was_late, self._late = self._late, self.fps is not None and left_out > share * self.fps
        return left_out if self._late and not was_late else 0

    def stop(self) -> None:
        """Close its file, if it has one. Idempotent."""
        if isinstance(self.media, MediaStreamTrack):
            self.media.stop()


def make_sources(options: BotOptions) -> list[Source]:
    """What is to be sent: the picture first.

    Raises:
        UnusableFile: a file cannot be sent.
    """
    number = zlib.crc32(options.participant_id.encode()) & 0xFFFF
    start = Start()
    picture = None if options.video == "none" else _picture(options, number, start)
    try:
        sound = None if options.audio == "none" else _sound(options, number, start)
    except BaseException:
        if picture is not None:
            picture.stop()
        raise
    return [source for source in (picture, sound) if source is not None]


def _picture(options: BotOptions, number: int, start: Start) -> Source:
    if options.synthetic:
        return _made_up(options, number)
    track: PatternTrack | FileVideoTrack
    if options.video == "pattern":
        what = "a test picture"
        track = PatternTrack(number, options.fps or DEFAULT_FPS, options.size or DEFAULT_SIZE)
    elif options.video == "screen":
        what = "a made-up screen"
        track = ScreenTrack(number, options.fps or SCREEN_FPS, options.size or SIZES["720p"])
    else:
        what = f"the pictures of {options.video}"
        track = FileVideoTrack(options.video, size=options.size or DEFAULT_SIZE, fps=options.fps, start=start)
    width, height = track.size
    return Source(track, f"{what} ({width}x{height}, {track.fps:g} fps)", size=track.size, fps=track.fps)


def _made_up(options: BotOptions, number: int) -> Source:
    fps = options.fps or _SYNTHETIC_FPS
    told = f"made-up video of {fps:g} fps"
    if options.layers is None:
        return Source(SyntheticVideo(number, fps), told, fps=fps)
    rids = tuple(f"r{layer}" for layer in range(options.layers))
    video = SyntheticVideo(number, fps, rids=rids, temporal_layers=_TEMPORAL_LAYERS)
    return Source(video, f"{told} in {', '.join(rids)}", fps=fps)


def _sound(options: BotOptions, number: int, start: Start) -> Source:
    if options.synthetic:
        return Source(SyntheticAudio(number), "made-up sound")
    if options.audio == "tone":
        return Source(ToneTrack(number), f"a tone of {tone_frequency(number):g} Hz")
    return Source(FileAudioTrack(options.audio, start=start), f"the sound of {options.audio}")
