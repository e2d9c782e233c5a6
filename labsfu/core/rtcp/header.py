"""The four octets that start every RTCP packet (RFC 3550 6.1, 6.4.1; validity as in A.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from labsfu.errors import Malformed

Buffer: TypeAlias = bytes | bytearray | memoryview

HEADER_LENGTH = 4

_HEADER = struct.Struct("!BBH")


class PacketType(IntEnum):
    """RTCP packet types (RFC 3550 12.1, RFC 4585 6.1, RFC 3611 2)."""

    SR = 200
    RR = 201
    SDES = 202
    BYE = 203
    APP = 204
    RTPFB = 205
    PSFB = 206
    XR = 207


@dataclass(frozen=True, slots=True)
class RtcpHeader:
    """One packet of a compound, before its type is looked at.

    Attributes:
        packet_type: 0..255; see `PacketType`.
        count: the five bits beside the version: number of reports, sources or chunks, or the feedback format.
        body_offset: where the body starts, after the header.
        body_length: length of the body in bytes, padding left out.
        end: offset of the next packet in the compound.
    """

    packet_type: int
    count: int
    body_offset: int
    body_length: int
    end: int


def parse_header(data: Buffer, offset: int) -> RtcpHeader:
    """Read the header at `offset` and check that its packet lies within `data`.

    Padding is accepted in any packet of a compound: senders of transport-wide feedback pad it wherever it stands.

    Raises:
        Malformed: `rtcp-too-short`, `rtcp-bad-version`, `rtcp-bad-length`, `rtcp-bad-padding`.
    """
    if len(data) - offset < HEADER_LENGTH:
        raise Malformed("rtcp-too-short")
    first, packet_type, words = _HEADER.unpack_from(data, offset)
    if first & 0xC0 != 0x80:
        raise Malformed("rtcp-bad-version")
    end = offset + HEADER_LENGTH + 4 * words
    if end > len(data):
        raise Malformed("rtcp-bad-length")
    body_length = 4 * words
    if first & 0x20:
        padding = data[end - 1] if words else 0
        if padding == 0 or padding > body_length:
            raise Malformed("rtcp-bad-padding")
        body_length -= padding
    return RtcpHeader(packet_type, first & 0x1F, offset + HEADER_LENGTH, body_length, end)


def encode_packet(packet_type: int, count: int, body: bytes) -> bytes:
    """Put the header before `body`, which is padded with the P bit to whole words where it is not (RFC 3550 6.4.1).

    Raises:
        ValueError: `count` is above 31, or the body is too long for the length field.
    """
    padding = -len(body) % 4
    words = (len(body) + padding) // 4
    if not 0 <= count <= 31 or words > 0xFFFF:
        raise ValueError(f"count {count} with {len(body)} bytes does not fit an RTCP packet")
    first = 0x80 | (0x20 if padding else 0) | count
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    return _HEADER.pack(first, packet_type, words) + body + tail
