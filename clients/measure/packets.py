"""Reads as much of RTP and RTCP as measuring needs (RFC 3550 5.1 and 6.4, RFC 4585 6.1, RFC 5104 4.3.1)."""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

from labsfu.errors import Malformed

_RTP = struct.Struct("!BBHII")
_RTCP = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_PAIR = struct.Struct("!II")
_SR, _RR, _BYE, _RTPFB, _PSFB = 200, 201, 203, 205, 206
_NACK, _PLI, _FIR, _AFB = 1, 1, 4, 15
_MASK_OF_NACK = struct.Struct("!HH")


class RtpHeader(NamedTuple):
    """Of an RTP packet.

    Attributes:
        ssrc: of the stream.
        payload_type: 0..127.
        sequence: 16 bits.
        timestamp: 32 bits, units of the clock rate.
        marker: whether it is set; ends a frame of video (RFC 3551 4.1).
        offset: of the payload, bytes.
        size: of the payload without padding, bytes.
    """

    ssrc: int
    payload_type: int
    sequence: int
    timestamp: int
    marker: bool
    offset: int
    size: int


class ReportBlock(NamedTuple):
    """What somebody says of a stream that comes to it (RFC 3550 6.4.1).

    Attributes:
        ssrc: of the stream.
        fraction_lost: since the last report, 256ths.
        packets_lost: since the beginning; may be negative.
        highest: extended sequence number.
        jitter: units of the clock rate.
        last_sr: middle 32 bits of the NTP time of the last SR that came; 0: none did.
        delay: since that SR came, 65536ths of a second.
    """

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest: int
    jitter: int
    last_sr: int
    delay: int


class SenderReport(NamedTuple):
    """RFC 3550 6.4.1; `ntp` counts 2^-32 seconds since 1900, `bytes_sent` is payload without headers and padding."""

    ssrc: int
    ntp: int
    timestamp: int
    packets_sent: int
    bytes_sent: int
    reports: tuple[ReportBlock, ...]


class ReceiverReport(NamedTuple):
    """RFC 3550 6.4.2."""

    ssrc: int
    reports: tuple[ReportBlock, ...]


class Goodbye(NamedTuple):
    """RFC 3550 6.6."""

    ssrcs: tuple[int, ...]


class Nack(NamedTuple):
    """RFC 4585 6.2.1; `lost` are sequence numbers, in the order they are asked for."""

    media_ssrc: int
    lost: tuple[int, ...]


class PictureLoss(NamedTuple):
    """RFC 4585 6.3.1."""

    media_ssrc: int


class FullIntraRequest(NamedTuple):
    """RFC 5104 4.3.1; of the streams named in its entries."""

    media_ssrcs: tuple[int, ...]


class Remb(NamedTuple):
    """draft-alvestrand-rmcat-remb-03: at most so many bits per second, for these streams together."""

    bitrate: int
    media_ssrcs: tuple[int, ...]


class Other(NamedTuple):
    """What measuring has no use for: SDES, APP, XR, transport-wide feedback and so on."""

    packet_type: int
    subtype: int


Rtcp: TypeAlias = SenderReport | ReceiverReport | Goodbye | Nack | PictureLoss | FullIntraRequest | Remb | Other


def is_rtcp(data: bytes) -> bool:
    """Whether a packet of a stream that carries both is RTCP (RFC 5761 4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def read_rtp(data: bytes) -> RtpHeader:
    """Read an RTP header.

    Raises:
        Malformed: `rtp-short`, `rtp-version` or `rtp-padding`.
    """
    if len(data) < _RTP.size:
        raise Malformed("rtp-short")
    first, second, sequence, timestamp, ssrc = _RTP.unpack_from(data)
    if first >> 6 != 2:
        raise Malformed("rtp-version")
    offset = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        if len(data) < offset + 4:
            raise Malformed("rtp-short")
        offset += 4 + 4 * int.from_bytes(data[offset + 2 : offset + 4], "big")
    size = len(data) - offset
    if size < 0:
        raise Malformed("rtp-short")
    if first & 0x20:
        if size == 0 or not 0 < data[-1] <= size:
            raise Malformed("rtp-padding")
        size -= data[-1]
    return RtpHeader(ssrc, second & 0x7F, sequence, timestamp, second >= 0x80, offset, size)


def read_rtcp(data: bytes) -> tuple[Rtcp, ...]:
    """Read a compound RTCP packet, reduced-size ones too (RFC 5506).

    Raises:
        Malformed: `rtcp-version`, `rtcp-short` or `rtcp-padding`.
    """
    found: list[Rtcp] = []
    offset = 0
    while offset < len(data):
        if len(data) - offset < _RTCP.size:
            raise Malformed("rtcp-short")
        first, packet_type, words = _RTCP.unpack_from(data, offset)
        if first >> 6 != 2:
            raise Malformed("rtcp-version")
        body = data[offset + 4 : offset + 4 + 4 * words]
        if len(body) < 4 * words:
            raise Malformed("rtcp-short")
        offset += 4 + 4 * words
        if first & 0x20:
            if not body or not 0 < body[-1] <= len(body):
                raise Malformed("rtcp-padding")
            body = body[: -body[-1]]
        try:
            found.append(_read(first & 0x1F, packet_type, body))
        except (struct.error, IndexError):
            raise Malformed("rtcp-short") from None
    return tuple(found)


def _read(count: int, packet_type: int, body: bytes) -> Rtcp:
    """One packet of a compound; raises what struct raises where it is too short."""
    if packet_type == _SR:
        ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
        return SenderReport(ssrc, ntp, timestamp, packets, octets, _blocks(body, _SENDER.size, count))
    if packet_type == _RR:
        return ReceiverReport(int.from_bytes(_part(body, 0, 4), "big"), _blocks(body, 4, count))
    if packet_type == _BYE:
        return Goodbye(struct.unpack_from(f"!{count}I", body))
    if packet_type == _RTPFB and count == _NACK:
        return Nack(_PAIR.unpack_from(body)[1], tuple(_asked(body)))
    if packet_type == _PSFB and count == _PLI:
        return PictureLoss(_PAIR.unpack_from(body)[1])
    if packet_type == _PSFB and count == _FIR:
        return FullIntraRequest(tuple(_PAIR.unpack_from(body, at)[0] for at in range(8, len(body), 8)))
    if packet_type == _PSFB and count == _AFB and body[8:12] == b"REMB":
        entries, exponent, mantissa = body[12], body[13] >> 2, int.from_bytes(body[13:16], "big") & 0x3FFFF
        return Remb(mantissa << exponent, struct.unpack_from(f"!{entries}I", body, 16))
    return Other(packet_type, count)


def _blocks(body: bytes, offset: int, count: int) -> tuple[ReportBlock, ...]:
    found = []
    for index in range(count):
        ssrc, lost, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset + index * _BLOCK.size)
        cumulative = lost & 0xFFFFFF
        if cumulative >= 1 << 23:
            cumulative -= 1 << 24
        found.append(ReportBlock(ssrc, lost >> 24, cumulative, highest, jitter, last_sr, delay))
    return tuple(found)


def _asked(body: bytes) -> list[int]:
    found = []
    for at in range(8, len(body), 4):
        first, mask = _MASK_OF_NACK.unpack_from(body, at)
        found.append(first)
        found.extend((first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return found


def _part(body: bytes, start: int, end: int) -> bytes:
    if len(body) < end:
        raise IndexError
    return body[start:end]
