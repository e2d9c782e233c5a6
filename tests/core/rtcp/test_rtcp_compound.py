"""Compound packets, the common header, and packets of unknown types."""

import pytest
from aiortc import rtp as aiortc_rtp
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.compound import RtcpPacket, encode_compound, parse_compound
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.header import encode_packet, parse_header
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.sdes import SdesChunk, SdesItem, SourceDescription
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtcp.unknown import Unknown
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ExtendedReport, ReceiverReferenceTime
from labsfu.errors import Malformed

u8, u32, u64 = st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
u16 = st.integers(0, 65535)
blocks = st.lists(
    st.builds(ReportBlock, u32, u8, st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32), max_size=31
).map(tuple)
items = st.lists(st.builds(SdesItem, st.integers(1, 255), st.binary(max_size=255)), max_size=4).map(tuple)
ssrcs = st.lists(u32, max_size=31).map(tuple)
nack_numbers = st.lists(u16, min_size=1, max_size=40, unique=True).map(sorted).map(tuple)
deltas = st.lists(st.none() | st.integers(0, 255) | st.integers(-32768, 32767), max_size=60).map(tuple)
xr_blocks = st.lists(
    st.builds(ReceiverReferenceTime, u64)
    | st.builds(Dlrr, st.lists(st.builds(DlrrItem, u32, u32, u32), max_size=3).map(tuple)),
    max_size=3,
).map(tuple)

packets: st.SearchStrategy[RtcpPacket] = st.one_of(
    st.builds(SenderReport, u32, u64, u32, u32, u32, blocks),
    st.builds(ReceiverReport, u32, blocks),
    st.builds(SourceDescription, st.lists(st.builds(SdesChunk, u32, items), max_size=4).map(tuple)),
    st.builds(Bye, ssrcs, st.text(max_size=20)),
    st.builds(PictureLossIndication, u32, u32),
    st.builds(FullIntraRequest, u32, st.lists(st.builds(FirEntry, u32, u8), min_size=1).map(tuple), u32),
    st.builds(Remb, u32, st.integers(0, 2**18 - 1), ssrcs, u32),
    st.builds(Nack, u32, u32, nack_numbers),
    st.builds(TransportFeedback, u32, u32, u16, u8, st.integers(-(2**23), 2**23 - 1), deltas),
    st.builds(ExtendedReport, u32, xr_blocks),
    st.builds(Unknown, st.sampled_from([0, 192, 204, 208, 255]), st.binary(max_size=30), st.integers(0, 31)),
)

# aiortc 1.16: an RR without blocks, an SDES with a CNAME and a PLI, one after the other
COMPOUND = bytes.fromhex(
    "80c9000100000001"
    "81ca000cdeadbeef01267b36336634353965612d343166652d343437342d396433332d3937303763396565373964317d00000000"
    "81ce0002010203040a0b0c0d"
)


@pytest.mark.rfc("RFC 3550 6.1")
def test_a_compound_comes_apart_in_order_and_back_together() -> None:
    parsed = parse_compound(COMPOUND)
    assert parsed == [
        ReceiverReport(1),
        SourceDescription.of_cname(0xDEADBEEF, "{63f459ea-41fe-4474-9d33-9707c9ee79d1}"),
        PictureLossIndication(0x01020304, 0x0A0B0C0D),
    ]
    assert encode_compound(parsed) == COMPOUND


@pytest.mark.rfc("RFC 5506 3.4.3")
def test_reduced_size_rtcp_may_begin_with_any_type() -> None:
    assert parse_compound(COMPOUND[-12:]) == [PictureLossIndication(0x01020304, 0x0A0B0C0D)]


def test_any_buffer_type_will_do() -> None:
    expected = parse_compound(COMPOUND)
    assert parse_compound(bytearray(COMPOUND)) == parse_compound(memoryview(COMPOUND)) == expected


