"""What rooms ask of the world: a media engine's answer (flows), messages to people and word to watchers (wishes).

An operation that needs a media engine is a *flow*: a generator that yields `AskWorker`, is sent the result (or has the
`CommandError` thrown in), and returns what was asked for. It may yield `WaitFor` too, where another flow makes what it
needs; then it is sent nothing, once that is there. Several flows may be under way at once, so a flow looks again after
every yield whether what it refers to still lives.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import NewType, TypeAlias, TypeVar

from labsfu.errors import CommandError, Unavailable
from labsfu.wire.commands import Command, Result, RouterCommand
from labsfu.wire.events import RoomEvent
from labsfu.wire.socket import ServerMessage

T = TypeVar("T")
R = TypeVar("R", bound=Result)

ConnectionId = NewType("ConnectionId", int)
"""One socket of a participant; the shell counts them."""


@dataclass(frozen=True, slots=True)
class AskWorker:
    """Have a media engine carry this out."""

    command: Command


class Gate:
    """Something that comes once, and that several may wait for.

    Attributes:
        is_open: it has come.
    """

    __slots__ = ("_waiting", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._waiting: list[Callable[[], object]] = []

    def open(self) -> None:
        """It has come: whoever waits is told, in the order of waiting."""
        self.is_open = True
        waiting, self._waiting = self._waiting, []
        for told in waiting:
            told()

    def when_open(self, told: Callable[[], object]) -> None:
        """Have `told` called when it comes; at once, if it has."""
        if self.is_open:
            told()
        else:
            self._waiting.append(told)


@dataclass(frozen=True, slots=True)
class WaitFor:
    """Go on when this gate is open."""

    gate: Gate


Flow: TypeAlias = Generator[AskWorker | WaitFor, Result | None, T]


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a signal over a connection."""

    connection: ConnectionId
    signal: ServerMessage


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close a connection, after all that it was told."""

    connection: ConnectionId
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Let whoever watches know what happened."""

    event: RoomEvent


@dataclass(frozen=True, slots=True)
class Order:
    """Have this carried out, some time soon: those to one router in the order of ordering. A refusal ends nothing.

    Attributes:
        over: to be opened when it was carried out or refused.
    """

    command: RouterCommand
    over: Gate = field(default_factory=Gate)


Wish: TypeAlias = Tell | Hangup | Publish | Order


def ask(command: Command, expected: type[R]) -> Flow[R]:
    """Ask a worker and check that the answer is of the kind that this command has.

    Raises:
        CommandError: the worker's refusal.
        Unavailable: a worker that answers something else.
    """
    result = yield AskWorker(command)
    if not isinstance(result, expected):
        raise Unavailable(
            f"worker answered {type(result).__name__} to {type(command).__name__}", slug="worker-confused"
        )
    return result


def ask_to_close(commands: Iterable[Command]) -> Flow[None]:
    """Ask for each closing; what the engine no longer has is as good as closed."""
    for command in commands:
        try:
            yield AskWorker(command)
        except CommandError:
            continue
