"""Rules for exact packets, on packets that aiortc made."""

from __future__ import annotations

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtp import (
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    HeaderExtensionsMap,
    RtcpByePacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtpPacket,
)

from clients.network import LAST, Direction, Every, Fault, FaultRule, KeyFramePacket, Nth, Rtcp, Seen, rtcp, rtp, rtx
from clients.network.packets import Content, RtcpPart, content_of, read_rtcp, read_rtp
from clients.network.rules import Predicate, RuleBook, Selector
from labsfu.errors import InvalidValue
from labsfu.wire.rtp import MediaKind

UP, DOWN = Direction.UP, Direction.DOWN


def packet(
    sequence: int,
    *,
    ssrc: int = 7,
    timestamp: int = 0,
    marker: int = 0,
    payload: bytes = b"x",
    mime_type: str = "video/vp8",
    padding: int = 0,
) -> Seen:
    made = RtpPacket(96, marker, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload)
    made.csrc = [1, 2]
    made.padding_size = padding
    made.extensions.mid = "v"
    data = made.serialize(_extensions())
    return read_rtp(UP, sequence, data, data, mime_type)


def _extensions() -> HeaderExtensionsMap:
    found = HeaderExtensionsMap()
    found._HeaderExtensionsMap__ids.mid = 1  # type: ignore[attr-defined]  # mangled; the public way takes parameters
    return found


def key(sequence: int, timestamp: int, **more: int) -> Seen:
    payload = bytes(VpxPayloadDescriptor(1, 0, picture_id=5)) + b"\x70"
    return packet(sequence, timestamp=timestamp, payload=payload, **more)  # type: ignore[arg-type]  # ints only


def more(sequence: int, timestamp: int, **others: int) -> Seen:
    payload = bytes(VpxPayloadDescriptor(0, 0, picture_id=5)) + b"\x70"
    return packet(sequence, timestamp=timestamp, payload=payload, **others)  # type: ignore[arg-type]  # ints only


def delta(sequence: int, timestamp: int) -> Seen:
    return packet(sequence, timestamp=timestamp, payload=bytes(VpxPayloadDescriptor(1, 0)) + b"\x11", marker=1)


def nack(ssrc: int, *lost: int) -> bytes:
    return bytes(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=1, media_ssrc=ssrc, lost=list(lost)))


def compound(*parts: bytes, direction: Direction = DOWN, number: int = 0) -> Seen:
    data = b"".join(parts)
    return read_rtcp(direction, number, data, data)


def chosen(selector: Selector, *packets: Seen) -> list[int]:
    predicate: Predicate = selector.begin()
    return [index for index, seen in enumerate(packets) if predicate(seen)]


@pytest.mark.rfc("RFC 7983 7", "RFC 5761 4")
def test_what_a_datagram_is() -> None:
    rtp_like = bytes([128, 96]) + bytes(10)
    assert content_of(bytes([0, 1]) + bytes(18)) is Content.STUN
    assert content_of(bytes([22]) + bytes(20)) is Content.DTLS
    assert content_of(rtp_like) is Content.RTP
    assert content_of(bytes([128, 96 | 128]) + bytes(10)) is Content.RTP
    assert content_of(nack(7, 1)) is Content.RTCP
    assert {content_of(data) for data in (b"", bytes(7), rtp_like[:11], b"\xff" * 20, bytes([70]) + bytes(20))} == {
        Content.OTHER
    }


@pytest.mark.rfc("RFC 3550 5.1")
def test_header_and_payload_of_rtp() -> None:
    seen = packet(70_000, ssrc=9, timestamp=5, marker=1, payload=b"payload", padding=3)
    assert (seen.content, seen.ssrc, seen.sequence, seen.timestamp) == (Content.RTP, 9, 70_000 & 0xFFFF, 5)
    assert (seen.payload_type, seen.marker, seen.payload) == (96, True, b"payload")


def test_what_is_not_well_formed_has_no_payload() -> None:
    extension_longer_than_the_packet = bytes([0x90, 96]) + bytes(10) + b"\xbe\xde\x00\x09" + bytes(4)
    padding_longer_than_the_packet = bytes([0xA0, 96]) + bytes(10) + b"\xff"
    no_room_for_the_extension = bytes([0x90, 96]) + bytes(10)
    for data in (extension_longer_than_the_packet, padding_longer_than_the_packet, no_room_for_the_extension):
        assert read_rtp(UP, 0, data, data).payload is None
    assert read_rtp(UP, 0, bytes([128, 96]) + bytes(30), None).payload is None


