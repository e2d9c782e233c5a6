"""What the API and the rooms know of a media engine: something that carries out commands, anywhere."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from labsfu.wire.commands import Command, Result
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo


class Worker(Protocol):
    """An engine behind some way of reaching it."""

    @property
    def id(self) -> WorkerId:
        """Stable name of this worker."""

    def execute(self, command: Command) -> Awaitable[Result]:
        """Carry a command out.

        Raises:
            CommandError: it was refused; nothing changed.
        """

    def info(self) -> Awaitable[WorkerInfo]:
        """State, load and counts of this worker."""
