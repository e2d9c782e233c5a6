"""What a synthetic payload says at its end: whose frame it is part of, which part, and when that was captured."""

from __future__ import annotations

import struct

import msgspec

_STAMP = struct.Struct("!4sIIdBBHHH")
_MAGIC = b"LAB\x01"
LENGTH = _STAMP.size
"""Octets of a stamp."""
_NUMBERS = 1 << 32


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """The truth about one packet.

    Attributes:
        source: number of the sender, 32 bits.
        frame: number of the frame, 32 bits; the same in all simulcast layers.
        captured: monotonic seconds of the machine.
        layer: of simulcast, 0 the lowest.
        temporal_id: temporal layer, 0 the lowest.
        reference: how many frames ago the frame is that this one is predicted from, in the same layer; 0: key frame.
        index: of the packet in its frame; count: packets of the frame.
    """

    source: int
    frame: int
    captured: float
    layer: int = 0
    temporal_id: int = 0
    reference: int = 0
    index: int = 0
    count: int = 1

    def encode(self) -> bytes:
        """The octets at the end of a payload."""
        return _STAMP.pack(
            _MAGIC,
            self.source,
            self.frame % _NUMBERS,
            self.captured,
            self.layer,
            self.temporal_id,
            self.reference,
            self.index,
            self.count,
        )


def read_stamp(data: bytes, end: int) -> Stamp | None:
    """The stamp that ends at `end`; None: the payload is not synthetic."""
    start = end - LENGTH
    if start < 0 or data[start : start + 4] != _MAGIC:
        return None
    return Stamp(*_STAMP.unpack_from(data, start)[1:])
