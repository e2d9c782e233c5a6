"""What a cascade writes on the things that it makes, to know them again: it goes into their `appData`."""

from __future__ import annotations

from typing import TypeAlias, cast

import msgspec

from labsfu.wire.base import ABSENT, Absent, JsonObject, Wire
from labsfu.wire.ids import RoomId

_KEY = "cascade"

Way: TypeAlias = tuple[str, str, RoomId]
"""From which server to which one (the names that the cascade has for them), and the room."""


class Tag(Wire):
    """Who brought a stream here, and over which servers.

    Attributes:
        source: name of the server that it came from, as its cascade calls it: the same after a restart of either.
        destination: name of the server that it was brought to.
        room: which it is about.
        path: ids of the servers that it has been on, the origin first. An id is that of one run of a server.
    """

    source: str
    destination: str
    room: RoomId
    path: tuple[str, ...] = ()

    @property
    def way(self) -> Way:
        """Whose streams these are."""
        return self.source, self.destination, self.room


def write_tag(tag: Tag) -> JsonObject:
    """The `appData` of what carries a tag."""
    return {_KEY: cast("JsonObject", msgspec.to_builtins(tag))}


def read_tag(app_data: JsonObject | Absent) -> Tag | None:
    """The tag in somebody's `appData`; None: there is none, or it is no tag of ours."""
    if app_data is ABSENT or _KEY not in app_data:
        return None
    try:
        return msgspec.convert(app_data[_KEY], Tag)
    except msgspec.ValidationError:
        return None
