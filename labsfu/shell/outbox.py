"""Frames on their way over a stream: whoever puts one in never waits, and can know how much there is."""

from __future__ import annotations

from collections import deque

import trio

# One write takes so many bytes at most, so that a long queue is not copied as a whole.
WRITE_BYTES = 256 * 1024


class Outbox:
    """The frames that wait, in order.

    Args:
        mark: bytes from which on it counts as full.
    """

    def __init__(self, mark: int) -> None:
        self._mark = mark
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._something = trio.Event()
        self._room = trio.Event()
        self._closed = False

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether whoever can wait should wait."""
        return self._bytes >= self._mark

    def put(self, frame: bytes) -> None:
        """Queue a frame, full or not; after `close` it is dropped."""
        if self._closed:
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._something.set()

    async def wait_room(self) -> None:
        """Return when it is not full, or closed."""
        while self.full:
            if self._room.is_set():
                self._room = trio.Event()
            await self._room.wait()

    def close(self) -> None:
        """Drop everything: nobody reads any more."""
        self._closed = True
        self._frames.clear()
        self._bytes = 0
        self._room.set()

    async def write_forever(self, stream: trio.abc.SendStream) -> None:
        """Send what is put in. Ends when the other side does not listen any more."""
        try:
            while True:
                while not self._frames:
                    self._something = trio.Event()
                    await self._something.wait()
                await stream.send_all(self._take())
        except trio.BrokenResourceError:
            return

    def _take(self) -> bytes:
        taken = [self._frames.popleft()]
        size = len(taken[0])
        while self._frames and size + len(self._frames[0]) <= WRITE_BYTES:
            taken.append(self._frames.popleft())
            size += len(taken[-1])
        self._bytes -= size
        if not self.full:
            self._room.set()
        return b"".join(taken)
