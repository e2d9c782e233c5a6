"""RTP packets and their header extensions (RFC 3550 5.1, RFC 8285), written for speed."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

from labsfu.errors import Malformed

_START = struct.Struct("!BBHII")
_VARIABLE = struct.Struct("!BHI")  # marker and payload type, sequence number, timestamp
_BLOCK = struct.Struct("!HH")  # profile, length in words
_ONE_BYTE, _TWO_BYTE = 0xBEDE, 0x1000
_HEADER = 12
_SEND_TIME_LENGTH, _WIDE_LENGTH, _LEVEL_LENGTH = 3, 2, 1


class RtpHead(msgspec.Struct, gc=False):
    """What the header of a packet says.

    Attributes:
        payload_type: 0..127.
        marker: M.
        sequence: 16 bits; timestamp, ssrc: 32 bits.
        payload: where the payload begins.
        end: where it ends; padding is behind it.
        extensions: where the header extension's elements begin, 0 without any.
        extensions_end: where they end.
        two_byte: which form they have.
    """

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: int
    end: int
    extensions: int
    extensions_end: int
    two_byte: bool


def read_rtp(data: bytes) -> RtpHead:
    """Read the header of one decrypted packet.

    Raises:
        Malformed: `rtp-too-short`, `rtp-version`, `rtp-bad-extension`, `rtp-bad-padding`.
    """
    end = len(data)
    if end < _HEADER:
        raise Malformed("rtp-too-short")
    first, second, sequence, timestamp, ssrc = _START.unpack_from(data)
    if first >> 6 != 2:
        raise Malformed("rtp-version")
    payload = _HEADER + 4 * (first & 0x0F)
    extensions = extensions_end = 0
    two_byte = False
    if first & 0x10:
        extensions = payload + 4
        if extensions > end:
            raise Malformed("rtp-bad-extension")
        profile, words = _BLOCK.unpack_from(data, payload)
        payload = extensions_end = extensions + 4 * words
        two_byte = profile & 0xFFF0 == _TWO_BYTE
        if profile != _ONE_BYTE and not two_byte:
            extensions = extensions_end = 0
    if first & 0x20:
        padding = data[-1]
        if not padding:
            raise Malformed("rtp-bad-padding")
        end -= padding
    if payload > end:
        raise Malformed("rtp-bad-padding" if first & 0x20 else "rtp-too-short")
    return RtpHead(
        second & 0x7F, second > 0x7F, sequence, timestamp, ssrc, payload, end, extensions, extensions_end, two_byte
    )


def find_element(data: bytes, head: RtpHead, id_: int) -> bytes | None:
    """The value of the header extension element with this id (RFC 8285 4.2, 4.3); None without it, or if it is cut."""
    offset, end = head.extensions, head.extensions_end
    while offset < end:
        octet = data[offset]
        offset += 1
        if not octet:
            continue  # padding
        if head.two_byte:
            if offset >= end:
                return None
            found, length = octet, data[offset]
            offset += 1
        else:
            found, length = octet >> 4, (octet & 0x0F) + 1
            if found == 15:
                return None  # nothing more is to be read (RFC 8285 4.2)
        if found == id_:
            return data[offset : offset + length] if offset + length <= end else None
        offset += length
    return None


class HeaderForm:
    """The header of one stream's packets: payload type, SSRC and extensions stay, the rest is filled in.

    Args:
        payload_type: 0..127.
        ssrc: 32 bits.
        elements: id and value of the extension elements that do not change.
        send_time_id: id of abs-send-time; None: not sent.
        wide_id: id of the transport-wide sequence number; None: not sent.
        level_id: id of the audio level (RFC 6464); None: not sent.
    """

    __slots__ = ("_level_at", "_marked", "_payload_type", "_send_time_at", "_template", "_wide_at")

    def __init__(
        self,
        payload_type: int,
        ssrc: int,
        elements: Sequence[tuple[int, bytes]] = (),
        *,
        send_time_id: int | None = None,
        wide_id: int | None = None,
        level_id: int | None = None,
    ) -> None:
        changing = ((send_time_id, _SEND_TIME_LENGTH), (wide_id, _WIDE_LENGTH), (level_id, _LEVEL_LENGTH))
        in_use = [(id_, bytes(length)) for id_, length in changing if id_ is not None]
        block, places = _encode_elements([*in_use, *elements])
        first = 0x90 if block else 0x80
        self._payload_type = payload_type
        self._marked = payload_type | 0x80
        self._template = _START.pack(first, payload_type, 0, 0, ssrc) + block
        found = iter(places)
        self._send_time_at, self._wide_at, self._level_at = (
            0 if id_ is None else _HEADER + next(found) for id_, _ in changing
        )

    @property
    def length(self) -> int:
        """Octets of a header."""
        return len(self._template)

    @property
    def has_wide(self) -> bool:
        """Whether a transport-wide sequence number is used up by each packet."""
        return self._wide_at > 0

    def build(
        self, sequence: int, timestamp: int, marker: bool, send_time: bytes, wide: int, level: int = 0
    ) -> bytearray:
        """A header.

        Args:
            sequence: taken modulo 2**16.
            timestamp: 32 bits.
            marker: M.
            send_time: three octets (see `send_time_of`); ignored where it is not sent.
            wide: transport-wide sequence number, 16 bits; ignored where it is not sent.
            level: V and the level in -dBov (RFC 6464 3), 8 bits; ignored where it is not sent.
        """
        header = bytearray(self._template)
        _VARIABLE.pack_into(header, 1, self._marked if marker else self._payload_type, sequence & 0xFFFF, timestamp)
        at = self._send_time_at
        if at:
            header[at : at + 3] = send_time
        at = self._wide_at
        if at:
            header[at] = wide >> 8
            header[at + 1] = wide & 0xFF
        at = self._level_at
        if at:
            header[at] = level
        return header


def send_time_of(now: float) -> bytes:
    """The value of abs-send-time: seconds modulo 64 in 6.18 fixed point."""
    return (round(now * (1 << 18)) & 0xFFFFFF).to_bytes(3, "big")


def seconds_of_send_time(value: bytes, near: float) -> float:
    """The instant near `near` (within 32 s) that an abs-send-time means."""
    seconds = int.from_bytes(value, "big") / (1 << 18)
    return near - ((near - seconds + 32.0) % 64.0 - 32.0)


def _encode_elements(elements: Sequence[tuple[int, bytes]]) -> tuple[bytes, list[int]]:
    """The whole header extension, and where in it each value lies."""
    if not elements:
        return b"", []
    two_byte = any(id_ > 14 or not 1 <= len(value) <= 16 for id_, value in elements)
    body = bytearray()
    places = []
    for id_, value in elements:
        body += bytes((id_, len(value)) if two_byte else (id_ << 4 | len(value) - 1,))
        places.append(_BLOCK.size + len(body))
        body += value
    body += bytes(-len(body) % 4)
    return _BLOCK.pack(_TWO_BYTE if two_byte else _ONE_BYTE, len(body) // 4) + body, places
