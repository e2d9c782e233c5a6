"""What the rooms order in passing: carried out in the background, for each router in the order of ordering."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import structlog
import trio

from labsfu.errors import CommandError
from labsfu.rooms.wishes import Order
from labsfu.wire.commands import Command, Result
from labsfu.wire.ids import RouterId

_log = structlog.get_logger()


class Orders:
    """Carries commands out; a router that takes its time keeps no other one waiting.

    Args:
        execute: has a command carried out. Its refusals end nothing: what was to be changed is gone, then. Neither do
            bugs that come to light in a worker: they are logged.
    """

    def __init__(self, execute: Callable[[Command], Awaitable[Result]]) -> None:
        self._execute = execute
        self._queues: dict[RouterId, deque[Order]] = {}
        self._nursery: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._queues)

    def put(self, order: Order) -> None:
        """Have this carried out, some time after `run` was started; nothing is, after it was stopped."""
        if self._stopped:
            return
        router_id = order.command.router_id
        queue = self._queues.get(router_id)
        if queue is not None:
            queue.append(order)
            return
        self._queues[router_id] = deque([order])
        if self._nursery is not None:
            self._nursery.start_soon(self._work, router_id)

    async def run(self) -> None:
        """Carry out all that is put, until stopped."""
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    for router_id in self._queues:
                        self._nursery.start_soon(self._work, router_id)
                    await trio.sleep_forever()
        finally:
            self._stopped = True

    def stop(self) -> None:
        """Give up."""
        self._stopped = True
        self._scope.cancel()

    async def _work(self, router_id: RouterId) -> None:
        queue = self._queues[router_id]
        try:
            while queue:
                order = queue.popleft()
                try:
                    await self._execute(order.command)
                except CommandError:
                    pass
                except Exception as error:  # logged, as one of a request is; nobody waits for the answer
                    _log.error("order failed", command=type(order.command).__name__, exc_info=error)
                order.over.open()
        finally:
            del self._queues[router_id]
