"""The server about itself."""

from __future__ import annotations

from labsfu.api.context import Api
from labsfu.api.query import NoQuery
from labsfu.api.routing import AnyRoute, Call, Reply, Route
from labsfu.wire.payloads import Counts, SfuInfo, WorkerInfo


async def get_sfu_info_handler(api: Api, call: Call[NoQuery]) -> Reply:  # noqa: ARG001 - every handler takes the same
    """Who the server is, what it holds, how its workers do."""
    workers = tuple([await worker.info() for worker in api.workers])
    identity = api.identity
    return Reply(
        SfuInfo(
            id=identity.id,
            version=identity.version,
            started_at=identity.started_at,
            uptime_seconds=round(api.rooms.now() - identity.started, 3),
            workers=workers,
            counts=_counts(api, workers),
            rtp_capabilities=api.rtp_capabilities,
            listen=identity.listen,
        )
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


ROUTES: tuple[AnyRoute, ...] = (Route("GET", "/sfu", get_sfu_info_handler, NoQuery),)
