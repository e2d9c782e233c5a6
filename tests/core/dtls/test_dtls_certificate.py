"""The certificate says what it was told, and its fingerprint is the one OpenSSL computes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import crypto

from labsfu.core.dtls.certificate import generate_certificate

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.rfc("RFC 8827 6.5")
def test_certificate_is_p256_signed_by_itself_with_the_given_validity() -> None:
    ours = generate_certificate(NOT_BEFORE, NOT_AFTER)
    certificate = ours.certificate
    assert isinstance(ours.private_key.curve, ec.SECP256R1)
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha256"
    assert certificate.issuer == certificate.subject
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (NOT_BEFORE, NOT_AFTER)
    certificate.verify_directly_issued_by(certificate)


@pytest.mark.rfc("RFC 8122 5")
@pytest.mark.parametrize("algorithm", ["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"])
def test_fingerprint_is_the_digest_that_openssl_gives(algorithm: str) -> None:
    ours = generate_certificate(NOT_BEFORE, NOT_AFTER)
    openssl = crypto.X509.from_cryptography(ours.certificate).digest(algorithm.replace("-", "")).decode()
    assert ours.fingerprint(algorithm) == openssl
    assert ours.fingerprint() == ours.fingerprint("sha-256")


def test_two_certificates_differ() -> None:
    first, second = (generate_certificate(NOT_BEFORE, NOT_AFTER) for _ in range(2))
    assert first.fingerprint() != second.fingerprint()
