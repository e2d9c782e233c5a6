"""Source description (RFC 3550 6.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from labsfu.core.rtcp.header import PacketType, encode_packet
from labsfu.errors import Malformed

CNAME: Final = 1

_END: Final = 0


@dataclass(frozen=True, slots=True)
class SdesItem:
    """One item: its type (1..255, `CNAME` is 1) and its value, UTF-8 of at most 255 bytes."""

    item_type: int
    value: bytes


@dataclass(frozen=True, slots=True)
class SdesChunk:
    """All items of one source."""

    ssrc: int
    items: tuple[SdesItem, ...] = ()

    def encode(self) -> bytes:
        """SSRC, items, the null octet that ends them, nulls up to the next word.

        Raises:
            ValueError: a value is longer than 255 bytes.
        """
        data = bytearray(self.ssrc.to_bytes(4, "big"))
        for item in self.items:
            data += bytes((item.item_type, len(item.value))) + item.value
        data += bytes(4 - len(data) % 4)
        return bytes(data)


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES: at most 31 chunks, one a source."""

    chunks: tuple[SdesChunk, ...]

    @classmethod
    def of_cname(cls, ssrc: int, cname: str) -> Self:
        """The usual one: a single source and its CNAME."""
        return cls((SdesChunk(ssrc, (SdesItem(CNAME, cname.encode()),)),))

    def cname(self, ssrc: int) -> str | None:
        """The CNAME given for `ssrc`, or None; bytes that are not UTF-8 are replaced."""
        for chunk in self.chunks:
            if chunk.ssrc == ssrc:
                for item in chunk.items:
                    if item.item_type == CNAME:
                        return item.value.decode(errors="replace")
        return None

    def encode(self) -> bytes:
        """The whole packet.

        Raises:
            ValueError: more than 31 chunks, or a value longer than 255 bytes.
        """
        return encode_packet(PacketType.SDES, len(self.chunks), b"".join(c.encode() for c in self.chunks))

    @classmethod
    def parse(cls, body: bytes, count: int) -> Self:
        """Read `count` chunks; what follows them is ignored.

        Raises:
            Malformed: `rtcp-bad-sdes` when a chunk or item is cut off or its null octet is missing.
        """
        chunks = []
        offset = 0
        for _ in range(count):
            chunk, offset = _parse_chunk(body, offset)
            chunks.append(chunk)
        return cls(tuple(chunks))


def _parse_chunk(body: bytes, offset: int) -> tuple[SdesChunk, int]:
    if offset + 4 > len(body):
        raise Malformed("rtcp-bad-sdes")
    ssrc = int.from_bytes(body[offset : offset + 4], "big")
    offset += 4
    items: list[SdesItem] = []
    while offset < len(body):
        item_type = body[offset]
        if item_type == _END:
            return SdesChunk(ssrc, tuple(items)), (offset & ~3) + 4
        value_offset = offset + 2
        if value_offset > len(body) or value_offset + body[offset + 1] > len(body):
            raise Malformed("rtcp-bad-sdes")
        offset = value_offset + body[offset + 1]
        items.append(SdesItem(item_type, body[value_offset:offset]))
    raise Malformed("rtcp-bad-sdes")
