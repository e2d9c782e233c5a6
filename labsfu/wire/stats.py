"""Numbers that the server reports about itself."""

from __future__ import annotations

from labsfu.wire.base import Wire


class DropCount(Wire):
    """Packets dropped for one reason."""

    reason: str
    packets: int


class EngineCounts(Wire):
    """What an engine holds now, and what it has done since it began.

    `packets_*` and `bytes_*` count datagrams on the wire (STUN, DTLS, SRTP, SRTCP); `forwarded_packets` counts RTP
    sent to consumers; `unsent_packets` those that the kernel would not take.
    """

    routers: int
    transports: int
    producers: int
    consumers: int
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    unsent_packets: int
    forwarded_packets: int
    drops: tuple[DropCount, ...]
