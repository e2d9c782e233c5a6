"""Who may call, and how often: rate, token, `Host` and `Origin`, checked around the whole application.

On loopback the danger is a web page that makes its visitor's browser call us: so only loopback names (or listed ones)
are answered, whatever address they resolve to, and only pages from there may call. Elsewhere it takes the token.

The rate comes first, so that nobody tries tokens faster than that; what asks for health is never counted, so that a
flood does not look like a death.
"""

from __future__ import annotations

import hmac
from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import trio
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
    WebsocketScope,
)

from labsfu.api.problems import CONTENT_TYPE, make_problem, status_of
from labsfu.api.rates import AddressBudgets, Rate, TooManyRequests
from labsfu.config import Config, is_loopback
from labsfu.wire.base import to_json
from labsfu.wire.payloads import Problem

OPEN_PATHS = frozenset({"/healthz", "/readyz"})

# What may be asked at once, in seconds' worth of requests: a page that loads, a room of people behind one address.
BURST_SECONDS = 2.0


class Guard:
    """ASGI middleware that refuses whoever may not call, sockets by an HTTP response."""

    def __init__(self, app: ASGIFramework, config: Config) -> None:
        self._app = app
        self._config = config
        self._budgets = budgets_of(config)

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Pass the call on, or refuse it."""
        if scope["type"] != "http" and scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        refusal = self._too_often(scope)
        if refusal is not None:
            too_often = make_problem(status_of(refusal), refusal.slug, refusal.detail, scope["path"])
            await _refuse(scope, too_often, send, (b"retry-after", refusal.retry_after.encode()))
            return
        headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
        token = _bearer(headers)
        if scope["type"] == "websocket":
            scope, token_of_query = _take_token(scope)
            token = token or token_of_query
        problem = self._refusal(scope, headers, token)
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(scope, problem, send)

    def _too_often(self, scope: HTTPScope | WebsocketScope) -> TooManyRequests | None:
        if self._budgets is None or scope["path"] in OPEN_PATHS:
            return None
        address = (scope.get("client") or ("", 0))[0]
        wait = self._budgets.spend(address, trio.current_time())
        if not wait:
            return None
        rate = self._config.request_rate
        return TooManyRequests(f"'{address}' asks more than {rate:g} times a second; again in {wait:.2f} s", wait)

    def _refusal(self, scope: HTTPScope | WebsocketScope, headers: dict[str, str], token: str | None) -> Problem | None:
        path = scope["path"]
        if self._config.loopback:
            host, origin = headers.get("host", ""), headers.get("origin")
            if not self._host_allowed(host):
                return make_problem(403, "host-not-allowed", f"Host '{host}' is not answered here", path)
            if origin is not None and not self._origin_allowed(origin):
                return make_problem(403, "origin-not-allowed", f"pages from Origin '{origin}' may not call", path)
        if path not in OPEN_PATHS and not self._token_right(token):
            return make_problem(401, "token-required", "the right token is missing", path)
        return None

    def _host_allowed(self, host: str) -> bool:
        name = _hostname(f"//{host}")
        return name is not None and (is_loopback(name) or name in {listed.lower() for listed in self._config.hosts})

    def _origin_allowed(self, origin: str) -> bool:
        name = _hostname(origin)
        return origin in self._config.origins or (name is not None and is_loopback(name))

    def _token_right(self, token: str | None) -> bool:
        wanted = self._config.token
        if wanted is None:
            return True
        return token is not None and hmac.compare_digest(token.encode(), wanted.encode())


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _bearer(headers: dict[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _take_token(scope: WebsocketScope) -> tuple[WebsocketScope, str | None]:
    """Take `token` out of a socket's query: no handler sees it, no log shows it."""
    items = parse_qsl(scope["query_string"].decode("latin1"), keep_blank_values=True)
    tokens = [value for name, value in items if name == "token"]
    if not tokens:
        return scope, None
    rest = urlencode([item for item in items if item[0] != "token"]).encode()
    return cast("WebsocketScope", {**scope, "query_string": rest}), tokens[0]


def budgets_of(config: Config) -> AddressBudgets | None:
    """How often each address may ask; None for any number."""
    rate = config.request_rate
    return AddressBudgets(Rate(rate, max(1.0, rate * BURST_SECONDS))) if rate else None


async def _refuse(
    scope: HTTPScope | WebsocketScope, problem: Problem, send: ASGISendCallable, *more: tuple[bytes, bytes]
) -> None:
    headers = [(b"content-type", CONTENT_TYPE.encode()), *more]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    body = to_json(problem)
    headers.append((b"content-length", str(len(body)).encode()))
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
    else:
        await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
