"""The certificate: usable, valid today, and for the names that clients will use."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509

from labsfu.config import Config
from labsfu.doctor.finding import Finding, Patient, fail, ok, warn
from labsfu.errors import ConfigError
from labsfu.shell.tls import read_certificates, server_context

SOON = timedelta(days=14)
_MAKE = "`labsfu make-cert DIR` makes one"


def check(patient: Patient) -> Iterator[Finding]:
    """One line."""
    yield check_certificate(patient.config, datetime.now(UTC))


def check_certificate(config: Config, now: datetime) -> Finding:
    """Whether the certificate of a configuration will do at this time."""
    if config.cert is None:
        if config.loopback:
            return ok("certificate", "none, and none is needed: only this machine can call")
        found = "none: the token can be read on its way; pages on HTTPS, which alone get a camera, cannot connect"
        return warn("certificate", found, f"{_MAKE}; then --cert and --key")
    try:
        server_context(config)
        certificate = read_certificates(config.cert)[0]
    except ConfigError as error:
        return fail("certificate", str(error), f"{_MAKE} and its key")
    until, since = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > until:
        return fail("certificate", f"'{config.cert}' ended on {until:%Y-%m-%d}", _MAKE)
    if now < since:
        return fail("certificate", f"'{config.cert}' begins on {since:%Y-%m-%d}", "set the clock of this machine")
    names = _names(certificate)
    if not _unspecified(config.host) and config.host not in names:
        found = f"'{config.cert}' is for {', '.join(names) or 'no name'}, not for {config.host}"
        return warn("certificate", found, f"`labsfu make-cert DIR --address {config.host}` makes one")
    if until - now < SOON:
        return warn("certificate", f"'{config.cert}' ends on {until:%Y-%m-%d}", _MAKE)
    return ok("certificate", f"for {', '.join(names)}, until {until:%Y-%m-%d}")


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def _unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
