"""Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 2.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from labsfu.core.rtcp.feedback import FCI_OFFSET, PayloadFormat, encode_feedback, parse_ssrcs
from labsfu.core.rtcp.header import PacketType
from labsfu.errors import Malformed

IDENTIFIER = b"REMB"
MAX_BITRATE = (1 << 64) - 1

_MANTISSA_BITS = 18
_FIXED = struct.Struct("!4sI")  # identifier; number of SSRCs (8), exponent (6), mantissa (18)


@dataclass(frozen=True, slots=True)
class Remb:
    """What the receiver thinks its incoming path can carry.

    Attributes:
        sender_ssrc: who says so.
        bitrate: bit/s over all of `ssrcs` together; encoding keeps its 18 highest bits and drops the rest.
        ssrcs: the media senders it is for, at most 255.
        media_ssrc: 0 by the draft.
    """

    sender_ssrc: int
    bitrate: int
    ssrcs: tuple[int, ...] = ()
    media_ssrc: int = 0

    def encode(self) -> bytes:
        """The whole packet.

        Raises:
            ValueError: more than 255 SSRCs, or a bitrate that is negative or above 64 bits.
        """
        if len(self.ssrcs) > 255 or not 0 <= self.bitrate <= MAX_BITRATE:
            raise ValueError(f"{self.bitrate} bit/s for {len(self.ssrcs)} sources does not fit a REMB")
        exponent = max(0, self.bitrate.bit_length() - _MANTISSA_BITS)
        packed = len(self.ssrcs) << 24 | exponent << _MANTISSA_BITS | self.bitrate >> exponent
        fci = _FIXED.pack(IDENTIFIER, packed) + struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs)
        return encode_feedback(PacketType.PSFB, PayloadFormat.APPLICATION, self.sender_ssrc, self.media_ssrc, fci)

    @classmethod
    def matches(cls, body: bytes) -> bool:
        """Whether the application layer feedback in `body` is a REMB, well-formed or not."""
        return body[FCI_OFFSET : FCI_OFFSET + 4] == IDENTIFIER

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body.

        Raises:
            Malformed: `rtcp-bad-feedback`, `rtcp-bad-remb` (cut off, another identifier, a bitrate above 64 bits).
        """
        sender_ssrc, media_ssrc = parse_ssrcs(body)
        if not cls.matches(body) or len(body) < FCI_OFFSET + _FIXED.size:
            raise Malformed("rtcp-bad-remb")
        packed = int.from_bytes(body[FCI_OFFSET + 4 : FCI_OFFSET + 8], "big")
        count = packed >> 24
        bitrate = (packed & 0x3_FFFF) << (packed >> _MANTISSA_BITS & 0x3F)
        if len(body) < FCI_OFFSET + _FIXED.size + 4 * count or bitrate > MAX_BITRATE:
            raise Malformed("rtcp-bad-remb")
        ssrcs = struct.unpack_from(f"!{count}I", body, FCI_OFFSET + _FIXED.size)
        return cls(sender_ssrc, bitrate, ssrcs, media_ssrc)
