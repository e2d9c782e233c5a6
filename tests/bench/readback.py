"""How many test pictures are read after encoding, decoding and scaling, and whether any is misread.

`python -m tests.bench.readback` writes the table of docs/readback.md.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from aiortc.codecs.vpx import MIN_BITRATE, Vp8Encoder, vp8_depayload
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext

from clients.media.pattern import Drawing, PatternReading, draw, psnr_db, read, wrap_us
from clients.media.screen import FRAMES_PER_PAGE, SCREEN_FPS, SCROLLED_FRAMES, draw_screen
from clients.media.sinks import luma_of
from clients.media.tracks import DEFAULT_FPS, SIZES
from tests.support.generated_section import write_section

SECTION = "readback"
Size = tuple[int, int]

SHOWN: dict[str, Size | None] = {
    "as drawn": None,
    "480x270": (480, 270),
    "320x180": (320, 180),
    "256x144": (256, 144),
    "160x90": (160, 90),
}


@dataclass(frozen=True, slots=True)
class Coding:
    """A codec as set up for one column: `rate` in bit/s, or the worst quantiser it has, whatever the rate."""

    codec: str
    rate: int | None

    def __str__(self) -> str:
        kbps = "worst quality" if self.rate is None else f"{self.rate // 1000} kbit/s"
        return f"{ {'libvpx': 'VP8', 'libx264': 'H264'}[self.codec] } {kbps}"


CODINGS = (
    Coding("libvpx", MIN_BITRATE),
    Coding("libvpx", 100_000),
    Coding("libvpx", None),
    Coding("libx264", 500_000),
    Coding("libx264", 100_000),
    Coding("libx264", None),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What is shown: what each picture says, what draws it, how many there are a second."""

    readings: Sequence[PatternReading]
    drawing: Drawing = draw
    fps: int = DEFAULT_FPS


@dataclass(slots=True)
class Tally:
    """Pictures that came out of the decoder."""

    decoded: int = 0
    read: int = 0
    misread: int = 0

    @property
    def rate(self) -> float:
        """Part of the pictures that were read."""
        return self.read / self.decoded


@dataclass(frozen=True, slots=True)
class Line:
    """One size and content through one coding.

    Attributes:
        bits: per second, on average.
        psnr_db: the worst picture, as drawn.
        shown: by the size at which pictures were read.
    """

    bits: float
    psnr_db: float
    shown: dict[str, Tally]


