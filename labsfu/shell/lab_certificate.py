"""A certificate for a laboratory: for addresses that no public authority knows.

An authority is made for this one certificate, and its private key is thrown away: whoever trusts it (a phone that has
it installed) trusts this server, and nothing else can ever be signed with it.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from labsfu.errors import ConfigError
from labsfu.shell.addresses import own_addresses

# The longest that Apple's systems accept of an authority that their owner installed.
DAYS = 825

CA, CERT, KEY = "ca.pem", "cert.pem", "key.pem"


@dataclass(frozen=True, slots=True)
class LabCertificate:
    """Three files (PEM), and the last day of the certificate.

    Attributes:
        ca: the authority; what clients must trust.
        cert: the server's certificate.
        key: its private key.
        until: when it ends.
    """

    ca: bytes
    cert: bytes
    key: bytes
    until: datetime

    def write(self, directory: Path) -> None:
        """Write `ca.pem`, `cert.pem` and `key.pem`, the last for its owner alone; the directory is made.

        Raises:
            ConfigError: one of them is there already, or cannot be written.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for name in (CA, CERT, KEY):
                if (directory / name).exists():
                    raise ConfigError(f"'{directory / name}' is there already: remove it, or name another directory")
            for name, data, mode in ((CA, self.ca, 0o644), (CERT, self.cert, 0o644), (KEY, self.key, 0o600)):
                with os.fdopen(os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                    file.write(data)
        except OSError as error:
            raise ConfigError(f"cannot write to '{directory}': {error.strerror}") from None


def make_lab_certificate(names: Sequence[str], now: datetime, days: int = DAYS) -> LabCertificate:
    """Make a certificate for IP addresses and DNS names.

    Args:
        names: whom it is for, the subject's name first.
        now: the time, with its zone; it is valid from a day before, for clients whose clock is wrong.
        days: how long it is valid.

    Raises:
        ConfigError: a name is neither an address nor a DNS name.
    """
    wanted = x509.SubjectAlternativeName([_general_name(name) for name in names])
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name(f"labsfu lab of {names[0]}")
    valid = now - timedelta(days=1), now + timedelta(days=days - 1)
    authority = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = (
        _builder(issuer, issuer, ca_key, valid)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    cert = (
        _builder(_name(names[0]), issuer, key, valid)
        .add_extension(wanted, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return LabCertificate(ca.public_bytes(Encoding.PEM), cert.public_bytes(Encoding.PEM), private, valid[1])


def make_cert(directory: Path, names: str | None, days: int) -> str:
    """Make a certificate and write it; answers what there is to say about it.

    Args:
        directory: where to.
        names: addresses and names, separated by commas; None: all addresses of this machine.
        days: how long it is valid.

    Raises:
        ConfigError: a name is none, or the files cannot be written.
    """
    own = own_addresses() if names is None else tuple(name.strip() for name in names.split(","))
    everything = tuple(dict.fromkeys((*own, "127.0.0.1", "::1", "localhost")))
    made = make_lab_certificate(everything, datetime.now(UTC), days)
    made.write(directory)
    first = everything[0]
    return f"""\
{directory / CERT}  for {", ".join(everything)}, until {made.until:%Y-%m-%d}
{directory / KEY}   its private key, for you alone
{directory / CA}    for clients: labsfu client --ca, curl --cacert; or have it installed on a phone

LABSFU_TOKEN=… labsfu serve --host {first} --media-address {first} --cert {directory / CERT} --key {directory / KEY}"""


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    letters = name.replace("-", "").replace(".", "")
    if not (letters.isascii() and letters.isalnum()) or ".." in f".{name}." or len(name) > 253:
        raise ConfigError(f"'{name}' is neither an IP address nor a DNS name")
    return x509.DNSName(name)
