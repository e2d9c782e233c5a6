"""Bodies of requests, strictly: JSON of the route's type, nothing coerced, and where it does not fit is named."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from quart import request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from labsfu.api.context import Api
from labsfu.api.routing import NoBody
from labsfu.errors import InvalidValue
from labsfu.wire.base import Wire, from_json

B = TypeVar("B", bound=Wire)

_FLOAT = "got `float`"
_EXACT = 2**53

_PATH = re.compile(r" - at `(?:key in )?(\$[^`]*)`$")
_MISSING = re.compile(r"^Object missing required field `([^`]*)`")


class WrongShape(InvalidValue):
    """JSON that is not of the shape that it should be.

    Attributes:
        paths: JSON paths of what is wrong.
    """

    slug = "wrong-shape"

    def __init__(self, detail: str, paths: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.paths = paths


async def read_body(api: Api, type_: type[B], *, required: bool) -> B:
    """Read and decode the body of the current request.

    Raises:
        UnsupportedMediaType: it is not said to be JSON.
        RequestEntityTooLarge: it is.
        InvalidValue: slugs `not-json`, `wrong-shape`.
    """
    if type_ is NoBody:
        return type_()
    try:
        data = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    except RequestEntityTooLarge:
        raise RequestEntityTooLarge(f"a body has at most {api.config.body_bytes} bytes") from None
    if not data and not required:
        return type_()
    if data and not _is_json(request.mimetype, request.mimetype_params.get("charset", "utf-8")):
        raise UnsupportedMediaType(f"a body is 'application/json', not '{request.content_type or ''}'")
    return decode(data, type_)


def decode(data: bytes, type_: type[B]) -> B:
    """Decode JSON.

    Raises:
        InvalidValue: slugs `not-json`, `wrong-shape`.
    """
    try:
        try:
            return from_json(data, type_)
        except InvalidValue as error:
            if error.slug != WrongShape.slug:
                raise
            if _FLOAT not in error.detail:
                raise _wrong_shape(error.detail) from None
        value: B = msgspec.convert(_whole_numbers(msgspec.json.decode(data)), type_)
        return value
    except RecursionError:
        raise InvalidValue("body is nested too deep", slug="not-json") from None
    except msgspec.ValidationError as error:
        raise _wrong_shape(str(error)) from None


def _wrong_shape(detail: str) -> WrongShape:
    return WrongShape(detail, (_path_of(detail),))


def _whole_numbers(value: object) -> object:
    """JSON has one kind of number (RFC 8259 6), so 7.0 is the 7 that msgspec wants for an integer."""
    match value:
        case dict():
            return {key: _whole_numbers(item) for key, item in value.items()}
        case list():
            return [_whole_numbers(item) for item in value]
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)
        case _:
            return value


def _is_json(mimetype: str, charset: str) -> bool:
    return mimetype == "application/json" and charset.lower() in {"utf-8", "utf8"}


def _path_of(message: str) -> str:
    """The JSON path in a message of msgspec; of a missing field, where it should be."""
    found, missing = _PATH.search(message), _MISSING.match(message)
    path = found[1] if found else "$"
    return f"{path}.{missing[1]}" if missing else path
