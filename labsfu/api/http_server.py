"""Serves an ASGI application with Hypercorn's protocols over connections that we keep hold of.

Hypercorn's own `serve` gives no access to a connection. Holding them, one that does not read can be aborted, an error
in one takes down that one only, and an ending server waits for nobody.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.protocol import ws_stream
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from labsfu.api.answers import plain_answer, say_and_close
from labsfu.api.link import STATE_KEY, Link
from labsfu.api.rates import AddressBudgets
from labsfu.api.tls_link import TlsLink
from labsfu.api.whole_requests import WholeRequests
from labsfu.wire.payloads import Problem, problem_type

PING_SECONDS = 10.0
SILENCE_SECONDS = 30
HANDSHAKE_SECONDS = 5.0

# Connections too many that are told so at one time; more are closed without a word.
TURNED_AWAY_AT_ONCE = 32

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
    config.ssl_handshake_timeout = HANDSHAKE_SECONDS
    config.websocket_max_message_size = 4 * message_bytes
    return config


class HttpServer:
    """An HTTP server on a listening socket of the caller's.

    Args:
        app: what is served.
        config: Hypercorn's settings.
        listener: a bound, listening TCP socket; owned from now on.
        tls: what TLS is served with; None: plain HTTP.
        max_connections: at one time; those that come then are told to come back.
        handshakes: how often an address may begin one of TLS, which costs 2 ms; who does more often is hung up on.
    """

    def __init__(
        self,
        app: ASGIFramework,
        config: HypercornConfig,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        max_connections: int = 12_000,
        handshakes: AddressBudgets | None = None,
    ) -> None:
        self._app = ASGIWrapper(WholeRequests(app))
        self._config = config
        self._listener = listener
        self._tls = tls
        self._max_connections = max_connections
        self._handshakes = None if tls is None else handshakes
        self._turned_away = 0
        self._context = WorkerContext(None)
        self._links: set[Link] = set()
        self._connections = trio.CancelScope()
        self._accepting = trio.CancelScope()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

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

    def _link(self, stream: trio.SocketStream) -> Link:
        return Link(stream) if self._tls is None else TlsLink(stream, self._tls)

    async def _serve(self, stream: trio.SocketStream) -> None:
        if self._handshakes is not None and self._handshakes.spend(_address_of(stream), trio.current_time()):
            await trio.aclose_forcefully(stream)
            return
        if len(self._links) >= self._max_connections:
            await self._turn_away(stream)
            return
        link = self._link(stream)
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

    async def _turn_away(self, stream: trio.SocketStream) -> None:
        """Say that there are too many, unless that is being said to many already."""
        if self._turned_away >= TURNED_AWAY_AT_ONCE:
            return
        self._turned_away += 1
        try:
            link = self._link(stream)
            with suppress(trio.BrokenResourceError), trio.move_on_after(HANDSHAKE_SECONDS):
                if isinstance(link, TlsLink):
                    await link.do_handshake()
                await say_and_close(link, _too_many(self._max_connections))
                await link.aclose()
        finally:
            self._turned_away -= 1


def _address_of(stream: trio.SocketStream) -> str:
    """The peer's address; empty where it has gone already."""
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""


def _too_many(limit: int) -> bytes:
    detail = f"{limit} connections are open, and there may be no more"
    problem = Problem(
        type=problem_type("too-many-connections"), title="Too many connections", status=503, detail=detail
    )
    return plain_answer(problem, "retry-after: 1")
