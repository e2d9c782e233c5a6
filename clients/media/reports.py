"""What sinks found out about a track, and how it compares with what was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["PictureReport", "SentFrame", "SkewReport", "ToneReport", "frames_expected", "percentile"]


@dataclass(frozen=True, slots=True)
class SentFrame:
    """A picture that a sender handed to its encoder: its number and when, in seconds of the clock."""

    frame: int
    sent_at_s: float


@dataclass(frozen=True, slots=True)
class PictureReport:
    """What was seen on one remote video track. Times "at" are seconds of the clock; None where nothing was seen.

    Attributes:
        source: whom this track shows: the source expected, else the first one seen.
        frames_by_source: pictures read of each source; more than one key means that pictures went astray.
        frames_seen: distinct pictures of `source`.
        frames_lost: pictures missing between the first and the last one seen.
        frames_repeated: pictures seen again.
        frames_backwards: pictures that came after one with a higher number; a decoder never does this by itself.
        frames_unreadable: decoded pictures without a valid strip.
        first_frame: the lowest number seen; last_frame: the highest.
        first_seen_at_s: when the first picture was read.
        time_to_first_frame_ms: from the sink's start until then.
        frames_per_second: rate of distinct pictures from the first to the last one.
        freezes: gaps between new pictures of more than 200 ms, the one still open included.
        frozen_ms: their sum; longest_gap_ms: the longest gap, freeze or not.
        frames_late: distinct pictures that took longer from capture to decode than `PictureSink.LATE_S`.
        latency_p50_ms: from capture to decode (and so on: p95, p99, max). aiortc's receiver holds a picture until the
            next one begins: one interval (67 ms at 15 pictures a second) of it is the client's own.
        psnr_p50_db: against the original, of the pictures sampled; psnr_min_db: the worst.
        width: pixels of the last picture; height: the same.
    """

    source: int | None
    frames_by_source: Mapping[int, int]
    frames_seen: int
    frames_lost: int
    frames_repeated: int
    frames_backwards: int
    frames_unreadable: int
    frames_late: int
    first_frame: int | None
    last_frame: int | None
    first_seen_at_s: float | None
    time_to_first_frame_ms: float | None
    frames_per_second: float | None
    freezes: int
    frozen_ms: float
    longest_gap_ms: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    latency_p99_ms: float | None
    latency_max_ms: float | None
    psnr_p50_db: float | None
    psnr_min_db: float | None
    width: int
    height: int

    def sees(self, source: int) -> bool:
        """Whether this track shows that source and nobody else."""
        return self.frames_by_source.keys() == {source}


@dataclass(frozen=True, slots=True)
class ToneReport:
    """What was heard on one remote audio track.

    Attributes:
        heard: numbers of the tones heard for at least `ToneSink.LEAST_HEARD_S` (see `tone.tone_number`).
        heard_s: seconds of each tone heard, however short.
        silent_s: seconds without any tone; total_s: seconds judged.
        first_heard_at_s: when a tone was first heard, seconds of the clock.
        time_to_first_tone_ms: from the sink's start until then.
        level_p50_dbov: median level; -127 is silence, and Opus in stereo brings a mono track 3 dB lower.
        level_last_dbov: the level of the last 100 ms.
        missing_ms: sound that the timestamps leave out, which is to say packets lost.
        marks: time marks heard (see `clients.media.marks`).
        latency_p50_ms: of the marks, from capture to decode, what the codec itself delays (Opus 6.5 ms) included.
        latency_max_ms: the longest.
    """

    heard: frozenset[int]
    heard_s: Mapping[int, float]
    silent_s: float
    total_s: float
    first_heard_at_s: float | None
    time_to_first_tone_ms: float | None
    level_p50_dbov: float | None
    level_last_dbov: float | None
    missing_ms: float
    marks: int
    latency_p50_ms: float | None
    latency_max_ms: float | None


@dataclass(frozen=True, slots=True)
class SkewReport:
    """How far sound is behind the pictures of the same person: positive when it comes later than they do.

    Attributes:
        marks: time marks for which there was a picture of about the same time.
        skew_p50_ms: the median; skew_min_ms, skew_max_ms: the extremes. None where there was no mark.
    """

    marks: int
    skew_p50_ms: float | None
    skew_min_ms: float | None
    skew_max_ms: float | None


def percentile(samples: Sequence[float], percent: float) -> float | None:
    """The value below which that percentage of the samples lies, interpolated between ranks; None without samples.

    Raises:
        ValueError: percent is not within 0 to 100.
    """
    if not 0 <= percent <= 100:
        raise ValueError("percent is 0 to 100")
    if not samples:
        return None
    ordered = sorted(samples)
    rank = (len(ordered) - 1) * percent / 100
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def frames_expected(sent: Sequence[SentFrame], first_seen: int, until_s: float) -> int:
    """How many pictures a receiver should have seen.

    Args:
        sent: the sender's log.
        first_seen: number of the first picture the receiver saw; earlier ones are not expected.
        until_s: pictures sent after this are not expected: the receiver's end less the time a picture may take.
    """
    return sum(1 for picture in sent if picture.frame >= first_seen and picture.sent_at_s <= until_s)
