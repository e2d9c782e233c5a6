"""RTCP of synthetic ends, against aiortc's."""

from __future__ import annotations

import pytest
from aiortc import rtp
from hypothesis import given
from hypothesis import strategies as st

from clients.synthetic.rtcp import (
    FullIntra,
    Goodbye,
    Nack,
    PictureLoss,
    ReceiverReport,
    Remb,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    encode_compound,
    is_rtcp,
    parse_compound,
)
from labsfu.core.rtcp.compound import parse_compound as core_parse
from labsfu.core.rtcp.fir import FullIntraRequest
from labsfu.core.rtcp.sdes import SourceDescription as CoreDescription
from labsfu.errors import Malformed

_INFO = rtp.RtcpReceiverInfo(
    ssrc=7, fraction_lost=30, packets_lost=-2, highest_sequence=70_000, jitter=9, lsr=0x01020304, dlsr=65_536
)
_BLOCK = ReportBlock(7, 30, -2, 70_000, 9, 0x01020304, 65_536)
_SENDER = rtp.RtcpSenderInfo(ntp_timestamp=0x0102030405060708, rtp_timestamp=99, packet_count=3, octet_count=300)

CASES: list[tuple[RtcpPacket, object]] = [
    (
        SenderReport(1, 0x0102030405060708, 99, 3, 300, (_BLOCK,)),
        rtp.RtcpSrPacket(ssrc=1, sender_info=_SENDER, reports=[_INFO]),
    ),
    (ReceiverReport(1, (_BLOCK, _BLOCK)), rtp.RtcpRrPacket(ssrc=1, reports=[_INFO, _INFO])),
    (
        SourceDescription(((1, "abc"),)),
        rtp.RtcpSdesPacket(chunks=[rtp.RtcpSourceInfo(ssrc=1, items=[(1, b"abc")])]),
    ),
    (Goodbye((5, 6)), rtp.RtcpByePacket(sources=[5, 6])),
    (
        Nack(1, 2, (60_000, 60_001, 60_016, 60_017, 65_535)),
        rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2, lost=[60_000, 60_001, 60_016, 60_017, 65_535]),
    ),
    (PictureLoss(1, 2), rtp.RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=2)),
    (
        Remb(1, 2_000_000, (7, 8)),
        rtp.RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=rtp.pack_remb_fci(2_000_000, [7, 8])),
    ),
    (
        FullIntra(1, ((7, 3), (8, 255))),
        rtp.RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=bytes.fromhex("0000000703000000 00000008ff000000")),
    ),
]


@pytest.mark.rfc("RFC 3550 6.4.1", "RFC 3550 6.4.2", "RFC 3550 6.5", "RFC 3550 6.6", "RFC 4585 6.2.1", "RFC 4585 6.3.1")
@pytest.mark.rfc("RFC 5104 4.3.1")
@pytest.mark.parametrize(("ours", "theirs"), CASES, ids=lambda case: type(case).__name__)
def test_packets_are_those_of_aiortc_both_ways(ours: RtcpPacket, theirs: object) -> None:
    golden = bytes(theirs)  # type: ignore[call-overload] # aiortc's packets all have __bytes__
    assert ours.encode() == golden
    assert parse_compound(golden) == [ours]
    assert is_rtcp(golden)


@pytest.mark.rfc("RFC 4585 6.2.1")
@given(st.sets(st.integers(0, 40), min_size=1), st.integers(0, 65_535))
def test_any_numbers_can_be_asked_for(offsets: set[int], first: int) -> None:
    asked = tuple((first + offset) & 0xFFFF for offset in sorted(offsets))
    (parsed,) = rtp.RtcpPacket.parse(Nack(1, 2, asked).encode())
    assert isinstance(parsed, rtp.RtcpRtpfbPacket)
    assert tuple(number & 0xFFFF for number in parsed.lost) == asked  # aiortc counts on beyond the wrap
    assert parse_compound(Nack(1, 2, asked).encode()) == [Nack(1, 2, asked)]


