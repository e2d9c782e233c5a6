"""Self-signed certificates and their fingerprints (RFC 8122 5, RFC 8827 6.5).

The key and the serial number come out of OpenSSL's own randomness: together with the handshake itself, the one
exemption from the rule that entropy is an argument. Time is one: the validity is given.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

FINGERPRINT_ALGORITHMS = ("sha-1", "sha-224", "sha-256", "sha-384", "sha-512")


@dataclass(frozen=True, slots=True)
class DtlsCertificate:
    """A certificate and its private key, shared by all transports of a worker."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    def fingerprint(self, algorithm: str = "sha-256") -> str:
        """What a peer must see, as `AA:BB:…`."""
        return fingerprint_of(self.certificate.public_bytes(Encoding.DER), algorithm)


def generate_certificate(not_before: datetime, not_after: datetime, common_name: str = "labsfu") -> DtlsCertificate:
    """A fresh ECDSA P-256 key and a certificate for it, signed by itself with SHA-256.

    Args:
        not_before: start of the validity, with a time zone; set it a day back, for peers whose clock is wrong.
        not_after: its end.
        common_name: subject and issuer; nobody checks it.
    """
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    return DtlsCertificate(builder.sign(private_key, hashes.SHA256()), private_key)


def fingerprint_of(der: bytes, algorithm: str) -> str:
    """Fingerprint of a certificate, upper-case hex with colons (RFC 8122 5).

    Args:
        der: ours or a peer's, as it was sent: a peer's is never parsed, for nothing in it matters.
        algorithm: one of `FINGERPRINT_ALGORITHMS`.
    """
    digest = hashlib.new(algorithm.replace("-", ""), der).digest()
    return digest.hex(":").upper()
