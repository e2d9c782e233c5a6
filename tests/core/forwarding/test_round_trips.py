"""Round trips by extended reports."""

from __future__ import annotations

import pytest

from labsfu.core.forwarding.round_trips import MAX_REQUESTS, MAX_SOURCES, RoundTrips
from labsfu.core.rtcp.ntp import middle32, ntp_from_unix
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ReceiverReferenceTime

UNIX = 1_700_000_000.0
# Instants (NTP, seconds) at which the middle 32 bits go on, wrap, and the era ends
INSTANTS = [ntp_from_unix(UNIX), 0xFFFF_FFFF_0000, 0xE000_FFFF_F000_0000, 0xFFFF_FFFF_C000_0000]
HALF_SECOND = 1 << 31


@pytest.mark.rfc("RFC 3611 4.4", "RFC 3611 4.5")
@pytest.mark.parametrize("sent", INSTANTS)
def test_an_answer_tells_the_round_trip_without_the_time_it_was_kept(sent: int) -> None:
    trips = RoundTrips()
    assert trips.value is None
    assert trips.request(sent) == ReceiverReferenceTime(sent)
    now = (sent + HALF_SECOND) & 0xFFFF_FFFF_FFFF_FFFF
    trips.answered(DlrrItem(1, middle32(sent), 65536 // 4), now)
    assert trips.value == 0.25


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_the_computation_of_the_example_of_rfc_3550() -> None:
    """Figure 2, with the parts exchanged: A = b710:8000, last = b705:2000, delay = 0005:4000, hence 6.125 s."""
    trips = RoundTrips()
    trips.request(0xB44D_B705_2000_0000)
    trips.answered(DlrrItem(1, 0xB705_2000, 0x0005_4000), 0xB44D_B710_8000_0000)
    assert trips.value == 6.125


@pytest.mark.rfc("RFC 3611 4.5")
@pytest.mark.parametrize(
    ("last_rr", "delay"), [(0, 0), (12345, 0)], ids=["the peer has had no request", "never requested"]
)
def test_what_answers_no_request_tells_nothing(last_rr: int, delay: int) -> None:
    trips = RoundTrips()
    trips.request(ntp_from_unix(UNIX))
    trips.answered(DlrrItem(1, last_rr, delay), ntp_from_unix(UNIX + 1))
    assert trips.value is None


def test_a_request_at_the_instant_zero_cannot_be_answered() -> None:
    trips = RoundTrips()
    trips.request(0xFFFF)
    trips.answered(DlrrItem(1, 0, 0), 1 << 32)
    assert trips.value is None


def test_the_latest_measurement_counts_and_a_delay_too_long_makes_it_zero() -> None:
    trips = RoundTrips()
    sent = ntp_from_unix(UNIX)
    trips.request(sent)
    values = []
    for delay in (0, 65536 // 4, 65536):
        trips.answered(DlrrItem(1, middle32(sent), delay), sent + HALF_SECOND)
        values.append(trips.value)
    assert values == [0.5, 0.25, 0.0]


def test_answers_to_old_requests_tell_nothing() -> None:
    trips = RoundTrips()
    requests = [middle32(trips.request(ntp_from_unix(UNIX + n)).ntp_timestamp) for n in range(MAX_REQUESTS + 1)]
    now = ntp_from_unix(UNIX + MAX_REQUESTS + 1)
    trips.answered(DlrrItem(1, requests[0], 0), now)
    assert trips.value is None
    trips.answered(DlrrItem(1, requests[1], 0), now)
    assert trips.value == MAX_REQUESTS


@pytest.mark.rfc("RFC 3611 4.5")
def test_each_reference_time_is_answered_once_with_the_time_it_was_kept() -> None:
    trips = RoundTrips()
    assert trips.answer(10.0) is None
    trips.requested(7, ReceiverReferenceTime(0x1111_2222_3333_4444), 10.0)
    trips.requested(8, ReceiverReferenceTime(0x5555_6666_7777_8888), 10.25)
    assert trips.answer(10.5) == Dlrr((DlrrItem(7, 0x2222_3333, 32768), DlrrItem(8, 0x6666_7777, 16384)))
    assert trips.answer(10.6) is None


def test_the_newest_reference_time_of_a_source_is_the_one_that_is_answered() -> None:
    trips = RoundTrips()
    trips.requested(7, ReceiverReferenceTime(0x1111_2222_3333_4444), 10.0)
    trips.requested(7, ReceiverReferenceTime(0x1111_9999_3333_4444), 10.75)
    assert trips.answer(11.0) == Dlrr((DlrrItem(7, 0x9999_3333, 16384),))


def test_of_too_many_sources_the_ones_heard_longest_ago_go() -> None:
    trips = RoundTrips()
    for ssrc in range(MAX_SOURCES + 2):
        trips.requested(ssrc, ReceiverReferenceTime(1 << 40), float(ssrc))
        trips.requested(0, ReceiverReferenceTime(1 << 40), float(ssrc))  # is heard all the time
    block = trips.answer(100.0)
    assert block is not None
    assert [item.ssrc for item in block.items] == [*range(3, MAX_SOURCES + 2), 0]


def test_a_reference_time_kept_for_days_has_the_longest_delay() -> None:
    trips = RoundTrips()
    trips.requested(7, ReceiverReferenceTime(1 << 40), 0.0)
    assert trips.answer(1e6) == Dlrr((DlrrItem(7, 1 << 24, 0xFFFF_FFFF),))


@pytest.mark.parametrize("sent", INSTANTS)
def test_two_ends_measure_each_other(sent: int) -> None:
    """20 ms there, kept for 300 ms, 30 ms back."""
    here, there = RoundTrips(), RoundTrips()
    there.requested(7, here.request(sent), 100.02)
    block = there.answer(100.32)
    assert block is not None
    here.answered(block.items[0], sent + int(0.35 * (1 << 32)))
    assert here.value == pytest.approx(0.05, abs=3 / 65536)
