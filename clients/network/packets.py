"""What a datagram on a path is: STUN, DTLS, RTP or RTCP, and what its header and its payload say.

SRTP leaves the header of RTP, and the first eight bytes of RTCP, in the clear (RFC 3711 3.1, 3.4). The rest is known
only where somebody decrypts it; where nobody did, `payload` is None and `feedback` empty.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from clients.network.records import Direction


class Content(StrEnum):
    """Of a datagram, by its first two bytes (RFC 7983 7, RFC 5761 4)."""

    STUN = "stun"
    DTLS = "dtls"
    RTP = "rtp"
    RTCP = "rtcp"
    OTHER = "other"


class Rtcp(StrEnum):
    """What one packet of a compound RTCP packet is."""

    SENDER_REPORT = "sender-report"
    RECEIVER_REPORT = "receiver-report"
    SOURCE_DESCRIPTION = "source-description"
    GOODBYE = "goodbye"
    NACK = "nack"
    TRANSPORT_CC = "transport-cc"
    PLI = "pli"
    FIR = "fir"
    REMB = "remb"
    OTHER = "other"


class RtcpPart(NamedTuple):
    """One packet of a compound RTCP packet.

    Attributes:
        what: its type.
        ssrcs: the media it is about: one for NACK and PLI, all that are asked for FIR; else none.
        lost: sequence numbers that a NACK names, 16 bits each.
    """

    what: Rtcp
    ssrcs: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """A datagram as rules for faults see it.

    Attributes:
        direction: of its path.
        number: on its path, from 0.
        content: what it is.
        size: bytes of the datagram.
        ssrc: of RTP; of the sender of RTCP. 0 otherwise, as are all the following.
        payload_type: of RTP.
        sequence: of RTP.
        timestamp: of RTP.
        marker: of RTP.
        mime_type: of its payload type, in lower case; empty if nobody told.
        payload: of RTP, decrypted, without padding; None: not readable.
        parts: of compound RTCP, decrypted; empty: none, or not readable.
    """

    direction: Direction
    number: int
    content: Content
    size: int
    ssrc: int = 0
    payload_type: int = 0
    sequence: int = 0
    timestamp: int = 0
    marker: bool = False
    mime_type: str = ""
    payload: bytes | None = field(default=None, repr=False)
    parts: tuple[RtcpPart, ...] = ()


_FIXED: dict[int, Rtcp] = {
    200: Rtcp.SENDER_REPORT,
    201: Rtcp.RECEIVER_REPORT,
    202: Rtcp.SOURCE_DESCRIPTION,
    203: Rtcp.GOODBYE,
}
_FEEDBACK: dict[tuple[int, int], Rtcp] = {
    (205, 1): Rtcp.NACK,
    (205, 15): Rtcp.TRANSPORT_CC,
    (206, 1): Rtcp.PLI,
    (206, 4): Rtcp.FIR,
    (206, 15): Rtcp.REMB,
}
_RTP = struct.Struct("!BBHII")


def content_of(data: bytes) -> Content:
    """What a datagram is."""
    if len(data) < 8:
        return Content.OTHER
    first = data[0]
    if first < 4:
        return Content.STUN
    if 20 <= first < 64:
        return Content.DTLS
    if not 128 <= first < 192:
        return Content.OTHER
    if 192 <= data[1] < 224:
        return Content.RTCP
    return Content.RTP if len(data) >= _RTP.size else Content.OTHER


def read_rtp(direction: Direction, number: int, data: bytes, plain: bytes | None, mime_type: str = "") -> Seen:
    """An RTP packet (RFC 3550 5.1).

    Args:
        direction: of its path.
        number: on its path.
        data: the datagram, at least 12 bytes.
        plain: the same decrypted; None: not readable.
        mime_type: of its payload type, lower case.
    """
    _, second, sequence, timestamp, ssrc = _RTP.unpack_from(data)
    return Seen(
        direction,
        number,
        Content.RTP,
        len(data),
        ssrc=ssrc,
        payload_type=second & 127,
        sequence=sequence,
        timestamp=timestamp,
        marker=second >= 128,
        mime_type=mime_type,
        payload=None if plain is None else _payload(plain),
    )


def read_rtcp(direction: Direction, number: int, data: bytes, plain: bytes | None) -> Seen:
    """A compound RTCP packet; arguments as of `read_rtp`, the datagram has at least 8 bytes."""
    parts = () if plain is None else tuple(_parts(plain))
    return Seen(direction, number, Content.RTCP, len(data), int.from_bytes(data[4:8], "big"), parts=parts)


def _payload(plain: bytes) -> bytes | None:
    start = 12 + 4 * (plain[0] & 15)
    if plain[0] & 16:
        if len(plain) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(plain[start + 2 : start + 4], "big")
    end = len(plain) - (plain[-1] if plain[0] & 32 else 0)
    return plain[start:end] if start <= end else None


def _parts(plain: bytes) -> Iterator[RtcpPart]:
    """As far as it is well-formed (RFC 3550 6.1)."""
    at = 0
    while len(plain) - at >= 4:
        end = at + 4 + 4 * int.from_bytes(plain[at + 2 : at + 4], "big")
        if end > len(plain):
            return
        yield _part(plain[at] & 31, plain[at + 1], plain[at + 4 : end])
        at = end


def _part(count: int, packet_type: int, body: bytes) -> RtcpPart:
    """One packet, without its first word (RFC 4585 6.1: sender, media, and what the feedback says)."""
    what = _FIXED.get(packet_type) or _FEEDBACK.get((packet_type, count), Rtcp.OTHER)
    words = struct.unpack(f"!{len(body) // 4}I", body)
    if what is Rtcp.NACK:
        lost = (number for word in words[2:] for number in _named(word))
        return RtcpPart(what, words[1:2], tuple(lost))
    if what is Rtcp.PLI:
        return RtcpPart(what, words[1:2])
    if what is Rtcp.FIR:
        return RtcpPart(what, words[2::2])
    return RtcpPart(what)


def _named(word: int) -> Iterator[int]:
    """PID and BLP of a NACK (RFC 4585 6.2.1)."""
    first, following = word >> 16, word & 0xFFFF
    yield first
    for bit in range(16):
        if following >> bit & 1:
            yield (first + 1 + bit) & 0xFFFF
