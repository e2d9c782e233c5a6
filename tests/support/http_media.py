"""Bodies for producers and consumers over HTTP, as clients write them."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.support.api_world import WorldOf
from tests.support.engine_worker import EngineWorker
from tests.support.media import audio_parameters, video_parameters

AUDIO: dict[str, Any] = {"kind": "audio", "rtpParameters": msgspec.to_builtins(audio_parameters())}
VIDEO: dict[str, Any] = {"kind": "video", "rtpParameters": msgspec.to_builtins(video_parameters())}
DTLS: dict[str, Any] = {
    "dtlsParameters": {"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": ":".join(["AB"] * 32)}]}
}
NOWHERE = "00000000-0000-4000-8000-000000000000"
"""A UUID that nothing has."""


async def make_router(world: WorldOf[EngineWorker], participants: int = 2) -> str:
    """The path of a new router."""
    status, router = await world.ask("POST", f"/sfu/routers?participantCount={participants}")
    assert status == 201
    return f"/sfu/routers/{router['id']}"


async def make_producer(
    world: WorldOf[EngineWorker], router: str, body: dict[str, Any] = AUDIO, owner: str = "ann"
) -> str:
    """The path of a new producer."""
    status, producer = await world.ask("POST", f"{router}/producers?participantId={owner}", json=body)
    assert status == 201, producer
    return f"{router}/producers/{producer['id']}"


async def capabilities(world: WorldOf[EngineWorker], router: str) -> dict[str, Any]:
    """The body that takes whatever the router has."""
    return {"rtpCapabilities": (await world.ask("GET", router))[1]["rtpCapabilities"]}


async def make_consumer(world: WorldOf[EngineWorker], router: str, producer: str, **body: object) -> str:
    """The path of a new consumer."""
    wanted = await capabilities(world, router) | body
    status, consumer = await world.ask("POST", f"{producer}/consumers?participantId=ben", json=wanted)
    assert status == 201, consumer
    return f"{router}/consumers/{consumer['id']}"


async def snapshot(world: WorldOf[EngineWorker]) -> tuple[Any, Any, Any, Any]:
    """All that the server holds."""
    routers = (await world.ask("GET", "/sfu/routers"))[1]["routers"]
    inside = [
        (await world.ask("GET", f"/sfu/routers/{router['id']}/{kind}"))[1]
        for router in routers
        for kind in ("producers", "consumers")
    ]
    return routers, inside, (await world.ask("GET", "/rooms"))[1], (await world.ask("GET", "/sfu"))[1]["counts"]
