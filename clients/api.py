"""The HTTP API, one typed method per route."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx

from clients.errors import ProtocolViolation, Refused, ServerFailed
from clients.trust import hint_of, trusting
from labsfu.errors import InvalidValue
from labsfu.wire.base import JsonObject, Wire, from_json, to_json
from labsfu.wire.observers import (
    RoomActiveSpeakerPayload,
    RoomAudioLevelPayload,
    RouterActiveSpeakerPayload,
    RouterAudioLevelPayload,
)
from labsfu.wire.payloads import (
    Message,
    ParticipantList,
    ParticipantPayload,
    ParticipantType,
    RoomList,
    RoomPayload,
    RoomType,
    SfuInfo,
)
from labsfu.wire.pipe import (
    ConnectPipeTransportRequestPayload,
    CreatePipeConsumerForProducerPayload,
    CreatePipeTransportRequestPayload,
    CreateRemoteProducerOnPipeTransportPayload,
    PipeConsumerPayload,
    PipeProducerPayload,
    PipeProducerToLocalRouterPayload,
    PipeTransportList,
    PipeTransportPayload,
    SrtpParameters,
)
from labsfu.wire.sfu import (
    ConnectConsumerTransportRequestPayload,
    ConnectProducerTransportRequestPayload,
    ConsumerList,
    ConsumerPayload,
    CreateConsumerRequestPayload,
    CreateProducerRequestPayload,
    IceRestartedPayload,
    ProducerList,
    ProducerPayload,
    RouterList,
    RouterPayload,
    UpdateConsumerRequestPayload,
    UpdateProducerRequestPayload,
)
from labsfu.wire.stats import ConsumerStatsPayload, PipeTransportStatsPayload, ProducerStatsPayload, RouterStatsPayload
from labsfu.wire.transport import DtlsParameters, IceParameters

T = TypeVar("T")

POLL_INTERVAL = 0.05
"""Seconds between two looks at a server that is not ready."""


class ApiClient:
    """A server's HTTP face, as an async context manager.

    Every method raises Refused when the server says no, ServerFailed when nobody answers, and ProtocolViolation when
    the answer has another shape than the contract's.

    Args:
        base_url: e.g. `http://127.0.0.1:8080`.
        token: bearer token, if the server wants one.
        timeout: seconds for each step of a request.
        ca: file with the certificates to be trusted for https:// (see `clients.trust`).
    """

    def __init__(
        self, base_url: str, token: str | None = None, *, timeout: float = 10.0, ca: str | Path | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        # no proxy from the environment: the server is here, or where the caller said
        self._http = httpx.AsyncClient(
            base_url=self.base_url, headers=headers, timeout=timeout, trust_env=False, verify=trusting(ca) or True
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._http.aclose()

    # ------------------------------------------------------------------ server

    async def healthz(self) -> None:
        """Whether the process lives."""
        await self._call("GET", "/healthz")

    async def readyz(self) -> None:
        """Whether the server takes work."""
        await self._call("GET", "/readyz")

    async def metrics(self) -> str:
        """What the server counts, as Prometheus reads it."""
        return (await self._call("GET", "/metrics")).text

    async def wait_ready(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - part of the contract: always bounded
        """Wait until the server takes work.

        Raises:
            ServerFailed: not within `timeout` seconds, or it is not whom we trust.
            Refused: it never will: it is something else.
        """
        last: Exception | None = None
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        return await self.readyz()
                    except Refused as error:
                        if error.status is not None and error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                            raise
                        last = error
                    except ServerFailed as error:
                        if hint_of(error):
                            raise
                        last = error
                    await asyncio.sleep(POLL_INTERVAL)
        except TimeoutError:
            raise ServerFailed(f"{self.base_url} not ready in {timeout:g} s: {last}") from last

    async def sfu_info(self) -> SfuInfo:
        """The server, its workers and counts."""
        return await self._get("/sfu", SfuInfo)

    async def reset(self) -> SfuInfo:
        """Close all that the server holds."""
        return self._read(await self._call("POST", "/sfu/reset"), SfuInfo)

    async def openapi(self) -> JsonObject:
        """The OpenAPI document."""
        return await self._get("/openapi.json", JsonObject)

    async def docs(self) -> str:
        """The documentation, as an HTML page."""
        return (await self._call("GET", "/docs")).text

    # ------------------------------------------------------------------ routers

    async def create_router(self, participant_count: int) -> RouterPayload:
        """Make a router for so many participants."""
        query = {"participantCount": str(participant_count)}
        return self._read(await self._call("POST", "/sfu/routers", query), RouterPayload)

    async def routers(self) -> tuple[RouterPayload, ...]:
        """All routers, those of rooms too."""
        return (await self._get("/sfu/routers", RouterList)).routers

    async def router(self, router_id: str) -> RouterPayload:
        """One router."""
        return await self._get(_router(router_id), RouterPayload)

    async def router_active_speaker(self, router_id: str) -> RouterActiveSpeakerPayload:
        """Who speaks in a router."""
        return await self._get(f"{_router(router_id)}/active-speaker", RouterActiveSpeakerPayload)

    async def router_audio_level(self, router_id: str) -> RouterAudioLevelPayload:
        """Who is loud in a router."""
        return await self._get(f"{_router(router_id)}/audio-level", RouterAudioLevelPayload)

    async def router_stats(self, router_id: str) -> RouterStatsPayload:
        """What the server says of a router's transports."""
        return await self._get(f"{_router(router_id)}/stats", RouterStatsPayload)

    async def delete_router(self, router_id: str) -> None:
        """Close a router and all it holds."""
        await self._call("DELETE", _router(router_id))

    # ------------------------------------------------------------------ producers

    async def create_producer(
        self, router_id: str, participant_id: str, body: CreateProducerRequestPayload | None = None
    ) -> ProducerPayload:
        """Make a producer; without a body its transport alone, to be completed by `update_producer`."""
        response = await self._call("POST", f"{_router(router_id)}/producers", {"participantId": participant_id}, body)
        return self._read(response, ProducerPayload)

    async def producers(self, router_id: str) -> tuple[ProducerPayload, ...]:
        """All producers of a router."""
        return (await self._get(f"{_router(router_id)}/producers", ProducerList)).producers

    async def producer(self, router_id: str, producer_id: str) -> ProducerPayload:
        """One producer."""
        return await self._get(_producer(router_id, producer_id), ProducerPayload)

    async def update_producer(
        self, router_id: str, producer_id: str, body: UpdateProducerRequestPayload
    ) -> ProducerPayload:
        """Complete a producer, or change it."""
        response = await self._call("PUT", _producer(router_id, producer_id), None, body)
        return self._read(response, ProducerPayload)

    async def connect_producer(self, router_id: str, producer_id: str, dtls_parameters: DtlsParameters) -> None:
        """Give the DTLS parameters of our end of its transport, once."""
        body = ConnectProducerTransportRequestPayload(dtls_parameters=dtls_parameters)
        await self._act("POST", f"{_producer(router_id, producer_id)}/connect", body)

    async def pause_producer(self, router_id: str, producer_id: str) -> None:
        """Have it forwarded no more."""
        await self._act("POST", f"{_producer(router_id, producer_id)}/pause")

    async def resume_producer(self, router_id: str, producer_id: str) -> None:
        """Have it forwarded again."""
        await self._act("POST", f"{_producer(router_id, producer_id)}/resume")

    async def restart_producer_ice(self, router_id: str, producer_id: str) -> IceParameters:
        """New ICE credentials of the server's end of its transport."""
        return await self._restart_ice(_producer(router_id, producer_id))

    async def producer_stats(self, router_id: str, producer_id: str) -> ProducerStatsPayload:
        """What the server says of it and its transport."""
        return await self._get(f"{_producer(router_id, producer_id)}/stats", ProducerStatsPayload)

    async def delete_producer(self, router_id: str, producer_id: str) -> None:
        """Close it, and its consumers."""
        await self._act("DELETE", _producer(router_id, producer_id))

    # ------------------------------------------------------------------ consumers

    async def create_consumer(
        self, router_id: str, producer_id: str, participant_id: str, body: CreateConsumerRequestPayload
    ) -> ConsumerPayload:
        """Make a consumer of a producer."""
        path = f"{_producer(router_id, producer_id)}/consumers"
        return self._read(await self._call("POST", path, {"participantId": participant_id}, body), ConsumerPayload)

    async def consumers(self, router_id: str) -> tuple[ConsumerPayload, ...]:
        """All consumers of a router."""
        return (await self._get(f"{_router(router_id)}/consumers", ConsumerList)).consumers

    async def consumer(self, router_id: str, consumer_id: str) -> ConsumerPayload:
        """One consumer."""
        return await self._get(_consumer(router_id, consumer_id), ConsumerPayload)

    async def update_consumer(
        self, router_id: str, consumer_id: str, body: UpdateConsumerRequestPayload
    ) -> ConsumerPayload:
        """Change what it is sent."""
        response = await self._call("PUT", _consumer(router_id, consumer_id), None, body)
        return self._read(response, ConsumerPayload)

    async def connect_consumer(self, router_id: str, consumer_id: str, dtls_parameters: DtlsParameters) -> None:
        """Give the DTLS parameters of our end of its transport, once."""
        body = ConnectConsumerTransportRequestPayload(dtls_parameters=dtls_parameters)
        await self._act("POST", f"{_consumer(router_id, consumer_id)}/connect", body)

    async def pause_consumer(self, router_id: str, consumer_id: str) -> None:
        """Have it sent nothing."""
        await self._act("POST", f"{_consumer(router_id, consumer_id)}/pause")

    async def resume_consumer(self, router_id: str, consumer_id: str) -> None:
        """Let it flow."""
        await self._act("POST", f"{_consumer(router_id, consumer_id)}/resume")

    async def request_key_frame(self, router_id: str, consumer_id: str) -> None:
        """Have its sender asked for a key frame."""
        await self._act("POST", f"{_consumer(router_id, consumer_id)}/request-key-frame")

    async def restart_consumer_ice(self, router_id: str, consumer_id: str) -> IceParameters:
        """New ICE credentials of the server's end of its transport."""
        return await self._restart_ice(_consumer(router_id, consumer_id))

    async def consumer_stats(self, router_id: str, consumer_id: str) -> ConsumerStatsPayload:
        """What the server says of it and its transport."""
        return await self._get(f"{_consumer(router_id, consumer_id)}/stats", ConsumerStatsPayload)

    async def delete_consumer(self, router_id: str, consumer_id: str) -> None:
        """Close it."""
        await self._act("DELETE", _consumer(router_id, consumer_id))

    # ------------------------------------------------------------------ pipes

    async def create_pipe_transport(
        self, router_id: str, body: CreatePipeTransportRequestPayload | None = None
    ) -> PipeTransportPayload:
        """Make one end of a pipe; without a body on any port, with neither SRTP nor RTX."""
        response = await self._call("POST", f"{_router(router_id)}/pipe-transports", None, body)
        return self._read(response, PipeTransportPayload)

    async def pipe_transports(self, router_id: str) -> tuple[PipeTransportPayload, ...]:
        """All pipe transports of a router."""
        return (await self._get(f"{_router(router_id)}/pipe-transports", PipeTransportList)).pipe_transports

    async def pipe_transport(self, router_id: str, pipe_transport_id: str) -> PipeTransportPayload:
        """One end of a pipe."""
        return await self._get(_pipe(router_id, pipe_transport_id), PipeTransportPayload)

    async def pipe_transport_stats(self, router_id: str, pipe_transport_id: str) -> PipeTransportStatsPayload:
        """What the server says of one end of a pipe, and of the streams over it."""
        return await self._get(f"{_pipe(router_id, pipe_transport_id)}/stats", PipeTransportStatsPayload)

    async def connect_pipe_transport(
        self,
        router_id: str,
        pipe_transport_id: str,
        remote_host_ip: str,
        remote_host_port: int,
        srtp_parameters: SrtpParameters | None = None,
    ) -> None:
        """Say where the other end is, once, and which keys it has if SRTP is on."""
        query = {"remoteHostIp": remote_host_ip, "remoteHostPort": str(remote_host_port)}
        body = None if srtp_parameters is None else ConnectPipeTransportRequestPayload(srtp_parameters=srtp_parameters)
        path = f"{_pipe(router_id, pipe_transport_id)}/connect"
        self._read(await self._call("POST", path, query, body), Message)

    async def pipe_consume(
        self, router_id: str, pipe_transport_id: str, producer_id: str, body: CreatePipeConsumerForProducerPayload
    ) -> PipeConsumerPayload:
        """Send all streams of a producer into a pipe."""
        path = f"{_pipe(router_id, pipe_transport_id)}/consumers/{quote(producer_id, safe='')}"
        return self._read(await self._call("POST", path, None, body), PipeConsumerPayload)

    async def pipe_produce(
        self,
        router_id: str,
        pipe_transport_id: str,
        producer_id: str,
        participant_id: str,
        body: CreateRemoteProducerOnPipeTransportPayload,
    ) -> PipeProducerPayload:
        """Make a producer of what comes over a pipe, with the id that it has at its origin."""
        path = f"{_pipe(router_id, pipe_transport_id)}/producers/{quote(producer_id, safe='')}"
        return self._read(await self._call("POST", path, {"participantId": participant_id}, body), PipeProducerPayload)

    async def delete_pipe_transport(self, router_id: str, pipe_transport_id: str) -> None:
        """Close one end of a pipe, and what goes over it; the other end is not told."""
        await self._act("DELETE", _pipe(router_id, pipe_transport_id))

    async def pipe_to_router(
        self, router_id: str, producer_id: str, destination_router_id: str
    ) -> PipeProducerToLocalRouterPayload:
        """Have a producer be one of another router of the same server too."""
        path = f"{_producer(router_id, producer_id)}/pipe/{quote(destination_router_id, safe='')}"
        return self._read(await self._call("POST", path), PipeProducerToLocalRouterPayload)

    # ------------------------------------------------------------------ rooms

    async def create_room(self, room_type: RoomType, size: int, room_id: str | None = None) -> RoomPayload:
        """Make a room, with an id of the server's choice unless one is given."""
        query: dict[str, str] = {"roomType": room_type.value, "roomSize": str(size)}
        if room_id is not None:
            query["roomId"] = room_id
        return self._read(await self._call("POST", "/rooms", query), RoomPayload)

    async def rooms(self) -> tuple[RoomPayload, ...]:
        """All rooms."""
        return (await self._get("/rooms", RoomList)).rooms

    async def room(self, room_id: str) -> RoomPayload:
        """One room."""
        return await self._get(_room(room_id), RoomPayload)

    async def room_active_speaker(self, room_id: str) -> RoomActiveSpeakerPayload:
        """Who speaks in a room."""
        return await self._get(f"{_room(room_id)}/active-speaker", RoomActiveSpeakerPayload)

    async def room_audio_level(self, room_id: str) -> RoomAudioLevelPayload:
        """Who is loud in a room."""
        return await self._get(f"{_room(room_id)}/audio-level", RoomAudioLevelPayload)

    async def delete_room(self, room_id: str) -> None:
        """Close a room and all in it."""
        await self._call("DELETE", _room(room_id))

    # ------------------------------------------------------------------ participants

    async def create_participant(
        self,
        room_id: str,
        participant_id: str,
        *,
        participant_type: ParticipantType,
        display_name: str,
        share_screen: bool = False,
    ) -> ParticipantPayload:
        """Make a participant, who may then connect."""
        query = {
            "participantType": participant_type.value,
            "displayName": display_name,
            "shareScreen": "true" if share_screen else "false",
        }
        return self._read(
            await self._call("POST", participant_path(room_id, participant_id), query), ParticipantPayload
        )

    async def participants(self, room_id: str) -> tuple[ParticipantPayload, ...]:
        """All participants of a room."""
        return (await self._get(f"{_room(room_id)}/participants", ParticipantList)).participants

    async def participant(self, room_id: str, participant_id: str) -> ParticipantPayload:
        """One participant."""
        return await self._get(participant_path(room_id, participant_id), ParticipantPayload)

    async def delete_participant(self, room_id: str, participant_id: str) -> None:
        """End a participant."""
        await self._call("DELETE", participant_path(room_id, participant_id))

    # ------------------------------------------------------------------ how

    async def _get(self, path: str, type_: type[T]) -> T:
        return self._read(await self._call("GET", path), type_)

    async def _act(self, method: str, path: str, body: Wire | None = None) -> None:
        """An action, which answers with a message for people."""
        self._read(await self._call(method, path, None, body), Message)

    async def _restart_ice(self, path: str) -> IceParameters:
        return self._read(await self._call("POST", f"{path}/restart-ice"), IceRestartedPayload).ice_parameters

    async def _call(
        self, method: str, path: str, query: dict[str, str] | None = None, body: Wire | None = None
    ) -> httpx.Response:
        content = None if body is None else to_json(body)
        headers = None if body is None else {"Content-Type": "application/json"}
        try:
            response = await self._http.request(method, path, params=query, content=content, headers=headers)
        except httpx.TransportError as error:
            raise ServerFailed(f"{method} {self.base_url}{path}: {str(error) or type(error).__name__}") from error
        if not response.is_success:
            again = response.headers.get("Retry-After")
            raise Refused.from_http(response.status_code, response.reason_phrase, response.content, again)
        return response

    @staticmethod
    def _read(response: httpx.Response, type_: type[T]) -> T:
        try:
            return from_json(response.content, type_)
        except InvalidValue as error:
            raise ProtocolViolation(f"{response.request.method} {response.request.url}: {error.detail}") from error


def socket_url(base_url: str, path: str, query: dict[str, str] | None = None) -> str:
    """The ws:// or wss:// URL of a socket route."""
    url = httpx.URL(base_url.rstrip("/") + path, params=query or None)
    return str(url.copy_with(scheme={"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)))


def _room(room_id: str) -> str:
    return f"/rooms/{quote(room_id, safe='')}"


def _router(router_id: str) -> str:
    return f"/sfu/routers/{quote(router_id, safe='')}"


def _producer(router_id: str, producer_id: str) -> str:
    return f"{_router(router_id)}/producers/{quote(producer_id, safe='')}"


def _consumer(router_id: str, consumer_id: str) -> str:
    return f"{_router(router_id)}/consumers/{quote(consumer_id, safe='')}"


def _pipe(router_id: str, pipe_transport_id: str) -> str:
    return f"{_router(router_id)}/pipe-transports/{quote(pipe_transport_id, safe='')}"


def participant_path(room_id: str, participant_id: str) -> str:
    """Path of a participant; what is no token of the contract is escaped, so that the server can refuse it."""
    return f"{_room(room_id)}/participants/{quote(participant_id, safe='')}"
