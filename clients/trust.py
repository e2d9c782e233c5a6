"""Whose certificates a client trusts."""

from __future__ import annotations

import ssl
from pathlib import Path

from clients.errors import UnusableFile


def trusting(ca: str | Path | None) -> ssl.SSLContext | None:
    """TLS that trusts the certificates of a file (PEM), an authority's or a server's own, and no other.

    Args:
        ca: the file; None: whom the system trusts, for which None is answered.

    Raises:
        UnusableFile: it cannot be read, or has no certificate.
    """
    if ca is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise UnusableFile(str(ca), "has no certificate (PEM: -----BEGIN CERTIFICATE-----)") from None
    except OSError as error:
        raise UnusableFile(str(ca), error.strerror or str(error)) from None
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate will do
    return context


def hint_of(error: Exception) -> str:
    """What to say on a command line behind an error of TLS; empty behind others."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return " (--ca FILE says whom to trust)"
    return " (is it http://?)" if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text else ""
