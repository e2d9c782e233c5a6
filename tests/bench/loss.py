"""What loss leaves of a video: synthetic sender, the engine, synthetic receiver, on invented time; so it is repeatable.

`make loss` writes the tables into docs/loss.md. The sender codes 30 frames a second in four packets of 1000 octets,
about 1 Mbit/s, and a key frame only when asked; the receiver has a NACK timer as browsers have one
(`tests/support/missing_numbers.py`) and shows each frame as soon as it can.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from clients.network import PERFECT, Conditions
from tests.support.frame_book import FREEZE, Frame
from tests.support.generated_section import write_section
from tests.support.nack_receiver import NackReceiver
from tests.support.video import VideoSource
from tests.support.video_call import VideoCall

LOSSES = (0.0, 0.01, 0.05, 0.10, 0.20)
DELAY = 0.04
IN_TIME = 0.5
BUFFER = 0.25
SETTLING = 1.0
"""Seconds before the first frame that counts: how fast a picture is there is another question."""
SECTION = "synthetic receivers"


@dataclass(slots=True)
class Result:
    """What became of the frames of some runs; latencies are from capture to being shown, seconds."""

    seconds: float = 0.0
    frames: int = 0
    complete: int = 0
    arrived_in_time: int = 0
    latencies: list[float] = field(default_factory=list)
    freezes: int = 0
    buffered_freezes: int = 0
    media_octets: int = 0
    resent_octets: int = 0
    nacked: int = 0
    key_frame_requests: int = 0

    @property
    def in_time(self) -> float:
        """Share of the frames all of whose packets were there within half a second of being captured."""
        return self.arrived_in_time / self.frames

    @property
    def shown_in_time(self) -> float:
        """Share of the frames that could be shown by then: so was every frame since the key frame."""
        return sum(latency <= IN_TIME for latency in self.latencies) / self.frames

    def percentile(self, share: float) -> float:
        """Latency that this share of all frames kept, those never shown included; infinite if too many were not."""
        ordered = sorted(self.latencies) + [float("inf")] * (self.frames - len(self.latencies))
        return ordered[min(int(share * self.frames), self.frames - 1)]

    def add(self, source: VideoSource, receiver: NackReceiver, begin: float, end: float) -> None:
        """Count what was captured between two instants, once it is over."""
        captured = [frame for frame, at in source.captured.items() if begin <= at < end]
        known = [receiver.book.frames.get(frame) for frame in captured]
        frames = [frame for frame in known if frame is not None]
        self.seconds += end - begin
        self.frames += len(captured)
        arrivals = [frame.completed - frame.captured for frame in frames if frame.completed is not None]
        self.complete += len(arrivals)
        self.arrived_in_time += sum(latency <= IN_TIME for latency in arrivals)
        self.latencies += [frame.shown - frame.captured for frame in frames if frame.shown is not None]
        self.freezes += standstills(frames, 0.0)
        self.buffered_freezes += standstills(frames, BUFFER)
        self.media_octets += receiver.media_octets
        self.resent_octets += receiver.resent_octets
        self.nacked += receiver.nacked
        self.key_frame_requests += receiver.key_frame_requests


def standstills(frames: Sequence[Frame], buffer: float) -> int:
    """How often nothing new was shown for 200 ms, when each frame waits until it is `buffer` seconds old."""
    times = sorted(max(frame.shown, frame.captured + buffer) for frame in frames if frame.shown is not None)
    return sum(later - earlier > FREEZE for earlier, later in pairwise(times))


def measure(loss: float, seconds: float, seeds: Sequence[int], *, rough_sender: bool) -> Result:
    """Run calls with so much random loss each way, on the receiver's link and perhaps on the sender's."""
    rough = Conditions(loss=loss, delay=DELAY)
    result = Result()
    for seed in seeds:
        call = VideoCall(seed)
        call.rough(rough if rough_sender else PERFECT, rough)
        call.source.start()
        call.run(SETTLING)
        begin = call.lab.now
        call.run(seconds)
        end = call.lab.now
        call.run(2.0)
        result.add(call.source, call.receivers[0], begin, end)
    return result


COLUMNS: dict[str, Callable[[Result], str]] = {
    "frames": lambda r: f"{r.frames}",
    "complete": lambda r: f"{r.complete / r.frames:.2%}",
    "within 500 ms": lambda r: f"{r.in_time:.2%}",
    "shown within 500 ms": lambda r: f"{r.shown_in_time:.2%}",
    "p50 ms": lambda r: f"{r.percentile(0.5) * 1000:.0f}",
    "p99 ms": lambda r: f"{r.percentile(0.99) * 1000:.0f}",
    "freezes/min": lambda r: f"{r.freezes * 60 / r.seconds:.1f}",
    "buffered": lambda r: f"{r.buffered_freezes * 60 / r.seconds:.1f}",
    "sent again": lambda r: f"{r.resent_octets / r.media_octets:.1%}",
    "NACKed": lambda r: f"{r.nacked}",
    "PLI": lambda r: f"{r.key_frame_requests}",
}


def table(results: dict[float, Result]) -> str:
    """As Markdown."""
    lines = ["| loss each way | " + " | ".join(COLUMNS) + " |", "|---:" * (len(COLUMNS) + 1) + "|"]
    for loss, result in results.items():
        lines.append(f"| {loss:.0%} | " + " | ".join(show(result) for show in COLUMNS.values()) + " |")
    return "\n".join(lines)


def report(seconds: float, seeds: Sequence[int], losses: Sequence[float] = LOSSES) -> str:
    """Both sets, as the document has them."""
    parts = [f"{len(seeds)} runs of {seconds:.0f} s for each line; 40 ms one way, each way."]
    for title, rough_sender in (
        ("The receiver's link loses, the sender's is perfect", False),
        ("Both links lose", True),
    ):
        results = {loss: measure(loss, seconds, seeds, rough_sender=rough_sender) for loss in losses}
        parts += [f"### {title}", table(results)]
    return "\n\n".join(parts)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", metavar="FILE", default="docs/loss.md", help="a document with a section for it")
    options = parser.parse_args()
    text = report(options.seconds, range(1, options.seeds + 1))
    sys.stdout.write(text + "\n")
    write_section(Path(options.write), SECTION, text)


if __name__ == "__main__":
    main()
