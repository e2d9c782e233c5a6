"""RTP header extension elements in the one-byte and the two-byte form (RFC 8285 4.2, 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from labsfu.core.rtp.packet import Buffer, RtpHeader
from labsfu.errors import Malformed

ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000  # the low four bits are "appbits", ignored

_STOP_ID = 15  # reserved in the one-byte form: nothing from here on is to be considered


def list_extensions(buffer: Buffer, header: RtpHeader) -> list[tuple[int, int, int]]:
    """The extension elements of the packet that `header` was read from, in order.

    Another profile than the two of RFC 8285 has no elements: its data are not ours to judge.

    Returns:
        `(id, offset, length)` of each element: offset of its data in `buffer`, length in bytes.

    Raises:
        Malformed: `rtp-extension-truncated` when an element reaches beyond the extension.
    """
    profile = header.extension_profile
    offset = header.extension_offset
    if profile == ONE_BYTE_PROFILE:
        return _read_one_byte(buffer, offset, offset + header.extension_length)
    if profile & 0xFFF0 == TWO_BYTE_PROFILE:
        return _read_two_byte(buffer, offset, offset + header.extension_length)
    return []


def find_extensions(buffer: Buffer, header: RtpHeader) -> dict[int, tuple[int, int]]:
    """The extension elements by id, as `(offset, length)` in `buffer`; of a repeated id the last one counts.

    Raises:
        Malformed: `rtp-extension-truncated`.
    """
    return {id_: (offset, length) for id_, offset, length in list_extensions(buffer, header)}


def encode_extensions(elements: Sequence[tuple[int, bytes]]) -> bytes:
    """Build a complete extension block: profile, length in words, elements, zero padding to a whole word.

    The two-byte form is chosen only when an id is above 14, or a value is empty or longer than 16 bytes.

    Args:
        elements: ids 1..255 with values of 0..255 bytes.

    Returns:
        The block for `encode_header`; empty when there are no elements, for then there is no extension.

    Raises:
        ValueError: an id or a length does not fit.
    """
    if not elements:
        return b""
    one_byte = True
    for id_, value in elements:
        if not 1 <= id_ <= 255 or len(value) > 255:
            raise ValueError(f"header extension {id_} of {len(value)} bytes does not fit RFC 8285")
        one_byte = one_byte and id_ <= 14 and 1 <= len(value) <= 16
    body = bytearray()
    for id_, value in elements:
        body += bytes((id_ << 4 | len(value) - 1,)) if one_byte else bytes((id_, len(value)))
        body += value
    body += bytes(-len(body) % 4)
    profile = ONE_BYTE_PROFILE if one_byte else TWO_BYTE_PROFILE
    return profile.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + bytes(body)


def _read_one_byte(buffer: Buffer, position: int, end: int) -> list[tuple[int, int, int]]:
    elements = []
    while position < end:
        first = buffer[position]
        position += 1
        if first == 0:
            continue
        id_ = first >> 4
        # RFC 8285 4.1.2 treats id 0 with a length as 4.2 treats id 15: stop, keep what came before.
        if id_ == 0 or id_ == _STOP_ID:
            break
        size = (first & 0x0F) + 1
        if position + size > end:
            raise Malformed("rtp-extension-truncated")
        elements.append((id_, position, size))
        position += size
    return elements


def _read_two_byte(buffer: Buffer, position: int, end: int) -> list[tuple[int, int, int]]:
    elements = []
    while position < end:
        id_ = buffer[position]
        position += 1
        if id_ == 0:
            continue
        if position >= end:
            raise Malformed("rtp-extension-truncated")
        size = buffer[position]
        position += 1
        if position + size > end:
            raise Malformed("rtp-extension-truncated")
        elements.append((id_, position, size))
        position += size
    return elements
