"""Full intra request (RFC 5104 4.3.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from labsfu.core.rtcp.feedback import FCI_OFFSET, PayloadFormat, encode_feedback, parse_ssrcs
from labsfu.core.rtcp.header import PacketType
from labsfu.errors import Malformed

_ENTRY = struct.Struct("!IB3x")


@dataclass(frozen=True, slots=True)
class FirEntry:
    """One media sender that is asked.

    Attributes:
        ssrc: the media sender.
        sequence_number: 0..255, up by one for each new request, the same in a repetition of one; encoded modulo 256.
    """

    ssrc: int
    sequence_number: int


@dataclass(frozen=True, slots=True)
class FullIntraRequest:
    """A command to send a decoder refresh point.

    Attributes:
        sender_ssrc: who asks.
        entries: whom; at least one.
        media_ssrc: 0 by RFC 5104 4.3.1.2; the entries count.
    """

    sender_ssrc: int
    entries: tuple[FirEntry, ...]
    media_ssrc: int = 0

    def encode(self) -> bytes:
        """The whole packet."""
        fci = b"".join(_ENTRY.pack(entry.ssrc, entry.sequence_number & 0xFF) for entry in self.entries)
        return encode_feedback(PacketType.PSFB, PayloadFormat.FIR, self.sender_ssrc, self.media_ssrc, fci)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body.

        Raises:
            Malformed: `rtcp-bad-feedback`, `rtcp-bad-fir` when there is no entry or one is cut off.
        """
        sender_ssrc, media_ssrc = parse_ssrcs(body)
        fci = body[FCI_OFFSET:]
        if not fci or len(fci) % _ENTRY.size:
            raise Malformed("rtcp-bad-fir")
        return cls(sender_ssrc, tuple(FirEntry(*entry) for entry in _ENTRY.iter_unpack(fci)), media_ssrc)
