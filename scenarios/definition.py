"""What a scenario is: an async function whose parameters are its options, and its name in the registry.

A parameter says its bounds in its annotation: `people: Annotated[int, AtLeast(2)] = 3`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, get_type_hints

from scenarios.errors import UsageError

if TYPE_CHECKING:
    from scenarios.lab import Lab

P = ParamSpec("P")
Value = int | float | str | bool
Story = Callable[..., Awaitable[None]]

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_KINDS: dict[type[Value], str] = {int: "a whole number", float: "a number", str: "a text", bool: "yes or no"}


def _truth(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A bound: this, or more."""

    least: float

    def admits(self, value: float) -> bool:
        """Whether a value keeps it."""
        return value >= self.least

    def __str__(self) -> str:
        return f"at least {self.least:g}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One option of a scenario; its type is that of its default."""

    name: str
    default: Value
    bounds: tuple[AtLeast, ...] = ()

    def read(self, text: str) -> Value:
        """The value that `text` stands for.

        Raises:
            UsageError: none, or one out of bounds.
        """
        kind = type(self.default)
        try:
            value = _truth(text) if kind is bool else kind(text)
        except ValueError:
            raise UsageError(f"{self.name}={text}: not {_KINDS[kind]}") from None
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"{self.name}={text}: not a finite number")
        for bound in self.bounds:
            if not isinstance(value, str) and not bound.admits(value):
                raise UsageError(f"{self.name}={text}: must be {bound}")
        return value


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story that can be run, by its name; `server_flags` are what a server that is started for it needs."""

    name: str
    story: Story
    parameters: tuple[Parameter, ...]
    server_flags: tuple[str, ...] = ()

    @property
    def purpose(self) -> str:
        """What it proves: the first line of its docstring."""
        return (self.story.__doc__ or "").strip().partition("\n")[0]

    def bind(self, settings: Mapping[str, str]) -> dict[str, Value]:
        """All parameters with the values set, the others by default.

        Raises:
            UsageError: no such parameter, or no such value.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in settings:
            if name not in known:
                raise UsageError(f"{self.name} has no parameter '{name}'; it has {', '.join(known) or 'none'}")
        return {name: p.read(settings[name]) if name in settings else p.default for name, p in known.items()}


REGISTRY: dict[str, Scenario] = {}


def scenario(
    name: str, *, server_flags: tuple[str, ...] = ()
) -> Callable[[Callable[Concatenate[Lab, P], Awaitable[None]]], Scenario]:
    """Register an async function `(lab, parameter=default, ...)` as the scenario `name`."""

    def register(story: Callable[Concatenate[Lab, P], Awaitable[None]]) -> Scenario:
        made = REGISTRY[name] = Scenario(name, story, _parameters(story), server_flags)
        return made

    return register


def _parameters(story: Story) -> tuple[Parameter, ...]:
    options = list(inspect.signature(story).parameters.values())[1:]
    hints = get_type_hints(story, include_extras=True)
    return tuple(Parameter(option.name, option.default, _bounds(hints.get(option.name))) for option in options)


def _bounds(hint: object) -> tuple[AtLeast, ...]:
    """What `Annotated` adds to a type, as far as it is a bound."""
    return tuple(extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, AtLeast))


def find(name: str) -> Scenario:
    """A scenario by its name.

    Raises:
        UsageError: there is none.
    """
    if name not in REGISTRY:
        raise UsageError(f"no scenario '{name}'; there are: {', '.join(sorted(REGISTRY))}")
    return REGISTRY[name]
