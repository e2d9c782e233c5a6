"""Our endpoint against peers that are not ours: plain OpenSSL as aiortc sets it up, and what Chromium sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiortc.rtcdtlstransport import SRTP_PROFILES, RTCCertificate
from OpenSSL import SSL

from labsfu.core.dtls.certificate import generate_certificate
from labsfu.core.dtls.endpoint import DtlsEndpoint
from labsfu.core.dtls.records import check_incoming, split_records
from labsfu.core.dtls.state import DtlsRole
from labsfu.wire.transport import DtlsState

DATA = Path(__file__).parents[2] / "data" / "dtls"
CERTIFICATE = generate_certificate(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
NOW = 50.0


class Peer:
    """An OpenSSL connection over memory BIOs, in the way aiortc uses one."""

    def __init__(self, context: SSL.Context, role: DtlsRole) -> None:
        self.connection = SSL.Connection(context, None)
        if role is DtlsRole.CLIENT:
            self.connection.set_connect_state()
        else:
            self.connection.set_accept_state()
        self.done = False

    def push(self) -> bytes:
        if not self.done:
            try:
                self.connection.do_handshake()
                self.done = True
            except SSL.WantReadError:
                pass
        try:
            return self.connection.bio_read(65536)
        except SSL.WantReadError:
            return b""

    def converse(self, endpoint: DtlsEndpoint, lose: Callable[[], bool] = lambda: False) -> None:
        """Each of the peer's records in a datagram of its own, ours as they are or lost, until both are silent."""
        silent = False
        while not silent:
            out = self.push()
            for record in split_records(out):
                if endpoint.state is not DtlsState.FAILED:
                    endpoint.receive(out[record.start : record.end], NOW)
            datagrams = endpoint.outgoing()
            for datagram in datagrams:
                if not lose():
                    self.connection.bio_write(datagram)
            silent = not out and not datagrams


def aiortc_context(profiles: slice = slice(None)) -> tuple[SSL.Context, str]:
    certificate = RTCCertificate.generateCertificate()
    context = certificate._create_ssl_context(srtp_profiles=SRTP_PROFILES[profiles])
    sha256 = next(f for f in certificate.getFingerprints() if f.algorithm == "sha-256")
    return context, sha256.value


@pytest.mark.rfc("RFC 5764 4.1.2", "RFC 5764 4.2", "RFC 7714 12")
@pytest.mark.parametrize("role", list(DtlsRole))
@pytest.mark.parametrize("index", range(3))
def test_keys_agree_with_aiortc_in_both_roles_and_every_profile(role: DtlsRole, index: int) -> None:
    context, fingerprint = aiortc_context(slice(index, index + 1))
    other = DtlsRole.SERVER if role is DtlsRole.CLIENT else DtlsRole.CLIENT
    peer = Peer(context, other)
    endpoint = DtlsEndpoint(CERTIFICATE)
    endpoint.start(role, NOW)
    peer.converse(endpoint)
    assert peer.done
    assert endpoint.state is DtlsState.CONNECTED
    assert endpoint.verify("sha-256", fingerprint)
    profile = SRTP_PROFILES[index]
    exported = peer.connection.export_keying_material(
        b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
    )
    material = endpoint.srtp_material()
    mine, theirs = (0, 1) if role is DtlsRole.CLIENT else (1, 0)
    assert material.profile in {"AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"}
    assert material.local_key_salt == profile.get_key_and_salt(exported, mine)
    assert material.remote_key_salt == profile.get_key_and_salt(exported, theirs)


@pytest.mark.rfc("RFC 6347 4.2.4")
@pytest.mark.parametrize("mtu", [1200, 256])
@pytest.mark.parametrize("seed", range(10))
def test_half_of_our_clients_datagrams_may_be_lost_on_the_way_to_openssl(seed: int, mtu: int) -> None:
    noise = random.Random(seed)
    peer = Peer(aiortc_context()[0], DtlsRole.SERVER)
    endpoint = DtlsEndpoint(CERTIFICATE, mtu)
    endpoint.start(DtlsRole.CLIENT, NOW)
    while endpoint.state is DtlsState.CONNECTING:
        peer.converse(endpoint, lambda: noise.random() < 0.5)
        endpoint.tick(endpoint.deadline() or NOW)
    assert endpoint.state is DtlsState.CONNECTED
    assert peer.done


@pytest.mark.rfc("RFC 5764 4.1")
@pytest.mark.parametrize("role", list(DtlsRole))
def test_a_peer_without_a_common_srtp_profile_fails(role: DtlsRole) -> None:
    context = SSL.Context(SSL.DTLS_METHOD)
    certificate = RTCCertificate.generateCertificate()
    context.use_certificate(certificate._cert)
    context.use_privatekey(certificate._key)
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    peer = Peer(context, DtlsRole.SERVER if role is DtlsRole.CLIENT else DtlsRole.CLIENT)
    endpoint = DtlsEndpoint(CERTIFICATE)
    endpoint.start(role, NOW)
    peer.converse(endpoint)
    assert endpoint.state is DtlsState.FAILED
    assert endpoint.failure == "dtls-no-srtp-profile"


@pytest.mark.rfc("RFC 8827 6.5")
def test_a_client_without_a_certificate_fails_and_is_told() -> None:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
    peer = Peer(context, DtlsRole.CLIENT)
    endpoint = DtlsEndpoint(CERTIFICATE)
    endpoint.start(DtlsRole.SERVER, NOW)
    with pytest.raises(SSL.Error, match="alert"):
        peer.converse(endpoint)
    assert endpoint.state is DtlsState.FAILED
    assert endpoint.failure == "dtls-peer-did-not-return-a-certificate"


def chromium_datagrams() -> list[bytes]:
    return [bytes.fromhex(line) for line in (DATA / "chromium-dtls-in-simple.hex").read_text().split()]


@pytest.mark.rfc("RFC 6347 4.2.3", "RFC 5764 4.1.1")
@pytest.mark.parametrize("order", [[0, 1], [1, 0], [0, 0, 1], [1, 1, 0]])
def test_chromiums_client_hello_in_two_datagrams_is_reassembled_and_answered(order: list[int]) -> None:
    datagrams = chromium_datagrams()
    endpoint = DtlsEndpoint(CERTIFICATE)
    endpoint.start(DtlsRole.SERVER, NOW)
    for index in order[:-1]:
        endpoint.receive(datagrams[index], NOW)
        assert endpoint.outgoing() == []
    endpoint.receive(datagrams[order[-1]], NOW)
    flight = b"".join(endpoint.outgoing())
    plain = [flight[record.start + 13] for record in split_records(flight)]
    assert plain == [2, 11, 12, 13, 14]  # ServerHello, Certificate, ServerKeyExchange, CertificateRequest, Done
    assert b"\x00\x0e\x00\x05\x00\x02" in flight  # use_srtp, one profile
    assert endpoint.state is DtlsState.CONNECTING


@pytest.mark.rfc("RFC 6347 4.1")
def test_every_datagram_that_chromium_sent_is_plausible() -> None:
    for datagram in chromium_datagrams():
        assert check_incoming(datagram, DtlsRole.CLIENT)
