"""How much there may be: of rooms, of participants, of producers, of what callers have us keep."""

from __future__ import annotations

from dataclasses import dataclass

from labsfu.errors import InvalidValue
from labsfu.wire.base import ABSENT, Absent, JsonObject, to_json

APP_DATA_BYTES = 16 * 1024


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
    """Return `app_data` if it is small enough to be kept.

    Raises:
        InvalidValue: it is not.
    """
    size = 0 if app_data is ABSENT else len(to_json(app_data))
    if size > APP_DATA_BYTES:
        raise InvalidValue(f"appData is {size} bytes of JSON, more than {APP_DATA_BYTES}", slug="app-data-too-large")
    return app_data
