"""How a fault gets into a server under test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from labsfu.core import executor
from labsfu.errors import CommandError
from labsfu.wire import commands

Patch: TypeAlias = pytest.MonkeyPatch


def wrap(patch: Patch, owner: object, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a function by what `make` makes of it."""
    patch.setattr(owner, name, make(getattr(owner, name)))


def always(value: object) -> Callable[..., Any]:
    return lambda *_args, **_kwargs: value


def instead_of(refusal: type[CommandError], answer: Callable[..., Any]) -> Callable[..., Any]:
    """Have `answer` called with the same arguments when a function refuses."""

    def make(function: Callable[..., Any]) -> Callable[..., Any]:
        def lenient(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - handed through
            try:
                return function(*args, **kwargs)
            except refusal:
                return answer(*args, **kwargs)

        return lenient

    return make


def half_made_by(patch: Patch, *types: type[commands.RouterCommand]) -> None:
    """A command of these types that is refused leaves a transport behind."""

    def leaving(execute: Callable[..., Any]) -> Callable[..., Any]:
        def left(self: executor.Executor, command: commands.Command, now: float, *socket: object) -> object:
            try:
                return execute(self, command, now, *socket)
            except CommandError:
                if isinstance(command, types):
                    execute(self, commands.CreateWebRtcTransport(router_id=command.router_id), now)
                raise

        return left

    wrap(patch, executor.Executor, "execute", leaving)
