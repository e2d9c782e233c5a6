"""Names of things.

Routers, transports, producers and consumers have UUIDs that the server made; rooms and participants have tokens
that their callers chose.
"""

from __future__ import annotations

import re
from typing import NewType
from uuid import UUID

from labsfu.errors import InvalidValue

RouterId = NewType("RouterId", str)
TransportId = NewType("TransportId", str)
ProducerId = NewType("ProducerId", str)
ConsumerId = NewType("ConsumerId", str)
WorkerId = NewType("WorkerId", str)
RoomId = NewType("RoomId", str)
ParticipantId = NewType("ParticipantId", str)

_TOKEN = re.compile(r"[A-Za-z0-9._~-]{1,64}")


def check_token(what: str, value: str) -> str:
    """Return `value` if it is a token (1 to 64 of `A-Z a-z 0-9 . _ ~ -`), else raise InvalidValue."""
    if _TOKEN.fullmatch(value) is None:
        raise InvalidValue(
            f"{what} '{value}' is not 1 to 64 characters of A-Z a-z 0-9 . _ ~ -",
            slug=f"invalid-{what.replace(' ', '-')}-id",
        )
    return value


def check_uuid(what: str, value: str) -> str:
    """Return `value` if it is a UUID in its canonical form, else raise InvalidValue."""
    try:
        canonical = str(UUID(value))
    except ValueError:
        canonical = ""
    if not canonical or canonical != value:
        raise InvalidValue(f"{what} id '{value}' is not a UUID", slug=f"invalid-{what.replace(' ', '-')}-id")
    return value
