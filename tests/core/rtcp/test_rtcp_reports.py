"""Sender and receiver reports."""

import pytest

from labsfu.core.rtcp.compound import parse_compound
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock, SenderReport
from labsfu.errors import Malformed

BLOCK = ReportBlock(
    ssrc=0x11223344,
    fraction_lost=64,
    packets_lost=-5,
    highest_sequence=0x0001FFFE,
    jitter=777,
    last_sr=0xB7052000,
    delay_since_last_sr=0x00054000,
)
SENDER_REPORT = SenderReport(
    ssrc=0xDEADBEEF,
    ntp_timestamp=0xB44DB70520000000,
    rtp_timestamp=0xFFFFFFF0,
    packet_count=1000,
    octet_count=1200000,
    blocks=(BLOCK,),
)

# aiortc 1.16: RtcpSrPacket and RtcpRrPacket with the values above; the second block of the RR has the greatest loss
SR_BYTES = bytes.fromhex(
    "81c8000cdeadbeefb44db70520000000fffffff0000003e800124f801122334440fffffb0001fffe00000309b705200000054000"
)
RR_BYTES = bytes.fromhex(
    "82c9000dcafebabe1122334440fffffb0001fffe00000309b70520000005400000000005ff7fffff00000001000000000000000000000000"
)


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_a_sender_report_reads_and_writes_the_golden_bytes() -> None:
    assert parse_compound(SR_BYTES) == [SENDER_REPORT]
    assert SENDER_REPORT.encode() == SR_BYTES


@pytest.mark.rfc("RFC 3550 6.4.2")
def test_a_receiver_report_reads_and_writes_the_golden_bytes() -> None:
    report = ReceiverReport(0xCAFEBABE, (BLOCK, ReportBlock(5, 255, 8388607, 1, 0, 0, 0)))
    assert parse_compound(RR_BYTES) == [report]
    assert report.encode() == RR_BYTES


@pytest.mark.rfc("RFC 3550 6.4.1")
@pytest.mark.parametrize(
    ("lost", "octets", "read_back"),
    [
        (0, "000000", 0),
        (-1, "ffffff", -1),
        (2**23 - 1, "7fffff", 2**23 - 1),
        (2**23, "7fffff", 2**23 - 1),
        (-(2**23), "800000", -(2**23)),
        (-(2**23) - 1, "800000", -(2**23)),
    ],
)
def test_cumulative_loss_is_signed_and_clamped_to_24_bits(lost: int, octets: str, read_back: int) -> None:
    encoded = ReceiverReport(1, (ReportBlock(2, 0, lost, 0, 0, 0, 0),)).encode()
    assert encoded[13:16].hex() == octets
    (report,) = parse_compound(encoded)
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].packets_lost == read_back


def test_counters_and_timestamps_wrap_when_encoded() -> None:
    report = SenderReport(1, 0, 2**32 + 5, 2**32 + 6, 2**32 + 7)
    assert parse_compound(report.encode()) == [SenderReport(1, 0, 5, 6, 7)]


@pytest.mark.rfc("RFC 3550 6.4.3")
def test_profile_specific_extensions_behind_the_blocks_are_ignored() -> None:
    assert parse_compound(bytes.fromhex("80c9000200000001aabbccdd")) == [ReceiverReport(1)]
    extended = bytearray(SR_BYTES + b"more")
    extended[3] += 1
    assert parse_compound(extended) == [SENDER_REPORT]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("80c90000", "rtcp-bad-rr"),
        ("81c9000100000001", "rtcp-bad-rr"),
        ("80c8000100000001", "rtcp-bad-sr"),
        ("82" + SR_BYTES[1:].hex(), "rtcp-bad-sr"),
    ],
)
def test_reports_with_fewer_blocks_than_announced_are_malformed(data: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_compound(bytes.fromhex(data))
    assert refused.value.reason == reason


def test_more_blocks_than_a_report_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        ReceiverReport(1, (BLOCK,) * 32).encode()