@pytest.mark.rfc("RFC 3550 6.1", "RFC 4585 6.2.1", "RFC 4585 6.3.1")
def test_parts_of_a_compound_packet() -> None:
    report = RtcpReceiverInfo(ssrc=7, fraction_lost=0, packets_lost=0, highest_sequence=1, jitter=0, lsr=0, dlsr=0)
    seen = compound(
        bytes(RtcpRrPacket(ssrc=1, reports=[report])),
        nack(7, 3, 4, 19),
        bytes.fromhex("81cd0003 00000001 00000007 ffff0001"),  # from 65535 to 0, which aiortc cannot write
        bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=8)),
        bytes(RtcpByePacket(sources=[1])),
        bytes.fromhex("84ce0006 00000001 00000000 00000009 01000000 0000000a 02000000"),  # FIR for 9 and 10
    )
    assert seen.ssrc == 1
    assert [part.what for part in seen.parts] == [
        Rtcp.RECEIVER_REPORT, Rtcp.NACK, Rtcp.NACK, Rtcp.PLI, Rtcp.GOODBYE, Rtcp.FIR,
    ]  # fmt: skip
    assert seen.parts[1:3] == (RtcpPart(Rtcp.NACK, (7,), (3, 4, 19)), RtcpPart(Rtcp.NACK, (7,), (65535, 0)))
    assert seen.parts[3].ssrcs == (8,)
    assert seen.parts[5].ssrcs == (9, 10)
    assert compound(nack(7, 3), b"\x81\xcd\x00\x09").parts == (RtcpPart(Rtcp.NACK, (7,), (3,)),)
    assert read_rtcp(DOWN, 0, nack(7, 3), None).parts == ()


def test_the_nth_of_a_stream_or_a_kind() -> None:
    sound = packet(1, ssrc=5, mime_type="audio/opus")
    again = packet(2, ssrc=6, mime_type="video/rtx")
    stream = [sound, packet(10), again, packet(11), sound, packet(12, ssrc=8), packet(13)]
    assert chosen(Nth(2, rtp(ssrc=7)), *stream) == [3]
    assert chosen(Nth(3, rtp(kind=MediaKind.VIDEO)), *stream) == [5]
    assert chosen(Nth(2, rtp(kind=MediaKind.AUDIO)), *stream) == [4]
    assert chosen(Nth(3, rtp()), *stream) == [3]
    assert chosen(Nth(1, rtp(ssrc=6)), *stream) == [2]
    assert chosen(Every(rtx()), *stream) == [2]
    assert chosen(Every(lambda seen: seen.sequence == 13), *stream) == [6]


def test_the_nth_feedback() -> None:
    reports = [
        compound(nack(7, 1)),
        compound(nack(8, 1)),
        compound(bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=1, media_ssrc=7)), nack(7, 1)),
    ]
    assert chosen(Nth(2, rtcp(Rtcp.NACK)), *reports) == [1]
    assert chosen(Nth(2, rtcp(Rtcp.NACK, ssrc=7)), *reports) == [2]
    assert chosen(Every(rtcp(Rtcp.PLI)), *reports) == [2]


def test_packets_of_key_frames() -> None:
    stream = [
        key(10, 100), more(11, 100), more(12, 100, marker=1),
        delta(13, 200),
        key(14, 300), more(15, 300), more(16, 300), more(17, 300, marker=1),
    ]  # fmt: skip
    assert chosen(KeyFramePacket(1), *stream) == [0]
    assert chosen(KeyFramePacket(2), *stream) == [1]
    assert chosen(KeyFramePacket(4), *stream) == []
    assert chosen(KeyFramePacket(4, frame=2), *stream) == [7]
    assert chosen(KeyFramePacket(LAST), *stream) == [2]
    assert chosen(KeyFramePacket(LAST, frame=2), *stream) == [7]
    assert chosen(KeyFramePacket(1, frame=3), *stream) == []
    assert chosen(KeyFramePacket(2, ssrc=8), *stream) == []


def test_key_frames_when_numbers_wrap() -> None:
    start = [key(65535, -1), more(0, -1), delta(1, 99), key(2, 199), more(3, 199)]
    assert chosen(KeyFramePacket(2), *start) == [1]
    assert chosen(KeyFramePacket(2, frame=2), *start) == [4]


