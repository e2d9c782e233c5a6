"""Captures are what the format says: against bytes written by hand, a reader that knows nothing of us, and tshark."""

from __future__ import annotations

import struct
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from aiortc.rtp import RtcpSdesPacket, RtcpSenderInfo, RtcpSourceInfo, RtcpSrPacket, RtpPacket

from clients.dtls import Tap
from clients.network import Direction
from clients.pcapng import PcapngWriter, datagram, enhanced_packet, interface_description, section_header
from clients.tap import RtpTap
from tests.support.pcapng_reader import blocks, captured
from tests.support.tools import need

V4 = (("192.0.2.1", 5004), ("198.51.100.2", 40000))
V6 = (("2001:db8::1", 5004), ("2001:db8::2", 40000))
UNIX_OFFSET = 1_700_000_000.25


def test_the_blocks_are_those_written_by_hand() -> None:
    assert section_header("labsfu") == bytes.fromhex(
        "0a0d0d0a 2c000000 4d3c2b1a 0100 0000 ffffffffffffffff 0400 0600 6c6162736675 0000 0000 0000 2c000000"
    )
    assert interface_description("al") == bytes.fromhex(
        "01000000 28000000 6500 0000 00000000 0200 0200 616c 0000 0900 0100 09 000000 0000 0000 28000000"
    )
    # a packet of 5 bytes at 0x17979CFE362A0001 ns that came: padded to 8
    assert enhanced_packet(3, 0x17979CFE362A0001, b"\x45abcd", Direction.DOWN) == bytes.fromhex(
        "06000000 3c000000 03000000 fe9c9717 01002a36 05000000 05000000 4561626364 000000"
        "0100 0400 646f776e 0200 0400 01000000 0000 0000 3c000000"
    )


@pytest.mark.rfc("RFC 791 3.1", "RFC 1071 1")
def test_an_ipv4_header_is_that_of_a_known_packet() -> None:
    # 192.168.0.1:53 to 192.168.0.199:59772, 115 bytes: a textbook example of a header checksum
    packet = datagram(("192.168.0.1", 53), ("192.168.0.199", 59772), bytes(87))
    assert packet[:20] == bytes.fromhex("4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7")
    assert packet[20:26] == bytes.fromhex("0035 e97c 005f")


@pytest.mark.rfc("RFC 768", "RFC 8200 8.1")
def test_a_checksum_that_comes_out_as_zero_is_sent_as_all_ones() -> None:
    data = datagram(*V6, b"\0\0")[46:48]  # its own checksum as the data makes it 0
    packet = datagram(*V6, data)
    words = struct.unpack("!24H", packet[8:40] + struct.pack("!II", 10, 17) + packet[40:46] + data)
    assert sum(words) % 0xFFFF == 0
    assert packet[46:48] == b"\xff\xff"


def test_addresses_of_two_versions_make_no_packet() -> None:
    with pytest.raises(ValueError, match="different IP versions"):
        datagram(V4[0], V6[1], b"")


def test_what_was_written_is_read_back_with_its_addresses_times_and_directions(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with PcapngWriter(path, unix_offset=UNIX_OFFSET) as writer:
        al, bob = writer.interface("al"), writer.interface("bob")
        al.write(Direction.UP, V4, b"odd", 12.000000001)
        bob.write(Direction.DOWN, V6, b"even", 13.5)
        al.write(Direction.DOWN, V4, b"", 14.0)
    assert (writer.packets, writer.left_out) == (3, 0)
    first, second, third = captured(path)
    assert (first.interface, first.source, first.target, first.data) == ("al", V4[0], V4[1], b"odd")
    assert (first.comment, first.flags) == ("up", 2)
    assert first.nanoseconds == 1_700_000_012_250_000_001
    assert (second.interface, second.source, second.target, second.data) == ("bob", V6[1], V6[0], b"even")
    assert (second.comment, second.flags) == ("down", 1)
    assert (third.source, third.target, third.data) == (V4[1], V4[0], b"")


def test_a_full_file_is_whole_and_says_what_it_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    with PcapngWriter(path, unix_offset=0.0, max_bytes=1000) as writer:
        capture = writer.interface("al")
        for number in range(100):
            capture.write(Direction.UP, V4, bytes(100 - number), float(number))
        late = writer.interface("bob")
        late.write(Direction.UP, V4, b"", 1.0)
    capture.write(Direction.UP, V4, b"", 200.0)
    assert path.stat().st_size <= 1000
    found = captured(path)
    assert [one.nanoseconds for one in found] == [number * 10**9 for number in range(len(found))]
    assert 3 <= len(found) == writer.packets
    assert writer.left_out == 100 - len(found) + 2


def test_a_file_without_room_for_its_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no room"):
        PcapngWriter(tmp_path / "a.pcapng", unix_offset=0.0, max_bytes=10)
    assert not (tmp_path / "a.pcapng").exists()


class Wire:
    """What a tap is put on, without anything behind it."""

    def __init__(self, pair: tuple[tuple[str, int], tuple[str, int]] | None) -> None:
        self.selected_pair = pair
        self.taps: list[Tap] = []

    def add_tap(self, tap: Tap) -> None:
        self.taps.append(tap)


def rtp(sequence: int, *, marker: bool = False) -> bytes:
    packet = RtpPacket(payload_type=96, marker=int(marker), ssrc=0x1234ABCD, sequence_number=sequence, timestamp=9000)
    packet.payload = b"\x10\x02\x00"
    return packet.serialize()


def sender_report() -> bytes:
    info = RtcpSenderInfo(ntp_timestamp=1 << 32, rtp_timestamp=9000, packet_count=2, octet_count=6)
    return bytes(RtcpSrPacket(ssrc=0x1234ABCD, sender_info=info)) + bytes(
        RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=0x1234ABCD, items=[(1, b"cname")])])
    )


