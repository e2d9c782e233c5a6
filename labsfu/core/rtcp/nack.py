"""Generic NACK (RFC 4585 6.2.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from labsfu.core.rtcp.feedback import FCI_OFFSET, TransportFormat, encode_feedback, parse_ssrcs
from labsfu.core.rtcp.header import PacketType
from labsfu.errors import Malformed

_PAIR = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Nack:
    """Packets of `media_ssrc` that are missing.

    Attributes:
        sender_ssrc: who misses them.
        media_ssrc: the media sender.
        sequence_numbers: 0..65535 each; in ascending order (over the wrap as well) they pack best. At least one.
    """

    sender_ssrc: int
    media_ssrc: int
    sequence_numbers: tuple[int, ...]

    def encode(self) -> bytes:
        """The whole packet."""
        fci = b"".join(_PAIR.pack(pid, blp) for pid, blp in pack_pairs(self.sequence_numbers))
        return encode_feedback(PacketType.RTPFB, TransportFormat.NACK, self.sender_ssrc, self.media_ssrc, fci)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body.

        Raises:
            Malformed: `rtcp-bad-feedback`, `rtcp-bad-nack` when there is no pair or one is cut off.
        """
        sender_ssrc, media_ssrc = parse_ssrcs(body)
        fci = body[FCI_OFFSET:]
        if not fci or len(fci) % _PAIR.size:
            raise Malformed("rtcp-bad-nack")
        lost = tuple(number for pid, blp in _PAIR.iter_unpack(fci) for number in unpack_pair(pid, blp))
        return cls(sender_ssrc, media_ssrc, lost)


def pack_pairs(sequence_numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Gather numbers into `(PID, BLP)`: a number and a bitmask of the 16 that follow it."""
    pid = -1
    blp = 0
    for number in sequence_numbers:
        distance = (number - pid) & 0xFFFF
        if pid >= 0 and distance <= 16:
            blp |= (1 << distance) >> 1  # the number itself, once more, sets nothing
            continue
        if pid >= 0:
            yield pid, blp
        pid, blp = number, 0
    if pid >= 0:
        yield pid, blp


def unpack_pair(pid: int, blp: int) -> Iterator[int]:
    """The numbers of one pair, in ascending order over the wrap."""
    yield pid
    for bit in range(16):
        if blp >> bit & 1:
            yield (pid + bit + 1) & 0xFFFF
