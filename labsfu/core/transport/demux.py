"""What kind of packet a datagram holds, by its first bytes (RFC 7983 7, RFC 5761 4)."""

from __future__ import annotations

from enum import Enum

from labsfu.core.rtp.packet import Buffer


class PacketKind(Enum):
    """What shares one port of a WebRTC transport."""

    STUN = "stun"
    DTLS = "dtls"
    RTP = "rtp"
    RTCP = "rtcp"
    UNKNOWN = "unknown"


def kind_of(buffer: Buffer, length: int) -> PacketKind:
    """Tell the kind of the datagram in `buffer[:length]`."""
    if length < 2:
        return PacketKind.UNKNOWN
    first = buffer[0]
    if 128 <= first <= 191:
        return PacketKind.RTCP if 192 <= buffer[1] <= 223 else PacketKind.RTP
    if first <= 3:
        return PacketKind.STUN
    if 20 <= first <= 63:
        return PacketKind.DTLS
    return PacketKind.UNKNOWN