def capture_of_a_call(path: Path) -> None:
    """Two RTP packets that leave over IPv4, one that comes over IPv6, and a sender report that leaves."""
    with PcapngWriter(path, unix_offset=UNIX_OFFSET) as writer:
        tap = RtpTap(capture=writer.interface("al"))
        up, down = Wire(V4), Wire(V6)
        tap.attach(up)
        tap.attach(down)
        up.taps[0](Direction.UP, rtp(65535), 1.0)
        up.taps[0](Direction.UP, rtp(0, marker=True), 1.5)
        down.taps[0](Direction.DOWN, rtp(7), 2.0)
        up.taps[0](Direction.UP, sender_report(), 2.000000002)


def test_a_tap_writes_what_it_sees_with_the_addresses_of_the_transport(tmp_path: Path) -> None:
    path = tmp_path / "call.pcapng"
    capture_of_a_call(path)
    found = captured(path)
    assert [one.data for one in found] == [rtp(65535), rtp(0, marker=True), rtp(7), sender_report()]
    assert [(one.source, one.target) for one in found] == [V4, V4, (V6[1], V6[0]), V4]
    assert [block.type for block in blocks(path)] == [0x0A0D0D0A, 1, 6, 6, 6, 6]


def test_a_tap_on_a_transport_without_addresses_writes_all_the_same(tmp_path: Path) -> None:
    with PcapngWriter(tmp_path / "a.pcapng", unix_offset=0.0) as writer:
        tap = RtpTap(capture=writer.interface("al"))
        wire = Wire(None)
        tap.attach(wire)
        wire.taps[0](Direction.UP, rtp(1), 0.0)
    assert [one.source for one in captured(tmp_path / "a.pcapng")] == [("0.0.0.0", 0)]


def tshark(path: Path, decode_as: str, *fields: str) -> list[list[str]]:
    """Fields of each packet, as tshark sees them when ports 5004 and 40000 carry this protocol."""
    command = [need("tshark"), "-n", "-r", str(path), "-T", "fields", "-E", "separator=|"]
    for port in (5004, 40000):
        command += ["-d", f"udp.port=={port},{decode_as}"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


def test_tshark_reads_addresses_times_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "call.pcapng"
    capture_of_a_call(path)
    addresses = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport")
    rows = tshark(path, "rtp", "frame.time_epoch", *addresses, "frame.comment")
    assert [Decimal(row[0]) for row in rows] == [
        Decimal(text) for text in ("1700000001.25", "1700000001.75", "1700000002.25", "1700000002.250000002")
    ]
    v4, v6 = ["192.0.2.1", "198.51.100.2", "", "", "5004"], ["", "", "2001:db8::2", "2001:db8::1", "40000"]
    assert [row[1:] for row in rows] == [[*v4, "up"], [*v4, "up"], [*v6, "down"], [*v4, "up"]]


def test_tshark_decodes_rtp(tmp_path: Path) -> None:
    path = tmp_path / "call.pcapng"
    capture_of_a_call(path)
    rows = tshark(path, "rtp", "rtp.ssrc", "rtp.seq", "rtp.p_type", "rtp.marker", "rtp.payload")
    assert [row[:3] for row in rows[:3]] == [["0x1234abcd", number, "96"] for number in ("65535", "0", "7")]
    assert [row[3].lower() in ("1", "true") for row in rows[:3]] == [False, True, False]
    assert {row[4].replace(":", "") for row in rows[:3]} == {"100200"}


def test_tshark_decodes_rtcp(tmp_path: Path) -> None:
    path = tmp_path / "call.pcapng"
    capture_of_a_call(path)
    report = tshark(path, "rtcp", "rtcp.pt", "rtcp.senderssrc", "rtcp.sender.packetcount", "rtcp.sdes.text")[3]
    assert report == ["200,202", "0x1234abcd", "2", "cname"]
