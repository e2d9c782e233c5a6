"""How much there may be: of rooms, of participants, of producers, of what callers have us keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labsfu.errors import InvalidValue
from labsfu.wire.base import ABSENT, Absent, JsonObject, to_json

APP_DATA_BYTES = 16 * 1024
APP_DATA_DEPTH = 32
"""Objects and arrays in each other: what is nested much deeper can be read, but not be shown inside of another one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most of each.

    Attributes:
        rooms: of the server.
        participants: of the server, in all rooms.
        producers: of one participant.
    """

    rooms: int = 1000
    participants: int = 10_000
    producers: int = 16


def check_app_data(app_data: JsonObject | Absent) -> JsonObject | Absent:
    """Return `app_data` if it is small and shallow enough to be kept.

    Raises:
        InvalidValue: it is not.
    """
    if app_data is ABSENT:
        return ABSENT
    if _is_deeper(app_data, APP_DATA_DEPTH):  # first: the size of what is too deep cannot be told
        raise InvalidValue(f"appData is nested deeper than {APP_DATA_DEPTH}", slug="app-data-too-large")
    size = len(to_json(app_data))
    if size > APP_DATA_BYTES:
        raise InvalidValue(f"appData is {size} bytes of JSON, more than {APP_DATA_BYTES}", slug="app-data-too-large")
    return app_data


def _is_deeper(value: object, depth: int) -> bool:
    """Whether more than so many objects and arrays are in each other, `value` the first; level by level."""
    level = [value]
    for _ in range(depth):
        level = [item for found in level for item in _items(found)]
        if not level:
            return False
    return True


def _items(value: object) -> Iterable[object]:
    """What is in it: objects and arrays only."""
    match value:
        case dict():
            found: Iterable[object] = value.values()
        case list() | tuple():
            found = value
        case _:
            return ()
    return [item for item in found if isinstance(item, dict | list | tuple)]
