"""The STUN codec against the vectors of RFC 5769 and against aioice, which shares no line with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from aioice import stun as aioice_stun

from labsfu.core.stun.encode import encode_error, encode_request, encode_success
from labsfu.core.stun.message import StunClass, local_ufrag_of, parse

DATA = Path(__file__).parents[2] / "data" / "stun"
PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")


def vector(name: str) -> bytes:
    lines = (DATA / name).read_text().splitlines()
    return bytes.fromhex("".join(line for line in lines if not line.startswith("#")))


@pytest.mark.rfc("RFC 5769 2.1", "RFC 8489 14.5", "RFC 8489 14.7")
def test_sample_request_parses_and_its_integrity_holds() -> None:
    message = parse(vector("rfc5769-request.hex"))
    assert message.kind is StunClass.REQUEST
    assert message.transaction_id == TRANSACTION
    assert message.username == "evtj:h6vY"
    assert message.software == "STUN test client"
    assert message.priority == 0x6E0001FF
    assert message.controlled == 0x932FF9B151263B36
    assert message.controlling is None
    assert not message.use_candidate
    assert message.has_fingerprint
    assert message.integrity_holds(PASSWORD)
    assert not message.integrity_holds(PASSWORD + "x")


@pytest.mark.rfc("RFC 5769 2.2", "RFC 5769 2.3", "RFC 8489 14.2")
@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("rfc5769-response-ipv4.hex", "192.0.2.1"),
        ("rfc5769-response-ipv6.hex", "2001:db8:1234:5678:11:2233:4455:6677"),
    ],
)
def test_sample_response_tells_the_mapped_address(name: str, host: str) -> None:
    message = parse(vector(name))
    assert message.kind is StunClass.SUCCESS
    assert message.mapped_address == (host, 32853)
    assert message.integrity_holds(PASSWORD)


@pytest.mark.rfc("RFC 5769 2.2", "RFC 5769 2.3")
@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("rfc5769-response-ipv4.hex", "192.0.2.1"),
        ("rfc5769-response-ipv6.hex", "2001:db8:1234:5678:11:2233:4455:6677"),
    ],
)
def test_our_success_response_has_the_mapped_address_bytes_of_the_rfc(name: str, host: str) -> None:
    ours = encode_success(TRANSACTION, host, 32853, PASSWORD)
    attribute = ours[20 : 20 + (12 if ":" not in host else 24)]
    assert attribute in vector(name)


@pytest.mark.rfc("RFC 8445 7.2.2")
def test_local_ufrag_is_the_first_part_of_the_username() -> None:
    assert local_ufrag_of(vector("rfc5769-request.hex")) == "evtj"


@pytest.mark.rfc("RFC 8445 7.1.1", "RFC 8489 9.1.2")
@pytest.mark.parametrize("role", ["ICE-CONTROLLING", "ICE-CONTROLLED"])
def test_a_check_made_by_aioice_parses(role: str) -> None:
    peer = aioice_stun.Message(
        message_method=aioice_stun.Method.BINDING,
        message_class=aioice_stun.Class.REQUEST,
        transaction_id=TRANSACTION,
    )
    peer.attributes["USERNAME"] = "ours:theirs"
    peer.attributes["PRIORITY"] = 1845501695
    peer.attributes[role] = 2**63 + 5
    peer.attributes["USE-CANDIDATE"] = None
    peer.add_message_integrity(b"secret")
    peer.add_fingerprint()
    message = parse(bytes(peer))
    assert message.username == "ours:theirs"
    assert message.priority == 1845501695
    assert (message.controlling or message.controlled) == 2**63 + 5
    assert message.use_candidate
    assert message.integrity_holds("secret")


@pytest.mark.rfc("RFC 8445 7.1.1", "RFC 8489 14.5", "RFC 8489 14.7")
def test_aioice_accepts_our_check() -> None:
    ours = encode_request(TRANSACTION, "theirs:ours", "secret", priority=7, controlling=99, use_candidate=True)
    message = aioice_stun.parse_message(ours)
    assert message.check_message_integrity(b"secret")
    assert "FINGERPRINT" in message.attributes
    assert message.message_class is aioice_stun.Class.REQUEST
    assert message.attributes["USERNAME"] == "theirs:ours"
    assert message.attributes["PRIORITY"] == 7
    assert message.attributes["ICE-CONTROLLING"] == 99
    assert "USE-CANDIDATE" in message.attributes


@pytest.mark.rfc("RFC 8489 14.2")
@pytest.mark.parametrize("host", ["10.1.2.3", "2001:db8::7"])
def test_aioice_accepts_our_success_response(host: str) -> None:
    ours = encode_success(TRANSACTION, host, 50000, "secret")
    message = aioice_stun.parse_message(ours)
    assert message.check_message_integrity(b"secret")
    assert "FINGERPRINT" in message.attributes
    assert message.message_class is aioice_stun.Class.RESPONSE
    assert message.attributes["XOR-MAPPED-ADDRESS"] == (host, 50000)


@pytest.mark.rfc("RFC 8489 14.8")
@pytest.mark.parametrize(("code", "phrase"), [(400, "Bad Request"), (401, "Unauthorized"), (487, "Role Conflict")])
def test_aioice_accepts_our_error_responses(code: int, phrase: str) -> None:
    signed = aioice_stun.parse_message(encode_error(TRANSACTION, code, "secret"))
    unsigned = aioice_stun.parse_message(encode_error(TRANSACTION, code))
    assert signed.check_message_integrity(b"secret")
    assert not unsigned.check_message_integrity(b"secret")
    assert signed.message_class is unsigned.message_class is aioice_stun.Class.ERROR
    assert signed.attributes["ERROR-CODE"] == unsigned.attributes["ERROR-CODE"] == (code, phrase)
    assert parse(encode_error(TRANSACTION, code)).error_code == code


def test_an_ipv4_mapped_source_is_told_as_ipv4() -> None:
    assert parse(encode_success(TRANSACTION, "::ffff:10.0.0.1", 9, "x")).mapped_address == ("10.0.0.1", 9)


def test_nomination_survives_a_round_trip() -> None:
    request = encode_request(TRANSACTION, "a:b", "secret", priority=1, controlled=3, nomination=0xFFFFFFFF)
    message = parse(request)
    assert (message.nomination, message.controlled, message.controlling) == (0xFFFFFFFF, 3, None)