def test_each_stream_counts_its_own_key_frames() -> None:
    stream = [key(10, 100), key(50, 900, ssrc=8), more(51, 900, ssrc=8), more(11, 100)]
    assert chosen(KeyFramePacket(2), *stream) == [2, 3]
    assert chosen(KeyFramePacket(2, ssrc=7), *stream) == [3]


def test_a_key_frame_packet_that_comes_again_is_spared_and_counts_no_frame() -> None:
    stream = [key(10, 100), more(11, 100), more(11, 100), key(10, 100), key(12, 200), more(13, 200), key(10, 100)]
    assert chosen(KeyFramePacket(2), *stream) == [1]
    assert chosen(KeyFramePacket(2, frame=2), *stream) == [5]


def test_reordered_packets_of_a_key_frame_are_told_by_their_number() -> None:
    assert chosen(KeyFramePacket(2), key(10, 100), more(12, 100, marker=1), more(11, 100)) == [2]


def test_what_cannot_be_read_is_not_chosen() -> None:
    assert chosen(KeyFramePacket(1), packet(1, mime_type="video/unknown"), packet(2, mime_type="")) == []


def test_all_rules_see_all_packets_and_the_first_decides() -> None:
    first = FaultRule(UP, Fault.DROP, Nth(2, rtp()))
    second = FaultRule(UP, Fault.CORRUPT, Nth(3, rtp()))
    both = FaultRule(UP, Fault.DUPLICATE, Nth(2, rtp()))
    other = FaultRule(DOWN, Fault.DROP, Nth(1, rtp()))
    book = RuleBook([first, second, both, other])
    assert [book.judge(packet(n), 0.0) for n in range(4)] == [None, first, second, None]


def test_two_books_of_one_rule_count_apart() -> None:
    rule = FaultRule(UP, Fault.DROP, Nth(1, rtp()))
    for _ in range(2):
        assert RuleBook([rule]).judge(packet(1), 0.0) is rule


def test_a_rule_added_later_counts_from_then_on() -> None:
    book = RuleBook()
    assert book.judge(packet(1), 0.0) is None
    book.add(FaultRule(UP, Fault.DROP, Nth(1, rtp())))
    assert book.judge(packet(2), 0.0) is not None


@pytest.mark.rfc("RFC 4585 6.2.1")
def test_a_hold_ends_with_the_nack_that_names_the_packet() -> None:
    book = RuleBook([FaultRule(UP, Fault.HOLD, Every(rtp(ssrc=7)), until_nack=True)])
    for sequence in (20, 21):
        book.judge(packet(sequence), 0.0)
    assert book.deadline() is None
    assert book.named_by(compound(nack(8, 20))) == []
    assert book.named_by(compound(nack(7, 19))) == []
    assert book.named_by(compound(nack(7, 20), direction=UP)) == []
    assert book.named_by(compound(nack(7, 20))) == [20]
    assert book.named_by(compound(nack(7, 20))) == []
    assert book.named_by(compound(nack(7, 19, 21))) == [21]


def test_a_hold_ends_with_its_time() -> None:
    book = RuleBook([FaultRule(UP, Fault.HOLD, Nth(1, rtp()), until_nack=True, seconds=0.5)])
    book.judge(packet(20), 10.0)
    assert book.deadline() == 10.5
    assert book.due(UP, 10.4) == []
    assert book.due(DOWN, 11.0) == []
    assert book.due(UP, 10.5) == [20]
    assert book.deadline() is None
    assert book.named_by(compound(nack(7, 20))) == []


def test_a_nack_does_not_end_a_hold_by_time_alone() -> None:
    book = RuleBook([FaultRule(UP, Fault.HOLD, Nth(1, rtp()), seconds=0.5)])
    book.judge(packet(20), 10.0)
    assert book.named_by(compound(nack(7, 20))) == []


def test_what_makes_no_sense_is_refused() -> None:
    for wrong in (0, -1):
        with pytest.raises(InvalidValue):
            Nth(wrong, rtp())
    for place, frame in ((0, 1), (-2, 1), (1, 0)):
        with pytest.raises(InvalidValue):
            KeyFramePacket(place, frame)
    with pytest.raises(InvalidValue, match="drop"):
        FaultRule(UP, Fault.DROP, Nth(1, rtp()), until_nack=True)
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InvalidValue):
            FaultRule(UP, Fault.HOLD, Nth(1, rtp()), seconds=seconds)
