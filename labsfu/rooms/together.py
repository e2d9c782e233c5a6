"""What several need and one makes: the others wait for it, and share what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from labsfu.errors import CommandError
from labsfu.rooms.wishes import Flow, Gate, WaitFor

T = TypeVar("T")


@dataclass(slots=True)
class _Making(Generic[T]):
    terms: Hashable
    gate: Gate = field(default_factory=Gate)
    made: T | None = None
    error: CommandError | None = None


class Together(Generic[T]):
    """Has each thing made by one flow at a time."""

    def __init__(self) -> None:
        self._makings: dict[Hashable, _Making[T]] = {}

    def make(self, name: Hashable, make: Callable[[], Flow[T]], terms: Hashable = None) -> Flow[T | None]:
        """What `make` makes; of `name` only one is being made at one time.

        Answers None if the maker was given up, or refused on other `terms`: then it may be made on one's own.

        Raises:
            CommandError: the maker's refusal.
        """
        making = self._makings.get(name)
        if making is None:
            return (yield from self._make(name, make, terms))
        yield WaitFor(making.gate)
        if making.error is not None and making.terms == terms:
            raise type(making.error)(making.error.detail, slug=making.error.slug)
        return making.made

    def _make(self, name: Hashable, make: Callable[[], Flow[T]], terms: Hashable) -> Flow[T]:
        making = self._makings[name] = _Making[T](terms)
        try:
            making.made = yield from make()
        except CommandError as error:
            making.error = error
            raise
        finally:
            del self._makings[name]
            making.gate.open()
        return making.made
