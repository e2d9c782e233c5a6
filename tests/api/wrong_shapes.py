"""From a JSON value that fits a type: all that does not fit it in one point, and the JSON path of that point."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect


@dataclass(frozen=True)
class Wrong:
    """A value that does not fit.

    Attributes:
        path: of what does not, as a problem's `errors` has it.
        value: the whole, wrong in that point.
        coercible: a decoder that is not strict would take it.
    """

    path: str
    value: Any
    coercible: bool = False


@dataclass(frozen=True)
class _Place:
    """A place in a value: its path, and the keys that lead there."""

    path: str
    keys: tuple[str | int, ...]

    def child(self, key: str | int, shown: str | None = None) -> _Place:
        step = shown or (f"[{key}]" if isinstance(key, int) else f".{key}")
        return _Place(self.path + step, (*self.keys, key))


def wrong_shapes(type_: type[msgspec.Struct], good: object) -> Iterator[Wrong]:
    """Every way to be wrong in one point, following the type as far as `good` shows it."""
    for found, place, replacement, coercible in _walk(inspect.type_info(type_), good, _Place("$", ())):
        yield Wrong(found, _with(good, place.keys, replacement), coercible)


_REMOVED = object()


def _walk(info: inspect.Type, good: Any, place: _Place) -> Iterator[tuple[str, _Place, object, bool]]:  # noqa: ANN401 - any JSON
    match info:
        case inspect.StructType():
            yield place.path, place, [], False
            for field in info.fields:
                if field.encode_name not in good:
                    continue
                inner = place.child(field.encode_name)
                if field.required:
                    yield inner.path, inner, _REMOVED, False
                yield from _walk(field.type, good[field.encode_name], inner)
        case inspect.VarTupleType():
            yield place.path, place, {}, False
            for number, item in enumerate(good):
                yield from _walk(info.item_type, item, place.child(number))
        case inspect.DictType():
            yield place.path, place, [], False
            if not isinstance(info.value_type, inspect.CustomType | inspect.AnyType):
                for key in good:
                    inner = place.child(key, "[...]")
                    yield inner.path, inner, None, False
        case inspect.UnionType():
            (only,) = [t for t in info.types if not isinstance(t, inspect.NoneType)][:1]
            yield from _walk(only, good, place)
        case _:
            for replacement, coercible in _leaves(info):
                yield place.path, place, replacement, coercible


def _leaves(info: inspect.Type) -> Iterator[tuple[object, bool]]:
    """Values that are wrong for a scalar."""
    yield [], False
    match info:
        case inspect.IntType():
            yield "7", True
            yield 7.5, False
            if info.ge is not None:
                yield info.ge - 1, False
            if info.le is not None:
                yield info.le + 1, False
        case inspect.FloatType():
            yield "1.5", True
        case inspect.BoolType():
            yield "true", True
        case inspect.StrType():
            yield 7, False
        case inspect.EnumType() | inspect.LiteralType():
            yield "nonsense", False


def _with(good: object, keys: tuple[str | int, ...], replacement: object) -> object:
    if not keys:
        return replacement
    changed: Any = deepcopy(good)
    inside = changed
    for key in keys[:-1]:
        inside = inside[key]
    if replacement is _REMOVED:
        del inside[keys[-1]]
    else:
        inside[keys[-1]] = replacement
    return changed
