"""Writes decrypted RTP and RTCP as a capture that Wireshark reads: pcapng (draft-ietf-opsawg-pcapng).

Each packet becomes a UDP datagram between the addresses that carried it. Show it with `rtp_udp` among Wireshark's
enabled heuristics (Analyze, Enabled Protocols), or with `tshark --enable-heuristic rtp_udp -r FILE`.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from clients.network import Direction

Address = tuple[str, int]

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER = 0x1A2B3C4D
_LINKTYPE_RAW = 101
"""A packet begins with its IP header, of either version."""
_COMMENT, _APPLICATION, _IF_NAME, _TS_RESOLUTION, _FLAGS = 1, 4, 2, 9, 2
_INBOUND, _OUTBOUND = 1, 2
_UDP = 17
MAX_BYTES = 64 << 20


class PcapngWriter:
    """A capture file, of bounded size. A context manager; leaving it closes the file.

    Args:
        path: of the file; one that is there is replaced.
        unix_offset: seconds from monotonic to wall-clock time.
        max_bytes: what does not fit any more is left out; the file stays whole.

    Attributes:
        packets: written.
        left_out: packets for which there was no room.

    Raises:
        OSError: the file cannot be made.
        ValueError: not even the file's own header fits.
    """

    def __init__(self, path: Path, *, unix_offset: float, max_bytes: int = MAX_BYTES) -> None:
        self.packets = 0
        self.left_out = 0
        seconds = int(unix_offset)
        self._offset = seconds * 10**9 + round((unix_offset - seconds) * 1e9)
        self._room = max_bytes
        self._interfaces = 0
        header = section_header("labsfu")
        if len(header) > max_bytes:
            raise ValueError(f"a capture of {max_bytes} bytes has no room for its header")
        self._file: BinaryIO | None = path.open("wb")
        self._append(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def interface(self, name: str) -> Capture:
        """What a client's packets are written to, under its name."""
        number = self._interfaces if self._append(interface_description(name)) else None
        self._interfaces += number is not None
        return Capture(self, number)

    def close(self) -> None:
        """Write what is still in memory; what comes later is counted as left out. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def add(
        self, interface: int | None, direction: Direction, pair: tuple[Address, Address], data: bytes, at: float
    ) -> None:
        """Write one packet; see `Capture.write`. An interface of None had no room itself."""
        if interface is None or self._file is None:
            self.left_out += 1
            return
        local, remote = pair
        source, target = (local, remote) if direction is Direction.UP else (remote, local)
        # monotonic seconds keep their nanoseconds in a float, those since 1970 do not
        nanoseconds = round(at * 1e9) + self._offset
        if self._append(enhanced_packet(interface, nanoseconds, datagram(source, target, data), direction)):
            self.packets += 1
        else:
            self.left_out += 1

    def _append(self, block: bytes) -> bool:
        if self._file is None or len(block) > self._room:
            # no smaller one may follow: a capture has no holes but at its end
            self._room = 0
            return False
        self._room -= len(block)
        self._file.write(block)
        return True


class Capture:
    """One client's part of a capture file. Made by `PcapngWriter.interface`."""

    __slots__ = ("_number", "_writer")

    def __init__(self, writer: PcapngWriter, number: int | None) -> None:
        self._writer = writer
        self._number = number

    def write(self, direction: Direction, pair: tuple[Address, Address], data: bytes, at: float) -> None:
        """Write a packet.

        Args:
            direction: as the client sees it.
            pair: local and remote address and port, both of one IP version.
            data: RTP or RTCP, decrypted.
            at: monotonic seconds.
        """
        self._writer.add(self._number, direction, pair, data, at)


def section_header(application: str) -> bytes:
    """The Section Header Block, which begins a file, little-endian (section 4.1)."""
    body = struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1)
    return _block(_SECTION, body + _options((_APPLICATION, application.encode())))


def interface_description(name: str) -> bytes:
    """The Interface Description Block: raw IP, nanoseconds, no limit to a packet's length (section 4.2)."""
    body = struct.pack("<HHI", _LINKTYPE_RAW, 0, 0)
    return _block(_INTERFACE, body + _options((_IF_NAME, name.encode()), (_TS_RESOLUTION, b"\x09")))


def enhanced_packet(interface: int, nanoseconds: int, packet: bytes, direction: Direction) -> bytes:
    """An Enhanced Packet Block; its direction stands in the flags and, in words, in a comment (section 4.3).

    Args:
        interface: number of the interface in the file, from 0.
        nanoseconds: since 1970.
        packet: with its IP header.
        direction: as the client sees it.
    """
    high, low = nanoseconds >> 32 & 0xFFFFFFFF, nanoseconds & 0xFFFFFFFF
    body = struct.pack("<IIIII", interface, high, low, len(packet), len(packet)) + _padded(packet)
    flags = _OUTBOUND if direction is Direction.UP else _INBOUND
    comment = (_COMMENT, direction.value.encode())
    return _block(_PACKET, body + _options(comment, (_FLAGS, struct.pack("<I", flags))))


def datagram(source: Address, target: Address, data: bytes) -> bytes:
    """A UDP datagram in an IPv4 or IPv6 packet (RFC 768, RFC 791, RFC 8200), with its checksums.

    Raises:
        ValueError: an address is none, or the two are of different versions.
    """
    from_ip, to_ip = _packed(source[0]), _packed(target[0])
    if len(from_ip) != len(to_ip):
        raise ValueError(f"{source[0]} and {target[0]} are of different IP versions")
    length = 8 + len(data)
    udp = struct.pack("!HHHH", source[1], target[1], length, 0)
    # as IPv6 has it; that of IPv4 has the same words but for zeros
    pseudo = from_ip + to_ip + struct.pack("!II", length, _UDP)
    if len(from_ip) == 4:
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, _UDP, 0) + from_ip + to_ip
        header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
    else:
        header = struct.pack("!IHBB", 6 << 28, length, _UDP, 64) + from_ip + to_ip
    # a sum of 0 goes as its other form, for 0 says that there is none
    checksum = _checksum(pseudo + udp + data) or 0xFFFF
    return header + udp[:6] + struct.pack("!H", checksum) + data


def _block(block_type: int, body: bytes) -> bytes:
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", block_type) + length + body + length


def _options(*options: tuple[int, bytes]) -> bytes:
    """Options and their end (section 3.5)."""
    found = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return found + bytes(4)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


@lru_cache(maxsize=1024)
def _packed(address: str) -> bytes:
    return ip_address(address).packed


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of what is not all zeros."""
    # 2^16 is 1 where carries come round, so the sum of all words is what is left of the whole number
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF
    return 0xFFFF - (total or 0xFFFF)
