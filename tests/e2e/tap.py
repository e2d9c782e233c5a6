"""What passes a relay: the headers of RTP packets, which SRTP leaves in the clear (RFC 3711 3.1)."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from aiortc.rtp import unpack_header_extensions

from clients.network import Fault
from clients.relay import Address
from clients.server import ServerProcess

__all__ = ["RtpHead", "Tap", "media_address", "read_head"]


@dataclass(frozen=True, slots=True)
class RtpHead:
    """The header of an RTP packet; `extensions` are the elements by id."""

    ssrc: int
    payload_type: int
    sequence: int
    timestamp: int
    extensions: dict[int, bytes]


def read_head(data: bytes) -> RtpHead | None:
    """The header of a datagram that is RTP; None of any other (RFC 7983 7, RFC 5761 4), read with aiortc's parser."""
    if len(data) < 12 or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    _, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    offset = 12 + 4 * (data[0] & 0x0F)
    extensions: dict[int, bytes] = {}
    if data[0] & 0x10:
        profile, words = struct.unpack_from("!HH", data, offset)
        value = data[offset + 4 : offset + 4 + 4 * words]
        extensions = dict(unpack_header_extensions(profile, value))
    return RtpHead(ssrc, second & 0x7F, sequence, timestamp, extensions)


class Tap:
    """A relay's hook that notes the RTP headers of a direction, and may lose packets by their header.

    Args:
        loses: whether to lose this packet; asked once for each.

    Attributes:
        heads: of all packets, lost ones too, in their order.
        packets: how many of each SSRC.
        lost: how many of each SSRC were lost.
    """

    def __init__(self, loses: Callable[[RtpHead], bool] = lambda _: False) -> None:
        self._loses = loses
        self.heads: list[RtpHead] = []
        self.packets: Counter[int] = Counter()
        self.lost: Counter[int] = Counter()

    def __call__(self, _: int, data: bytes) -> Fault | None:
        head = read_head(data)
        if head is None:
            return None
        self.heads.append(head)
        self.packets[head.ssrc] += 1
        if self._loses(head):
            self.lost[head.ssrc] += 1
            return Fault.DROP
        return None


def media_address(server: ServerProcess) -> Address:
    """Where a server's media comes in: address and port of its first UDP listener."""
    host, _, port = server.media[0].removeprefix("udp:").rpartition(":")
    return host.strip("[]"), int(port)
