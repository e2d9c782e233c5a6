"""The TCP connection under a request: whether it was lost, and the means to tear it down.

ASGI says neither: Hypercorn reports every end of a WebSocket as 1006, and its sends cannot be cancelled, so a peer that
does not read holds its task for ever. So each connection carries its `Link` in the ASGI `state`.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Any, Protocol

import trio

STATE_KEY = "labsfu.link"

# Seconds between the loss of a connection and its tearing down: handlers may end by themselves.
LOSS_PATIENCE = 1.0


class LinkLike(Protocol):
    """What handlers know of a connection."""

    @property
    def lost(self) -> bool:
        """The peer went away, or fell silent, without a word."""

    def abort(self) -> None:
        """Tear the connection down; what is still on its way is lost."""


class NoLink:
    """Stands for the connection where there is none (an application under test)."""

    lost = False

    def abort(self) -> None:
        """There is nothing to tear down."""


class Link(trio.abc.HalfCloseableStream):
    """A TCP stream that remembers how it ended.

    Attributes:
        socket: the socket below.
        lost: the peer ended it, or did not speak for too long, before we closed it.
        gone: it is closed on our side.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket
        self.lost = False
        self.gone = trio.Event()
        self._tcp = stream
        self._stream: trio.abc.Stream = stream
        self._on_loss = trio.Event()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending might not block."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say that we send no more.

        Shielded, it does not wait for anybody: Hypercorn closes a connection from within the handler's task, which by
        then may be cancelled, and a cancelling here would leave the connection open.
        """
        self.gone.set()
        with trio.CancelScope(shield=True):
            await self._tcp.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive. An end, an error or a cancelling (Hypercorn's read timeout) before we closed is a loss."""
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.Cancelled):
            self._lose()
            raise
        if not data:
            self._lose()
        return data

    async def aclose(self) -> None:
        """Close."""
        self.gone.set()
        await self._stream.aclose()

    def abort(self) -> None:
        """Reset the connection; senders and receivers wake up at once."""
        self._lose()
        self.gone.set()
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            return  # closed already
        self.socket.close()

    async def abort_when_lost(self) -> None:
        """Tear a lost connection down, since a sender may be stuck in it."""
        await self._on_loss.wait()
        await trio.sleep(LOSS_PATIENCE)
        self.abort()

    def _lose(self) -> None:
        if not self.gone.is_set():
            self.lost = True
            self._on_loss.set()


def link_of(scope: Mapping[str, Any]) -> LinkLike:
    """The link that an ASGI scope carries."""
    link: LinkLike = (scope.get("state") or {}).get(STATE_KEY) or NoLink()
    return link
