"""RTCP packets: reports, SDES, BYE (RFC 3550 6), NACK and PLI (RFC 4585), FIR (RFC 5104), REMB.

Transport-wide feedback is in `transport_cc`. Extended reports and what is not known are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import ClassVar, Self, TypeAlias

import msgspec

from clients.synthetic.transport_cc import TransportFeedback
from labsfu.errors import Malformed

_HEADER = struct.Struct("!BBH")
_SENDER_INFO = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_SSRCS = struct.Struct("!II")
_REMB = struct.Struct("!4sI")
_FIR = struct.Struct("!IB3x")
_SR, _RR, _SDES, _BYE, _RTPFB, _PSFB = 200, 201, 202, 203, 205, 206
_CNAME = 1
MAX_BLOCKS = 31


class ReportBlock(msgspec.Struct, frozen=True, gc=False):
    """What a receiver says of one stream (RFC 3550 6.4.1).

    Attributes:
        ssrc: the stream.
        fraction_lost: of 256, since the last report.
        packets_lost: cumulative, signed 24 bits.
        highest_sequence: extended, 32 bits.
        jitter: units of the RTP timestamp.
        last_sr: middle 32 bits of the NTP time of the last sender report, 0 without any.
        delay: since that arrived, 1/65536 s.
    """

    ssrc: int
    fraction_lost: int = 0
    packets_lost: int = 0
    highest_sequence: int = 0
    jitter: int = 0
    last_sr: int = 0
    delay: int = 0

    def encode(self) -> bytes:
        """The 24 octets; what does not fit is clamped (losses) or cut off."""
        lost = max(-0x800000, min(0x7FFFFF, self.packets_lost)) & 0xFFFFFF
        return _BLOCK.pack(
            self.ssrc,
            self.fraction_lost << 24 | lost,
            self.highest_sequence & 0xFFFFFFFF,
            self.jitter & 0xFFFFFFFF,
            self.last_sr,
            min(self.delay, 0xFFFFFFFF),
        )


class SenderReport(msgspec.Struct, frozen=True):
    """SR (RFC 3550 6.4.1): `ntp` is the 64-bit timestamp."""

    ssrc: int
    ntp: int
    timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    def encode(self) -> bytes:
        """The whole packet."""
        info = _SENDER_INFO.pack(
            self.ssrc, self.ntp, self.timestamp, self.packets & 0xFFFFFFFF, self.octets & 0xFFFFFFFF
        )
        return _packet(_SR, len(self.blocks), info + b"".join(block.encode() for block in self.blocks))

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Read the body."""
        if len(body) < _SENDER_INFO.size:
            raise Malformed("rtcp-bad-report")
        ssrc, ntp, timestamp, packets, octets = _SENDER_INFO.unpack_from(body)
        return cls(ssrc, ntp, timestamp, packets, octets, _parse_blocks(body, _SENDER_INFO.size, count))


class ReceiverReport(msgspec.Struct, frozen=True):
    """RR (RFC 3550 6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def encode(self) -> bytes:
        """The whole packet."""
        return _packet(
            _RR, len(self.blocks), self.ssrc.to_bytes(4, "big") + b"".join(block.encode() for block in self.blocks)
        )

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Read the body."""
        if len(body) < 4:
            raise Malformed("rtcp-bad-report")
        return cls(int.from_bytes(body[:4], "big"), _parse_blocks(body, 4, count))


