"""PLI, FIR, REMB and generic NACK."""

import pytest
from aiortc.rtp import RtcpPsfbPacket, pack_remb_fci, unpack_remb_fci
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.rtcp.compound import parse_compound
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.nack import Nack, pack_pairs, unpack_pair
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.remb import Remb
from labsfu.errors import Malformed


@pytest.mark.rfc("RFC 4585 6.3.1")
def test_a_picture_loss_indication_reads_and_writes_the_golden_bytes() -> None:
    # aiortc 1.16: RtcpPsfbPacket(fmt=1, ssrc=0x01020304, media_ssrc=0x0a0b0c0d)
    data = bytes.fromhex("81ce0002010203040a0b0c0d")
    assert parse_compound(data) == [PictureLossIndication(0x01020304, 0x0A0B0C0D)]
    assert PictureLossIndication(0x01020304, 0x0A0B0C0D).encode() == data


@pytest.mark.rfc("RFC 5104 4.3.1.1")
def test_a_full_intra_request_reads_and_writes_the_golden_bytes() -> None:
    # the "also valid" vector of pion/rtcp's full intra request tests
    data = bytes.fromhex("84ce0006 00000000 4bc4fcb4 12345678 42000000 98765432 57000000")
    request = FullIntraRequest(0, (FirEntry(0x12345678, 0x42), FirEntry(0x98765432, 0x57)), 0x4BC4FCB4)
    assert parse_compound(data) == [request]
    assert request.encode() == data


@pytest.mark.rfc("RFC 5104 4.3.1.2")
def test_a_full_intra_request_of_ours_names_no_media_source_and_its_number_wraps() -> None:
    assert FullIntraRequest(1, (FirEntry(2, 256),)).encode().hex() == "84ce000400000001000000000000000200000000"


@pytest.mark.rfc("draft-alvestrand-rmcat-remb 2.2")
def test_a_remb_of_chrome_reads_and_writes_the_golden_bytes() -> None:
    # sent by Chrome while watching 6 Mbit/s, published in pion/rtcp's REMB tests
    data = bytes.fromhex("8fce0005 00000001 00000000 52454d42 011a20df 4874ed16")
    assert parse_compound(data) == [Remb(1, 8927168, (1215622422,))]
    assert Remb(1, 8927168, (1215622422,)).encode() == data


# aiortc 1.16: pack_remb_fci(bitrate, [])
@pytest.mark.rfc("draft-alvestrand-rmcat-remb 2.2")
@pytest.mark.parametrize(
    ("bitrate", "fci"),
    [
        (0, "00000000"),
        (1, "00000001"),
        (1000, "000003e8"),
        (262143, "0003ffff"),
        (262144, "00060000"),
        (10**9, "0033b9ac"),
        (2**40, "005e0000"),
    ],
)
def test_a_bitrate_is_a_mantissa_of_18_bits_and_an_exponent(bitrate: int, fci: str) -> None:
    assert Remb(1, bitrate).encode()[-4:].hex() == fci


def test_a_bitrate_loses_only_what_the_mantissa_cannot_hold() -> None:
    (parsed,) = parse_compound(Remb(1, 8927167).encode())
    assert isinstance(parsed, Remb)
    assert parsed.bitrate == 8927104
    assert parse_compound(Remb(1, 2**64 - 1).encode()) == [Remb(1, (2**18 - 1) << 46)]


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_rembs_are_those_of_aiortc(bitrate: int, ssrcs: list[int]) -> None:
    ours = Remb(1, bitrate, tuple(ssrcs), 2).encode()
    assert ours == bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=2, fci=pack_remb_fci(bitrate, ssrcs)))
    (parsed,) = parse_compound(ours)
    assert isinstance(parsed, Remb)
    assert (parsed.bitrate, list(parsed.ssrcs)) == unpack_remb_fci(ours[12:])


@pytest.mark.parametrize(("bitrate", "count"), [(-1, 0), (2**64, 0), (1, 256)])
def test_a_remb_that_does_not_fit_is_refused(bitrate: int, count: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Remb(1, bitrate, (1,) * count).encode()


@pytest.mark.rfc("RFC 4585 6.2.1")
def test_a_nack_reads_and_writes_the_golden_bytes() -> None:
    # aiortc 1.16: RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2, lost=[12, 13, 28, 29, 45, 100])
    data = bytes.fromhex("81cd00050000000100000002000c8001001d800000640000")
    nack = Nack(1, 2, (12, 13, 28, 29, 45, 100))
    assert parse_compound(data) == [nack]
    assert nack.encode() == data


@pytest.mark.rfc("RFC 4585 6.2.1")
@pytest.mark.parametrize("start", [0, 1, 32767, 32768, 65520, 65534, 65535])
def test_one_pair_covers_seventeen_numbers_around_the_wrap(start: int) -> None:
    numbers = [(start + n) & 0xFFFF for n in range(17)]
    assert list(pack_pairs(numbers)) == [(start, 0xFFFF)]
    assert list(unpack_pair(start, 0xFFFF)) == numbers
    assert list(pack_pairs([start, (start + 17) & 0xFFFF])) == [(start, 0), ((start + 17) & 0xFFFF, 0)]


def test_a_number_said_twice_is_asked_for_once() -> None:
    assert list(pack_pairs([7, 7, 8, 8])) == [(7, 1)]
    assert list(pack_pairs([])) == []


@given(st.lists(st.integers(0, 65535), max_size=60))
def test_numbers_in_any_order_are_all_asked_for_and_no_other(numbers: list[int]) -> None:
    assert {n for pair in pack_pairs(numbers) for n in unpack_pair(*pair)} == set(numbers)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("81ce000100000001", "rtcp-bad-feedback"),
        ("81cd0000", "rtcp-bad-feedback"),
        ("81cd00020000000100000002", "rtcp-bad-nack"),
        ("a1cd0003000000010000000200010001", "rtcp-bad-nack"),
        ("84ce00020000000100000002", "rtcp-bad-fir"),
        ("84ce0003000000010000000200000003", "rtcp-bad-fir"),
        ("8fce0003000000010000000052454d42", "rtcp-bad-remb"),
        ("8fce0004000000010000000052454d4201000001", "rtcp-bad-remb"),
        ("8fce0004000000010000000052454d4200ffffff", "rtcp-bad-remb"),
    ],
)
def test_feedback_that_does_not_hold_is_malformed(data: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_compound(bytes.fromhex(data))
    assert refused.value.reason == reason