def encoder(coding: Coding, size: Size, fps: int) -> VideoCodecContext:
    """An encoder set up as aiortc's, but for its rate."""
    context = av.CodecContext.create(coding.codec, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt = "yuv420p"
    context.time_base, context.framerate = Fraction(1, 90_000), Fraction(fps)
    rate = coding.rate or 100_000
    context.bit_rate = rate
    if coding.codec == "libx264":
        context.options = {"level": "31", "tune": "zerolatency"} | ({"qp": "51"} if coding.rate is None else {})
        context.profile = "Baseline"
        return context
    context.gop_size = 3000
    context.qmin, context.qmax = (63, 63) if coding.rate is None else (2, 56)
    context.options = {
        "bufsize": str(rate), "minrate": str(rate), "maxrate": str(rate), "cpu-used": "-6", "deadline": "realtime",
        "lag-in-frames": "0", "noise-sensitivity": "4", "static-thresh": "1", "undershoot-pct": "100",
        "overshoot-pct": "15",
    }  # fmt: skip
    return context


def encoded(coding: Coding, pictures: Iterable[VideoFrame], size: Size, fps: int) -> Iterator[tuple[int, bytes]]:
    """Each packet with its picture's number. VP8 at its least rate is aiortc's own encoder."""
    if coding == CODINGS[0]:
        own = Vp8Encoder()
        own.target_bitrate = MIN_BITRATE
        for number, picture in enumerate(pictures):
            payloads, _ = own.encode(picture, force_keyframe=number == 0)
            yield number, b"".join(vp8_depayload(payload) for payload in payloads)
        return
    context = encoder(coding, size, fps)
    flush: list[VideoFrame | None] = [None]
    for packet in itertools.chain.from_iterable(map(context.encode, itertools.chain(pictures, flush))):
        assert packet.pts is not None
        yield packet.pts * fps // 90_000, bytes(packet)


def measure(coding: Coding, size: Size, content: Content, drop: frozenset[int] = frozenset()) -> Line:
    """Draw, encode, decode what is not dropped, scale, read."""
    readings, drawing, fps = content.readings, content.drawing, content.fps

    def pictures() -> Iterator[VideoFrame]:
        for number, reading in enumerate(readings):
            frame = VideoFrame.from_ndarray(drawing(*size, reading), format="yuv420p")
            frame.pts, frame.time_base = number * 90_000 // fps, Fraction(1, 90_000)
            yield frame

    decoder = av.CodecContext.create("vp8" if coding.codec == "libvpx" else "h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    tallies = {name: Tally() for name in SHOWN}
    octets, worst = 0, 100.0
    for number, data in encoded(coding, pictures(), size, fps):
        octets += len(data)
        if number in drop:
            continue
        packet = av.Packet(data)
        packet.pts, packet.time_base = number, Fraction(1, fps)
        try:
            pictures_out = decoder.decode(packet)
        except av.FFmpegError:  # what it needs was dropped
            continue
        for decoded in pictures_out:
            assert decoded.pts is not None
            said = readings[decoded.pts]
            worst = min(worst, psnr_db(luma_of(decoded), said, drawing=drawing))
            for name, shown in SHOWN.items():
                found = read(luma_of(decoded.reformat(*shown) if shown else decoded))
                tallies[name].decoded += 1
                tallies[name].read += found == said
                tallies[name].misread += found not in (None, said)
    return Line(octets * 8 * fps / len(readings), worst, tallies)


def camera(count: int) -> Content:
    """A camera's first pictures."""
    return Content([PatternReading(7, n, wrap_us(498_765.4321 + n / DEFAULT_FPS)) for n in range(count)])


def shared_screen(count: int) -> Content:
    """Pictures of a screen around a scroll and the turn of a page."""
    turned = count // 3
    scroll, turn = SCROLLED_FRAMES.start - 2, FRAMES_PER_PAGE - 2
    numbers = [*range(scroll, scroll + count - turned), *range(turn, turn + turned)]
    readings = [PatternReading(7, n, wrap_us(498_765.4321 + n / SCREEN_FPS)) for n in numbers]
    return Content(readings, draw_screen, SCREEN_FPS)


def report(count: int, codings: Sequence[Coding] = CODINGS) -> str:
    """The table, as Markdown."""
    lines = [
        f"{count} pictures for each line.",
        "",
        "| drawn | coding | kbit/s | worst PSNR dB | " + " | ".join(f"read {name}" for name in SHOWN) + " | misread |",
        "|---|---|---:|---:" + "|---:" * (len(SHOWN) + 1) + "|",
    ]
    for kind, content in {"": camera(count), " screen": shared_screen(count)}.items():
        for name, size in SIZES.items():
            for coding in codings:
                line = measure(coding, size, content)
                cells = [f"{name}{kind}", str(coding), f"{line.bits / 1000:.0f}", f"{line.psnr_db:.1f}"]
                cells += [f"{tally.rate:.1%}" for tally in line.shown.values()]
                cells.append(str(sum(tally.misread for tally in line.shown.values())))
                lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=90)
    parser.add_argument("--write", metavar="FILE", default="docs/readback.md", help="a document with a section for it")
    options = parser.parse_args()
    text = report(options.pictures)
    sys.stdout.write(text + "\n")
    write_section(Path(options.write), SECTION, text)


if __name__ == "__main__":
    main()
