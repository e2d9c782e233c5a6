"""What all feedback messages have in common: format numbers and the two SSRCs (RFC 4585 6.1)."""

from __future__ import annotations

import struct
from enum import IntEnum

from labsfu.core.rtcp.header import PacketType, encode_packet
from labsfu.errors import Malformed

FCI_OFFSET = 8  # in the body: the feedback control information follows the SSRCs

_SSRCS = struct.Struct("!II")


class TransportFormat(IntEnum):
    """Formats of packet type RTPFB."""

    NACK = 1
    TRANSPORT_CC = 15


class PayloadFormat(IntEnum):
    """Formats of packet type PSFB."""

    PLI = 1
    FIR = 4
    APPLICATION = 15  # REMB is one of these


def parse_ssrcs(body: bytes) -> tuple[int, int]:
    """`(sender_ssrc, media_ssrc)` of a feedback message.

    Raises:
        Malformed: `rtcp-bad-feedback`.
    """
    if len(body) < FCI_OFFSET:
        raise Malformed("rtcp-bad-feedback")
    sender_ssrc, media_ssrc = _SSRCS.unpack_from(body)
    return sender_ssrc, media_ssrc


def encode_feedback(
    packet_type: PacketType, message_format: int, sender_ssrc: int, media_ssrc: int, fci: bytes = b""
) -> bytes:
    """A whole feedback message."""
    return encode_packet(packet_type, message_format, _SSRCS.pack(sender_ssrc, media_ssrc) + fci)
