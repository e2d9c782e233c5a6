"""A pipe between two routers of one server, made over HTTP: by one request for each producer, or by hand."""

from __future__ import annotations

from clients.api import ApiClient
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ParticipantId, ProducerId
from labsfu.wire.pipe import (
    CreatePipeConsumerForProducerPayload,
    CreatePipeTransportRequestPayload,
    CreateRemoteProducerOnPipeTransportPayload,
    PipeTransportPayload,
)


class LocalPipes:
    """Brings producers of one router to another.

    Without SRTP and RTX the server is asked to (`…/pipe/{destinationRouterId}`) and carries pause, resume and close
    itself. Otherwise pipe transports are made by hand, and whoever made them carries that: `pause`, `resume`, `close`.

    Args:
        api: the server.
        source: id of the router that they come from.
        destination: id of the one that they go to.
        srtp: encrypted.
        rtx: with repairs.
    """

    def __init__(self, api: ApiClient, source: str, destination: str, *, srtp: bool, rtx: bool) -> None:
        self._api = api
        self._source, self._destination = source, destination
        self._srtp, self._rtx = srtp, rtx
        self._ends: tuple[PipeTransportPayload, PipeTransportPayload] | None = None

    @property
    def _by_hand(self) -> bool:
        return self._srtp or self._rtx

    async def bring(self, producer_id: ProducerId, participant_id: ParticipantId) -> None:
        """Have a producer on the other router, as somebody's."""
        if not self._by_hand:
            await self._api.pipe_to_router(self._source, producer_id, self._destination)
            return
        near, far = self._ends = self._ends or await self._join()
        there = await self._api.router(self._destination)
        wants = CreatePipeConsumerForProducerPayload(rtp_capabilities=there.rtp_capabilities)
        consumer = await self._api.pipe_consume(self._source, near.id, producer_id, wants)
        body = CreateRemoteProducerOnPipeTransportPayload(
            kind=consumer.kind, rtp_parameters=consumer.rtp_parameters, paused=consumer.producer_paused
        )
        await self._api.pipe_produce(self._destination, far.id, producer_id, participant_id, body)

    async def pause(self, producer_id: ProducerId) -> None:
        """It was paused."""
        if self._by_hand:
            await self._api.pause_producer(self._destination, producer_id)

    async def resume(self, producer_id: ProducerId) -> None:
        """It was resumed."""
        if self._by_hand:
            await self._api.resume_producer(self._destination, producer_id)

    async def close(self, producer_id: ProducerId) -> None:
        """It was closed."""
        if self._by_hand:
            await self._api.delete_producer(self._destination, producer_id)

    async def _join(self) -> tuple[PipeTransportPayload, PipeTransportPayload]:
        body = CreatePipeTransportRequestPayload(enable_srtp=self._srtp, enable_rtx=self._rtx)
        near = await self._api.create_pipe_transport(self._source, body)
        far = await self._api.create_pipe_transport(self._destination, body)
        for here, there in ((near, far), (far, near)):
            keys = None if there.srtp_parameters is ABSENT else there.srtp_parameters
            at = there.addresses
            await self._api.connect_pipe_transport(here.router_id, here.id, at.local_ip, at.local_port, keys)
        return near, far
