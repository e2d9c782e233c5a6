"""No answer before the whole request has come.

Hypercorn closes a connection, without saying so in the answer, whose request was answered before its body was in; when
Quart's task is cancelled meanwhile it does not even close it, and the client's next request waits for ever.
"""

from __future__ import annotations

from typing import cast

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPResponseStartEvent,
    Scope,
)

# Seconds that an answer waits for the rest of the request.
PATIENCE = 2.0


class WholeRequests:
    """ASGI middleware: an answer waits for the rest of its request, or says that it closes the connection."""

    def __init__(self, app: ASGIFramework) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve one connection of ASGI; only HTTP requests are waited for."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        whole = trio.Event()

        async def receiving() -> ASGIReceiveEvent:
            event = await receive()
            if event["type"] == "http.disconnect" or (event["type"] == "http.request" and not event["more_body"]):
                whole.set()
            return event

        async def sending(event: ASGISendEvent) -> None:
            if event["type"] == "http.response.start" and not await _came(whole, receiving):
                event = cast(
                    "HTTPResponseStartEvent", {**event, "headers": [*event["headers"], (b"connection", b"close")]}
                )
            await send(event)

        await self._app(scope, receiving, sending)


async def _came(whole: trio.Event, receive: ASGIReceiveCallable) -> bool:
    """Take in the rest of a request, which nobody wants any more; whether it came."""

    async def drain() -> None:
        while not whole.is_set():
            await receive()

    if not whole.is_set():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(drain)
            with trio.move_on_after(PATIENCE):  # the application may be receiving too
                await whole.wait()
            nursery.cancel_scope.cancel()
    return whole.is_set()
