"""What every socket of ours does: one reader, one writer out of a bounded mailbox, and no patience with the deaf."""

from __future__ import annotations

from abc import ABC, abstractmethod

import trio
from quart import websocket

from labsfu.api.link import LinkLike
from labsfu.shell.mailbox import DEAF, Farewell, Mailbox

# Seconds that a client has to answer a close before its connection is dropped.
CLOSE_PATIENCE = 1.0


class SocketLoop(ABC):
    """Moves what is in a mailbox to a client, and what the client says to whoever subclasses this."""

    def __init__(self, mailbox: Mailbox, link: LinkLike) -> None:
        self._mailbox = mailbox
        self._link = link
        self._given_up: str | None = None

    @property
    def clean(self) -> bool:
        """The client said goodbye by itself; it was neither lost nor given up."""
        return not self._link.lost and self._given_up is None

    @property
    def given_up(self) -> str | None:
        """Why we ended it: the client did not read, or broke the protocol; None if we did not."""
        return self._given_up

    async def run(self) -> None:
        """Accept, then carry both ways; ends when either side closes."""
        await websocket.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._abort_when_overflowed)
            nursery.start_soon(self.process_websocket_signals)
            await self.process_internal_signals()
            nursery.cancel_scope.cancel()

    async def process_internal_signals(self) -> None:
        """Send what the mailbox has, until the farewell; then give the client a moment to answer it."""
        while not isinstance(item := await self._mailbox.take(), Farewell):
            await websocket.send(item.decode())
        await websocket.close(item.code, item.reason)
        await trio.sleep(CLOSE_PATIENCE)  # cut short when the client's own close arrives: that cancels the handler

    @abstractmethod
    async def process_websocket_signals(self) -> None:
        """Take in what the client says, until it is given up."""

    async def _abort_when_overflowed(self) -> None:
        """A client that does not read gets no more time than a close takes: its socket is torn down."""
        await self._mailbox.overflowed.wait()
        self._given_up = DEAF
        await trio.sleep(CLOSE_PATIENCE)
        self._link.abort()

    def _give_up(self, code: int, reason: str) -> None:
        self._given_up = reason
        self._mailbox.hang_up(code, reason)
