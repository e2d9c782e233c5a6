"""Goodbye (RFC 3550 6.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from labsfu.core.rtcp.header import PacketType, encode_packet
from labsfu.errors import Malformed


@dataclass(frozen=True, slots=True)
class Bye:
    """Sources that leave.

    Attributes:
        ssrcs: at most 31.
        reason: why, at most 255 bytes of UTF-8; empty when none is given.
    """

    ssrcs: tuple[int, ...]
    reason: str = ""

    def encode(self) -> bytes:
        """The whole packet.

        Raises:
            ValueError: more than 31 sources, or a reason of more than 255 bytes.
        """
        body = struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs)
        if self.reason:
            text = self.reason.encode()
            body += bytes((len(text),)) + text
            body += bytes(-len(body) % 4)  # RFC 3550 6.6: nulls, not counted as packet padding
        return encode_packet(PacketType.BYE, len(self.ssrcs), body)

    @classmethod
    def parse(cls, body: bytes, count: int) -> Self:
        """Read `count` sources and the reason, if any; bytes of it that are not UTF-8 are replaced.

        Raises:
            Malformed: `rtcp-bad-bye`.
        """
        offset = 4 * count
        if offset > len(body):
            raise Malformed("rtcp-bad-bye")
        text = b""
        if offset < len(body):
            text = body[offset + 1 : offset + 1 + body[offset]]
            if len(text) < body[offset]:
                raise Malformed("rtcp-bad-bye")
        return cls(struct.unpack_from(f"!{count}I", body), text.decode(errors="replace"))
