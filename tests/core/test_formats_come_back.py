"""What each encoder writes, the parser of that format reads back: any values that the format holds."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labsfu.core.rtcp.bye import Bye
from labsfu.core.rtcp.chunks import decode_chunk, encode_chunks
from labsfu.core.rtcp.compound import RtcpPacket, encode_compound, parse_compound
from labsfu.core.rtcp.feedback import FCI_OFFSET, PayloadFormat, encode_feedback, parse_ssrcs
from labsfu.core.rtcp.fir import FirEntry, FullIntraRequest
from labsfu.core.rtcp.header import PacketType, parse_header
from labsfu.core.rtcp.header import encode_packet as encode_rtcp
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.remb import Remb
from labsfu.core.rtcp.reports import MAX_PACKETS_LOST, MIN_PACKETS_LOST, ReceiverReport, ReportBlock, SenderReport
from labsfu.core.rtcp.sdes import SdesChunk, SdesItem, SourceDescription
from labsfu.core.rtcp.transport_cc import TransportFeedback
from labsfu.core.rtcp.unknown import Unknown
from labsfu.core.rtcp.xr import Dlrr, DlrrItem, ExtendedReport, ReceiverReferenceTime
from labsfu.core.rtp import values
from labsfu.core.rtp.extensions import encode_extensions, find_extensions, list_extensions
from labsfu.core.rtp.packet import RtpHeader, encode_header, encode_packet
from labsfu.core.rtp.values import VideoOrientation
from labsfu.core.stun.encode import encode_error, encode_request, encode_success
from labsfu.core.stun.message import StunClass, parse
from tests.support.core_functions import functions

T = TypeVar("T")
U8, U16, U24, U32, U64 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 24, 32, 64))


def tuples_of(element: st.SearchStrategy[T], low: int, high: int) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(element, min_size=low, max_size=high).map(tuple)


# ------------------------------------------------------------------------ STUN

REQUESTS = st.fixed_dictionaries(
    {
        "transaction_id": st.binary(min_size=12, max_size=12),
        "username": st.text(max_size=40),
        "password": st.text(max_size=40),
        "priority": U32,
    },
    optional={"controlling": U64, "controlled": U64, "use_candidate": st.booleans(), "nomination": U32},
)


def request_comes_back(request: dict[str, object]) -> None:
    message = parse(encode_request(**request))  # type: ignore[arg-type]  # values of the types above
    assert (message.kind, message.has_fingerprint) == (StunClass.REQUEST, True)
    password = request["password"]
    assert isinstance(password, str)
    assert message.integrity_holds(password)
    assert not message.integrity_holds(password + "x")
    for name in ("transaction_id", "username", "priority", "controlling", "controlled", "nomination"):
        assert getattr(message, name) == request.get(name), name
    assert message.use_candidate == request.get("use_candidate", False)


def success_comes_back(answer: tuple[bytes, ipaddress.IPv4Address | ipaddress.IPv6Address, int, str]) -> None:
    transaction_id, address, port, password = answer
    message = parse(encode_success(transaction_id, str(address), port, password))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert (message.kind, message.transaction_id) == (StunClass.SUCCESS, transaction_id)
    assert message.mapped_address == (str(mapped or address), port)
    assert message.integrity_holds(password)


def error_comes_back(answer: tuple[bytes, int, str | None]) -> None:
    transaction_id, code, password = answer
    message = parse(encode_error(transaction_id, code, password))
    assert (message.kind, message.transaction_id, message.error_code) == (StunClass.ERROR, transaction_id, code)
    assert message.integrity_holds(password or "") == (password is not None)


# ------------------------------------------------------------------------ RTP

HEADERS = st.fixed_dictionaries(
    {
        "payload_type": st.integers(0, 127),
        "sequence_number": U16,
        "timestamp": U32,
        "ssrc": U32,
        "marker": st.booleans(),
        "csrcs": st.lists(U32, max_size=15),
    }
)
ONE_BYTE = st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16))
TWO_BYTE = st.tuples(st.integers(1, 255), st.binary(max_size=255))
ELEMENTS = st.lists(ONE_BYTE, max_size=6) | st.lists(TWO_BYTE, max_size=4)
Elements = list[tuple[int, bytes]]


def read(packet: bytes) -> RtpHeader:
    header = RtpHeader()
    header.read(packet, len(packet))
    return header


def check_header(header: RtpHeader, expected: dict[str, object], packet: bytes) -> None:
    csrcs = expected["csrcs"]
    assert isinstance(csrcs, list)
    assert [int.from_bytes(packet[12 + 4 * n : 16 + 4 * n], "big") for n in range(header.csrc_count)] == csrcs
    for name in ("payload_type", "sequence_number", "timestamp", "ssrc", "marker"):
        assert getattr(header, name) == expected[name], name


def header_comes_back(case: tuple[dict[str, object], Elements]) -> None:
    expected, elements = case
    packet = encode_header(**expected, extensions=encode_extensions(elements))  # type: ignore[arg-type]  # as above
    header = read(packet)
    check_header(header, expected, packet)
    assert (header.payload_offset, header.payload_length, header.padding_size) == (len(packet), 0, 0)


def packet_comes_back(case: tuple[dict[str, object], Elements, bytes, int]) -> None:
    expected, elements, payload, padding = case
    block = encode_extensions(elements)
    packet = encode_packet(payload, **expected, extensions=block, padding_size=padding)  # type: ignore[arg-type]  # as above
    header = read(packet)
    check_header(header, expected, packet)
    assert packet[header.payload_offset : header.payload_offset + header.payload_length] == payload
    assert header.padding_size == padding


def elements_come_back(elements: Elements) -> None:
    block = encode_extensions(elements)
    packet = encode_header(payload_type=96, sequence_number=1, timestamp=2, ssrc=3, extensions=block)
    header = read(packet)
    found = [(id_, packet[at : at + size]) for id_, at, size in list_extensions(packet, header)]
    assert found == elements
    places = find_extensions(packet, header)
    assert {id_: packet[at : at + size] for id_, (at, size) in places.items()} == dict(elements)


def value(encode: Callable[..., bytes], decode: Callable[[bytes, int, int], object]) -> Callable[[object], None]:
    """A value of one argument, in the middle of a buffer."""

    def comes_back(given_value: object) -> None:
        data = encode(given_value)
        assert decode(b"\xff" * 5 + data + b"\xff", 5, len(data)) == given_value

    return comes_back


def level_comes_back(level: tuple[bool, int]) -> None:
    assert values.decode_audio_level(values.encode_audio_level(*level), 0, 1) == level


# ------------------------------------------------------------------------ RTCP

BLOCKS = st.builds(ReportBlock, U32, U8, st.integers(MIN_PACKETS_LOST, MAX_PACKETS_LOST), U32, U32, U32, U32)
ITEMS = st.builds(SdesItem, st.integers(1, 255), st.binary(max_size=255))
REASONS = st.text(max_size=63)  # 255 bytes hold 63 characters of whatever length
DELTAS = st.none() | st.integers(0, 300) | st.integers(-0x8000, 0x7FFF)


def ascending(base: int, steps: list[int]) -> tuple[int, ...]:
    numbers = [base]
    for step in steps:
        numbers.append(numbers[-1] + step)
    return tuple(number & 0xFFFF for number in numbers)


PACKETS: dict[str, st.SearchStrategy[RtcpPacket]] = {
    "reports.SenderReport": st.builds(SenderReport, U32, U64, U32, U32, U32, tuples_of(BLOCKS, 0, 4)),
    "reports.ReceiverReport": st.builds(ReceiverReport, U32, tuples_of(BLOCKS, 0, 4)),
    "sdes.SourceDescription": st.builds(
        SourceDescription, tuples_of(st.builds(SdesChunk, U32, tuples_of(ITEMS, 0, 3)), 0, 4)
    ),
    "bye.Bye": st.builds(Bye, tuples_of(U32, 0, 31), REASONS),
    "pli.PictureLossIndication": st.builds(PictureLossIndication, U32, U32),
    "fir.FullIntraRequest": st.builds(FullIntraRequest, U32, tuples_of(st.builds(FirEntry, U32, U8), 1, 9), U32),
    # 18 bits of mantissa, shifted
    "remb.Remb": st.builds(
        Remb,
        U32,
        st.builds(lambda m, e: m << e, st.integers(0, (1 << 18) - 1), st.integers(0, 46)),
        tuples_of(U32, 0, 9),
    ),
    # Ascending over the wrap, and no further round than half the numbers
    "nack.Nack": st.builds(
        Nack, U32, U32, st.builds(ascending, U16, st.lists(st.integers(1, 20) | st.integers(1, 900), max_size=36))
    ),
    "transport_cc.TransportFeedback": st.builds(
        TransportFeedback, U32, U32, U16, U8, st.integers(-(1 << 23), (1 << 23) - 1), tuples_of(DELTAS, 0, 40)
    ),
    "xr.ExtendedReport": st.builds(
        ExtendedReport,
        U32,
        tuples_of(
            st.builds(ReceiverReferenceTime, U64)
            | st.builds(Dlrr, tuples_of(st.builds(DlrrItem, U32, U32, U32), 0, 5)),
            0,
            4,
        ),
    ),
    "unknown.Unknown": st.builds(
        Unknown, st.sampled_from([192, 199, 204, 208, 255]), st.binary(max_size=70), st.integers(0, 31)
    ),
}


def rtcp_comes_back(packet: RtcpPacket) -> None:
    assert parse_compound(packet.encode()) == [packet]


def compound_comes_back(packets: list[RtcpPacket]) -> None:
    assert parse_compound(encode_compound(packets)) == packets


def rtcp_header_comes_back(case: tuple[int, int, bytes]) -> None:
    packet_type, count, body = case
    data = b"\xff" * 4 + encode_rtcp(packet_type, count, body)
    header = parse_header(data, 4)
    assert (header.packet_type, header.count, header.end) == (packet_type, count, len(data))
    assert data[header.body_offset : header.body_offset + header.body_length] == body


def feedback_comes_back(case: tuple[int, int, bytes]) -> None:
    sender_ssrc, media_ssrc, fci = case
    data = encode_feedback(PacketType.PSFB, PayloadFormat.FIR, sender_ssrc, media_ssrc, fci)
    header = parse_header(data, 0)
    body = data[header.body_offset : header.body_offset + header.body_length]
    assert (parse_ssrcs(body), body[FCI_OFFSET:]) == ((sender_ssrc, media_ssrc), fci)


def symbols_come_back(symbols: list[tuple[int, int]]) -> None:
    """Runs of `(symbol, how many)`."""
    given_symbols = b"".join(bytes((symbol,)) * count for symbol, count in symbols)
    data = encode_chunks(given_symbols)
    decoded = b"".join(decode_chunk(int.from_bytes(data[n : n + 2], "big")) for n in range(0, len(data), 2))
    assert decoded[: len(given_symbols)] == given_symbols


# ------------------------------------------------------------------------ all of them


class RoundTrip(NamedTuple):
    values: st.SearchStrategy[object]
    check: Callable[..., None]


TRANSACTION = st.binary(min_size=12, max_size=12)
ROUND_TRIPS = {
    "rtcp.chunks.encode_chunks": RoundTrip(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30) | st.just(9000)), max_size=12), symbols_come_back
    ),
    "rtcp.compound.encode_compound": RoundTrip(
        st.lists(st.one_of(*PACKETS.values()), min_size=1, max_size=4), compound_comes_back
    ),
    "rtcp.feedback.encode_feedback": RoundTrip(st.tuples(U32, U32, st.binary(max_size=60)), feedback_comes_back),
    "rtcp.header.encode_packet": RoundTrip(
        st.tuples(U8, st.integers(0, 31), st.binary(max_size=60)), rtcp_header_comes_back
    ),
    **{f"rtcp.{name}.encode": RoundTrip(packets, rtcp_comes_back) for name, packets in PACKETS.items()},
    "rtp.extensions.encode_extensions": RoundTrip(ELEMENTS, elements_come_back),
    "rtp.packet.encode_header": RoundTrip(st.tuples(HEADERS, ELEMENTS), header_comes_back),
    "rtp.packet.encode_packet": RoundTrip(
        st.tuples(HEADERS, ELEMENTS, st.binary(max_size=50), st.integers(0, 255)), packet_comes_back
    ),
    "rtp.values.encode_abs_send_time": RoundTrip(U24, value(values.encode_abs_send_time, values.decode_abs_send_time)),
    "rtp.values.encode_audio_level": RoundTrip(st.tuples(st.booleans(), st.integers(0, 127)), level_comes_back),
    "rtp.values.encode_mid": RoundTrip(st.text(min_size=1, max_size=16), value(values.encode_mid, values.decode_mid)),
    "rtp.values.encode_rid": RoundTrip(
        st.text(st.characters(codec="ascii"), min_size=1, max_size=16), value(values.encode_rid, values.decode_rid)
    ),
    "rtp.values.encode_transport_sequence": RoundTrip(
        U16, value(values.encode_transport_sequence, values.decode_transport_sequence)
    ),
    "rtp.values.encode_video_orientation": RoundTrip(
        st.builds(VideoOrientation, st.booleans(), st.booleans(), st.sampled_from([0, 90, 180, 270])),
        value(values.encode_video_orientation, values.decode_video_orientation),
    ),
    "stun.encode.encode_error": RoundTrip(
        st.tuples(TRANSACTION, st.integers(300, 699), st.none() | st.text(max_size=30)), error_comes_back
    ),
    "stun.encode.encode_request": RoundTrip(REQUESTS, request_comes_back),
    "stun.encode.encode_success": RoundTrip(
        st.tuples(TRANSACTION, st.ip_addresses(), U16, st.text(max_size=30)), success_comes_back
    ),
}

# Parts of a packet, which come back with it
PARTS = {
    "rtcp.reports.ReportBlock.encode",
    "rtcp.sdes.SdesChunk.encode",
    "rtcp.xr.Dlrr.encode",
    "rtcp.xr.ReceiverReferenceTime.encode",
}


@pytest.mark.parametrize("name", ROUND_TRIPS)
@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_what_is_written_is_read_back(name: str, data: st.DataObject) -> None:
    trip = ROUND_TRIPS[name]
    trip.check(data.draw(trip.values))


def test_every_encoder_is_listed_here() -> None:
    encoders = {path for path in functions() if path.rpartition(".")[2].startswith("encode")}
    assert encoders == ROUND_TRIPS.keys() | PARTS
