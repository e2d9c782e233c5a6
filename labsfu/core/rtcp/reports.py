"""Sender and receiver reports (RFC 3550 6.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from labsfu.core.rtcp.header import PacketType, encode_packet
from labsfu.errors import Malformed

MIN_PACKETS_LOST = -(1 << 23)
MAX_PACKETS_LOST = (1 << 23) - 1
MAX_BLOCKS = 31

_SENDER_INFO = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """How one source is received (RFC 3550 6.4.1).

    Attributes:
        ssrc: the source this is about.
        fraction_lost: loss since the last report, in 1/256.
        packets_lost: cumulative loss, signed; encoded clamped to 24 bits.
        highest_sequence: cycles in the upper, highest sequence number in the lower 16 bits.
        jitter: interarrival jitter in timestamp units.
        last_sr: middle 32 bits of the NTP timestamp of the last SR, 0 when there was none.
        delay_since_last_sr: in 1/65536 s, 0 when there was none.
    """

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    last_sr: int
    delay_since_last_sr: int

    def encode(self) -> bytes:
        """The 24 octets of the block."""
        lost = max(MIN_PACKETS_LOST, min(self.packets_lost, MAX_PACKETS_LOST)) & 0xFF_FFFF
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | lost,
            self.highest_sequence & 0xFFFF_FFFF,
            self.jitter,
            self.last_sr,
            self.delay_since_last_sr,
        )


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR (RFC 3550 6.4.1).

    Attributes:
        ssrc: the sender.
        ntp_timestamp: 64-bit NTP time of the report.
        rtp_timestamp: the same instant on the RTP clock; encoded modulo 2**32.
        packet_count: packets sent so far; encoded modulo 2**32.
        octet_count: payload octets sent so far; encoded modulo 2**32.
        blocks: reports on what this participant receives, at most 31.
    """

    ssrc: int
    ntp_timestamp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    blocks: tuple[ReportBlock, ...] = ()

    def encode(self) -> bytes:
        """The whole packet.

        Raises:
            ValueError: more than 31 blocks.
        """
        body = _SENDER_INFO.pack(
            self.ssrc,
            self.ntp_timestamp,
            self.rtp_timestamp & 0xFFFF_FFFF,
            self.packet_count & 0xFFFF_FFFF,
            self.octet_count & 0xFFFF_FFFF,
        )
        return encode_packet(PacketType.SR, len(self.blocks), body + _encode_blocks(self.blocks))

    @classmethod
    def parse(cls, body: bytes, count: int) -> Self:
        """Read the body of an SR with `count` blocks; a profile-specific extension after them is ignored.

        Raises:
            Malformed: `rtcp-bad-sr`.
        """
        if len(body) < _SENDER_INFO.size + _BLOCK.size * count:
            raise Malformed("rtcp-bad-sr")
        ssrc, ntp, rtp, packets, octets = _SENDER_INFO.unpack_from(body)
        return cls(ssrc, ntp, rtp, packets, octets, _parse_blocks(body, _SENDER_INFO.size, count))


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR (RFC 3550 6.4.2).

    Attributes:
        ssrc: the participant that reports.
        blocks: reports on what it receives, at most 31; none is a keep-alive.
    """

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def encode(self) -> bytes:
        """The whole packet.

        Raises:
            ValueError: more than 31 blocks.
        """
        body = self.ssrc.to_bytes(4, "big") + _encode_blocks(self.blocks)
        return encode_packet(PacketType.RR, len(self.blocks), body)

    @classmethod
    def parse(cls, body: bytes, count: int) -> Self:
        """Read the body of an RR with `count` blocks; a profile-specific extension after them is ignored.

        Raises:
            Malformed: `rtcp-bad-rr`.
        """
        if len(body) < 4 + _BLOCK.size * count:
            raise Malformed("rtcp-bad-rr")
        return cls(int.from_bytes(body[:4], "big"), _parse_blocks(body, 4, count))


def _encode_blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(block.encode() for block in blocks)


def _parse_blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    return tuple(_parse_block(body, offset + _BLOCK.size * index) for index in range(count))


def _parse_block(body: bytes, offset: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
    lost = loss & 0xFF_FFFF
    if lost > MAX_PACKETS_LOST:
        lost -= 1 << 24
    return ReportBlock(ssrc, loss >> 24, lost, highest, jitter, last_sr, delay)
