"""Certificates for tests of TLS: our own maker's, and broken ones."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from labsfu.shell.lab_certificate import CA, CERT, DAYS, KEY, make_lab_certificate


@dataclass(frozen=True)
class Files:
    """Where a certificate's files are."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / CA

    @property
    def cert(self) -> Path:
        return self.directory / CERT

    @property
    def key(self) -> Path:
        return self.directory / KEY

    @property
    def flags(self) -> tuple[str, ...]:
        """For `labsfu serve`."""
        return "--cert", str(self.cert), "--key", str(self.key)

    def trusting(self) -> ssl.SSLContext:
        """A client that trusts it, and is as strict about it as OpenSSL can be."""
        context = ssl.create_default_context(cafile=self.ca)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context


def make_files(directory: Path, *names: str, now: datetime | None = None, days: int = DAYS) -> Files:
    """A certificate for some names, of this machine's loopback if there are none."""
    everything = names or ("127.0.0.1", "::1", "localhost")
    make_lab_certificate(everything, now or datetime.now(UTC), days).write(directory)
    return Files(directory)
