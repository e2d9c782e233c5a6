"""DTLS records: flights cut into datagrams, and a look at what comes in before OpenSSL sees it (RFC 6347 4.1, 4.2).

OpenSSL ends a handshake over bytes that could never be part of it; what is discarded here cannot do that (4.1.2.7).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from labsfu.core.dtls.state import DtlsRole
from labsfu.errors import Malformed

RECORD_HEADER_SIZE = 13
HANDSHAKE_HEADER_SIZE = 12
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
_VERSIONS = {0xFEFF, 0xFEFD}  # 1.0, which a first ClientHello carries, and 1.2
_MAX_RECORD = 2**14 + 2048
_MAX_MESSAGE = 2**14  # OpenSSL sets memory aside for what a first fragment announces
_PLAIN_TYPES = {
    # hello_request, server_hello, hello_verify_request, certificate, server_key_exchange, certificate_request, done, …
    DtlsRole.SERVER: {0, 2, 3, 4, 11, 12, 13, 14, 22},
    # client_hello, certificate, certificate_verify, client_key_exchange
    DtlsRole.CLIENT: {1, 11, 15, 16},
}


class Record(NamedTuple):
    """One record: `start` and `end` delimit all of it in its datagram or flight."""

    content_type: int
    epoch: int
    start: int
    end: int


def split_records(data: bytes) -> Iterator[Record]:
    """The records that fill `data`, in order.

    Raises:
        Malformed: `dtls-…`, when the bytes are not a series of whole DTLS 1.0 or 1.2 records.
    """
    start = 0
    while start < len(data):
        body = start + RECORD_HEADER_SIZE
        if body > len(data):
            raise Malformed("dtls-too-short")
        size = int.from_bytes(data[start + 11 : body], "big")
        if not CHANGE_CIPHER_SPEC <= data[start] <= APPLICATION_DATA:
            raise Malformed("dtls-content-type")
        if int.from_bytes(data[start + 1 : start + 3], "big") not in _VERSIONS:
            raise Malformed("dtls-version")
        if not 0 < size <= _MAX_RECORD or body + size > len(data):
            raise Malformed("dtls-record-length")
        yield Record(data[start], int.from_bytes(data[start + 3 : start + 5], "big"), start, body + size)
        start = body + size


def check_incoming(data: bytes, sender: DtlsRole) -> bool:
    """Judge a datagram that `sender` is supposed to have sent.

    Returns:
        Whether any of it belongs to a handshake, in plain or encrypted.

    Raises:
        Malformed: `dtls-…`; no endpoint in that role sends this.
    """
    handshake = False
    for record in split_records(data):
        handshake = handshake or record.content_type in {CHANGE_CIPHER_SPEC, HANDSHAKE}
        if record.epoch == 0:
            _check_plain(data[record.start + RECORD_HEADER_SIZE : record.end], record.content_type, sender)
    if not data:
        raise Malformed("dtls-too-short")
    return handshake


def _check_plain(body: bytes, content_type: int, sender: DtlsRole) -> None:
    if content_type == HANDSHAKE:
        _check_handshake(body, sender)
    elif content_type == CHANGE_CIPHER_SPEC:
        if body != b"\x01":
            raise Malformed("dtls-change-cipher-spec")
    elif content_type == ALERT:
        if len(body) != 2 or body[0] not in {1, 2}:
            raise Malformed("dtls-alert")
    else:
        raise Malformed("dtls-plain-application-data")


def _check_handshake(body: bytes, sender: DtlsRole) -> None:
    start = 0
    while start < len(body):
        fragment = start + HANDSHAKE_HEADER_SIZE
        if fragment > len(body):
            raise Malformed("dtls-handshake-length")
        length = int.from_bytes(body[start + 1 : start + 4], "big")
        offset = int.from_bytes(body[start + 6 : start + 9], "big")
        size = int.from_bytes(body[start + 9 : start + 12], "big")
        if length > _MAX_MESSAGE or offset + size > length or fragment + size > len(body):
            raise Malformed("dtls-handshake-length")
        if body[start] not in _PLAIN_TYPES[sender]:
            raise Malformed("dtls-handshake-type")
        start = fragment + size


def pack_datagrams(flight: bytes, mtu: int) -> list[bytes]:
    """Cut what OpenSSL wrote into datagrams of whole records, as few as go into `mtu` bytes each.

    A single record that is larger travels alone; OpenSSL was told the MTU, so there is none in a handshake.
    """
    datagrams: list[bytes] = []
    start = end = 0
    for record in split_records(flight):
        if record.end - start > mtu and end > start:
            datagrams.append(flight[start:end])
            start = end
        end = record.end
    if end > start:
        datagrams.append(flight[start:end])
    return datagrams


def renumber_plain(datagram: bytes, number: int) -> tuple[bytes, int]:
    """Give the records of epoch 0 the record numbers `number`, `number + 1`, …; returns the next one too.

    Nothing protects those numbers before there are keys, so a copy of a flight can be made to look fresh. Encrypted
    records stay: theirs are authenticated.
    """
    renumbered = bytearray(datagram)
    for record in split_records(datagram):
        if record.epoch == 0:
            renumbered[record.start + 5 : record.start + 11] = number.to_bytes(6, "big")
            number += 1
    return bytes(renumbered), number
