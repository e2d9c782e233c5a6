"""Bytes that are no STUN message are Malformed and nothing else, whatever they are."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsfu.core.stun.encode import encode_request, encode_success
from labsfu.core.stun.integrity import append_fingerprint, append_integrity
from labsfu.core.stun.message import StunClass, local_ufrag_of, parse
from labsfu.errors import Malformed

TRANSACTION = bytes(range(12))
REQUEST = encode_request(TRANSACTION, "ours:theirs", "secret", priority=1, controlling=2)


def message(body: bytes, type_: int = 1, cookie: int = 0x2112A442) -> bytes:
    return struct.pack("!HHI", type_, len(body), cookie) + TRANSACTION + body


def attribute(type_: int, value: bytes) -> bytes:
    return struct.pack("!HH", type_, len(value)) + value + bytes(-len(value) % 4)


@pytest.mark.rfc("RFC 8489 5", "RFC 8489 6.3")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "stun-too-short"),
        (REQUEST[:19], "stun-too-short"),
        (message(b"", cookie=0x2112A443), "stun-cookie"),
        (REQUEST + bytes(4), "stun-length"),
        (REQUEST[:-4], "stun-length"),
        (message(bytes(3)), "stun-length"),
        (message(b"", type_=3), "stun-method"),
        (message(b"", type_=0x4001), "stun-method"),
        (message(struct.pack("!HH", 6, 5) + bytes(4)), "stun-attribute-length"),
        (message(struct.pack("!HH", 6, 0xFFFF)), "stun-attribute-length"),
        (message(attribute(0x8022, b"") * 33), "stun-too-many-attributes"),
        (message(attribute(0x0024, bytes(3))), "stun-attribute-size"),
        (message(attribute(0x802A, bytes(4))), "stun-attribute-size"),
        (message(attribute(0x0008, bytes(32))), "stun-attribute-size"),
        (message(attribute(0x8028, bytes(4))), "stun-fingerprint"),
        (REQUEST[:-1] + bytes([REQUEST[-1] ^ 1]), "stun-fingerprint"),
        (message(attribute(0x0006, b"\xff\xfe")), "stun-text"),
        (message(attribute(0x0009, bytes(3))), "stun-error-code"),
        (message(attribute(0x0009, b"\x00\x00\x02\x00")), "stun-error-code"),
        (message(attribute(0x0009, b"\x00\x00\x04\x64")), "stun-error-code"),
        (message(attribute(0x0020, b"\x00\x01" + bytes(5))), "stun-address"),
        (message(attribute(0x0020, b"\x00\x02" + bytes(6))), "stun-address"),
        (message(attribute(0x0020, b"\x00\x03" + bytes(6))), "stun-address"),
    ],
)
def test_each_fault_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse(data)
    assert refusal.value.reason == reason


@pytest.mark.rfc("RFC 8489 14.7")
def test_nothing_may_follow_the_fingerprint() -> None:
    follower = attribute(0x8022, b"x")
    fingerprinted = append_fingerprint(message(b""))
    longer = fingerprinted[:2] + struct.pack("!H", 8 + len(follower)) + fingerprinted[4:] + follower
    with pytest.raises(Malformed, match="stun-fingerprint"):
        parse(longer)


@pytest.mark.rfc("RFC 8489 14.5")
def test_attributes_behind_the_integrity_are_ignored() -> None:
    signed = append_integrity(message(attribute(6, b"a:b")), "secret")
    body = signed[20:] + attribute(0x0025, b"")  # someone on the way nominates his own path
    parsed = parse(append_fingerprint(message(body)))
    assert parsed.integrity_holds("secret")
    assert not parsed.use_candidate


@pytest.mark.rfc("RFC 8489 14")
def test_the_first_attribute_of_a_kind_counts() -> None:
    assert parse(message(attribute(6, b"a:b") + attribute(6, b"c:d"))).username == "a:b"


def test_unknown_attributes_are_skipped_and_an_indication_parses() -> None:
    parsed = parse(message(attribute(0xC057, bytes(5)) + attribute(6, b"a:b"), type_=0x0011))
    assert parsed.kind is StunClass.INDICATION
    assert parsed.username == "a:b"


def test_a_message_without_integrity_never_holds() -> None:
    assert not parse(message(b"")).integrity_holds("")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encode_success(TRANSACTION, "10.0.0.1", 1, "x"), "stun-not-a-request"),
        (message(b""), "stun-username-missing"),
        (message(attribute(6, b"ours")), "stun-username-missing"),
    ],
)
def test_a_message_without_our_ufrag_cannot_be_demultiplexed(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        local_ufrag_of(data)


@given(st.binary(max_size=200), st.sampled_from([0x0001, 0x0011, 0x0101, 0x0111]))
def test_any_body_parses_or_is_malformed(body: bytes, type_: int) -> None:
    with suppress(Malformed):
        assert parse(message(body, type_)).transaction_id == TRANSACTION


@given(st.integers(0, len(REQUEST) - 1), st.integers(1, 255))
def test_a_changed_byte_is_malformed_or_hides_the_fingerprint(position: int, change: int) -> None:
    changed = bytearray(REQUEST)
    changed[position] ^= change
    with suppress(Malformed):
        assert not parse(bytes(changed)).has_fingerprint
