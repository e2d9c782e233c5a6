"""The URL of a server, as a command line gives it."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from labsfu.errors import InvalidValue


def read_url(text: str) -> str:
    """The base URL of a server.

    Raises:
        InvalidValue: it is none, or has a user or a password, which is not repeated.
    """
    # anywhere: a password may have a '/', and names of servers are shown to people and to other servers
    if "@" in text:
        raise InvalidValue("a URL of a server has no user, no password and no '@': what it wants is a token")
    try:
        parts = urlsplit(text)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or (parts.port or 1) < 1
    except ValueError:
        wrong = True
    if wrong or parts.query or parts.fragment:
        raise InvalidValue(f"'{text}' is no URL of a server: one looks like http://127.0.0.1:8000")
    return text.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether only this machine gets to a server, by its URL."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_secure(url: str) -> bool:
    """Whether a server is spoken to over TLS, by its URL."""
    return urlsplit(url).scheme == "https"
