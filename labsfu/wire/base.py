"""The base of all wire types, and the two codecs."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar, cast, dataclass_transform

import msgspec

from labsfu.errors import InvalidValue

ABSENT = msgspec.UNSET
Absent: TypeAlias = msgspec.UnsetType
"""The type of a key that is not there: `mid: str | Absent = ABSENT`."""

JsonObject: TypeAlias = dict[str, object]

T = TypeVar("T")


class _WireMeta(msgspec.StructMeta):
    """Makes frozen and keyword-only the default of every wire type; msgspec inherits neither."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: JsonObject, **config: Any) -> type:  # noqa: ANN401 - msgspec's own options, passed through
        defaults: dict[str, Any] = {"frozen": True, "kw_only": True}
        return cast("type", super().__new__(mcls, name, bases, namespace, **(defaults | config)))


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Wire(msgspec.Struct, metaclass=_WireMeta, frozen=True, kw_only=True, rename="camel"):
    """Base of every wire type: frozen, keyword-only, camelCase outside; unknown fields are ignored."""


def to_json(value: object) -> bytes:
    """Encode a wire value as JSON (UTF-8)."""
    return msgspec.json.encode(value)


def from_json(data: bytes | str, type_: type[T]) -> T:
    """Decode JSON strictly (no coercion: "7" is not 7).

    Raises:
        InvalidValue: not JSON (slug `not-json`), or not of this shape (`wrong-shape`; the detail names the path).
    """
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.ValidationError as error:
        raise InvalidValue(str(error), slug="wrong-shape") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"body is not JSON: {error}", slug="not-json") from error