@pytest.mark.parametrize(
    ("data", "packet"),
    [
        ("81cc0002deadbeef41424344", Unknown(204, b"\xde\xad\xbe\xefABCD", 1)),  # APP
        ("82cd0002000000010000000241424344", None),  # RTPFB of an unknown format, then rubbish
        ("82cd00020000000100000002", Unknown(205, bytes.fromhex("0000000100000002"), 2)),
        ("8bce00020000000100000002", Unknown(206, bytes.fromhex("0000000100000002"), 11)),
        (
            "8fce0003000000010000000241424344",  # application layer feedback other than REMB
            Unknown(206, bytes.fromhex("000000010000000241424344"), 15),
        ),
        ("80ff0000", Unknown(255, b"", 0)),
    ],
)
def test_what_is_not_understood_comes_back_as_unknown(data: str, packet: Unknown | None) -> None:
    if packet is None:
        with pytest.raises(Malformed):
            parse_compound(bytes.fromhex(data))
        return
    assert parse_compound(bytes.fromhex(data)) == [packet]
    assert packet.encode() == bytes.fromhex(data)


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_padding_is_left_out_of_the_body_wherever_the_packet_stands() -> None:
    padded = bytes.fromhex("a0c90002 00000001 00000004")
    assert parse_compound(padded + COMPOUND[-12:]) == [
        ReceiverReport(1),
        PictureLossIndication(0x01020304, 0x0A0B0C0D),
    ]
    assert parse_compound(bytes.fromhex("a0ff000100000004")) == [Unknown(255, b"")]
    assert encode_packet(204, 0, b"abcde") == bytes.fromhex("a0cc0002") + b"abcde\0\0\x03"


@pytest.mark.rfc("RFC 3550 6.1", "RFC 3550 A.2")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "rtcp-too-short"),
        ("80c900", "rtcp-too-short"),
        ("80c9000100000001 80", "rtcp-too-short"),
        ("40c9000100000001", "rtcp-bad-version"),
        ("80c9000100000001 00c9000100000001", "rtcp-bad-version"),
        ("80c9000200000001", "rtcp-bad-length"),
        ("80c9ffff00000001", "rtcp-bad-length"),
        ("a0c90000", "rtcp-bad-padding"),
        ("a0c9000100000000", "rtcp-bad-padding"),
        ("a0c9000100000005", "rtcp-bad-padding"),
    ],
)
def test_headers_that_do_not_hold_are_malformed(data: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_compound(bytes.fromhex(data))
    assert refused.value.reason == reason


def test_a_header_says_where_its_packet_lies() -> None:
    header = parse_header(COMPOUND, 8)
    assert (header.packet_type, header.count) == (202, 1)
    assert (header.body_offset, header.body_length, header.end) == (12, 48, 60)


@pytest.mark.parametrize(("count", "size"), [(32, 0), (-1, 0), (0, 4 * 65536)])
def test_the_encoder_refuses_what_no_header_can_hold(count: int, size: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_packet(200, count, bytes(size))


@given(st.lists(packets, min_size=1, max_size=4))
def test_every_packet_comes_back_as_it_was_encoded(compound: list[RtcpPacket]) -> None:
    assert parse_compound(encode_compound(compound)) == compound


@given(st.binary(max_size=120))
def test_any_bytes_give_packets_or_malformed(data: bytes) -> None:
    try:
        parsed = parse_compound(data)
    except Malformed:
        return
    assert parsed


@given(st.integers(192, 223), st.integers(0, 31), st.binary(max_size=120))
def test_any_body_behind_a_valid_header_gives_a_packet_or_malformed(packet_type: int, count: int, body: bytes) -> None:
    try:
        (parsed,) = parse_compound(encode_packet(packet_type, count, body))
    except Malformed:
        return
    if not isinstance(parsed, Unknown):
        assert parse_compound(parsed.encode()) == [parsed]


@given(packets, st.data())
def test_a_packet_cut_or_flipped_anywhere_gives_packets_or_malformed(packet: RtcpPacket, data: st.DataObject) -> None:
    encoded = bytearray(packet.encode())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    del encoded[data.draw(st.integers(1, len(encoded))) :]
    try:
        parsed = parse_compound(encoded)
    except Malformed:
        return
    assert parse_compound(encode_compound(parsed)) == parsed


@given(
    st.lists(
        st.one_of(
            st.builds(SenderReport, u32, u64, u32, u32, u32, blocks),
            st.builds(ReceiverReport, u32, blocks),
            st.builds(PictureLossIndication, u32, u32),
            st.builds(Nack, u32, u32, st.just((1, 2, 30))),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_aiortc_reads_our_compounds_and_writes_the_same_bytes(compound: list[RtcpPacket]) -> None:
    data = encode_compound(compound)
    assert b"".join(bytes(packet) for packet in aiortc_rtp.RtcpPacket.parse(data)) == data
