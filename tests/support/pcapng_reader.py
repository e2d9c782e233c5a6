"""Reads back what a capture file holds, by the format's own text (draft-ietf-opsawg-pcapng) and in either byte order.

Knows nothing of the writer; checks lengths, both copies of each, and the checksums of IP and UDP.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its type, its body, its options by code in their order."""

    type: int
    body: bytes
    options: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Captured:
    """One UDP datagram."""

    interface: str
    nanoseconds: int
    source: tuple[str, int]
    target: tuple[str, int]
    data: bytes
    comment: str
    flags: int


def blocks(path: Path) -> list[Block]:
    """All blocks of a file with one section."""
    raw = path.read_bytes()
    order = "<" if raw[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    found: list[Block] = []
    at = 0
    while at < len(raw):
        kind, length = struct.unpack_from(order + "II", raw, at)
        assert length % 4 == 0
        assert struct.unpack_from(order + "I", raw, at + length - 4)[0] == length
        body = raw[at + 8 : at + length - 4]
        fixed = {0x0A0D0D0A: 16, 1: 8}.get(kind)
        if fixed is None:
            fixed = 20 + -(-struct.unpack_from(order + "I", body, 12)[0] // 4) * 4
        found.append(Block(kind, body[:fixed], _options(order, body[fixed:])))
        at += length
    assert at == len(raw)
    return found


def captured(path: Path) -> list[Captured]:
    """All packets of a little-endian file."""
    interfaces: list[str] = []
    found = []
    for block in blocks(path):
        options = dict(block.options)
        if block.type == 1:
            assert struct.unpack("<HHI", block.body) == (101, 0, 0), "raw IP, nothing cut off"
            assert options[9] == b"\x09", "nanoseconds"
            interfaces.append(options[2].decode())
        elif block.type == 6:
            number, high, low, kept, length = struct.unpack_from("<IIIII", block.body)
            assert kept == length
            source, target, data = _datagram(block.body[20 : 20 + kept])
            flags = struct.unpack("<I", options[2])[0]
            found.append(
                Captured(interfaces[number], high << 32 | low, source, target, data, options[1].decode(), flags)
            )
    return found


def _options(order: str, data: bytes) -> tuple[tuple[int, bytes], ...]:
    found: list[tuple[int, bytes]] = []
    at = 0
    while True:
        code, length = struct.unpack_from(order + "HH", data, at)
        if code == 0:
            assert at + 4 == len(data)
            return tuple(found)
        found.append((code, data[at + 4 : at + 4 + length]))
        at += 4 + -(-length // 4) * 4


def _datagram(packet: bytes) -> tuple[tuple[str, int], tuple[str, int], bytes]:
    if packet[0] >> 4 == 4:
        size, protocol, addresses, udp = struct.unpack_from("!H", packet, 2)[0], packet[9], packet[12:20], packet[20:]
        assert packet[0] == 0x45
        assert _sums_up(packet[:20])
        assert size == len(packet)
        pseudo = addresses + struct.pack("!BBH", 0, protocol, len(udp))
    else:
        assert packet[0] >> 4 == 6
        protocol, addresses, udp = packet[6], packet[8:40], packet[40:]
        assert struct.unpack_from("!H", packet, 4)[0] == len(udp)
        pseudo = addresses + struct.pack("!IHBB", len(udp), 0, 0, protocol)
    half = len(addresses) // 2
    source_port, target_port, length, checksum = struct.unpack_from("!HHHH", udp)
    assert (protocol, length) == (17, len(udp))
    assert checksum != 0
    assert _sums_up(pseudo + udp)
    source, target = (str(ip_address(address)) for address in (addresses[:half], addresses[half:]))
    return (source, source_port), (target, target_port), udp[8:]


def _sums_up(data: bytes) -> bool:
    """Whether the one's complement sum of 16-bit words is all ones (RFC 1071 1)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    return total % 0xFFFF == 0
