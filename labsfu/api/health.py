"""Liveness and readiness."""

from __future__ import annotations

from labsfu.api.ask import ask_workers
from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Reply, Route
from labsfu.errors import Unavailable
from labsfu.wire.payloads import Message

# Seconds that a worker has to say how it is.
PATIENCE = 2.0


async def healthz_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """The process answers."""
    return Reply(Message(message="alive"))


async def readyz_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Every worker runs, its media port bound; 503 names those that do not."""
    found = await ask_workers(api, PATIENCE)
    wrong = [info for _, info in found if isinstance(info, str)]
    wrong += [
        f"worker '{id_}' is {info.state}"
        for id_, info in found
        if not isinstance(info, str) and info.state != "running"
    ]
    if wrong:
        raise Unavailable("; ".join(sorted(wrong)), slug="worker-unavailable")
    return Reply(Message(message="ready"))


ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/healthz", healthz_handler, NoQuery, Message),
    Route("GET", "/readyz", readyz_handler, NoQuery, Message),
)
