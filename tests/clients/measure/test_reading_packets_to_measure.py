"""RTP and RTCP as aiortc writes them, and as the RFCs draw them, are read as what they are."""

from __future__ import annotations

import pytest
from aiortc.rtp import (
    HeaderExtensionsMap,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
    pack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from clients.measure.packets import (
    FullIntraRequest,
    Goodbye,
    Nack,
    Other,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtpHeader,
    SenderReport,
    is_rtcp,
    read_rtcp,
    read_rtp,
)
from labsfu.errors import Malformed

INFO = RtcpReceiverInfo(
    ssrc=7, fraction_lost=128, packets_lost=-3, highest_sequence=65537, jitter=9, lsr=0x01020304, dlsr=65536
)
BLOCK = ReportBlock(7, 128, -3, 65537, 9, 0x01020304, 65536)
SENDER = RtcpSenderInfo(ntp_timestamp=0xE0000000_80000000, rtp_timestamp=5, packet_count=11, octet_count=1100)


@pytest.mark.rfc("RFC 3550 5.1", "RFC 8285 4.2")
def test_a_header_with_extension_csrc_and_padding() -> None:
    packet = RtpPacket(
        payload_type=96, marker=1, ssrc=0x01020304, sequence_number=65535, timestamp=0xFFFFFFFE, payload=b"hello"
    )
    packet.csrc = [1, 2]
    packet.padding_size = 4
    packet.extensions.mid = "0"
    extensions = HeaderExtensionsMap()
    extensions._HeaderExtensionsMap__ids.mid = 1  # type: ignore[attr-defined] # aiortc's own table
    data = packet.serialize(extensions)
    assert read_rtp(data) == RtpHeader(0x01020304, 96, 65535, 0xFFFFFFFE, True, 12 + 8 + 8, 5)
    assert not is_rtcp(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "rtp-short"),
        (b"\x80" + bytes(10), "rtp-short"),
        (b"\x40" + bytes(11), "rtp-version"),
        (b"\x81" + bytes(11), "rtp-short"),
        (b"\x90" + bytes(13), "rtp-short"),
        (b"\x90" + bytes(11) + b"\xbe\xde\x00\x02" + bytes(4), "rtp-short"),
        (b"\xa0" + bytes(11), "rtp-padding"),
        (b"\xa0" + bytes(11) + b"\x00", "rtp-padding"),
        (b"\xa0" + bytes(11) + b"\x02", "rtp-padding"),
    ],
)
def test_what_is_no_rtp_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        read_rtp(data)


@pytest.mark.rfc("RFC 3550 6.4.1", "RFC 3550 6.4.2", "RFC 3550 6.6")
def test_a_compound_of_reports_names_and_a_goodbye() -> None:
    data = (
        bytes(RtcpSrPacket(ssrc=1, sender_info=SENDER, reports=[INFO, INFO]))
        + bytes(RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=1, items=[(1, b"cname")])]))
        + bytes(RtcpRrPacket(ssrc=2, reports=[INFO]))
        + bytes(RtcpByePacket(sources=[1, 2]))
    )
    assert is_rtcp(data)
    assert read_rtcp(data) == (
        SenderReport(1, 0xE0000000_80000000, 5, 11, 1100, (BLOCK, BLOCK)),
        Other(202, 1),
        ReceiverReport(2, (BLOCK,)),
        Goodbye((1, 2)),
    )


@pytest.mark.rfc("RFC 4585 6.2.1", "RFC 4585 6.3.1", "RFC 5104 4.3.1")
def test_feedback() -> None:
    data = (
        bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=7, lost=[3, 4, 19, 40]))
        + bytes.fromhex("81cd0003 00000001 00000007 ffff8001")
        + bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=8))
        + bytes(RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=bytes.fromhex("00000009 05000000 0000000a 06000000")))
        + bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(2_500_000, [7, 8])))
        + bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=b"something"[:8]))
    )
    assert read_rtcp(data) == (
        Nack(7, (3, 4, 19, 40)),
        Nack(7, (65535, 0, 15)),
        PictureLoss(8),
        FullIntraRequest((9, 10)),
        Remb(2_500_000, (7, 8)),
        Other(206, 15),
    )


def test_padding_of_the_last_packet_is_left_out() -> None:
    assert read_rtcp(bytes.fromhex("a1cb0002 00000005 00000004")) == (Goodbye((5,)),)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("80c9", "rtcp-short"),
        ("40c90001 00000001", "rtcp-version"),
        ("80c90002 00000001", "rtcp-short"),
        ("80c90000", "rtcp-short"),
        ("81c90001 00000001", "rtcp-short"),
        ("80c80001 00000001", "rtcp-short"),
        ("82cb0001 00000001", "rtcp-short"),
        ("81ce0001 00000001", "rtcp-short"),
        ("8fce0003 00000001 00000000 52454d42", "rtcp-short"),
        ("a0c90001 00000000", "rtcp-padding"),
        ("a0c90001 00000005", "rtcp-padding"),
        ("a0c90000", "rtcp-padding"),
    ],
)
def test_what_is_no_rtcp_is_refused(data: str, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        read_rtcp(bytes.fromhex(data))


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_rtp, read_rtcp):
        try:
            read(data)
        except Malformed:
            continue


@given(st.integers(0, 31), st.sampled_from([200, 201, 203, 205, 206]), st.binary(max_size=60))
def test_any_body_of_a_known_packet_is_read_or_refused(count: int, packet_type: int, body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    data = bytes([0x80 | count, packet_type]) + (len(body) // 4).to_bytes(2, "big") + body
    try:
        read_rtcp(data)
    except Malformed:
        return
