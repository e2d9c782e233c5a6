"""Extended reports, NTP time and round trips."""

import datetime

import pytest
from aiortc import clock
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.rtcp import ntp
from labsfu.core.rtcp.compound import parse_compound
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ExtendedReport, ReceiverReferenceTime
from labsfu.errors import Malformed

# The RRTR and DLRR blocks of the extended report in pion/rtcp's tests, behind a statistics summary block of it
REPORT_BYTES = bytes.fromhex(
    "80cf0018 01020304"
    "06e80009 fedcba98 12345678 11111111 22222222 33333333 44444444 55555555 66666666 01020304"
    "04000002 01020304 05060708"
    "05000009 88888888 12345678 99999999 09090909 12345678 99999999 11223344 12345678 99999999"
)
REPORT = ExtendedReport(
    0x01020304,
    (
        ReceiverReferenceTime(0x0102030405060708),
        Dlrr(tuple(DlrrItem(ssrc, 0x12345678, 0x99999999) for ssrc in (0x88888888, 0x09090909, 0x11223344))),
    ),
)

# The example of RFC 3550 6.4.1, figure 2
SENT_NTP = 0xB44DB70520000000  # 3024992005.125 s
SENT, DELAY, NOW = 0xB7052000, 0x00054000, 0xB7108000


@pytest.mark.rfc("RFC 3611 4.4", "RFC 3611 4.5")
def test_reference_times_and_delays_are_read_and_other_blocks_skipped() -> None:
    assert parse_compound(REPORT_BYTES) == [REPORT]


@pytest.mark.rfc("RFC 3611 2")
def test_reference_times_and_delays_are_written_as_published() -> None:
    assert REPORT.encode() == bytes.fromhex("80cf000e") + REPORT_BYTES[4:8] + REPORT_BYTES[48:]


@pytest.mark.parametrize(
    "data",
    [
        "80cf0000",
        "80cf00020000000104000002",  # reference time cut off
        "80cf0003000000010400000100000000",  # reference time of one word
        "80cf0004000000010500000200000000 00000000",  # DLRR of two words
        "a0cf0002000000010400 0002",  # half a block header, then padding
    ],
)
def test_reports_whose_blocks_do_not_hold_are_malformed(data: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_compound(bytes.fromhex(data))
    assert refused.value.reason == "rtcp-bad-xr"


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_the_round_trip_of_the_rfc_takes_6_125_seconds() -> None:
    assert ntp.middle32(SENT_NTP) == SENT
    assert ntp.delay_from_seconds(5.25) == DELAY
    assert ntp.delay_to_seconds(DELAY) == 5.25
    assert ntp.round_trip_seconds(NOW, SENT, DELAY) == 6.125


def test_a_round_trip_holds_over_the_wrap_and_is_never_negative() -> None:
    assert ntp.round_trip_seconds(0x00008000, 0xFFFF8000, 0) == 1.0
    assert ntp.round_trip_seconds(100, 90, 11) == 0.0
    assert ntp.round_trip_seconds(100, 0, 0) is None


def test_delays_are_clamped_to_32_bits() -> None:
    assert ntp.delay_from_seconds(-1.0) == 0
    assert ntp.delay_from_seconds(1e9) == ntp.MAX_DELAY


@pytest.mark.rfc("RFC 3550 4")
def test_the_ntp_time_of_the_rfc_is_a_morning_of_1995() -> None:
    instant = datetime.datetime(1995, 11, 10, 11, 33, 25, 125000, tzinfo=datetime.UTC)
    assert ntp.unix_from_ntp(SENT_NTP) == instant.timestamp()
    assert ntp.ntp_from_unix(instant.timestamp()) == SENT_NTP
    # aiortc 1.16 counts the same
    assert clock.datetime_to_ntp(instant) == SENT_NTP


@pytest.mark.parametrize(
    ("seconds", "timestamp"),
    [
        (0.0, 2_208_988_800 << 32),
        (0.5, (2_208_988_800 << 32) + 2**31),
        (2_085_978_495.5, 0xFFFFFFFF80000000),
        (2_085_978_496.0, 0),  # 7 February 2036: the NTP era ends
        (2_085_978_497.25, 0x0000000140000000),
    ],
)
def test_ntp_time_goes_on_over_the_end_of_its_era(seconds: float, timestamp: int) -> None:
    assert ntp.ntp_from_unix(seconds) == timestamp
    assert ntp.unix_from_ntp(timestamp) == seconds


@given(st.floats(0, 4e9))
def test_unix_time_comes_back_to_within_a_microsecond(seconds: float) -> None:
    assert abs(ntp.unix_from_ntp(ntp.ntp_from_unix(seconds)) - seconds) < 1e-6
