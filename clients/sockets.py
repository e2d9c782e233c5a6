"""Opening a WebSocket to the server, and what its end means."""

from __future__ import annotations

import ssl

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from clients.errors import Disconnected, Refused, ServerFailed

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of one message of the server that are taken: `Init` of a room of a thousand is large."""


async def open_socket(
    what: str,
    url: str,
    token: str | None,
    timeout: float,  # noqa: ASYNC109 - for the library, which bounds each of its steps
    tls: ssl.SSLContext | None = None,
) -> ClientConnection:
    """Connect.

    Args:
        what: names the socket in what is raised.
        url: ws:// or wss://.
        token: bearer token of the server, if it wants one.
        timeout: seconds for the handshake, and later for the closing handshake.
        tls: for wss://; None: the system's.

    Raises:
        Refused: the server answered the handshake with a refusal.
        ServerFailed: nobody answers there.
    """
    try:
        return await connect(
            url,
            additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
            proxy=None,
            ssl=(tls or True) if url.startswith("wss:") else None,
            max_size=MAX_MESSAGE,
            open_timeout=timeout,
            close_timeout=timeout,
        )
    except InvalidStatus as error:
        response = error.response
        body, again = bytes(response.body or b""), response.headers.get("Retry-After")
        raise Refused.from_http(response.status_code, response.reason_phrase, body, again) from None
    except (OSError, InvalidHandshake, TimeoutError) as error:
        raise ServerFailed(f"no {what} at {url}: {str(error) or type(error).__name__}") from error


def disconnected(error: ConnectionClosed) -> Disconnected:
    """The end of a connection, by the close frame of the server if there was one."""
    if error.rcvd is not None:
        return Disconnected(error.rcvd.code, error.rcvd.reason)
    cause = error.__cause__
    return Disconnected(1006, str(cause) if cause is not None else "")
