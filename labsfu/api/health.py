"""Liveness and readiness."""

from __future__ import annotations

from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Reply, Route
from labsfu.wire.payloads import Message


async def healthz_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """The process answers."""
    return Reply(Message(message="alive"))


async def readyz_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Every worker answers; 503 when one does not."""
    for worker in api.workers:
        await worker.info()
    return Reply(Message(message="ready"))


ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/healthz", healthz_handler, NoQuery, Message),
    Route("GET", "/readyz", readyz_handler, NoQuery, Message),
)
