"""What the rooms order in passing: carried out in the background, for each router in the order of ordering."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import trio

from labsfu.errors import CommandError
from labsfu.wire.commands import Command, Result, RouterCommand
from labsfu.wire.ids import RouterId


class Orders:
    """Carries commands out; a router that takes its time keeps no other one waiting.

    Args:
        execute: has a command carried out. Its refusals end nothing: what was to be changed is gone, then.
    """

    def __init__(self, execute: Callable[[Command], Awaitable[Result]]) -> None:
        self._execute = execute
        self._queues: dict[RouterId, deque[RouterCommand]] = {}
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()

    def __len__(self) -> int:
        return len(self._queues)

    def put(self, command: RouterCommand) -> None:
        """Have this carried out, some time after `run` was started."""
        queue = self._queues.get(command.router_id)
        if queue is not None:
            queue.append(command)
            return
        self._queues[command.router_id] = deque([command])
        if self._nursery is not None:
            self._nursery.start_soon(self._work, command.router_id)

    async def run(self) -> None:
        """Carry out all that is put, until stopped."""
        with self._scope:
            async with trio.open_nursery() as self._nursery:
                for router_id in self._queues:
                    self._nursery.start_soon(self._work, router_id)
                await trio.sleep_forever()

    def stop(self) -> None:
        """Give up."""
        self._scope.cancel()

    async def _work(self, router_id: RouterId) -> None:
        queue = self._queues[router_id]
        try:
            while queue:
                try:
                    await self._execute(queue.popleft())
                except CommandError:
                    continue
        finally:
            del self._queues[router_id]
