"""The RTP header reader and encoder."""

import json
from pathlib import Path

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import RtpHeader, encode_header, encode_packet
from labsfu.errors import Malformed

DATA = Path(__file__).parents[2] / "data" / "rtp"

# aiortc 1.16: RtpPacket(111, 1, 65535, 0xFFFFFFFE, 0x12345678, b"hello"), csrc [1, 0xFFFFFFFF], serialize()
WITH_CSRCS = bytes.fromhex("82effffffffffffe1234567800000001ffffffff68656c6c6f")
# RFC 3550 5.1 by hand: V=2, P, X; extension of one word; payload "ab"; three octets of padding
PADDED = bytes.fromhex("b060 0001 00000002 00000003 abcd0001 01020304 6162 000003")


def read(data: bytes | bytearray | memoryview) -> RtpHeader:
    header = RtpHeader()
    header.read(data, len(data))
    return header


def chromium_headers() -> list[tuple[str, bytes]]:
    """The first 60 octets of real packets, by file and (ssrc, payload type)."""
    return [
        (key, bytes.fromhex(value))
        for name in ("rtp-headers-simple.json", "rtp-headers-simulcast.json")
        for key, value in json.loads((DATA / name).read_text()).items()
    ]


@pytest.mark.rfc("RFC 3550 5.1")
def test_fixed_fields_and_csrcs_are_read_at_their_extremes() -> None:
    header = read(WITH_CSRCS)
    assert header.marker is True
    assert header.payload_type == 111
    assert header.sequence_number == 65535
    assert header.timestamp == 0xFFFFFFFE
    assert header.ssrc == 0x12345678
    assert header.csrc_count == 2
    assert header.payload_offset == 20
    assert WITH_CSRCS[20 : 20 + header.payload_length] == b"hello"
    assert (header.padding_size, header.extension_offset) == (0, 0)


@pytest.mark.rfc("RFC 3550 5.1", "RFC 3550 5.3.1")
def test_padding_and_extension_bound_the_payload() -> None:
    header = read(PADDED)
    assert header.marker is False
    assert (header.extension_profile, header.extension_offset, header.extension_length) == (0xABCD, 16, 4)
    assert (header.payload_offset, header.payload_length, header.padding_size) == (20, 2, 3)


@pytest.mark.rfc("RFC 3550 5.1")
@pytest.mark.parametrize(("key", "captured"), chromium_headers())
def test_chromium_packets_read_as_another_implementation_reads_them(key: str, captured: bytes) -> None:
    # The capture ends after 60 octets; where the P bit is set the packet gets a last octet that counts as padding.
    data = captured + b"\x01" if captured[0] & 0x20 else captured
    header, other = read(data), RtpPacket.parse(data)
    assert str((header.ssrc, header.payload_type)) == key
    assert header.extension_profile == 0xBEDE
    assert (header.marker, header.sequence_number, header.timestamp, header.ssrc) == (
        bool(other.marker),
        other.sequence_number,
        other.timestamp,
        other.ssrc,
    )
    payload = data[header.payload_offset : header.payload_offset + header.payload_length]
    assert (payload, header.padding_size) == (other.payload, other.padding_size)


def test_a_reused_header_keeps_nothing_of_the_packet_before() -> None:
    header = RtpHeader()
    header.read(PADDED, len(PADDED))
    header.read(WITH_CSRCS, len(WITH_CSRCS))
    fresh = read(WITH_CSRCS)
    assert all(getattr(header, name) == getattr(fresh, name) for name in RtpHeader.__slots__)


def test_bytes_behind_the_packet_in_a_larger_buffer_are_not_looked_at() -> None:
    buffer = bytearray(PADDED + b"\xff" * 40)
    header = RtpHeader()
    header.read(memoryview(buffer), len(PADDED))
    assert (header.payload_length, header.padding_size) == (2, 3)


@pytest.mark.rfc("RFC 3550 5.1")
def test_a_packet_may_be_padding_only() -> None:
    header = read(bytes.fromhex("a0600001000000020000000300000004"))
    assert (header.payload_offset, header.payload_length, header.padding_size) == (12, 0, 4)


@pytest.mark.rfc("RFC 3550 5.3.1")
def test_an_extension_may_be_empty_and_end_the_packet() -> None:
    header = read(bytes.fromhex("906000010000000200000003bede0000"))
    assert (header.extension_profile, header.extension_offset, header.extension_length) == (0xBEDE, 16, 0)
    assert (header.payload_offset, header.payload_length) == (16, 0)


