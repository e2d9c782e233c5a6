"""RTP headers of synthetic ends, against a browser's and aiortc's."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket, pack_header_extensions, unpack_header_extensions
from hypothesis import given
from hypothesis import strategies as st

from clients.synthetic.packets import HeaderForm, find_element, read_rtp, seconds_of_send_time, send_time_of
from labsfu.errors import Malformed

# tests/data/rtp/rtp-headers-simulcast.json: what Chromium 156 sent; the payloads are encrypted
CHROMIUM_AUDIO = "90ef2064f680466bd4214046bede000322b10fe8310001403010ff00"
CHROMIUM_RTX = "b061608600000000f4816189bede00034031b1723231000e22b21d84"


@pytest.mark.rfc("RFC 3550 5.1", "RFC 8285 4.2")
def test_a_header_is_the_one_that_a_browser_sent() -> None:
    form = HeaderForm(111, 0xD4214046, [(4, b"0"), (1, b"\xff")], send_time_id=2, wide_id=3)
    built = form.build(0x2064, 0xF680466B, True, bytes.fromhex("b10fe8"), 1)
    assert bytes(built).hex() == CHROMIUM_AUDIO


@pytest.mark.rfc("RFC 3550 5.1", "RFC 8285 4.2")
def test_a_header_that_a_browser_sent_is_read() -> None:
    data = bytes.fromhex(CHROMIUM_AUDIO) + b"payload"
    head = read_rtp(data)
    assert (head.payload_type, head.marker, head.sequence) == (111, True, 0x2064)
    assert (head.timestamp, head.ssrc) == (0xF680466B, 0xD4214046)
    assert data[head.payload : head.end] == b"payload"
    assert find_element(data, head, 2) == bytes.fromhex("b10fe8")
    assert find_element(data, head, 3) == b"\0\1"
    assert find_element(data, head, 4) == b"0"
    assert find_element(data, head, 1) == b"\xff"
    assert find_element(data, head, 5) is None


@pytest.mark.rfc("RFC 3550 5.1")
def test_padding_of_a_browsers_probe_is_no_payload() -> None:
    data = bytes.fromhex(CHROMIUM_RTX) + bytes(223) + b"\xe0"
    head = read_rtp(data)
    assert head.end == head.payload == len(data) - 224
    assert find_element(data, head, 11) == bytes.fromhex("7232")


@pytest.mark.rfc("RFC 8285 4.2", "RFC 8285 4.3")
@pytest.mark.parametrize(
    "elements",
    [
        [(1, b"a"), (2, b"layer")],
        [(1, b"a" * 17)],
        [(15, b"x"), (2, b"")],
        [(200, b"abc"), (3, b"y" * 40)],
    ],
)
def test_elements_are_written_as_aiortc_writes_them(elements: list[tuple[int, bytes]]) -> None:
    form = HeaderForm(96, 7, elements)
    data = bytes(form.build(1, 2, False, b"", 0)) + b"!"
    profile, value = pack_header_extensions(elements)
    assert data[12:16] == profile.to_bytes(2, "big") + (len(value) // 4).to_bytes(2, "big")
    assert data[16:-1] == value
    head = read_rtp(data)
    assert [find_element(data, head, id_) for id_, _ in elements] == [value for _, value in elements]


@pytest.mark.rfc("RFC 8285 4.2")
def test_padding_between_elements_is_passed_over_and_id_15_ends_them() -> None:
    block = bytes.fromhex("bede0003 1061 0000 20 62 00 f0 63 30 64 00")
    data = bytes.fromhex("90600001 00000002 00000003") + block
    head = read_rtp(data)
    assert find_element(data, head, 1) == b"a"
    assert find_element(data, head, 2) == b"b"
    assert find_element(data, head, 3) is None
    assert unpack_header_extensions(0xBEDE, block[4:8]) == [(1, b"a")]


@pytest.mark.rfc("RFC 3550 5.1")
def test_contributing_sources_are_passed_over() -> None:
    packet = RtpPacket(payload_type=96, sequence_number=5, timestamp=6, ssrc=7, payload=b"video")
    packet.csrc = [1, 2, 3]
    packet.padding_size = 9
    data = packet.serialize()
    head = read_rtp(data)
    assert data[head.payload : head.end] == b"video"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("8060", "rtp-too-short"),
        ("40600001 00000002 00000003", "rtp-version"),
        ("82600001 00000002 00000003 00000001", "rtp-too-short"),
        ("90600001 00000002 00000003 bede", "rtp-bad-extension"),
        ("90600001 00000002 00000003 bede0002 00000000", "rtp-too-short"),
        ("a0600001 00000002 00000003 00", "rtp-bad-padding"),
        ("a0600001 00000002 00000003 0003", "rtp-bad-padding"),
    ],
)
def test_headers_that_are_wrong_are_refused(text: str, reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        read_rtp(bytes.fromhex(text))
    assert refusal.value.reason == reason


def test_an_element_that_is_cut_is_not_there() -> None:
    data = bytes.fromhex("90600001 00000002 00000003 bede0001 13616263")
    assert find_element(data, read_rtp(data), 1) is None


@given(st.binary(max_size=60), st.integers(0, 255))
def test_any_bytes_are_read_or_malformed(data: bytes, id_: int) -> None:
    try:
        head = read_rtp(data)
    except Malformed:
        return
    find_element(data, head, id_)


def test_a_level_has_its_place_between_other_elements() -> None:
    form = HeaderForm(111, 7, [(1, b"m")], send_time_id=4, wide_id=5, level_id=10)
    data = bytes(form.build(70_000, 2, False, b"abc", 513, 0x9E))
    head = read_rtp(data)
    assert head.sequence == 70_000 - 65_536
    assert find_element(data, head, 10) == b"\x9e"
    assert find_element(data, head, 5) == b"\2\1"
    assert find_element(data, head, 4) == b"abc"
    assert find_element(data, head, 1) == b"m"


@given(st.floats(0, 1e6), st.floats(-30, 30))
def test_a_send_time_is_the_instant_near_now(sent: float, travel: float) -> None:
    assert seconds_of_send_time(send_time_of(sent), sent + travel) == pytest.approx(sent, abs=1e-5)
