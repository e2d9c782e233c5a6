"""The server about itself, and its emptying."""

from __future__ import annotations

from labsfu.api.ask import ask_workers
from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, NoBody, Reply, Route
from labsfu.rooms import wishes
from labsfu.rooms.wishes import Flow
from labsfu.wire import commands
from labsfu.wire.payloads import Counts, SfuInfo, WorkerInfo

PATIENCE = 1.0
"""Seconds that a worker has to say how it is."""


async def get_sfu_info_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Who the server is, what it holds, how its workers do."""
    return Reply(await _info(api))


async def reset_sfu_handler(api: Api, call: Call[NoQuery, NoBody]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Close everything, rooms too, then show the server."""
    await api.rooms.run(_reset(api))
    return Reply(await _info(api))


def _reset(api: Api) -> Flow[None]:
    """Rooms first, so that people are told of that once; then the routers that are nobody's."""
    yield from api.rooms.rooms.reset()
    shown = yield from wishes.ask(commands.ListRouters(), commands.RoutersShown)
    yield from wishes.ask_to_close(commands.CloseRouter(router_id=router.id) for router in shown.routers)


async def _info(api: Api) -> SfuInfo:
    event_seq = api.events.seq  # first: what is shown may be newer than the events so far, never older
    found = await ask_workers(api, PATIENCE)
    asked = zip(api.workers.all, found, strict=True)
    workers = tuple(worker.silent_info() if isinstance(info, str) else info for worker, (_, info) in asked)
    identity = api.identity
    return SfuInfo(
        id=identity.id,
        epoch=api.events.epoch,
        event_seq=event_seq,
        version=identity.version,
        started_at=identity.started_at,
        uptime_seconds=round(api.rooms.now() - identity.started, 3),
        workers=workers,
        counts=_counts(api, workers),
        rtp_capabilities=api.rtp_capabilities,
        listen=identity.listen,
    )


def _counts(api: Api, workers: tuple[WorkerInfo, ...]) -> Counts:
    rooms, participants = api.rooms.rooms.counts()
    return Counts(
        routers=sum(worker.media.routers for worker in workers),
        transports=sum(worker.media.transports for worker in workers),
        producers=sum(worker.media.producers for worker in workers),
        consumers=sum(worker.media.consumers for worker in workers),
        rooms=rooms,
        participants=participants,
    )


ROUTES: tuple[AnyRoute, ...] = (
    Route("GET", "/sfu", get_sfu_info_handler, NoQuery, SfuInfo),
    Route("POST", "/sfu/reset", reset_sfu_handler, NoQuery, SfuInfo),
)
