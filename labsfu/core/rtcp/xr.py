"""Extended reports: receiver reference time and DLRR blocks (RFC 3611 2, 4.4, 4.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self, TypeAlias

from labsfu.core.rtcp.header import PacketType, encode_packet
from labsfu.errors import Malformed

_BLOCK_HEADER = struct.Struct("!BBH")
_SUB_BLOCK = struct.Struct("!III")
_REFERENCE_TIME_TYPE = 4
_DLRR_TYPE = 5


@dataclass(frozen=True, slots=True)
class ReceiverReferenceTime:
    """RRTR: lets a participant that sends no media measure its round trip.

    Attributes:
        ntp_timestamp: 64-bit NTP time of the report.
    """

    ntp_timestamp: int

    def encode(self) -> bytes:
        """The block with its header."""
        return _BLOCK_HEADER.pack(_REFERENCE_TIME_TYPE, 0, 2) + self.ntp_timestamp.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class DlrrItem:
    """Answer to one receiver's reference time.

    Attributes:
        ssrc: the receiver.
        last_rr: middle 32 bits of its last reference time, 0 when there was none.
        delay: since that arrived, in 1/65536 s, 0 when there was none.
    """

    ssrc: int
    last_rr: int
    delay: int


@dataclass(frozen=True, slots=True)
class Dlrr:
    """DLRR: delays since the last receiver reports."""

    items: tuple[DlrrItem, ...]

    def encode(self) -> bytes:
        """The block with its header."""
        data = b"".join(_SUB_BLOCK.pack(item.ssrc, item.last_rr, item.delay) for item in self.items)
        return _BLOCK_HEADER.pack(_DLRR_TYPE, 0, 3 * len(self.items)) + data


XrBlock: TypeAlias = ReceiverReferenceTime | Dlrr


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """XR: blocks of other types than the two are skipped when parsed.

    Attributes:
        ssrc: the participant that reports.
        blocks: in the order of the packet.
    """

    ssrc: int
    blocks: tuple[XrBlock, ...] = ()

    def encode(self) -> bytes:
        """The whole packet."""
        body = self.ssrc.to_bytes(4, "big") + b"".join(block.encode() for block in self.blocks)
        return encode_packet(PacketType.XR, 0, body)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body.

        Raises:
            Malformed: `rtcp-bad-xr` when a block is cut off or has not the length of its type.
        """
        if len(body) < 4:
            raise Malformed("rtcp-bad-xr")
        blocks = []
        offset = 4
        while offset < len(body):
            if offset + _BLOCK_HEADER.size > len(body):
                raise Malformed("rtcp-bad-xr")
            block_type, _, words = _BLOCK_HEADER.unpack_from(body, offset)
            start = offset + _BLOCK_HEADER.size
            offset = start + 4 * words
            if offset > len(body):
                raise Malformed("rtcp-bad-xr")
            block = _parse_block(block_type, body[start:offset])
            if block is not None:
                blocks.append(block)
        return cls(int.from_bytes(body[:4], "big"), tuple(blocks))


def _parse_block(block_type: int, data: bytes) -> XrBlock | None:
    if block_type == _REFERENCE_TIME_TYPE:
        if len(data) != 8:
            raise Malformed("rtcp-bad-xr")
        return ReceiverReferenceTime(int.from_bytes(data, "big"))
    if block_type == _DLRR_TYPE:
        if len(data) % _SUB_BLOCK.size:
            raise Malformed("rtcp-bad-xr")
        return Dlrr(tuple(DlrrItem(*item) for item in _SUB_BLOCK.iter_unpack(data)))
    return None