@pytest.mark.rfc("RFC 3550 6.5")
def test_every_chunk_of_a_description_is_padded() -> None:
    """aiortc pads the last one only."""
    ours = SourceDescription(((1, "abc"), (2, "some longer name"), (3, "")))
    (theirs,) = core_parse(ours.encode())
    assert isinstance(theirs, CoreDescription)
    assert [chunk.ssrc for chunk in theirs.chunks] == [1, 2, 3]
    assert parse_compound(ours.encode()) == [ours]


@pytest.mark.rfc("RFC 5104 4.3.1")
def test_a_full_intra_request_is_read_by_the_server() -> None:
    (packet,) = core_parse(FullIntra(1, ((7, 3),)).encode())
    assert isinstance(packet, FullIntraRequest)


@pytest.mark.rfc("RFC 3550 6.1", "RFC 3611 2")
def test_a_compound_is_read_in_order_and_what_is_unknown_is_passed_over() -> None:
    extended = bytes.fromhex("80cf0004 00000001 04000002 0102030405060708")
    application = bytes.fromhex("80cc0002 00000001 6e616d65")
    compound = ReceiverReport(1).encode() + extended + application + PictureLoss(1, 2).encode()
    assert parse_compound(compound) == [ReceiverReport(1), PictureLoss(1, 2)]


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_padding_at_the_end_is_taken_off() -> None:
    padded = bytes.fromhex("a1ce0003 00000001 00000002 00000004")
    assert parse_compound(padded) == [PictureLoss(1, 2)]


@pytest.mark.rfc("RFC 3550 A.3")
@pytest.mark.parametrize(("lost", "shown"), [(1 << 24, 0x7FFFFF), (-(1 << 24), -0x800000)])
def test_a_loss_that_is_too_large_is_clamped(lost: int, shown: int) -> None:
    (report,) = parse_compound(ReceiverReport(1, (ReportBlock(7, packets_lost=lost),)).encode())
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].packets_lost == shown


@pytest.mark.parametrize("bitrate", [0, 1, 0x3FFFF, 0x40000, 3_000_000, 10**12])
def test_a_bitrate_keeps_its_18_highest_bits(bitrate: int) -> None:
    (remb,) = parse_compound(Remb(1, bitrate, (7,)).encode())
    assert isinstance(remb, Remb)
    assert bitrate * (1 - 2**-17) <= remb.bitrate <= bitrate


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("80c9", "rtcp-too-short"),
        ("40c90001 00000001", "rtcp-version"),
        ("80c90002 00000001", "rtcp-bad-length"),
        ("a0c90001 00000009", "rtcp-bad-padding"),
        ("81c90001 00000001", "rtcp-bad-report"),
        ("80c80001 00000001", "rtcp-bad-report"),
        ("81ca0001 00000001", None),
        ("82ca0001 00000001", "rtcp-bad-sdes"),
        ("81ca0002 00000001 01096162", "rtcp-bad-sdes"),
        ("82cb0001 00000001", "rtcp-bad-bye"),
        ("81cd0001 00000001", "rtcp-bad-feedback"),
        ("8fce0003 00000001 00000000 52454d42", "rtcp-bad-remb"),
        ("8fce0004 00000001 00000000 52454d42 01000000", "rtcp-bad-remb"),
        ("8fce0004 00000001 00000000 41424344 01000000", None),
        ("84ce0003 00000001 00000000 00000007", "rtcp-bad-fir"),
        ("8fcd0002 00000001 00000000", "rtcp-bad-transport-cc"),
    ],
)
def test_packets_that_are_wrong_are_refused(text: str, reason: str | None) -> None:
    if reason is None:
        parse_compound(bytes.fromhex(text))
        return
    with pytest.raises(Malformed) as refusal:
        parse_compound(bytes.fromhex(text))
    assert refusal.value.reason == reason


@given(st.binary(max_size=80), st.sampled_from([200, 201, 202, 203, 205, 206, 207]), st.integers(0, 31))
def test_any_bytes_are_read_or_malformed(body: bytes, kind: int, count: int) -> None:
    body += bytes(-len(body) % 4)
    data = bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body
    try:
        packets = parse_compound(data)
    except Malformed:
        return
    assert parse_compound(encode_compound(packets)) == packets
