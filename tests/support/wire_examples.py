"""Values of any wire type, made from the type alone: as little as it must have, or all that it can have."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec
from msgspec import inspect

_numbers = count(1)


def example(type_: object, *, full: bool) -> Any:  # noqa: ANN401 - of whatever type is asked for
    """A value of a type; with `full` every optional field is there. Texts and numbers differ from each other."""
    return _value(inspect.type_info(type_), full)


def _value(info: inspect.Type, full: bool) -> Any:  # noqa: ANN401 - one line for each kind of type
    match info:
        case inspect.StructType():
            return _struct(info, full)
        case inspect.UnionType():
            known = [one for one in info.types if not isinstance(one, inspect.NoneType | inspect.CustomType)]
            return _value(known[next(_numbers) % len(known)], full)
        case inspect.VarTupleType():
            return tuple(_value(info.item_type, full) for _ in range(2 if full else 0))
        case inspect.TupleType():
            return tuple(_value(item, full) for item in info.item_types)
        case inspect.DictType():
            return {_value(info.key_type, full): _value(info.value_type, full)} if full else {}
        case inspect.EnumType():
            members = list(info.cls)
            return members[next(_numbers) % len(members)]
        case inspect.LiteralType():
            return info.values[next(_numbers) % len(info.values)]
        case inspect.BoolType():
            return next(_numbers) % 2 == 0
        case inspect.IntType():
            return next(_numbers) % 100 if info.ge is None else info.ge
        case inspect.FloatType():
            return next(_numbers) + 0.5
        case inspect.StrType():
            return f"ß{next(_numbers)}"
        case inspect.BytesType():
            return bytes([next(_numbers) % 256])
        case inspect.AnyType() | inspect.CustomType():
            return {"a": [1, -2.5, None, True, "ü"]}
    raise AssertionError(info)


def _struct(info: inspect.StructType, full: bool) -> msgspec.Struct:
    fields = {field.name: _value(field.type, full) for field in info.fields if field.required or full}
    made: msgspec.Struct = info.cls(**fields)
    return made
