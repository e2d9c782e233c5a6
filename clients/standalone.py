"""A client that speaks HTTP alone: each stream that it sends or receives has a transport of its own."""

from __future__ import annotations

import random
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Self

from aiortc import MediaStreamTrack

from clients.api import ApiClient
from clients.capabilities import StreamIds, receive_capabilities, send_parameters
from clients.errors import ClientError, ProtocolViolation, Refused
from clients.subscriber import RemoteTrack
from clients.transport import WebRtcTransport
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId
from labsfu.wire.rtp import MediaKind
from labsfu.wire.sfu import (
    CreateConsumerRequestPayload,
    CreateProducerRequestPayload,
    ProducerPayload,
    RouterPayload,
    UpdateProducerRequestPayload,
)
from labsfu.wire.transport import DtlsRole, TransportOptions


@dataclass(frozen=True, slots=True)
class _Stream:
    """What is sent or received; `id` names the producer or the consumer."""

    id: ProducerId | ConsumerId
    transport: WebRtcTransport
    sending: bool


class StandaloneClient:
    """Publishes to and subscribes from a router, as an async context manager; what it made goes with it.

    Args:
        api: the server.
        router: where to.
        participant_id: whose producers and consumers these are.
        dtls_role: of our ends: client, or server.
        timeout: seconds for each transport to come up.
        rng: where SSRCs come from; give a seeded one to have the same again.

    Raises:
        Refused, ServerFailed, TransportFailed, NothingInCommon: from every method, as they say.
    """

    def __init__(
        self,
        api: ApiClient,
        router: RouterPayload,
        participant_id: str,
        *,
        dtls_role: DtlsRole = DtlsRole.CLIENT,
        timeout: float = 10.0,
        rng: random.Random | None = None,
    ) -> None:
        self._api = api
        self._router = router
        self._participant_id = ParticipantId(participant_id)
        self._dtls_role = dtls_role
        self._timeout = timeout
        self._rng = random.Random() if rng is None else rng
        self._streams: list[_Stream] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def publish(self, track: MediaStreamTrack, *, codec: str | None = None) -> ProducerId:
        """Send a track; its producer is made at once, with what it sends.

        Args:
            track: audio or video; stopped when sending stops.
            codec: mime type; None takes VP8 or Opus if the router has it.
        """
        kind, ids = MediaKind(track.kind), self._stream_ids()
        parameters = send_parameters(kind, self._router.rtp_capabilities, ids, codec=codec)
        body = CreateProducerRequestPayload(kind=kind, rtp_parameters=parameters)
        producer = await self._api.create_producer(self._router.id, self._participant_id, body)
        transport = await self._connect_producer(producer)
        sender = transport.add_sender(track, ssrc=ids.ssrc, rtx_ssrc=ids.rtx_ssrc)
        await sender.start(parameters)
        return producer.id

    async def publish_in_steps(self, track: MediaStreamTrack, *, codec: str | None = None) -> ProducerId:
        """Send a track as a client must that has to know its transport first: empty, connect, then say what is sent."""
        producer = await self._api.create_producer(self._router.id, self._participant_id)
        transport = await self._connect_producer(producer)
        kind, ids = MediaKind(track.kind), self._stream_ids()
        parameters = send_parameters(kind, self._router.rtp_capabilities, ids, codec=codec)
        body = UpdateProducerRequestPayload(kind=kind, rtp_parameters=parameters)
        await self._api.update_producer(self._router.id, producer.id, body)
        sender = transport.add_sender(track, ssrc=ids.ssrc, rtx_ssrc=ids.rtx_ssrc)
        await sender.start(parameters)
        return producer.id

    async def subscribe(self, producer_id: ProducerId) -> RemoteTrack:
        """Receive a producer: its consumer is made paused, connected, and resumed when all is ready for it."""
        body = CreateConsumerRequestPayload(rtp_capabilities=receive_capabilities(self._router.rtp_capabilities))
        producer = await self._api.producer(self._router.id, producer_id)
        consumer = await self._api.create_consumer(self._router.id, producer_id, self._participant_id, body)
        transport = self._adopt(consumer.id, consumer.transport_options, sending=False)
        await self._api.connect_consumer(self._router.id, consumer.id, transport.dtls_parameters)
        await transport.connect(self._timeout)
        receiver = transport.add_receiver(consumer.kind, consumer.rtp_parameters, rtcp_ssrc=self._ssrc())
        await receiver.start()
        await self._api.resume_consumer(self._router.id, consumer.id)
        return RemoteTrack(
            participant_id=producer.participant_id,
            producer_id=producer_id,
            consumer_id=consumer.id,
            kind=consumer.kind,
            track=receiver.track,
        )

    async def drop(self, id_: ProducerId | ConsumerId) -> None:
        """Send or receive a stream no more, and delete its producer or consumer.

        Raises:
            ClientError: it is not, or no longer, ours.
        """
        stream = next((stream for stream in self._streams if stream.id == id_), None)
        if stream is None:
            raise ClientError(f"'{id_}' is no stream of this client")
        self._streams.remove(stream)
        await stream.transport.close()
        delete = self._api.delete_producer if stream.sending else self._api.delete_consumer
        try:
            await delete(self._router.id, id_)
        except Refused as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:  # it is gone already, perhaps with its router
                raise

    async def close(self) -> None:
        """Drop every stream. Idempotent."""
        for stream in tuple(self._streams):
            await self.drop(stream.id)

    async def _connect_producer(self, producer: ProducerPayload) -> WebRtcTransport:
        transport = self._adopt(producer.id, producer.transport_options, sending=True)
        await self._api.connect_producer(self._router.id, producer.id, transport.dtls_parameters)
        await transport.connect(self._timeout)
        return transport

    def _adopt(
        self, id_: ProducerId | ConsumerId, options: TransportOptions | Absent, *, sending: bool
    ) -> WebRtcTransport:
        """Our end of a transport, from now on ours to close, with what is on it."""
        if options is ABSENT:
            raise ProtocolViolation(f"'{id_}' was made without a transport")
        transport = WebRtcTransport(options, role=self._dtls_role)
        self._streams.append(_Stream(id_, transport, sending))
        return transport

    def _stream_ids(self) -> StreamIds:
        return StreamIds(mid="0", ssrc=self._ssrc(), rtx_ssrc=self._ssrc(), cname=self._participant_id)

    def _ssrc(self) -> int:
        return self._rng.randrange(1, 1 << 32)
