"""The events of a server: everything that happens in its engine and its rooms, in order, without unseen holes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConcurrencyError, ConnectionClosed

from clients.api import socket_url
from clients.errors import Disconnected, ProtocolViolation
from clients.sockets import disconnected, open_socket
from clients.trust import trusting
from labsfu.errors import InvalidValue
from labsfu.wire.feed import Frame, Gap, Happened, Hello, Sample, decode_frame

Seen: TypeAlias = Happened | Gap | Sample


class EventFeed:
    """One connection to `WS /sfu/events`: an async context manager to iterate over, once.

    It connects once. To go on after the connection is lost, make another one: `EventFeed(url, since=feed.seq,
    epoch=feed.epoch)` goes on behind the last thing that was read here, with a `Gap` first if some of it is gone.

    What it gives is checked: numbers without a hole, and what is missing is a `Gap`.

    Args:
        url: base URL of the server, e.g. `http://127.0.0.1:8000`.
        token: bearer token, if the server wants one.
        since: the last event that the caller has; 0: all that the server still has; None: from now on.
        epoch: the run of the server that `since` belongs to.
        interval: milliseconds between two samples (100 to 60000); None: there are none.
        timeout: seconds for the handshake, for the hello, and for the closing handshake.
        ca: file with the certificates to be trusted for https:// (see `clients.trust`).

    Attributes:
        hello: what the server said first.
        seq: the number of the last thing that was read here, or from which on it reads.
        epoch: the run of the server that `seq` belongs to.

    Raises:
        Refused: on entering: the server does not want to tell.
        ServerFailed: on entering: nobody answers there.
        ProtocolViolation: on entering, and from the iteration: the server said what the contract does not know.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        since: int | None = None,
        epoch: str | None = None,
        *,
        interval: int | None = None,
        timeout: float = 10.0,
        ca: str | Path | None = None,
    ) -> None:
        query = {} if since is None else {"since": str(since)}
        if epoch is not None:
            query["epoch"] = epoch
        if interval is not None:
            query["interval"] = str(interval)
        self._url = socket_url(url, "/sfu/events", query)
        self._token = token
        self._timeout = timeout
        self._tls = trusting(ca)
        self._since = since
        self._socket: ClientConnection | None = None
        self._closed = False
        self.hello = Hello(epoch="", seq=0, oldest=0)
        self.seq = since or 0
        self.epoch = epoch

    async def __aenter__(self) -> Self:
        self._socket = await open_socket("event feed", self._url, self._token, self._timeout, self._tls)
        try:
            async with asyncio.timeout(self._timeout):
                hello = await self._read()
            if not isinstance(hello, Hello):
                raise ProtocolViolation(f"the feed began with {hello}")
        except TimeoutError:
            await self.close()
            raise ProtocolViolation(f"no hello in {self._timeout:g} s") from None
        except BaseException:
            await self.close()
            raise
        self._begin(hello)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Seen:
        """The next event, the gap in place of what is missing, or a sample.

        Raises:
            StopAsyncIteration: we closed it.
            Disconnected: it was closed by the server, or lost; all that came before has been given.
            ProtocolViolation: the server said what the contract does not know.
        """
        try:
            frame = await self._read()
        except Disconnected:
            if self._closed:
                raise StopAsyncIteration from None
            raise
        if isinstance(frame, Hello):
            raise ProtocolViolation("the feed began again")
        self._follow(frame)
        return frame

    @property
    def caught_up(self) -> bool:
        """Everything that had happened when we connected has been read."""
        return self.epoch == self.hello.epoch and self.seq + 1 >= self.hello.seq

    async def close(self) -> None:
        """Close with the closing handshake (RFC 6455 7.1.2); what was not read is thrown away. Idempotent."""
        self._closed = True
        if self._socket is not None:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._socket.close())
                # What waits to be read, the server's close behind it, would hold the handshake up. Somebody else who
                # reads does so too.
                with suppress(ConnectionClosed, ConcurrencyError):
                    while True:
                        await self._socket.recv()

    async def abort(self) -> None:
        """Drop the TCP connection without a word, as a watcher that is killed. Idempotent."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self._socket.wait_closed()

    def _begin(self, hello: Hello) -> None:
        self.hello = hello
        if self._since is None:
            self.seq, self.epoch = hello.seq - 1, hello.epoch
        elif self.epoch is None and self._since < hello.seq:
            self.epoch = hello.epoch
        # else: a gap comes next, which leads into this epoch

    def _follow(self, frame: Seen) -> None:
        """Step on to this one; nothing may have been left out or told twice."""
        if isinstance(frame, Sample):
            return
        if isinstance(frame, Gap):
            if frame.reason == "too-old" and frame.from_seq != self.seq + 1:
                raise ProtocolViolation(f"{frame} comes after event {self.seq}")
            self.seq, self.epoch = frame.to_seq, self.hello.epoch
        elif frame.seq != self.seq + 1 or self.epoch != self.hello.epoch:
            raise ProtocolViolation(f"event {frame.seq} comes after event {self.seq}")
        else:
            self.seq = frame.seq

    async def _read(self) -> Frame:
        if self._socket is None:
            raise Disconnected(1006, "not connected yet")
        try:
            return decode_frame(await self._socket.recv())
        except ConnectionClosed as error:
            raise disconnected(error) from None
        except InvalidValue as error:
            raise ProtocolViolation(error.detail) from error
