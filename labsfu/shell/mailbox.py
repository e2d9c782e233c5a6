"""The bounded outbox of one socket: whoever fills it never waits, whoever does not empty it is given up."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import trio

from labsfu.wire.base import to_json
from labsfu.wire.socket import ServerMessage

OVERFLOW = 4008
DEAF = "the client does not read"


@dataclass(frozen=True, slots=True)
class Farewell:
    """The last thing in a mailbox: close the socket with this."""

    code: int
    reason: str


class Mailbox:
    """Signals, or events, on their way to one client, in order.

    Args:
        limit: bytes of JSON that may wait. When a signal does not fit any more, all that waits is thrown away, a
            farewell with 4008 takes its place, and `overflowed` is set: the socket should be aborted.

    Attributes:
        overflowed: set when the client was given up.
    """

    def __init__(self, limit: int) -> None:
        self.overflowed = trio.Event()
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._sample: bytes | None = None
        self._farewell: Farewell | None = None
        self._something = trio.Event()

    def put(self, signal: ServerMessage) -> None:
        """Queue a signal; after a farewell nothing more is queued."""
        if self._farewell is None:
            self.put_text(to_json(signal))

    def put_text(self, text: bytes) -> None:
        """Queue what is JSON already."""
        if self._farewell is not None:
            return
        if self._bytes + len(text) > self._limit:
            self._waiting.clear()
            self._bytes = 0
            self.hang_up(OVERFLOW, DEAF)
            self.overflowed.set()
            return
        self._waiting.append(text)
        self._bytes += len(text)
        self._something.set()

    @property
    def takes_sample(self) -> bool:
        """Whether a sample would be queued."""
        return self._farewell is None and self._sample is None

    def put_sample(self, text: bytes) -> None:
        """Queue a sample, unless one waits already: who reads slowly gets fewer, and is not given up for them."""
        if self.takes_sample:
            self._sample = text
            self._waiting.append(text)
            self._something.set()

    def hang_up(self, code: int, reason: str) -> None:
        """Queue the farewell; the first one counts."""
        if self._farewell is None:
            self._farewell = Farewell(code, reason)
            self._something.set()

    async def take(self) -> bytes | Farewell:
        """The next signal, as JSON; the farewell when all signals are gone, and ever after."""
        while not self._waiting:
            if self._farewell is not None:
                await trio.lowlevel.checkpoint()
                return self._farewell
            self._something = trio.Event()
            await self._something.wait()
        await trio.lowlevel.checkpoint()
        text = self._waiting.popleft()
        if text is self._sample:
            self._sample = None
        else:
            self._bytes -= len(text)
        return text
