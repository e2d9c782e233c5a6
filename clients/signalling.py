"""The participant socket: requests with their answers, and everything else that the server tells, in its order."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from clients.errors import ClientError, Disconnected, ProtocolViolation, Refused
from clients.sockets import disconnected, open_socket
from clients.trust import trusting
from labsfu.wire.base import to_json
from labsfu.wire.socket import Answer, Error, Request, ServerMessage

A = TypeVar("A", bound=Answer)

_DECODER: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


class Received(NamedTuple):
    """A message and when it came, in seconds of the monotonic clock."""

    at: float
    message: ServerMessage


class Signalling:
    """One connection, as an async context manager that owns the task which reads it.

    Args:
        url: of the socket, ws:// or wss://.
        token: bearer token of the server, if it wants one.
        timeout: seconds for the handshake, for each answer, and for the closing handshake.
        keep: how many received messages `timeline` holds.
        ca: file with the certificates to be trusted for wss:// (see `clients.trust`).

    Attributes:
        timeline: the last messages of the server, answers included.

    Raises:
        Refused: on entering: the server answered the handshake with a refusal.
        ServerFailed: on entering: nobody answers there.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 10.0,
        keep: int = 10_000,
        ca: str | Path | None = None,
    ) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout
        self._tls = trusting(ca)
        self.timeline: deque[Received] = deque(maxlen=keep)
        self._ids = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._signals: asyncio.Queue[ServerMessage | None] = asyncio.Queue()
        self._end: ClientError | None = None
        self._ended = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._socket = await open_socket("participant socket", self._url, self._token, self._timeout, self._tls)
        self._reader = asyncio.create_task(self._read(self._socket), name=f"signalling {self._url}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def end(self) -> ClientError | None:
        """What the connection ended with: Disconnected, or ProtocolViolation; None while it lives."""
        return self._end

    async def wait_ended(self) -> ClientError:
        """Wait for the end of the connection and say what it was."""
        await self._ended.wait()
        assert self._end is not None, "set before the event"
        return self._end

    async def receive(self) -> ServerMessage:
        """The next message that answers no request of ours; for one reader.

        Raises:
            Disconnected: the connection is gone, and all that came before has been received.
            ProtocolViolation: the server sent what the contract does not know.
        """
        message = await self._signals.get()
        if message is None:
            self._signals.put_nowait(None)
            raise await self.wait_ended()
        return message

    async def request(self, message: Request, answer: type[A]) -> A:
        """Send a request (its `requestId` is set here) and wait for its answer.

        Raises:
            Refused: the server said no.
            Disconnected: the connection went before the answer came.
            ProtocolViolation: another kind of answer came, or none in time.
        """
        id_ = next(self._ids)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending[id_] = future
        action = type(message).__struct_config__.tag
        try:
            await self.send(msgspec.structs.replace(message, request_id=id_))
            async with asyncio.timeout(self._timeout):
                got = await future
        except TimeoutError:
            raise ProtocolViolation(f"no answer to {action} in {self._timeout:g} s") from None
        finally:
            del self._pending[id_]
            if future.done() and not future.cancelled():
                future.exception()  # seen, even if sending failed first
        if isinstance(got, Error):
            raise Refused(got.type, got.detail, action=got.request_action)
        if not isinstance(got, answer):
            raise ProtocolViolation(f"{action} was answered by {type(got).__name__}")
        return got

    async def send(self, message: Request) -> None:
        """Send a message without waiting for anything.

        Raises:
            Disconnected: the connection is gone.
        """
        await self.send_text(to_json(message).decode())

    async def send_text(self, text: str) -> None:
        """Send any text: what no well-behaved client would say.

        Raises:
            Disconnected: the connection is gone.
        """
        try:
            await self._connected().send(text)
        except ConnectionClosed as error:
            raise disconnected(error) from None

    async def close(self, code: int = 1000) -> None:
        """Close with the closing handshake (RFC 6455 7.1.2). Idempotent."""
        if self._socket is not None:
            await self._socket.close(code)
            await self._stop_reading()

    async def abort(self) -> None:
        """Drop the TCP connection without a word, as a client that is killed. Idempotent."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self._stop_reading()
            await self._socket.wait_closed()

    def _connected(self) -> ClientConnection:
        if self._socket is None:
            raise Disconnected(1006, "not connected yet")
        return self._socket

    async def _stop_reading(self) -> None:
        """The reader ends by itself once the connection is closed."""
        if self._reader is not None:
            await asyncio.wait([self._reader])

    async def _read(self, socket: ClientConnection) -> None:
        end: ClientError = Disconnected(1006, "reading was cancelled")
        try:
            while True:
                self._receive(await socket.recv())
        except ConnectionClosed as error:
            end = disconnected(error)
        except ProtocolViolation as error:
            end = error
            await socket.close(1002)
        finally:
            self._finish(end)

    def _receive(self, data: str | bytes) -> None:
        try:
            message = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProtocolViolation(f"{error} in {data[:200]!r}") from error
        self.timeline.append(Received(time.monotonic(), message))
        if isinstance(message, Answer) and isinstance(message.request_id, int):
            future = self._pending.get(message.request_id)
            if future is not None and not future.done():
                future.set_result(message)
            # else: the one who asked has given up
            return
        self._signals.put_nowait(message)

    def _finish(self, end: ClientError) -> None:
        self._end = end
        for future in self._pending.values():
            if not future.done():
                future.set_exception(end)
        self._signals.put_nowait(None)
        self._ended.set()
