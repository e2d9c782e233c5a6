"""A TCP connection that speaks TLS, as Hypercorn wants to see one."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

import structlog
import trio

from labsfu.api.answers import plain_answer, say_and_close
from labsfu.api.link import Link
from labsfu.wire.payloads import Problem, problem_type

# ContentType of the first record (RFC 8446 5.1).
HANDSHAKE_RECORD = 22

# Seconds that a close_notify may take: whoever does not read gets none.
FAREWELL_PATIENCE = 1.0

_PLAIN_HTTP = plain_answer(
    Problem(
        type=problem_type("https-required"),
        title="Https required",
        status=400,
        detail="this port speaks HTTPS: begin the URL with https:// or wss://",
    )
)

_log = structlog.get_logger()


class TlsLink(Link):
    """A link over TLS; nothing goes over it before `do_handshake`.

    Args:
        stream: the connection.
        context: the server's certificate and key.
    """

    def __init__(self, stream: trio.SocketStream, context: ssl.SSLContext) -> None:
        super().__init__(stream)
        self.transport_stream = stream
        self._tls = trio.SSLStream(stream, context, server_side=True)
        self._stream = self._tls

    async def do_handshake(self) -> None:
        """Agree on keys; whoever speaks plain HTTP is told so in plain HTTP.

        Raises:
            BrokenResourceError: it failed; the caller closes the connection.
        """
        try:
            first = await self.socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            raise trio.BrokenResourceError from error
        if first and first[0] != HANDSHAKE_RECORD:
            _log.debug("TLS handshake failed", reason="plain HTTP")
            await say_and_close(self._tcp, _PLAIN_HTTP)
            raise trio.BrokenResourceError("plain HTTP")
        try:
            await self._tls.do_handshake()
        except trio.BrokenResourceError as error:
            _log.debug("TLS handshake failed", reason=getattr(error.__cause__, "reason", None) or "connection lost")
            raise

    def selected_alpn_protocol(self) -> str | None:
        """What ALPN settled on (RFC 7301); None: the client did not ask."""
        protocol: str | None = self._tls.selected_alpn_protocol()
        return protocol

    async def send_eof(self) -> None:
        """There is no half-closed TLS: closing, which comes next, says it; nothing may come between."""
        self.gone.set()
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close with a close_notify (RFC 8446 6.1), which a truncated answer has not.

        Shielded for the same reason as `Link.send_eof`.
        """
        self.gone.set()
        patience = trio.move_on_after(FAREWELL_PATIENCE, shield=True)
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError), patience:  # aborted, or reset by the peer
            await self._tls.aclose()
