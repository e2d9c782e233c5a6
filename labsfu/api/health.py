"""Liveness and readiness."""

from __future__ import annotations

import trio

from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Reply, Route
from labsfu.errors import Unavailable
from labsfu.wire.payloads import Message
from labsfu.wire.worker import Worker

# Seconds that a worker has to say how it is.
PATIENCE = 2.0


async def healthz_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """The process answers."""
    return Reply(Message(message="alive"))


async def readyz_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Every worker runs, its media port bound; 503 names those that do not."""
    wrong: list[str] = []
    async with trio.open_nursery() as nursery:
        for worker in api.workers:
            nursery.start_soon(_check, worker, wrong)
    if wrong:
        raise Unavailable("; ".join(sorted(wrong)), slug="worker-unavailable")
    return Reply(Message(message="ready"))


async def _check(worker: Worker, wrong: list[str]) -> None:
    """A worker says that it runs only while its media port is bound."""
    with trio.move_on_after(PATIENCE) as patience:
        try:
            info = await worker.info()
        except Unavailable as error:
            wrong.append(error.detail)
        else:
            if info.state != "running":
                wrong.append(f"worker '{worker.id}' is {info.state}")
    if patience.cancelled_caught:
        wrong.append(f"worker '{worker.id}' does not answer")


ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/healthz", healthz_handler, NoQuery, Message),
    Route("GET", "/readyz", readyz_handler, NoQuery, Message),
)
