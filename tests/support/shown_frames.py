"""The frames that a receiver of simulcast has, put together from its packets in the order of their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from tests.support.layer_receiver import LayerReceiver
from tests.support.nack_receiver import Output
from tests.support.simulcast_encoding import Encoding, SentFrame, place_of


@dataclass(slots=True)
class ShownFrame:
    """A frame as it came out.

    Attributes:
        sent: what it was.
        first: number of its first packet (does not wrap).
        picture_id: as it came out, as are `tl0` and `timestamp`.
        parts: how many of its packets there are.
        filled_before: packets without payload between it and the frame before.
        begun: when the first of its packets came.
        complete: when the last of them came.
    """

    sent: SentFrame
    first: int
    picture_id: int
    tl0: int
    timestamp: int
    parts: int
    filled_before: int
    begun: float
    complete: float

    @property
    def whole(self) -> bool:
        """Whether all of it is there."""
        return self.parts == len(self.sent.payloads)

    def __str__(self) -> str:
        sent = self.sent
        kind = "key frame" if sent.key else f"T{sent.tid}"
        return f"frame {sent.number} of r{sent.layer} ({kind}, {self.parts}/{len(sent.payloads)}) at {self.first}"


def signed(step: int) -> int:
    """Of 32 bits."""
    return (step + 0x8000_0000 & 0xFFFFFFFF) - 0x8000_0000


def frames_of(receiver: LayerReceiver, encodings: tuple[Encoding, ...]) -> list[ShownFrame]:
    """All frames of a receiver, which has each number, each packet once, and each as it was sent."""
    assert receiver.conflicts == [], "two packets came under one number"
    numbers = sorted(receiver.outputs)
    holes = [(a + 1, b - 1) for a, b in pairwise(numbers) if b - a > 1]
    assert not holes, f"holes of {numbers[0]} to {numbers[-1]} at {holes}"
    frames: list[ShownFrame] = []
    filled = 0
    for number in numbers:
        output = receiver.outputs[number]
        if not output.payload:
            filled += 1
            continue
        if _goes_on(frames, number, output, encodings, filled):
            frames[-1].complete = max(frames[-1].complete, receiver.arrived[number])
            frames[-1].begun = min(frames[-1].begun, receiver.arrived[number])
        else:
            frames.append(_begin(number, output, encodings, filled, receiver.arrived[number]))
        filled = 0
    assert not filled
    return frames


def _begin(number: int, output: Output, encodings: tuple[Encoding, ...], filled: int, at: float) -> ShownFrame:
    layer, part = place_of(output.payload)
    sent = encodings[layer].frames[part.frame]
    picture_id, tl0 = _read(output, sent, 0)
    return ShownFrame(sent, number, picture_id, tl0, output.timestamp, 1, filled, at, at)


def _goes_on(
    frames: list[ShownFrame], number: int, output: Output, encodings: tuple[Encoding, ...], filled: int
) -> bool:
    """Whether the packet is the next one of the last frame, which it is then added to."""
    layer, part = place_of(output.payload)
    if part.index == 0:
        return False
    assert frames, f"begins with part {part.index} of a frame"
    frame = frames[-1]
    what = f"part {part.index} of frame {part.frame} of r{layer} at {number} after {frame}"
    assert (layer, part.frame, part.index) == (frame.sent.layer, frame.sent.number, frame.parts), what
    assert number == frame.first + frame.parts, what
    assert not filled, what
    assert _read(output, encodings[layer].frames[part.frame], part.index) == (frame.picture_id, frame.tl0), what
    assert output.timestamp == frame.timestamp, what
    frame.parts += 1
    return True


def _read(output: Output, sent: SentFrame, part: int) -> tuple[int, int]:
    """PictureID and TL0PICIDX of a packet that is otherwise as it was sent."""
    picture_id, tl0, payload = sent.split(part, output.payload)
    assert payload == sent.payloads[part]
    assert output.marker == (part == len(sent.payloads) - 1)
    return picture_id, tl0
