"""The functions of `labsfu.core`, found by looking, so that a list of them in a test cannot fall behind."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator

import labsfu.core

Function = Callable[..., object]
PREFIX = "labsfu.core."


def functions() -> dict[str, Function]:
    """Every function and method by its name without `labsfu.core.`, e.g. `rtcp.nack.Nack.parse`."""
    found: dict[str, Function] = {}
    for info in pkgutil.walk_packages(labsfu.core.__path__, PREFIX):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if getattr(value, "__module__", None) == module.__name__:
                found.update((f"{info.name.removeprefix(PREFIX)}.{path}", f) for path, f in _of(name, value))
    return found


def _of(name: str, value: object) -> Iterator[tuple[str, Function]]:
    if inspect.isfunction(value):
        yield name, value
    elif inspect.isclass(value):
        for attribute, member in vars(value).items():
            function = getattr(member, "__func__", member)
            if inspect.isfunction(function):
                yield f"{name}.{attribute}", function


def takes_bytes(function: Function) -> bool:
    """Whether a parameter is annotated as bytes, in whatever form packets have."""
    annotations = [str(parameter.annotation) for parameter in inspect.signature(function).parameters.values()]
    return any(kind in annotation for annotation in annotations for kind in ("bytes", "Buffer", "memoryview"))
