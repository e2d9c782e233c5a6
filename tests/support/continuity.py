"""What every consumer's output must be, whatever happened at the input: one continuous sequence of what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tests.support.nack_receiver import NackReceiver
from tests.support.synthetic_vp8 import Fragment, Packetizer, SentPacket


def assert_continuous(receiver: NackReceiver, source: Packetizer, *, padding_was_lost: bool = False) -> None:
    """The receiver has, from a key frame on, each packet of the source once and as it was, without a hole.

    A padding-only packet leaves no number behind. If it came too late for that, an empty packet has its number; only if
    it never came, which nobody can repair, may there be a hole where it was (`padding_was_lost`).
    """
    assert receiver.conflicts == []
    numbers = sorted(receiver.outputs)
    filled = [number for number in numbers if receiver.outputs[number].payload]
    originals = _by_fragment(source)
    walk = [(number, originals[_place(receiver.outputs[number].payload)]) for number in filled]
    assert filled[0] == numbers[0]
    first = Fragment.decode(walk[0][1].payload)
    assert (first.key, first.index) == (True, 0)
    for number, original in walk:
        output = receiver.outputs[number]
        assert (output.payload, output.marker, output.timestamp) == (
            original.payload,
            original.marker,
            original.timestamp,
        )
    for (number, original), (after, following) in pairwise(walk):
        between = [source.sent[n] for n in range(original.number + 1, following.number)]
        assert not any(packet.payload for packet in between), "a packet is not where it belongs"
        holes = [n for n in range(number + 1, after) if n not in receiver.outputs]
        assert after - number - 1 <= len(between)
        assert not holes or padding_was_lost, f"hole at {holes}"


def assert_identical(receivers: Sequence[NackReceiver]) -> None:
    """All have the same packets, under numbers that differ by a constant."""
    streams = []
    for receiver in receivers:
        first = min(receiver.outputs)
        streams.append({number - first: output for number, output in receiver.outputs.items()})
    assert all(stream == streams[0] for stream in streams)


def last_frame(receiver: NackReceiver) -> int:
    """The newest frame of which something came."""
    newest = max(number for number, output in receiver.outputs.items() if output.payload)
    return Fragment.decode(receiver.outputs[newest].payload).frame


def _place(payload: bytes) -> tuple[int, int]:
    fragment = Fragment.decode(payload)
    return fragment.frame, fragment.index


def _by_fragment(source: Packetizer) -> dict[tuple[int, int], SentPacket]:
    return {_place(packet.payload): packet for packet in source.sent.values() if packet.payload}