@pytest.mark.rfc("RFC 3550 5.1")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "rtp-too-short"),
        ("8060000100000002000000", "rtp-too-short"),
        ("406000010000000200000003", "rtp-bad-version"),
        ("006000010000000200000003", "rtp-bad-version"),
        ("c06000010000000200000003", "rtp-bad-version"),
        ("816000010000000200000003000000", "rtp-csrc-too-long"),
        ("906000010000000200000003", "rtp-extension-too-long"),
        ("906000010000000200000003bede00", "rtp-extension-too-long"),
        ("906000010000000200000003bede0001101010", "rtp-extension-too-long"),
        ("906000010000000200000003bedeffff", "rtp-extension-too-long"),
        ("a06000010000000200000003", "rtp-bad-padding"),
        ("a0600001000000020000000300", "rtp-bad-padding"),
        ("a0600001000000020000000302", "rtp-bad-padding"),
        ("b06000010000000200000003bede00010000000005", "rtp-bad-padding"),
    ],
)
def test_packets_that_lie_about_their_lengths_are_malformed(data: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        read(bytes.fromhex(data))
    assert refused.value.reason == reason


def test_a_length_beyond_the_buffer_is_malformed() -> None:
    with pytest.raises(Malformed):
        RtpHeader().read(WITH_CSRCS, len(WITH_CSRCS) + 1)


@given(st.binary(max_size=80))
def test_any_bytes_give_a_header_within_bounds_or_malformed(data: bytes) -> None:
    try:
        header = read(data)
    except Malformed:
        return
    assert header.payload_offset + header.payload_length + header.padding_size == len(data)
    assert header.extension_offset + header.extension_length <= header.payload_offset


@given(
    payload=st.binary(max_size=40),
    payload_type=st.integers(0, 127),
    sequence_number=st.sampled_from([0, 1, 32767, 32768, 65534, 65535]),
    timestamp=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 2**32 - 1), max_size=15),
    padding_size=st.integers(0, 255),
    element=st.none() | st.binary(min_size=1, max_size=16),
)
def test_built_packets_are_read_back_by_us_and_by_aiortc(
    payload: bytes,
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    marker: bool,
    csrcs: list[int],
    padding_size: int,
    element: bytes | None,
) -> None:
    extensions = encode_extensions([(1, element)]) if element is not None else b""
    data = encode_packet(
        payload,
        payload_type=payload_type,
        sequence_number=sequence_number,
        timestamp=timestamp,
        ssrc=ssrc,
        marker=marker,
        csrcs=csrcs,
        extensions=extensions,
        padding_size=padding_size,
    )
    header, other = read(data), RtpPacket.parse(data)
    assert (header.payload_type, header.sequence_number) == (payload_type, sequence_number)
    assert (header.timestamp, header.ssrc, header.marker) == (timestamp, ssrc, marker)
    assert (other.payload_type, other.sequence_number) == (payload_type, sequence_number)
    assert (other.timestamp, other.ssrc, bool(other.marker), other.csrc) == (timestamp, ssrc, marker, csrcs)
    assert data[header.payload_offset :][: header.payload_length] == payload == other.payload
    assert header.padding_size == padding_size == other.padding_size
    assert header.csrc_count == len(csrcs)


def test_the_encoder_writes_the_golden_bytes() -> None:
    assert (
        encode_packet(
            b"hello",
            payload_type=111,
            sequence_number=65535,
            timestamp=0xFFFFFFFE,
            ssrc=0x12345678,
            marker=True,
            csrcs=[1, 0xFFFFFFFF],
        )
        == WITH_CSRCS
    )
    assert (
        encode_packet(
            b"ab",
            payload_type=96,
            sequence_number=65537,
            timestamp=2**32 + 2,
            ssrc=3,
            extensions=bytes.fromhex("abcd000101020304"),
            padding_size=3,
        )
        == PADDED
    )


@pytest.mark.parametrize(("payload_type", "csrcs"), [(128, []), (-1, []), (0, [0] * 16)])
def test_the_encoder_refuses_what_no_header_can_hold(payload_type: int, csrcs: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        encode_header(payload_type=payload_type, sequence_number=0, timestamp=0, ssrc=0, csrcs=csrcs)
