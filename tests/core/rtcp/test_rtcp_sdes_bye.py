"""Source descriptions and goodbyes."""

import pytest

from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.compound import parse_compound
from labsfu.core.rtcp.sdes import CNAME, SdesChunk, SdesItem, SourceDescription
from labsfu.errors import Malformed

# aiortc 1.16: RtcpSdesPacket with one chunk; the null octet that ends it takes a word of its own
SDES_BYTES = bytes.fromhex(
    "81ca000cdeadbeef01267b36336634353965612d343166652d343437342d396433332d3937303763396565373964317d00000000"
)
# RFC 3550 6.5 by hand: two chunks, the first (CNAME "ab", NAME "c") ends with one null, the second is empty
TWO_CHUNKS = bytes.fromhex("82ca0005 00000001 01026162 02016300 00000002 00000000")
# RFC 3550 6.6 by hand: reason "camera off", its length before it, one null up to the word
BYE_WITH_REASON = bytes.fromhex("81cb0004deadbeef0a") + b"camera off\0"


@pytest.mark.rfc("RFC 3550 6.5.1")
def test_a_cname_reads_and_writes_the_golden_bytes() -> None:
    sdes = SourceDescription.of_cname(0xDEADBEEF, "{63f459ea-41fe-4474-9d33-9707c9ee79d1}")
    assert parse_compound(SDES_BYTES) == [sdes]
    assert sdes.encode() == SDES_BYTES
    assert sdes.cname(0xDEADBEEF) == "{63f459ea-41fe-4474-9d33-9707c9ee79d1}"
    assert sdes.cname(1) is None


@pytest.mark.rfc("RFC 3550 6.5")
@pytest.mark.parametrize("length", range(8))
def test_each_chunk_ends_with_a_null_and_starts_on_a_word(length: int) -> None:
    sdes = SourceDescription((SdesChunk(1, (SdesItem(CNAME, b"x" * length), SdesItem(2, b"y"))), SdesChunk(2, ())))
    encoded = sdes.encode()
    assert encoded[0] == 0x82, "the chunks are padded with nulls, not with packet padding"
    assert encoded[-8:] == bytes((0, 0, 0, 2, 0, 0, 0, 0))
    assert parse_compound(encoded) == [sdes]


@pytest.mark.rfc("RFC 3550 6.5")
def test_chunks_written_by_hand_are_read_and_written() -> None:
    sdes = SourceDescription(
        (SdesChunk(1, (SdesItem(CNAME, b"ab"), SdesItem(2, b"c"))), SdesChunk(2)),
    )
    assert parse_compound(TWO_CHUNKS) == [sdes]
    assert sdes.encode() == TWO_CHUNKS


def test_a_cname_that_is_not_utf8_is_still_readable() -> None:
    assert SourceDescription((SdesChunk(1, (SdesItem(CNAME, b"a\xff"),)),)).cname(1) == "a\N{REPLACEMENT CHARACTER}"
    assert SourceDescription((SdesChunk(1, (SdesItem(2, b"name"),)),)).cname(1) is None


@pytest.mark.parametrize(
    "data",
    [
        "81ca0000",  # no chunk
        "81ca000100000001",  # no null octet
        "81ca00020000000101026162",  # item to the very end, no null octet
        "81ca00020000000101066162",  # item reaches beyond
        "81ca00020000000101016101",  # item without its length
        "82ca00020000000100000000",  # one chunk of two
    ],
)
def test_chunks_that_are_cut_off_are_malformed(data: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_compound(bytes.fromhex(data))
    assert refused.value.reason == "rtcp-bad-sdes"


def test_a_value_longer_than_its_length_octet_is_refused() -> None:
    with pytest.raises(ValueError, match="range"):
        SourceDescription.of_cname(1, "x" * 256).encode()


@pytest.mark.rfc("RFC 3550 6.6")
def test_a_goodbye_reads_and_writes_the_golden_bytes() -> None:
    # aiortc 1.16: RtcpByePacket(sources=[0xdeadbeef, 2])
    data = bytes.fromhex("82cb0002deadbeef00000002")
    assert parse_compound(data) == [Bye((0xDEADBEEF, 2))]
    assert Bye((0xDEADBEEF, 2)).encode() == data
    assert parse_compound(bytes.fromhex("80cb0000")) == [Bye(())]


@pytest.mark.rfc("RFC 3550 6.6")
def test_a_goodbye_may_give_a_reason() -> None:
    bye = Bye((0xDEADBEEF,), "camera off")
    assert parse_compound(BYE_WITH_REASON) == [bye]
    assert bye.encode() == BYE_WITH_REASON


@pytest.mark.parametrize("data", ["81cb0000", "82cb000100000001", "81cb00020000000104616263"])
def test_goodbyes_that_are_cut_off_are_malformed(data: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_compound(bytes.fromhex(data))
    assert refused.value.reason == "rtcp-bad-bye"
