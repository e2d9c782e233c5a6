"""Parsing of STUN Binding messages (RFC 8489 5, 6.3, 14; ICE attributes RFC 8445 7.1, 16.1).

`parse` judges form and FINGERPRINT only; who may send what is ICE's business. Attributes behind MESSAGE-INTEGRITY
are not authenticated and therefore ignored, FINGERPRINT excepted (RFC 8489 14.5).
"""

from __future__ import annotations

import hmac
import ipaddress
import struct
from enum import IntEnum

import msgspec

from labsfu.core.stun.integrity import HEADER_SIZE, fingerprint, message_integrity
from labsfu.errors import Malformed

MAGIC_COOKIE = 0x2112A442
BINDING = 0x0001


class StunClass(IntEnum):
    """The class bits of a message type (RFC 8489 5)."""

    REQUEST = 0x0000
    INDICATION = 0x0010
    SUCCESS = 0x0100
    ERROR = 0x0110


class Attribute(IntEnum):
    """The attribute types that this codec understands; all others are skipped."""

    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    SOFTWARE = 0x8022
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A
    NOMINATION = 0xC001  # libwebrtc's renomination (draft-thatcher-ice-renomination)


MAX_ATTRIBUTES = 32
"""More than any Binding message has: a stranger must not make us read hundreds."""


class StunMessage(msgspec.Struct, frozen=True):
    """One Binding message.

    Attributes:
        kind: request, indication, success or error.
        transaction_id: 12 bytes.
        data: the message as received; MESSAGE-INTEGRITY is computed over it, since padding may be anything.
        integrity_offset: where in `data` MESSAGE-INTEGRITY starts; None without one.
        has_fingerprint: FINGERPRINT was there (and right: a wrong one does not parse).
        controlling: tie-breaker of ICE-CONTROLLING, 64 bits; `controlled` likewise.
        mapped_address: host and port of XOR-MAPPED-ADDRESS.
        error_code: 300 to 699.
    """

    kind: StunClass
    transaction_id: bytes
    data: bytes
    integrity_offset: int | None = None
    has_fingerprint: bool = False
    username: str | None = None
    priority: int | None = None
    use_candidate: bool = False
    controlling: int | None = None
    controlled: int | None = None
    nomination: int | None = None
    mapped_address: tuple[str, int] | None = None
    error_code: int | None = None
    software: str | None = None

    def integrity_holds(self, password: str) -> bool:
        """Whether MESSAGE-INTEGRITY is there and was made with this password."""
        if self.integrity_offset is None:
            return False
        given = self.data[self.integrity_offset + 4 : self.integrity_offset + 24]
        return hmac.compare_digest(given, message_integrity(self.data[: self.integrity_offset], password))


def parse(data: bytes) -> StunMessage:
    """Parse one Binding message that fills `data` exactly.

    Raises:
        Malformed: `stun-…`, for whatever is wrong with it.
    """
    kind = _parse_header(data)
    attributes, integrity_offset, has_fingerprint = _parse_attributes(data)
    transaction_id = data[8:HEADER_SIZE]
    return StunMessage(
        kind=kind,
        transaction_id=transaction_id,
        data=data,
        integrity_offset=integrity_offset,
        has_fingerprint=has_fingerprint,
        username=_text(attributes.get(Attribute.USERNAME)),
        priority=_number(attributes.get(Attribute.PRIORITY), 4),
        use_candidate=Attribute.USE_CANDIDATE in attributes,
        controlling=_number(attributes.get(Attribute.ICE_CONTROLLING), 8),
        controlled=_number(attributes.get(Attribute.ICE_CONTROLLED), 8),
        nomination=_number(attributes.get(Attribute.NOMINATION), 4),
        mapped_address=_address(attributes.get(Attribute.XOR_MAPPED_ADDRESS), transaction_id),
        error_code=_error_code(attributes.get(Attribute.ERROR_CODE)),
        software=_text(attributes.get(Attribute.SOFTWARE)),
    )


def local_ufrag_of(data: bytes) -> str:
    """The ufrag of ours that a Binding request is addressed to: USERNAME up to its colon (RFC 8445 7.2.2).

    Raises:
        Malformed: as `parse`, or `stun-not-a-request`, `stun-username-missing`.
    """
    message = parse(data)
    if message.kind is not StunClass.REQUEST:
        raise Malformed("stun-not-a-request")
    if message.username is None or ":" not in message.username:
        raise Malformed("stun-username-missing")
    return message.username.partition(":")[0]


def _parse_header(data: bytes) -> StunClass:
    if len(data) < HEADER_SIZE:
        raise Malformed("stun-too-short")
    type_, length, cookie = struct.unpack_from("!HHI", data)
    if cookie != MAGIC_COOKIE:
        raise Malformed("stun-cookie")
    if length != len(data) - HEADER_SIZE or length % 4:
        raise Malformed("stun-length")
    if type_ & ~StunClass.ERROR != BINDING:
        raise Malformed("stun-method")
    return StunClass(type_ & StunClass.ERROR)


def _parse_attributes(data: bytes) -> tuple[dict[int, bytes], int | None, bool]:
    attributes: dict[int, bytes] = {}
    integrity_offset: int | None = None
    offset, end = HEADER_SIZE, len(data)
    count = 0
    while offset < end:
        count += 1
        if count > MAX_ATTRIBUTES:
            raise Malformed("stun-too-many-attributes")
        type_, size = struct.unpack_from("!HH", data, offset)
        following = offset + 4 + (size + 3 & ~3)
        if following > end:
            raise Malformed("stun-attribute-length")
        value = data[offset + 4 : offset + 4 + size]
        if type_ == Attribute.FINGERPRINT:
            if following != end or _number(value, 4) != fingerprint(data[:offset]):
                raise Malformed("stun-fingerprint")
            return attributes, integrity_offset, True
        if integrity_offset is None:
            if type_ == Attribute.MESSAGE_INTEGRITY:
                if size != 20:
                    raise Malformed("stun-attribute-size")
                integrity_offset = offset
            else:
                attributes.setdefault(type_, value)  # the first of a kind counts (RFC 8489 14)
        offset = following
    return attributes, integrity_offset, False


def _number(value: bytes | None, size: int) -> int | None:
    if value is None:
        return None
    if len(value) != size:
        raise Malformed("stun-attribute-size")
    return int.from_bytes(value, "big")


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        raise Malformed("stun-text") from None


def _error_code(value: bytes | None) -> int | None:
    if value is None:
        return None
    if len(value) < 4 or not 3 <= value[2] & 7 <= 6 or value[3] > 99:
        raise Malformed("stun-error-code")
    return (value[2] & 7) * 100 + value[3]


def _address(value: bytes | None, transaction_id: bytes) -> tuple[str, int] | None:
    if value is None:
        return None
    if (len(value), value[1:2]) not in {(8, b"\x01"), (20, b"\x02")}:
        raise Malformed("stun-address")
    port = int.from_bytes(value[2:4], "big") ^ MAGIC_COOKIE >> 16
    host = ipaddress.ip_address(xor_host(value[4:], transaction_id))
    return str(host), port


def xor_host(packed: bytes, transaction_id: bytes) -> bytes:
    """A 4- or 16-byte address XOR the cookie and the transaction id; its own inverse (RFC 8489 14.2)."""
    mask = MAGIC_COOKIE.to_bytes(4, "big") + transaction_id
    return bytes(a ^ b for a, b in zip(packed, mask, strict=False))  # IPv4 uses the cookie only
