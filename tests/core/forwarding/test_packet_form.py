"""Header extensions on their way from a producer's ids to a consumer's."""

from __future__ import annotations

import pytest

from labsfu.core import uris
from labsfu.core.forwarding.arrival import Arrival
from labsfu.core.forwarding.form import MAX_PACKET, PacketForm
from labsfu.core.ortc.supported import SUPPORTED_HEADER_EXTENSIONS
from labsfu.core.rtp.extensions import encode_extensions, find_extensions
from labsfu.core.rtp.packet import RtpHeader, encode_packet
from labsfu.core.rtp.values import encode_abs_send_time

TABLE = tuple(dict.fromkeys((item.uri, item.preferred_id) for item in SUPPORTED_HEADER_EXTENSIONS))
OURS = {uris.MID, uris.ABS_SEND_TIME, uris.TRANSPORT_WIDE_CC}
SEND_TIME = 0xABCDEF


def rendered(
    packet: bytes, extensions: tuple[tuple[str, int], ...], producer_ids: dict[str, int], mid: bytes = b"m1"
) -> tuple[PacketForm, dict[int, bytes]]:
    """The packet in a form for these extensions, and its elements by the consumer's ids."""
    form = PacketForm(extensions, len(mid), producer_ids)
    arrival = Arrival()
    arrival.read(packet, len(packet), 0.0, 0.0)
    form.render(arrival, 101, SEND_TIME)
    if form.mid_at:
        form.packet[form.mid_at : form.mid_at + len(mid)] = mid
    if form.transport_sequence_at:
        form.packet[form.transport_sequence_at : form.transport_sequence_at + 2] = b"\x12\x34"
    header = RtpHeader()
    header.read(form.packet, form.length)
    elements = find_extensions(form.packet, header)
    return form, {id_: bytes(form.packet[at : at + length]) for id_, (at, length) in elements.items()}


def sent(elements: list[tuple[int, bytes]], payload: bytes = b"payload") -> bytes:
    return encode_packet(
        payload,
        payload_type=96,
        sequence_number=7,
        timestamp=8,
        ssrc=9,
        marker=True,
        csrcs=(5, 6),
        extensions=encode_extensions(elements),
    )


@pytest.mark.rfc("RFC 8285 4.2", "RFC 8285 4.3")
@pytest.mark.parametrize("long_values", [False, True])
def test_the_whole_table_arrives_under_the_consumers_ids(long_values: bool) -> None:
    producer_ids = {uri: 15 - place for place, (uri, _) in enumerate(TABLE, 1)}
    values = {uri: bytes((place,)) * (17 if long_values else 3) for place, (uri, _) in enumerate(TABLE, 1)}
    packet = sent([(producer_ids[uri], values[uri]) for uri, _ in TABLE])
    form, elements = rendered(packet, TABLE, producer_ids)
    assert elements == {id_: values[uri] for uri, id_ in TABLE if uri not in OURS} | {
        dict(TABLE)[uris.MID]: b"m1",
        dict(TABLE)[uris.ABS_SEND_TIME]: encode_abs_send_time(SEND_TIME),
        dict(TABLE)[uris.TRANSPORT_WIDE_CC]: b"\x12\x34",
    }
    assert bytes(form.packet[form.length - 7 : form.length]) == b"payload"
    assert form.packet[20] << 8 | form.packet[21] == (0x1000 if long_values else 0xBEDE)


@pytest.mark.rfc("RFC 8285 6")
@pytest.mark.parametrize("left_out", [uri for uri, _ in TABLE])
def test_an_extension_that_was_not_negotiated_is_not_sent(left_out: str) -> None:
    producer_ids = dict(TABLE)
    packet = sent([(id_, b"\x01\x02\x03") for _, id_ in TABLE])
    negotiated = tuple((uri, id_) for uri, id_ in TABLE if uri != left_out)
    _, elements = rendered(packet, negotiated, producer_ids, b"" if left_out == uris.MID else b"m1")
    assert set(elements) == {id_ for _, id_ in negotiated}


@pytest.mark.rfc("RFC 8285 6")
def test_nothing_negotiated_leaves_no_extension_at_all() -> None:
    form, elements = rendered(sent([(id_, b"\x01") for _, id_ in TABLE]), (), dict(TABLE), b"")
    assert elements == {}
    assert form.packet[0] == 0x82  # no X bit, two CSRCs
    assert form.length == 12 + 8 + len(b"payload")


def test_what_the_producer_did_not_send_is_not_made_up() -> None:
    _, elements = rendered(sent([]), TABLE, dict(TABLE))
    assert set(elements) == {dict(TABLE)[uri] for uri in OURS}


@pytest.mark.rfc("RFC 8285 4.3")
def test_two_byte_headers_of_the_producer_become_one_byte_ones_where_that_is_enough() -> None:
    packet = sent([(200, b"\x01\x02"), (201, b"\x05")])
    producer_ids = {uris.VIDEO_ORIENTATION: 201, uris.PLAYOUT_DELAY: 200}
    form, elements = rendered(packet, ((uris.VIDEO_ORIENTATION, 11), (uris.PLAYOUT_DELAY, 14)), producer_ids, b"")
    assert elements == {11: b"\x05", 14: b"\x01\x02"}
    assert form.packet[20] << 8 | form.packet[21] == 0xBEDE


@pytest.mark.rfc("RFC 8285 4.3")
def test_a_dependency_descriptor_of_a_key_frame_needs_two_byte_headers_and_a_consumer_without_it_does_not() -> None:
    descriptor = bytes(range(40))
    packet = sent([(8, descriptor), (1, b"v")])
    ids = {uris.DEPENDENCY_DESCRIPTOR: 8, uris.MID: 1}
    with_it, elements = rendered(packet, ((uris.MID, 1), (uris.DEPENDENCY_DESCRIPTOR, 8)), ids)
    assert elements == {1: b"m1", 8: descriptor}
    assert with_it.packet[20] << 8 | with_it.packet[21] == 0x1000
    without, elements = rendered(packet, ((uris.MID, 1),), ids)
    assert elements == {1: b"m1"}
    assert without.packet[20] << 8 | without.packet[21] == 0xBEDE


def test_a_packet_that_grows_too_long_is_not_rendered() -> None:
    room = MAX_PACKET - 12 - 8
    for payload, extensions, fits in ((room, (), True), (room - 3, ((uris.ABS_SEND_TIME, 4),), False)):
        packet = sent([], bytes(payload))
        arrival = Arrival()
        arrival.read(packet, len(packet), 0.0, 0.0)
        assert PacketForm(extensions, 0, {}).render(arrival, 101, SEND_TIME) is fits
