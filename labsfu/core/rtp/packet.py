"""The RTP header, read in place and built whole (RFC 3550 5.1, 5.3.1).

Reading never copies: `RtpHeader.read` leaves offsets into the caller's buffer. One `RtpHeader` is reused for every
packet of a socket, so nothing of it may be kept across packets.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TypeAlias

from labsfu.errors import Malformed

Buffer: TypeAlias = bytes | bytearray | memoryview

FIXED_HEADER_LENGTH = 12

_FIXED = struct.Struct("!BBHII")
_read_fixed = _FIXED.unpack_from
_read_extension_header = struct.Struct("!HH").unpack_from


class RtpHeader:
    """What the header of one RTP packet says; all offsets are from the start of the buffer, all lengths in bytes.

    Attributes:
        marker: the M bit.
        payload_type: 0..127.
        sequence_number: 0..65535.
        timestamp: 0..2**32 - 1, in units of the codec's clock rate.
        ssrc: 0..2**32 - 1.
        csrc_count: 0..15; the CSRCs start at offset 12.
        padding_size: octets of padding at the end, its count octet included; 0 without padding.
        payload_offset: where the payload starts.
        payload_length: length of the payload without padding; 0 for a padding-only packet.
        extension_profile: the 16 bits "defined by profile"; 0 without extension.
        extension_offset: where the extension's data start, after its 4-byte header; 0 without extension.
        extension_length: length of the extension's data; may be 0 although there is an extension.
    """

    __slots__ = (
        "csrc_count",
        "extension_length",
        "extension_offset",
        "extension_profile",
        "marker",
        "padding_size",
        "payload_length",
        "payload_offset",
        "payload_type",
        "sequence_number",
        "ssrc",
        "timestamp",
    )

    def __init__(self) -> None:
        self.marker = False
        self.payload_type = 0
        self.sequence_number = 0
        self.timestamp = 0
        self.ssrc = 0
        self.csrc_count = 0
        self.padding_size = 0
        self.payload_offset = 0
        self.payload_length = 0
        self.extension_profile = 0
        self.extension_offset = 0
        self.extension_length = 0

    def read(self, buffer: Buffer, length: int) -> None:
        """Fill every field from the packet in `buffer[:length]`; after an error the fields mean nothing.

        Args:
            buffer: at least `length` bytes; what follows them is not looked at.
            length: size of the packet in bytes.

        Raises:
            Malformed: `rtp-too-short`, `rtp-bad-version`, `rtp-csrc-too-long`, `rtp-extension-too-long`,
                `rtp-bad-padding`.
        """
        if length < 12 or length > len(buffer):
            raise Malformed("rtp-too-short")
        first, second, self.sequence_number, self.timestamp, self.ssrc = _read_fixed(buffer)
        if first & 0xC0 != 0x80:
            raise Malformed("rtp-bad-version")
        self.marker = second > 127
        self.payload_type = second & 0x7F
        self.csrc_count = csrc_count = first & 0x0F
        offset = 12 + 4 * csrc_count
        if offset > length:
            raise Malformed("rtp-csrc-too-long")
        if first & 0x10:
            if offset + 4 > length:
                raise Malformed("rtp-extension-too-long")
            self.extension_profile, words = _read_extension_header(buffer, offset)
            self.extension_offset = offset = offset + 4
            self.extension_length = words = 4 * words
            offset += words
            if offset > length:
                raise Malformed("rtp-extension-too-long")
        else:
            self.extension_profile = self.extension_offset = self.extension_length = 0
        self.payload_offset = offset
        if first & 0x20:
            self.padding_size = padding = buffer[length - 1]
            if padding == 0 or offset + padding > length:
                raise Malformed("rtp-bad-padding")
            self.payload_length = length - offset - padding
        else:
            self.padding_size = 0
            self.payload_length = length - offset


def encode_header(
    *,
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    marker: bool = False,
    csrcs: Sequence[int] = (),
    extensions: bytes = b"",
    padding: bool = False,
) -> bytes:
    """Build the header of a packet.

    Args:
        payload_type: 0..127.
        sequence_number: taken modulo 2**16.
        timestamp: taken modulo 2**32.
        ssrc: 0..2**32 - 1.
        marker: the M bit.
        csrcs: at most 15 contributing sources.
        extensions: a complete extension block, as `encode_extensions` makes it; empty for none.
        padding: the P bit; the caller appends the padding.

    Returns:
        The header, to be followed by the payload.

    Raises:
        ValueError: more than 15 CSRCs, or a payload type that does not fit.
    """
    if len(csrcs) > 15 or not 0 <= payload_type <= 127:
        raise ValueError(f"{len(csrcs)} CSRCs and payload type {payload_type} do not fit an RTP header")
    first = 0x80 | (0x20 if padding else 0) | (0x10 if extensions else 0) | len(csrcs)
    fixed = _FIXED.pack(first, marker << 7 | payload_type, sequence_number & 0xFFFF, timestamp & 0xFFFF_FFFF, ssrc)
    return fixed + struct.pack(f"!{len(csrcs)}I", *csrcs) + extensions


def encode_packet(
    payload: bytes,
    *,
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    marker: bool = False,
    csrcs: Sequence[int] = (),
    extensions: bytes = b"",
    padding_size: int = 0,
) -> bytes:
    """Build a whole packet: header, payload and `padding_size` (0..255) octets of padding; see `encode_header`."""
    header = encode_header(
        payload_type=payload_type,
        sequence_number=sequence_number,
        timestamp=timestamp,
        ssrc=ssrc,
        marker=marker,
        csrcs=csrcs,
        extensions=extensions,
        padding=padding_size > 0,
    )
    padding = bytes(padding_size - 1) + bytes((padding_size,)) if padding_size else b""
    return header + payload + padding
