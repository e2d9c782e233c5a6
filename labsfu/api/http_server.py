"""Serves an ASGI application with Hypercorn's protocols over connections that we keep hold of.

Hypercorn's own `serve` gives no access to a connection. Holding them, one that does not read can be aborted, an error
in one takes down that one only, and an ending server waits for nobody.
"""

from __future__ import annotations

import socket

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.protocol import ws_stream
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from labsfu.api.link import STATE_KEY, Link
from labsfu.api.whole_requests import WholeRequests

PING_SECONDS = 10.0
SILENCE_SECONDS = 30

_log = structlog.get_logger()


def _no_extensions(_offered: object, _supported: object) -> None:
    """Agree to no WebSocket extension, which is to say: not to compression (RFC 7692).

    Hypercorn would compress whenever a client offers it, and has no setting against it. That costs 300 KiB of zlib
    state for each socket and time for each message, to save bytes on a local network.
    """


vars(ws_stream)["server_extensions_handshake"] = _no_extensions


def hypercorn_config(message_bytes: int) -> HypercornConfig:
    """Hypercorn's settings: no access log, pings, silent peers dropped.

    The socket loop judges the size of messages in bytes; Hypercorn's own limit (in characters, and its close is unseen
    by the application) stands behind it, for messages that must not even be collected.
    """
    config = HypercornConfig()
    config.accesslog = None
    config.errorlog = "-"
    config.loglevel = "WARNING"
    config.include_server_header = False
    config.websocket_ping_interval = PING_SECONDS
    config.read_timeout = SILENCE_SECONDS
    config.websocket_max_message_size = 4 * message_bytes
    return config


class HttpServer:
    """An HTTP server on a listening socket of the caller's.

    Args:
        app: what is served.
        config: Hypercorn's settings.
        listener: a bound, listening TCP socket; owned from now on.
    """

    def __init__(self, app: ASGIFramework, config: HypercornConfig, listener: socket.socket) -> None:
        self._app = ASGIWrapper(WholeRequests(app))
        self._config = config
        self._listener = listener
        self._context = WorkerContext(None)
        self._links: set[Link] = set()
        self._connections = trio.CancelScope()
        self._accepting = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until closed or cancelled."""
        self._listener.setblocking(False)
        async with trio.SocketListener(trio.socket.from_stdlib_socket(self._listener)) as listener:
            with self._connections:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._abort_at_the_end)
                    task_status.started()
                    with self._accepting:
                        await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)

    async def close(self, patience: float) -> None:
        """Accept nobody any more, wait so many seconds for connections to end, then end them."""
        self._accepting.cancel()
        await self._context.terminated.set()
        with trio.move_on_after(patience):
            for link in tuple(self._links):
                await link.gone.wait()
        self._connections.cancel()

    async def _abort_at_the_end(self) -> None:
        """Hypercorn's sends cannot be cancelled: when this is, reset what is still open under them."""
        try:
            await trio.sleep_forever()
        finally:
            for link in self._links:
                link.abort()

    async def _serve(self, stream: trio.SocketStream) -> None:
        link = Link(stream)
        self._links.add(link)
        state = ConnectionState({STATE_KEY: link})
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(link.abort_when_lost)
                await TCPServer(self._app, self._config, self._context, state, link)  # type: ignore[arg-type]  # it takes whatever streams
                nursery.cancel_scope.cancel()
        except* Exception as errors:  # what a peer sends must never end the server
            _log.error("connection failed", exc_info=errors)
        finally:
            self._links.discard(link)
