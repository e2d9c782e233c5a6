"""`WS /sfu/events`: everything that happens, for dashboards, recorders and scenarios."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
import structlog
from quart import websocket

from labsfu.api.context import Api
from labsfu.api.link import link_of
from labsfu.api.query import Name
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, SocketRoute
from labsfu.api.socket_loop import SocketLoop
from labsfu.errors import InvalidValue
from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.events import Event
from labsfu.wire.feed import Gap, Hello

POLICY_VIOLATION = 1008  # RFC 6455 7.4.1

Seq: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]

_log = structlog.get_logger()


class WatchQuery(Wire):
    """From where on: after event `since` of `epoch`; without it, from now on."""

    since: Seq | Absent = ABSENT
    epoch: Name | Absent = ABSENT


async def watch_handler(api: Api, call: Call[WatchQuery, NoBody]) -> None:
    """Tell what happens, until the watcher goes or does not keep up."""
    query = call.query
    if query.since is ABSENT and query.epoch is not ABSENT:
        raise InvalidValue("query parameter 'since' is missing beside 'epoch'", slug="missing-parameter")
    since = None if query.since is ABSENT else query.since
    mailbox = api.events.watch(since, query.epoch or None)
    loop = _WatcherLoop(mailbox, link_of(websocket.scope))
    try:
        await loop.run()
    finally:
        api.events.unwatch(mailbox)
        if loop.given_up is not None:
            _log.warning("watcher given up", client=_address(), detail=loop.given_up)


class _WatcherLoop(SocketLoop):
    """The socket of one watcher."""

    async def process_websocket_signals(self) -> None:
        """There is nothing to say to the feed."""
        await websocket.receive()
        self._give_up(POLICY_VIOLATION, "the feed takes no messages")


def _address() -> str:
    client = websocket.scope.get("client")
    return "" if client is None else f"{client[0]}:{client[1]}"


ROUTES: tuple[AnyRoute, ...] = (
    SocketRoute(
        "/sfu/events",
        watch_handler,
        WatchQuery,
        says=Hello | Gap | Event,
        refusals=(Refusal(400, "missing-parameter"), Refusal(400, "since-ahead")),
    ),
)
