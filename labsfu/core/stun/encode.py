"""Encoding of STUN Binding requests and responses (RFC 8489 6, 14; RFC 8445 7.1.1, 7.3)."""

from __future__ import annotations

import ipaddress
import struct

from labsfu.core.stun.integrity import append_fingerprint, append_integrity
from labsfu.core.stun.message import BINDING, MAGIC_COOKIE, Attribute, StunClass, xor_host

_PHRASES = {400: b"Bad Request", 401: b"Unauthorized", 487: b"Role Conflict"}


def encode_success(transaction_id: bytes, host: str, port: int, password: str) -> bytes:
    """A success response that tells the peer its address.

    Args:
        transaction_id: the request's, 12 bytes.
        host: the request's source as text; an IPv4-mapped IPv6 address is told as IPv4, since that is what was sent to.
        port: the request's source port.
        password: of the credentials that the request was signed with.
    """
    mapped = _attribute(Attribute.XOR_MAPPED_ADDRESS, _address(host, port, transaction_id))
    return _message(StunClass.SUCCESS, transaction_id, mapped, password)


def encode_error(transaction_id: bytes, code: int, password: str | None = None) -> bytes:
    """An error response (RFC 8489 14.8), unsigned when no password is known to be shared."""
    value = struct.pack("!HBB", 0, code // 100, code % 100) + _PHRASES.get(code, b"")
    return _message(StunClass.ERROR, transaction_id, _attribute(Attribute.ERROR_CODE, value), password)


def encode_request(
    transaction_id: bytes,
    username: str,
    password: str,
    *,
    priority: int,
    controlling: int | None = None,
    controlled: int | None = None,
    use_candidate: bool = False,
    nomination: int | None = None,
) -> bytes:
    """A connectivity check (RFC 8445 7.2.2); an ICE-lite server sends none, its tools and tests do.

    Args:
        transaction_id: 12 bytes.
        username: `theirUfrag:ourUfrag`.
        password: the receiver's.
        priority: the PRIORITY attribute, 32 bits.
        controlling: tie-breaker of ICE-CONTROLLING, 64 bits; `controlled` likewise.
        controlled: tie-breaker of ICE-CONTROLLED.
        use_candidate: whether USE-CANDIDATE is added.
        nomination: value of the renomination attribute 0xC001, 32 bits.
    """
    body = _attribute(Attribute.USERNAME, username.encode())
    body += _attribute(Attribute.PRIORITY, priority.to_bytes(4, "big"))
    if controlling is not None:
        body += _attribute(Attribute.ICE_CONTROLLING, controlling.to_bytes(8, "big"))
    if controlled is not None:
        body += _attribute(Attribute.ICE_CONTROLLED, controlled.to_bytes(8, "big"))
    if use_candidate:
        body += _attribute(Attribute.USE_CANDIDATE, b"")
    if nomination is not None:
        body += _attribute(Attribute.NOMINATION, nomination.to_bytes(4, "big"))
    return _message(StunClass.REQUEST, transaction_id, body, password)


def _message(kind: StunClass, transaction_id: bytes, body: bytes, password: str | None) -> bytes:
    message = struct.pack("!HHI", kind | BINDING, len(body), MAGIC_COOKIE) + transaction_id + body
    if password is not None:
        message = append_integrity(message, password)
    return append_fingerprint(message)


def _attribute(type_: Attribute, value: bytes) -> bytes:
    return struct.pack("!HH", type_, len(value)) + value + bytes(-len(value) % 4)


def _address(host: str, port: int, transaction_id: bytes) -> bytes:
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    family = 1 if address.version == 4 else 2
    xor_port = port ^ MAGIC_COOKIE >> 16
    return struct.pack("!BBH", 0, family, xor_port) + xor_host(address.packed, transaction_id)
