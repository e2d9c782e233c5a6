"""What the API and the rooms know of a media engine: something that carries out commands, anywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
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

    def silent_info(self) -> WorkerInfo:
        """What is known of it without asking: all that can be shown while it does not answer."""


class Workers(Protocol):
    """All workers of a server."""

    @property
    def all(self) -> Sequence[Worker]:
        """All of them; one that is being replaced says so by its `info`, and refuses commands."""

    def execute(self, command: Command) -> Awaitable[Result]:
        """Carry a command out, on the worker that it concerns: that of its router; for a new router, the best place.

        What concerns all (`ListRouters`) is asked of all and put together. Routers are shown with their worker's id.

        Raises:
            CommandError: it was refused; nothing changed.
            NotFound: no worker has the router (`router-not-found`).
            Unavailable: the worker is gone, or went while it was asked (`worker-unavailable`).
        """
