"""Query parameters, strictly: what is unknown, missing, given twice or wrong is refused and named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from labsfu.errors import InvalidValue
from labsfu.wire.base import Wire

W = TypeVar("W", bound=Wire)

# The forms of `labsfu.wire.ids`, for the OpenAPI document.
UUID_PATTERN = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
TOKEN_PATTERN = "^[A-Za-z0-9._~-]{1,64}$"

Token: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": TOKEN_PATTERN})]
"""An id of the caller's; `check_token` refuses what is none, with a problem type of its own."""

Size: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class NoQuery(Wire):
    """The query of a route that takes none."""


def parse_query(type_: type[W], items: Iterable[tuple[str, str]]) -> W:
    """Read query parameters into a wire type.

    Raises:
        InvalidValue: slugs `unknown-parameter`, `repeated-parameter`, `missing-parameter`, `invalid-parameter`.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(type_)}
    values: dict[str, object] = {}
    for name, text in items:
        if name not in fields:
            raise InvalidValue(f"there is no query parameter '{name}' here", slug="unknown-parameter")
        if name in values:
            raise InvalidValue(f"query parameter '{name}' is given twice", slug="repeated-parameter")
        try:
            values[name] = msgspec.convert(text, fields[name].type, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidValue(f"query parameter '{name}' is '{text}': {error}", slug="invalid-parameter") from error
    for name, field in fields.items():
        if field.required and name not in values:
            raise InvalidValue(f"query parameter '{name}' is missing", slug="missing-parameter")
    return type_(**{fields[name].name: value for name, value in values.items()})
