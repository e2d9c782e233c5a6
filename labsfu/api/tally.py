"""Counts of what goes over HTTP and the sockets: a few additions for each request."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, cast

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
    WebsocketScope,
)

# Upper bounds in seconds; one more bucket has all the rest.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# The route of what is refused before it is known, or goes nowhere: paths and methods are the caller's to invent.
OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})

SWITCHING_PROTOCOLS = 101
FORBIDDEN = 403
CLIENT_GONE = 499
"""Stands for the status of an answer that nobody waited for (nginx's number)."""

_KEY = "labsfu.route"


class Durations:
    """How long requests took: a histogram.

    Attributes:
        counts: how many there are in each bucket, and in the one beyond the last bound.
        total: seconds of all together.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


class Tally:
    """What was counted since the server began.

    Attributes:
        requests: by method, route and status; those for sockets too, with status 101 when one was opened.
        durations: of requests by method and route, without sockets.
        messages: of participants, over their sockets.
        messages_refused: those of them that came too fast.
        connections: how many TCP connections are open now.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.durations: dict[tuple[str, str], Durations] = {}
        self.messages = 0
        self.messages_refused = 0
        self.connections: Callable[[], int] = int

    def count(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """Count a request; `seconds` is None for a socket."""
        self.requests[method, route, status] += 1
        if seconds is not None:
            found = self.durations.get((method, route))
            if found is None:
                found = self.durations[method, route] = Durations()
            found.add(seconds)


def mark_route(scope: Mapping[str, Any], path: str) -> None:
    """Say which route a request goes to; to be called by whoever found it."""
    mark: list[str] | None = scope.get(_KEY)
    if mark is not None:
        mark[0] = path


class Tallied:
    """ASGI middleware that counts every request, those that are refused too."""

    def __init__(self, app: ASGIFramework, tally: Tally) -> None:
        self._app = app
        self._tally = tally

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Pass the call on and count what comes of it."""
        if scope["type"] != "http" and scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        called = {**scope, _KEY: (mark := [OTHER])}
        if scope["type"] == "http":
            await self._request(cast("HTTPScope", called), mark, receive, send)
        else:
            await self._socket(cast("WebsocketScope", called), mark, receive, send)

    async def _request(
        self, scope: HTTPScope, mark: list[str], receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        status, began = CLIENT_GONE, trio.current_time()

        async def sending(event: ASGISendEvent) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            await send(event)

        try:
            await self._app(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else OTHER
            self._tally.count(method, mark[0], status, trio.current_time() - began)

    async def _socket(
        self, scope: WebsocketScope, mark: list[str], receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """What counts is the handshake."""
        counted = False

        async def sending(event: ASGISendEvent) -> None:
            nonlocal counted
            status = _status_of_handshake(event)
            if status is not None and not counted:
                counted = True
                self._tally.count("GET", mark[0], status, None)
            await send(event)

        try:
            await self._app(scope, receive, sending)
        finally:
            if not counted:
                self._tally.count("GET", mark[0], CLIENT_GONE, None)


def _status_of_handshake(event: ASGISendEvent) -> int | None:
    match event["type"]:
        case "websocket.accept":
            return SWITCHING_PROTOCOLS
        case "websocket.close":
            return FORBIDDEN
        case "websocket.http.response.start":
            return event["status"]
    return None
