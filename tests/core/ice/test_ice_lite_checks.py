"""What an ICE-lite agent answers to a check, and what it never does."""

from __future__ import annotations

import struct

import pytest

from labsfu.core.ice.lite import IceCredentials, IceLiteAgent
from labsfu.core.stun.encode import encode_request, encode_success
from labsfu.core.stun.integrity import append_fingerprint, append_integrity
from labsfu.core.stun.message import StunClass, parse
from labsfu.errors import Malformed
from labsfu.wire.transport import IceState

OURS = IceCredentials("ours", "our-password")
SOURCE = ("192.0.2.7", 40000)
TRANSACTION = bytes(range(12))


def check(username: str = "ours:theirs", password: str = "our-password", **options: int | bool) -> bytes:
    arguments: dict[str, int | bool] = {"priority": 100, "controlling": 1, **options}
    return encode_request(TRANSACTION, username, password, **arguments)  # type: ignore[arg-type]  # by keyword


def bare(body: bytes) -> bytes:
    return struct.pack("!HHI", 1, len(body), 0x2112A442) + TRANSACTION + body


def attribute(type_: int, value: bytes) -> bytes:
    return struct.pack("!HH", type_, len(value)) + value + bytes(-len(value) % 4)


USERNAME = attribute(6, b"ours:theirs-with-a-name-long-enough-for-an-answer")
PRIORITY = attribute(0x24, bytes([0, 0, 0, 1]))


@pytest.mark.rfc("RFC 8445 7.3.1.2", "RFC 8445 7.3.1.4", "RFC 8489 6.3.1.1")
def test_a_valid_check_is_answered_with_its_address_signed_with_our_password() -> None:
    agent = IceLiteAgent(OURS)
    reply = agent.receive(check(), SOURCE, now=5.0)
    assert reply.refused is None
    assert reply.response is not None
    answer = parse(reply.response)
    assert answer.kind is StunClass.SUCCESS
    assert answer.transaction_id == TRANSACTION
    assert answer.mapped_address == SOURCE
    assert answer.integrity_holds("our-password")
    assert answer.has_fingerprint
    assert agent.knows(SOURCE)
    assert agent.selected == SOURCE
    assert agent.state is IceState.CONNECTED


def test_an_ipv6_source_is_told_its_host_and_port() -> None:
    reply = IceLiteAgent(OURS).receive(check(), ("2001:db8::9", 4242, 0, 3), now=0.0)
    assert reply.response is not None
    assert parse(reply.response).mapped_address == ("2001:db8::9", 4242)


@pytest.mark.rfc("RFC 8489 9.1.3", "RFC 8445 7.1.1", "RFC 8445 7.3.1.1")
@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (append_integrity(bare(USERNAME + PRIORITY), "our-password"), 400, "ice-fingerprint-missing"),
        (append_fingerprint(append_integrity(bare(USERNAME), "our-password")), 400, "ice-priority-missing"),
        (check(priority=0), 400, "ice-priority-missing"),
        (append_fingerprint(bare(USERNAME + PRIORITY)), 400, "ice-credentials-missing"),
        (
            append_fingerprint(append_integrity(bare(PRIORITY + attribute(0x8022, bytes(8))), "our-password")),
            400,
            "ice-credentials-missing",
        ),
        (check(username="others:theirs"), 401, "ice-unknown-username"),
        (check(username="ours2:theirs"), 401, "ice-unknown-username"),
        (check(username="oursWithoutColon"), 401, "ice-unknown-username"),
        (check(password="wrong"), 401, "ice-integrity"),
        (
            encode_request(TRANSACTION, "ours:theirs-and-more", "our-password", priority=1, controlled=9),
            487,
            "ice-role-conflict",
        ),
    ],
)
def test_a_bad_check_is_refused_with_code_and_reason_and_opens_nothing(data: bytes, code: int, reason: str) -> None:
    agent = IceLiteAgent(OURS)
    reply = agent.receive(data, SOURCE, now=0.0)
    assert reply.refused == reason
    assert reply.response is not None
    assert len(reply.response) <= len(data)
    answer = parse(reply.response)
    assert (answer.kind, answer.error_code) == (StunClass.ERROR, code)
    assert answer.transaction_id == TRANSACTION
    assert answer.integrity_holds("our-password") == (code == 487)
    assert agent.state is IceState.NEW
    assert not agent.knows(SOURCE)
    assert agent.deadline() is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bare(b""), "ice-fingerprint-missing"),
        (append_fingerprint(bare(PRIORITY)), "ice-credentials-missing"),
    ],
)
def test_an_unauthenticated_source_never_gets_more_bytes_than_it_sent(data: bytes, reason: str) -> None:
    reply = IceLiteAgent(OURS).receive(data, SOURCE, now=0.0)
    assert reply.refused == reason
    assert reply.response is None


@pytest.mark.rfc("RFC 8445 11")
def test_an_indication_is_a_keepalive_and_changes_nothing() -> None:
    indication = bytearray(append_fingerprint(bare(b"")))
    indication[1] = 0x11
    agent = IceLiteAgent(OURS)
    reply = agent.receive(append_fingerprint(bytes(indication[:2]) + bytes(2) + bytes(indication[4:20])), SOURCE, 0.0)
    assert (reply.response, reply.refused) == (None, None)
    assert agent.state is IceState.NEW


def test_a_response_that_nobody_asked_for_is_refused_in_silence() -> None:
    reply = IceLiteAgent(OURS).receive(encode_success(TRANSACTION, "10.0.0.1", 1, "our-password"), SOURCE, 0.0)
    assert (reply.response, reply.refused) == (None, "ice-unexpected-response")


def test_what_is_no_stun_is_malformed() -> None:
    with pytest.raises(Malformed, match="stun-too-short"):
        IceLiteAgent(OURS).receive(b"\x00\x01", SOURCE, now=0.0)


def test_a_closed_agent_refuses_everything() -> None:
    agent = IceLiteAgent(OURS)
    agent.receive(check(), SOURCE, now=0.0)
    agent.close()
    agent.close()
    assert agent.state is IceState.CLOSED
    assert agent.receive(check(), SOURCE, now=1.0).refused == "ice-closed"
    assert not agent.knows(SOURCE)
    assert (agent.selected, agent.deadline()) == (None, None)
