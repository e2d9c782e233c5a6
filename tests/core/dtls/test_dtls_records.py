"""Flights become datagrams of whole records, and bytes that no endpoint would send stop here."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.dtls.records import check_incoming, pack_datagrams, split_records
from labsfu.core.dtls.state import DtlsRole
from labsfu.errors import Malformed

CLIENT, SERVER = DtlsRole.CLIENT, DtlsRole.SERVER


def record(body: bytes, content_type: int = 22, epoch: int = 0, version: int = 0xFEFD) -> bytes:
    return struct.pack("!BHHHIH", content_type, version, epoch, 0, 1, len(body)) + body


def message(type_: int, body: bytes, *, length: int | None = None, offset: int = 0) -> bytes:
    length = len(body) if length is None else length
    lengths = [number.to_bytes(3, "big") for number in (length, offset, len(body))]
    return bytes([type_]) + lengths[0] + bytes(2) + lengths[1] + lengths[2] + body


HELLO = record(message(1, bytes(50)))


@pytest.mark.rfc("RFC 6347 4.1")
def test_records_are_told_apart_with_type_epoch_and_place() -> None:
    data = record(b"\x01", 20) + record(bytes(40), 22, epoch=1)
    assert [tuple(part) for part in split_records(data)] == [(20, 0, 0, 14), (22, 1, 14, 67)]


@pytest.mark.rfc("RFC 6347 4.1.1", "RFC 6347 4.2.3")
def test_a_flight_is_packed_into_as_few_datagrams_as_the_mtu_allows_without_cutting_a_record() -> None:
    records = [
        record(bytes([number]) * size, 22, epoch=1) for number, size in enumerate((500, 500, 150, 900, 20, 1187))
    ]
    datagrams = pack_datagrams(b"".join(records), 1200)
    assert datagrams == [b"".join(records[0:3]), b"".join(records[3:5]), records[5]]
    assert max(map(len, datagrams)) == 1200
    assert pack_datagrams(b"", 1200) == []


@pytest.mark.rfc("RFC 6347 4.1.2.7")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "dtls-too-short"),
        (HELLO[:12], "dtls-too-short"),
        (HELLO + HELLO[:5], "dtls-too-short"),
        (HELLO[:-1], "dtls-record-length"),
        (record(b""), "dtls-record-length"),
        (record(bytes(2**14 + 2049), epoch=1), "dtls-record-length"),
        (record(b"\x01", 19), "dtls-content-type"),
        (record(b"\x01", 24), "dtls-content-type"),
        (record(bytes(12), version=0x0303), "dtls-version"),
        (record(b"\x02", 20), "dtls-change-cipher-spec"),
        (record(b"\x02\x28\x00", 21), "dtls-alert"),
        (record(b"\x03\x28", 21), "dtls-alert"),
        (record(b"hello", 23), "dtls-plain-application-data"),
        (record(bytes(11)), "dtls-handshake-length"),
        (record(message(1, bytes(4), length=3)), "dtls-handshake-length"),
        (record(message(1, bytes(4), length=8, offset=5)), "dtls-handshake-length"),
        (record(message(1, bytes(4), length=2**14 + 1)), "dtls-handshake-length"),
        (record(message(1, bytes(9))[:-1]), "dtls-handshake-length"),
        (record(message(2, bytes(4))), "dtls-handshake-type"),
        (record(message(99, bytes(4))), "dtls-handshake-type"),
    ],
)
def test_what_no_client_sends_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        check_incoming(data, CLIENT)
    assert refusal.value.reason == reason


def test_a_client_hello_is_nothing_a_server_sends() -> None:
    assert check_incoming(HELLO, CLIENT)
    with pytest.raises(Malformed, match="dtls-handshake-type"):
        check_incoming(HELLO, SERVER)


def test_encrypted_records_are_not_looked_into() -> None:
    assert check_incoming(record(bytes(3), 22, epoch=1), CLIENT)
    assert not check_incoming(record(bytes(3), 23, epoch=1) + record(bytes(3), 21, epoch=1), CLIENT)


@given(st.binary(max_size=80), st.integers(20, 23), st.sampled_from([CLIENT, SERVER]))
def test_any_body_is_accepted_or_malformed(body: bytes, content_type: int, sender: DtlsRole) -> None:
    with suppress(Malformed):
        assert check_incoming(record(body, content_type), sender) == (content_type in {20, 22})
