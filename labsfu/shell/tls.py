"""The server's side of TLS: a certificate and its key, read before anything is bound."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from labsfu.config import Config
from labsfu.errors import ConfigError

# RFC 7301: HTTP/1.1 and nothing else; WebSockets (RFC 6455) go over it.
PROTOCOLS = ("http/1.1",)


def server_context(config: Config) -> ssl.SSLContext | None:
    """TLS 1.2 or newer (RFC 8996, RFC 9325 3.1.1) with the certificate of the configuration; None: plain HTTP.

    Raises:
        ConfigError: a file is missing or is none of the kind, or the key is not that of the certificate.
    """
    if config.cert is None or config.key is None:
        return None
    files = _read("cert", config.cert), _read("key", config.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(PROTOCOLS)
    try:
        context.load_cert_chain(config.cert, config.key, password=_no_password(config.key))
    except ssl.SSLError as error:
        raise ConfigError(_why(error, config.cert, config.key, *files)) from None
    return context


def read_certificates(cert: Path) -> list[x509.Certificate]:
    """The certificates of a file, the server's own one first.

    Raises:
        ConfigError: it cannot be read, or has none.
    """
    try:
        return x509.load_pem_x509_certificates(_read("cert", cert))
    except ValueError:
        raise ConfigError(_NO_CERTIFICATE.format(cert)) from None


_NO_CERTIFICATE = "cert '{}' has no certificate (PEM: -----BEGIN CERTIFICATE-----)"
_NO_KEY = "key '{}' has no private key (PEM: -----BEGIN PRIVATE KEY-----)"


def _read(name: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: cannot read '{file}': {error.strerror}") from None


def _no_password(key: Path) -> Callable[[], str]:
    """OpenSSL would ask for one on the terminal."""

    def refuse() -> str:
        raise ConfigError(f"key '{key}' is encrypted: give one without a password")

    return refuse


def _why(error: ssl.SSLError, cert: Path, key: Path, cert_data: bytes, key_data: bytes) -> str:
    """OpenSSL names neither the file nor, mostly, what is wrong with it."""
    try:
        (certificate, *_) = x509.load_pem_x509_certificates(cert_data)
    except ValueError:
        return _NO_CERTIFICATE.format(cert)
    try:
        private = load_pem_private_key(key_data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return _NO_KEY.format(key)
    if certificate.public_key() != private.public_key():
        return f"key '{key}' is not that of cert '{cert}'"
    return f"cert '{cert}' with key '{key}' cannot be used: {(error.reason or str(error)).replace('_', ' ').lower()}"
