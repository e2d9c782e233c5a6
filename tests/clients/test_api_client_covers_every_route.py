"""The HTTP client has a method for each route of the server, which asks for just that."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from clients.api import ApiClient
from clients.errors import Refused
from labsfu.api.app import ROUTES
from labsfu.api.routing import NoBody, Route
from labsfu.wire.ids import ParticipantId
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.pipe import (
    CreatePipeConsumerForProducerPayload,
    CreatePipeTransportRequestPayload,
    CreateRemoteProducerOnPipeTransportPayload,
    SrtpParameters,
)
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpParameters
from labsfu.wire.sfu import (
    CreateConsumerRequestPayload,
    CreateProducerRequestPayload,
    UpdateConsumerRequestPayload,
    UpdateProducerRequestPayload,
)
from labsfu.wire.transport import DtlsFingerprint, DtlsParameters
from tests.clients.test_api_client_tells_refusals_apart import answering

pytestmark = pytest.mark.asyncio

R, P, C, T = "a" * 8, "b" * 8, "c" * 8, "d" * 8
DTLS = DtlsParameters(fingerprints=(DtlsFingerprint(algorithm="sha-256", value="AB"),))
ANN = ParticipantId("ann")
HOST = ParticipantType.HOST
ROUTER = "/sfu/routers/{routerId}"
PRODUCER = f"{ROUTER}/producers/{{producerId}}"
CONSUMER = f"{ROUTER}/consumers/{{consumerId}}"
PIPE = f"{ROUTER}/pipe-transports/{{pipeTransportId}}"
KEYS = SrtpParameters(crypto_suite="AEAD_AES_256_GCM", key_base64="A" * 59 + "=")
PARTICIPANT = "/rooms/{roomId}/participants/{participantId}"

CALLS: dict[str, Callable[[ApiClient], Awaitable[object]]] = {
    "GET /healthz": lambda api: api.healthz(),
    "GET /readyz": lambda api: api.readyz(),
    "GET /metrics": lambda api: api.metrics(),
    "GET /openapi.json": lambda api: api.openapi(),
    "GET /docs": lambda api: api.docs(),
    "GET /sfu": lambda api: api.sfu_info(),
    "POST /sfu/reset": lambda api: api.reset(),
    "POST /sfu/routers": lambda api: api.create_router(2),
    "GET /sfu/routers": lambda api: api.routers(),
    f"GET {ROUTER}": lambda api: api.router(R),
    f"GET {ROUTER}/active-speaker": lambda api: api.router_active_speaker(R),
    f"GET {ROUTER}/audio-level": lambda api: api.router_audio_level(R),
    f"GET {ROUTER}/stats": lambda api: api.router_stats(R),
    f"DELETE {ROUTER}": lambda api: api.delete_router(R),
    f"POST {ROUTER}/producers": lambda api: api.create_producer(R, ANN, CreateProducerRequestPayload()),
    f"GET {ROUTER}/producers": lambda api: api.producers(R),
    f"GET {PRODUCER}": lambda api: api.producer(R, P),
    f"PUT {PRODUCER}": lambda api: api.update_producer(R, P, UpdateProducerRequestPayload(paused=True)),
    f"POST {PRODUCER}/connect": lambda api: api.connect_producer(R, P, DTLS),
    f"POST {PRODUCER}/pause": lambda api: api.pause_producer(R, P),
    f"POST {PRODUCER}/resume": lambda api: api.resume_producer(R, P),
    f"POST {PRODUCER}/restart-ice": lambda api: api.restart_producer_ice(R, P),
    f"GET {PRODUCER}/stats": lambda api: api.producer_stats(R, P),
    f"DELETE {PRODUCER}": lambda api: api.delete_producer(R, P),
    f"POST {PRODUCER}/consumers": lambda api: api.create_consumer(
        R, P, ANN, CreateConsumerRequestPayload(rtp_capabilities=RtpCapabilities())
    ),
    f"GET {ROUTER}/consumers": lambda api: api.consumers(R),
    f"GET {CONSUMER}": lambda api: api.consumer(R, C),
    f"PUT {CONSUMER}": lambda api: api.update_consumer(R, C, UpdateConsumerRequestPayload(priority=2)),
    f"POST {CONSUMER}/connect": lambda api: api.connect_consumer(R, C, DTLS),
    f"POST {CONSUMER}/pause": lambda api: api.pause_consumer(R, C),
    f"POST {CONSUMER}/resume": lambda api: api.resume_consumer(R, C),
    f"POST {CONSUMER}/restart-ice": lambda api: api.restart_consumer_ice(R, C),
    f"POST {CONSUMER}/request-key-frame": lambda api: api.request_key_frame(R, C),
    f"GET {CONSUMER}/stats": lambda api: api.consumer_stats(R, C),
    f"DELETE {CONSUMER}": lambda api: api.delete_consumer(R, C),
    f"POST {ROUTER}/pipe-transports": lambda api: api.create_pipe_transport(
        R, CreatePipeTransportRequestPayload(enable_rtx=True)
    ),
    f"GET {ROUTER}/pipe-transports": lambda api: api.pipe_transports(R),
    f"GET {PIPE}": lambda api: api.pipe_transport(R, T),
    f"GET {PIPE}/stats": lambda api: api.pipe_transport_stats(R, T),
    f"POST {PIPE}/connect": lambda api: api.connect_pipe_transport(R, T, "192.0.2.1", 4000, KEYS),
    f"POST {PIPE}/consumers/{{producerId}}": lambda api: api.pipe_consume(
        R, T, P, CreatePipeConsumerForProducerPayload(rtp_capabilities=RtpCapabilities())
    ),
    f"POST {PIPE}/producers/{{producerId}}": lambda api: api.pipe_produce(
        R,
        T,
        P,
        ANN,
        CreateRemoteProducerOnPipeTransportPayload(kind=MediaKind.AUDIO, rtp_parameters=RtpParameters(codecs=())),
    ),
    f"DELETE {PIPE}": lambda api: api.delete_pipe_transport(R, T),
    f"POST {PRODUCER}/pipe/{{destinationRouterId}}": lambda api: api.pipe_to_router(R, P, "e" * 8),
    "POST /rooms": lambda api: api.create_room(RoomType.CALL, 2),
    "GET /rooms": lambda api: api.rooms(),
    "GET /rooms/{roomId}": lambda api: api.room("r"),
    "GET /rooms/{roomId}/active-speaker": lambda api: api.room_active_speaker("r"),
    "GET /rooms/{roomId}/audio-level": lambda api: api.room_audio_level("r"),
    "DELETE /rooms/{roomId}": lambda api: api.delete_room("r"),
    f"POST {PARTICIPANT}": lambda api: api.create_participant("r", "p", participant_type=HOST, display_name="P"),
    "GET /rooms/{roomId}/participants": lambda api: api.participants("r"),
    f"GET {PARTICIPANT}": lambda api: api.participant("r", "p"),
    f"DELETE {PARTICIPANT}": lambda api: api.delete_participant("r", "p"),
}


async def test_there_is_a_method_for_each_route() -> None:
    assert {f"{r.method} {r.path}" for r in ROUTES if isinstance(r, Route)} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_asks_for_its_route(name: str) -> None:
    async with answering(("418 I'm a teapot", b"")) as (url, asked), ApiClient(url) as api:
        with pytest.raises(Refused) as refused:
            await CALLS[name](api)
    assert refused.value.status == 418
    method, _, path = name.partition(" ")
    assert re.match(rf"{method} {re.sub('{[^}]*}', '[^/?]+', path)}[? ]", asked[0]), asked[0]
    route = next(r for r in ROUTES if isinstance(r, Route) and (r.method, r.path) == (method, path))
    assert ("content-type: application/json" in asked[0].lower()) is (route.body is not NoBody)
