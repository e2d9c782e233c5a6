"""MESSAGE-INTEGRITY and FINGERPRINT over raw STUN bytes (RFC 8489 14.5, 14.7).

Both cover the message up to their own attribute, with the header's length field as if that attribute were the last.
"""

from __future__ import annotations

import hmac
import struct
import zlib

HEADER_SIZE = 20
INTEGRITY_SIZE = 24  # attribute header and 20 bytes of HMAC-SHA1
FINGERPRINT_SIZE = 8
_FINGERPRINT_XOR = 0x5354554E
_MESSAGE_INTEGRITY = 0x0008
_FINGERPRINT = 0x8028


def _with_length(data: bytes, length: int) -> bytes:
    return data[:2] + length.to_bytes(2, "big") + data[4:]


def message_integrity(covered: bytes, password: str) -> bytes:
    """HMAC-SHA1 of everything before MESSAGE-INTEGRITY, keyed by the short-term password (RFC 8489 9.1.1)."""
    sized = _with_length(covered, len(covered) - HEADER_SIZE + INTEGRITY_SIZE)
    return hmac.digest(password.encode(), sized, "sha1")


def fingerprint(covered: bytes) -> int:
    """The CRC-32 of everything before FINGERPRINT, XOR 0x5354554e."""
    sized = _with_length(covered, len(covered) - HEADER_SIZE + FINGERPRINT_SIZE)
    return zlib.crc32(sized) ^ _FINGERPRINT_XOR


def append_integrity(message: bytes, password: str) -> bytes:
    """The message with MESSAGE-INTEGRITY at its end and the length field set."""
    digest = message_integrity(message, password)
    extended = message + struct.pack("!HH", _MESSAGE_INTEGRITY, len(digest)) + digest
    return _with_length(extended, len(extended) - HEADER_SIZE)


def append_fingerprint(message: bytes) -> bytes:
    """The message with FINGERPRINT at its end and the length field set; nothing may follow it."""
    extended = message + struct.pack("!HHI", _FINGERPRINT, 4, fingerprint(message))
    return _with_length(extended, len(extended) - HEADER_SIZE)