class SourceDescription(msgspec.Struct, frozen=True):
    """SDES with CNAMEs only (RFC 3550 6.5): pairs of SSRC and CNAME."""

    cnames: tuple[tuple[int, str], ...]

    def encode(self) -> bytes:
        """The whole packet."""
        body = b""
        for ssrc, cname in self.cnames:
            text = cname.encode()[:255]
            chunk = ssrc.to_bytes(4, "big") + bytes((_CNAME, len(text))) + text + b"\0"
            body += chunk + bytes(-len(chunk) % 4)
        return _packet(_SDES, len(self.cnames), body)

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Read the body; a chunk without CNAME is left out."""
        found = []
        offset = 0
        for _ in range(count):
            if offset + 4 > len(body):
                raise Malformed("rtcp-bad-sdes")
            ssrc = int.from_bytes(body[offset : offset + 4], "big")
            offset += 4
            while offset < len(body) and body[offset]:
                item = body[offset : offset + 2]
                if len(item) < 2 or offset + 2 + item[1] > len(body):
                    raise Malformed("rtcp-bad-sdes")
                if item[0] == _CNAME:
                    found.append((ssrc, body[offset + 2 : offset + 2 + item[1]].decode("utf-8", "replace")))
                offset += 2 + item[1]
            offset += 4 - offset % 4  # at least one zero octet ends a chunk
        return cls(tuple(found))


class Goodbye(msgspec.Struct, frozen=True):
    """BYE (RFC 3550 6.6); a reason is passed over."""

    ssrcs: tuple[int, ...]

    def encode(self) -> bytes:
        """The whole packet."""
        return _packet(_BYE, len(self.ssrcs), struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs))

    @classmethod
    def parse(cls, count: int, body: bytes) -> Self:
        """Read the body."""
        if len(body) < 4 * count:
            raise Malformed("rtcp-bad-bye")
        return cls(struct.unpack_from(f"!{count}I", body))


class Nack(msgspec.Struct, frozen=True):
    """Generic NACK (RFC 4585 6.2.1): the 16-bit numbers asked for, ascending before they wrap."""

    sender: int
    media: int
    sequences: tuple[int, ...]

    def encode(self) -> bytes:
        """The whole packet."""
        items: list[tuple[int, int]] = []
        for sequence in self.sequences:
            behind = (sequence - items[-1][0]) & 0xFFFF if items else 0
            if items and 1 <= behind <= 16:
                items[-1] = items[-1][0], items[-1][1] | 1 << behind - 1
            elif not items or behind:
                items.append((sequence, 0))
        body = b"".join(struct.pack("!HH", *item) for item in items)
        return _packet(_RTPFB, 1, _SSRCS.pack(self.sender, self.media) + body)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body."""
        if len(body) % 4:
            raise Malformed("rtcp-bad-nack")
        found = []
        for first, mask in struct.iter_unpack("!HH", body[8:]):
            found.append(first)
            found += [(first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
        sender, media = _SSRCS.unpack_from(body)
        return cls(sender, media, tuple(found))


class PictureLoss(msgspec.Struct, frozen=True):
    """PLI (RFC 4585 6.3.1)."""

    sender: int
    media: int

    def encode(self) -> bytes:
        """The whole packet."""
        return _packet(_PSFB, 1, _SSRCS.pack(self.sender, self.media))

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body."""
        return cls(*_SSRCS.unpack_from(body))


class FullIntra(msgspec.Struct, frozen=True):
    """FIR (RFC 5104 4.3.1): pairs of SSRC and command number."""

    sender: int
    entries: tuple[tuple[int, int], ...]

    def encode(self) -> bytes:
        """The whole packet."""
        body = b"".join(_FIR.pack(ssrc, number & 0xFF) for ssrc, number in self.entries)
        return _packet(_PSFB, 4, _SSRCS.pack(self.sender, 0) + body)

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read the body."""
        if len(body) % _FIR.size:
            raise Malformed("rtcp-bad-fir")
        return cls(int.from_bytes(body[:4], "big"), tuple(_FIR.iter_unpack(body[8:])))


class Remb(msgspec.Struct, frozen=True):
    """REMB (draft-alvestrand-rmcat-remb-03 2.2): bit/s for all of `ssrcs` together."""

    IDENTIFIER: ClassVar[bytes] = b"REMB"

    sender: int
    bitrate: int
    ssrcs: tuple[int, ...]

    def encode(self) -> bytes:
        """The whole packet; the bitrate keeps its 18 highest bits."""
        exponent = max(0, self.bitrate.bit_length() - 18)
        packed = len(self.ssrcs) << 24 | exponent << 18 | self.bitrate >> exponent
        fci = _REMB.pack(self.IDENTIFIER, packed) + struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs)
        return _packet(_PSFB, 15, _SSRCS.pack(self.sender, 0) + fci)

    @classmethod
    def parse(cls, body: bytes) -> Self | None:
        """Read the body; None when it is other application layer feedback."""
        if body[8:12] != cls.IDENTIFIER:
            return None
        if len(body) < 16:
            raise Malformed("rtcp-bad-remb")
        packed = int.from_bytes(body[12:16], "big")
        count = packed >> 24
        if len(body) < 16 + 4 * count:
            raise Malformed("rtcp-bad-remb")
        bitrate = (packed & 0x3FFFF) << (packed >> 18 & 0x3F)
        return cls(int.from_bytes(body[:4], "big"), bitrate, struct.unpack_from(f"!{count}I", body, 16))


RtcpPacket: TypeAlias = (
    SenderReport
    | ReceiverReport
    | SourceDescription
    | Goodbye
    | Nack
    | PictureLoss
    | FullIntra
    | Remb
    | TransportFeedback
)

_COUNTED: dict[int, Callable[[int, bytes], RtcpPacket]] = {
    _SR: SenderReport.parse,
    _RR: ReceiverReport.parse,
    _SDES: SourceDescription.parse,
    _BYE: Goodbye.parse,
}
_FEEDBACK: dict[tuple[int, int], Callable[[bytes], RtcpPacket | None]] = {
    (_RTPFB, 1): Nack.parse,
    (_RTPFB, 15): TransportFeedback.parse,
    (_PSFB, 1): PictureLoss.parse,
    (_PSFB, 4): FullIntra.parse,
    (_PSFB, 15): Remb.parse,
}


def is_rtcp(data: bytes) -> bool:
    """Whether a packet is RTCP rather than RTP (RFC 5761 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """The packets of a compound or reduced-size packet (RFC 5506) that are known here.

    Raises:
        Malformed: `rtcp-too-short`, `rtcp-version`, `rtcp-bad-length`, `rtcp-bad-padding`, `rtcp-bad-…`.
    """
    packets = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _HEADER.size:
            raise Malformed("rtcp-too-short")
        first, kind, words = _HEADER.unpack_from(data, offset)
        end = offset + 4 + 4 * words
        if first >> 6 != 2:
            raise Malformed("rtcp-version")
        if end > len(data):
            raise Malformed("rtcp-bad-length")
        packet = _parse(kind, first & 0x1F, _unpadded(data[offset + 4 : end], bool(first & 0x20)))
        if packet is not None:
            packets.append(packet)
        offset = end
    return packets


def encode_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """The packets, one after the other."""
    return b"".join(packet.encode() for packet in packets)


def _parse(kind: int, count: int, body: bytes) -> RtcpPacket | None:
    counted = _COUNTED.get(kind)
    if counted is not None:
        return counted(count, body)
    feedback = _FEEDBACK.get((kind, count))
    if feedback is None:
        return None
    if len(body) < _SSRCS.size:
        raise Malformed("rtcp-bad-feedback")
    return feedback(body)


def _unpadded(body: bytes, padded: bool) -> bytes:
    if not padded:
        return body
    if not body or not 1 <= body[-1] <= len(body):
        raise Malformed("rtcp-bad-padding")
    return body[: -body[-1]]


def _parse_blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    if len(body) < offset + _BLOCK.size * count:
        raise Malformed("rtcp-bad-report")
    blocks = []
    for index in range(count):
        ssrc, losses, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset + index * _BLOCK.size)
        lost = losses & 0xFFFFFF
        lost -= (lost & 0x800000) << 1
        blocks.append(ReportBlock(ssrc, losses >> 24, lost, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, len(body) // 4) + body
