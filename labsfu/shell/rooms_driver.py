"""The Trio side of `labsfu.rooms`: asks workers for what flows want, delivers what people are told, keeps the time.

After every step of a flow and every event the wishes of the rooms are delivered at once, with no await between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import TypeVar

import structlog
import trio

from labsfu.errors import CommandError, Unavailable
from labsfu.rooms.registry import Rooms
from labsfu.rooms.wishes import AskWorker, ConnectionId, Flow, Order, Publish, Tell, WaitFor
from labsfu.shell.holdings import HoldingLimits, Holdings
from labsfu.shell.mailbox import Mailbox
from labsfu.shell.orders import Orders
from labsfu.wire.events import EngineEvent, Event
from labsfu.wire.worker import Workers

T = TypeVar("T")

_log = structlog.get_logger()


class RoomsDriver:
    """Runs rooms.

    Args:
        rooms: what is run. Nobody else calls it, but for showing what is there.
        workers: the media engines.
        now: the monotonic clock, in seconds; `trio.current_time`, or one that runs with it.
        publish: lets watchers know what happens, in the engine and in the rooms.
        outbox_bytes: what may wait for one client.
        limits: how much of what the engine holds there may be.
    """

    def __init__(
        self,
        rooms: Rooms,
        workers: Workers,
        *,
        now: Callable[[], float],
        publish: Callable[[Event], None],
        outbox_bytes: int,
        limits: HoldingLimits | None = None,
    ) -> None:
        self.rooms = rooms
        self._workers = workers
        self._now = now
        self._publish = publish
        self._outbox_bytes = outbox_bytes
        self._holdings = Holdings(limits or HoldingLimits())
        self._orders = Orders(self._workers.execute)
        self._mailboxes: dict[ConnectionId, Mailbox] = {}
        self._numbers = count(1)
        self._flows: set[trio.CancelScope] = set()
        self._stopped = False
        self._timer = trio.CancelScope()

    def now(self) -> float:
        """Monotonic seconds, as the rooms count them."""
        return self._now()

    # ------------------------------------------------------------------ sockets

    @property
    def sockets(self) -> int:
        """How many are open."""
        return len(self._mailboxes)

    def open(self) -> tuple[ConnectionId, Mailbox]:
        """A name and a mailbox for a new socket; to be given back with `close`."""
        connection, mailbox = ConnectionId(next(self._numbers)), Mailbox(self._outbox_bytes)
        self._mailboxes[connection] = mailbox
        return connection, mailbox

    def close(self, connection: ConnectionId) -> None:
        """The socket is gone; what it was still to be told is dropped."""
        self._mailboxes.pop(connection, None)

    def hang_up_all(self, code: int, reason: str) -> None:
        """Bid farewell to every client."""
        for mailbox in self._mailboxes.values():
            mailbox.hang_up(code, reason)

    # ------------------------------------------------------------------ steps

    async def run(self, flow: Flow[T], *, undaunted: bool = False) -> T:
        """Run a flow to its end, whatever becomes of the caller.

        Args:
            flow: what is run.
            undaunted: bugs that come to light in a worker are logged, and are refusals to the flow.

        Raises:
            CommandError: the flow's refusal.
            Unavailable: the server stops meanwhile.
        """
        with trio.CancelScope(shield=True) as scope:
            if self._stopped:
                scope.cancel()
            self._flows.add(scope)
            try:
                return await self._run(flow, undaunted)
            finally:
                self._flows.discard(scope)
        raise Unavailable("the server is stopping", slug="server-stopping")

    async def _run(self, flow: Flow[T], undaunted: bool) -> T:
        resume: Callable[[], AskWorker | WaitFor] = partial(next, flow)
        while True:
            try:
                wish = self.call(resume)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(wish, WaitFor):
                opened = trio.Event()
                wish.gate.when_open(opened.set)
                await opened.wait()
                resume = partial(next, flow)
                continue
            try:
                with self._holdings.making(wish.command):
                    resume = partial(flow.send, await self._workers.execute(wish.command))
            except CommandError as refused:
                resume = partial(flow.throw, refused)
            except Exception as error:
                if not undaunted:
                    raise
                _log.error("worker failed", command=type(wish.command).__name__, exc_info=error)
                resume = partial(flow.throw, Unavailable("a worker failed", slug="worker-unavailable"))

    def call(self, operation: Callable[[], T]) -> T:
        """Carry out one step of the rooms that needs no worker, and deliver."""
        try:
            return operation()
        finally:
            self._deliver()

    def on_events(self, events: Sequence[EngineEvent]) -> None:
        """Take the engine's events in, and deliver; watchers know of each before they know what follows from it."""
        for event in events:
            self._holdings.follow(event)
            self._publish(event)
            self.call(partial(self.rooms.on_event, event, self._now()))

    async def keep_time(self) -> None:
        """End grace times when they are over, until stopped."""
        while True:
            deadline = self.rooms.deadline()
            self._timer = trio.CancelScope(deadline=float("inf") if deadline is None else deadline)
            with self._timer:
                await trio.sleep_forever()
            try:
                await self.run(self.rooms.tick(self.now()), undaunted=True)
            except Unavailable:  # stopped; closings that a worker refuses end the flow all the same
                return

    async def carry_out_orders(self) -> None:
        """Carry out what the rooms order in passing, until stopped."""
        await self._orders.run()

    def stop(self) -> None:
        """Give up the flows that still wait for a worker, and the orders; new ones are refused."""
        self._stopped = True
        self._orders.stop()
        for scope in self._flows:
            scope.cancel()

    def _deliver(self) -> None:
        for wish in self.rooms.drain():
            if isinstance(wish, Publish):
                self._publish(wish.event)
                continue
            if isinstance(wish, Order):
                self._orders.put(wish)
                continue
            mailbox = self._mailboxes.get(wish.connection)
            if mailbox is None:
                continue  # its socket went away by itself
            if isinstance(wish, Tell):
                mailbox.put(wish.signal)
            else:
                mailbox.hang_up(wish.code, wish.reason)
        deadline = self.rooms.deadline()
        if deadline is not None and deadline < self._timer.deadline:
            self._timer.deadline = deadline
