"""RTP header extension elements, one-byte and two-byte form."""

import json
from pathlib import Path

import pytest
from aiortc.rtp import pack_header_extensions, unpack_header_extensions
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.rtp import values
from labsfu.core.rtp.extensions import encode_extensions, find_extensions, list_extensions
from labsfu.core.rtp.packet import RtpHeader, encode_packet
from labsfu.errors import Malformed

DATA = Path(__file__).parents[2] / "data" / "rtp"


def packet_with(block: bytes) -> tuple[bytes, RtpHeader]:
    data = encode_packet(b"payload", payload_type=96, sequence_number=1, timestamp=2, ssrc=3, extensions=block)
    header = RtpHeader()
    header.read(data, len(data))
    return data, header


def elements_of(block: bytes) -> list[tuple[int, bytes]]:
    data, header = packet_with(block)
    return [(id_, data[offset : offset + length]) for id_, offset, length in list_extensions(data, header)]


def chromium(name: str, key: str) -> tuple[bytes, dict[int, bytes]]:
    """A captured packet without its P bit (the capture lacks the padding), and its elements."""
    captured = bytearray.fromhex(json.loads((DATA / name).read_text())[key])
    captured[0] &= ~0x20
    header = RtpHeader()
    header.read(captured, len(captured))
    found = find_extensions(captured, header)
    return bytes(captured), {id_: bytes(captured[o : o + n]) for id_, (o, n) in found.items()}


@pytest.mark.rfc("RFC 8285 4.2")
def test_the_one_byte_form_skips_padding_between_elements() -> None:
    # The figure of RFC 8285 4.2: L=0, L=1, two pad octets, L=3.
    block = bytes.fromhex("bede0003 10aa 21bbbc 0000 33 dddedfe0")
    assert elements_of(block) == [(1, b"\xaa"), (2, b"\xbb\xbc"), (3, b"\xdd\xde\xdf\xe0")]


@pytest.mark.rfc("RFC 8285 4.3")
@pytest.mark.parametrize("appbits", [0x0, 0x1, 0xF])
def test_the_two_byte_form_takes_empty_elements_and_any_appbits(appbits: int) -> None:
    # The figure of RFC 8285 4.3: L=0, L=1, a pad octet, L=4.
    block = bytes((0x10, appbits)) + bytes.fromhex("0003 0100 0201bb 00 0304 dddedfe0 00")
    assert elements_of(block) == [(1, b""), (2, b"\xbb"), (3, b"\xdd\xde\xdf\xe0")]


@pytest.mark.rfc("RFC 8285 4.2")
def test_id_15_ends_the_one_byte_form_and_keeps_what_came_before() -> None:
    assert elements_of(bytes.fromhex("bede000210aa f0bb 20cc0000")) == [(1, b"\xaa")]


@pytest.mark.rfc("RFC 8285 4.1.2")
def test_id_0_with_a_length_ends_the_extension_and_keeps_what_came_before() -> None:
    assert elements_of(bytes.fromhex("bede000210aa 03bb 20cc0000")) == [(1, b"\xaa")]


def test_id_15_is_an_ordinary_id_in_the_two_byte_form() -> None:
    assert elements_of(bytes.fromhex("100000010f02abcd")) == [(15, b"\xab\xcd")]


def test_another_profile_has_no_elements() -> None:
    assert elements_of(bytes.fromhex("abcd000110aa0000")) == []
    assert find_extensions(*packet_with(b"")) == {}


def test_of_a_repeated_id_the_last_element_counts() -> None:
    data, header = packet_with(bytes.fromhex("bede0001 10aa 10bb"))
    ((offset, length),) = find_extensions(data, header).values()
    assert data[offset : offset + length] == b"\xbb"


@pytest.mark.parametrize(
    "block",
    ["bede00011faabbcc", "bede00010000001f", "10000001 01030203", "1000000100000001", "100000010000 01ff"],
)
def test_an_element_that_reaches_beyond_the_extension_is_malformed(block: str) -> None:
    with pytest.raises(Malformed) as refused:
        elements_of(bytes.fromhex(block))
    assert refused.value.reason == "rtp-extension-truncated"


def test_chromium_audio_carries_level_send_time_transport_sequence_and_mid() -> None:
    _, found = chromium("rtp-headers-simple.json", "(3322475210, 111)")
    assert found == {2: b"\xda\x2d\x0b", 3: b"\x00\x01", 4: b"0", 1: b"\xff"}
    assert values.decode_audio_level(found[1], 0, 1) == (True, 127)
    assert values.decode_mid(found[4], 0, 1) == "0"


def test_chromium_simulcast_carries_rid_repaired_rid_and_orientation() -> None:
    data, media = chromium("rtp-headers-simulcast.json", "(2479829042, 96)")
    assert values.decode_rid(media[10], 0, 2) == "r1"
    assert values.decode_video_orientation(media[13], 0, 1).rotation == 0
    _, repair = chromium("rtp-headers-simulcast.json", "(3583137433, 97)")
    assert values.decode_rid(repair[11], 0, 2) == "r0"
    assert elements_of(data[12:32]) == [(2, b"\xb2\x20\x09"), (3, b"\x00\x10"), (4, b"1"), (10, b"r1"), (13, b"\0")]


# aiortc 1.16: pack_header_extensions(...), its profile and length put before it.
@pytest.mark.rfc("RFC 8285 4.2", "RFC 8285 4.3")
@pytest.mark.parametrize(
    ("elements", "block"),
    [
        ([], ""),
        ([(1, b"a"), (14, b"0123456789abcdef")], "bede0005 1061 ef30313233343536373839616263646566 00"),
        ([(1, b"a"), (15, b"xy")], "10000002 010161 0f027879 00"),
        ([(3, b""), (200, b"zz")], "10000002 0300 c8027a7a 0000"),
        ([(3, b"z" * 17)], "10000005 0311" + "7a" * 17 + "00"),
    ],
)
def test_blocks_take_the_two_byte_form_only_when_they_must(elements: list[tuple[int, bytes]], block: str) -> None:
    assert encode_extensions(elements) == bytes.fromhex(block)


@pytest.mark.parametrize("element", [(0, b"a"), (256, b"a"), (1, bytes(256))])
def test_elements_that_no_form_holds_are_refused(element: tuple[int, bytes]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_extensions([element])


@given(st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=40)), max_size=8))
def test_blocks_are_read_back_and_equal_those_of_aiortc(elements: list[tuple[int, bytes]]) -> None:
    block = encode_extensions(elements)
    assert elements_of(block) == elements
    profile, value = pack_header_extensions(elements)
    if elements:
        assert block == profile.to_bytes(2, "big") + (len(value) // 4).to_bytes(2, "big") + value
        assert unpack_header_extensions(profile, block[4:]) == elements


@given(st.sampled_from([0xBEDE, 0x1000, 0x100F, 0x1234]), st.binary(max_size=64))
def test_any_extension_gives_elements_within_bounds_or_malformed(profile: int, body: bytes) -> None:
    body = body[: len(body) & ~3]
    data, header = packet_with(profile.to_bytes(2, "big") + (len(body) // 4).to_bytes(2, "big") + body)
    try:
        found = find_extensions(data, header)
    except Malformed:
        return
    for offset, length in found.values():
        assert header.extension_offset < offset
        assert offset + length <= header.payload_offset
