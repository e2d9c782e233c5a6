"""What a cascade is asked to do: words of a command line, read; each wrong one is named in one line."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from math import isfinite
from pathlib import Path

from clients.cascade.cascade import PATIENCE
from clients.server_url import is_secure, read_url
from labsfu.errors import InvalidValue
from labsfu.wire.ids import RoomId, check_token


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The command line as it was written; None: left out."""

    a: str
    b: str
    room: str
    token_a: str | None = None
    token_b: str | None = None
    ca: str | None = None
    one_way: bool = False
    srtp: bool | None = None
    rtx: bool = True
    listen_a: str | None = None
    listen_b: str | None = None
    patience: str | None = None
    mode: str = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The same, read; see `Cascade`."""

    a: str
    b: str
    room: RoomId
    token_a: str | None
    token_b: str | None
    ca: Path | None
    one_way: bool
    srtp: bool | None
    rtx: bool
    listen_a: str | None
    listen_b: str | None
    patience: float
    json: bool


def read_options(words: Words) -> Options:
    """Read a command line.

    Raises:
        InvalidValue: a word is wrong, or two do not go together; the detail names them.
    """
    a, b = read_url(words.a), read_url(words.b)
    if a == b:
        raise InvalidValue(f"{a} is named twice: a room is not joined to itself")
    if words.ca is not None and not any(is_secure(url) for url in (a, b)):
        raise InvalidValue(f"--ca says whom to trust: it goes with https:// only, not with {a} and {b}")
    return Options(
        a=a,
        b=b,
        room=RoomId(check_token("room", words.room)),
        token_a=words.token_a,
        token_b=words.token_b,
        ca=None if words.ca is None else Path(words.ca),
        one_way=words.one_way,
        srtp=words.srtp,
        rtx=words.rtx,
        listen_a=_address("--listen-a", words.listen_a),
        listen_b=_address("--listen-b", words.listen_b),
        patience=PATIENCE if words.patience is None else _seconds(words.patience),
        json=words.mode == "json",
    )


def _address(flag: str, text: str | None) -> str | None:
    try:
        return None if text is None else str(ip_address(text))
    except ValueError:
        raise InvalidValue(f"{flag} {text} is no IP address") from None


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not isfinite(number) or number < 0:
        raise InvalidValue(f"--patience {text} is no number of seconds")
    return number
