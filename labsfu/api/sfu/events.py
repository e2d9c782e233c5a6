"""`WS /sfu/events`: everything that happens, for dashboards, recorders and scenarios."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
import structlog
import trio
from quart import websocket

from labsfu.api.context import Api
from labsfu.api.link import LinkLike, link_of
from labsfu.api.query import Name
from labsfu.api.routing import AnyRoute, Call, NoBody, Refusal, SocketRoute
from labsfu.api.socket_loop import SocketLoop
from labsfu.errors import InvalidValue
from labsfu.shell.mailbox import Mailbox
from labsfu.shell.sampler import Sampler
from labsfu.wire.base import ABSENT, Absent, Wire
from labsfu.wire.events import Event
from labsfu.wire.feed import Gap, Hello, Sample

POLICY_VIOLATION = 1008  # RFC 6455 7.4.1

Seq: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]

Interval: TypeAlias = Annotated[int, msgspec.Meta(ge=100, le=60_000)]

_log = structlog.get_logger()


class WatchQuery(Wire):
    """From where on: after event `since` of `epoch`; without it, from now on. And milliseconds between samples."""

    since: Seq | Absent = ABSENT
    epoch: Name | Absent = ABSENT
    interval: Interval | Absent = ABSENT


async def watch_handler(api: Api, call: Call[WatchQuery, NoBody]) -> None:
    """Tell what happens, and how things stand if that is asked for, until the watcher goes or does not keep up."""
    query = call.query
    if query.since is ABSENT and query.epoch is not ABSENT:
        raise InvalidValue("query parameter 'since' is missing beside 'epoch'", slug="missing-parameter")
    since = None if query.since is ABSENT else query.since
    mailbox = api.events.watch(since, query.epoch or None)
    interval = None if query.interval is ABSENT else query.interval
    loop = _WatcherLoop(mailbox, link_of(websocket.scope), api.sampler, interval)
    try:
        await loop.run()
    finally:
        api.events.unwatch(mailbox)
        if loop.given_up is not None:
            _log.warning("watcher given up", client=_address(), detail=loop.given_up)


class _WatcherLoop(SocketLoop):
    """The socket of one watcher; `interval` is milliseconds between samples, None: it gets none."""

    def __init__(self, mailbox: Mailbox, link: LinkLike, sampler: Sampler, interval: int | None) -> None:
        super().__init__(mailbox, link)
        self._sampler = sampler
        self._interval = interval

    async def process_internal_signals(self) -> None:
        """As any socket's, with samples put between the events."""
        async with trio.open_nursery() as nursery:
            if self._interval is not None:
                nursery.start_soon(self._sampler.tell, self._mailbox, self._interval)
            await super().process_internal_signals()
            nursery.cancel_scope.cancel()

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
        says=Hello | Gap | Sample | Event,
        refusals=(Refusal(400, "missing-parameter"), Refusal(400, "since-ahead"), Refusal(409, "too-many-watchers")),
    ),
)
