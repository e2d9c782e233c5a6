"""Carries out what was planned: each action by a few requests, and nothing half when one of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from clients.api import ApiClient
from clients.cascade.plan import (
    Action,
    CloseCopy,
    ClosePipe,
    CloseSending,
    Copy,
    JoinRouters,
    Letter,
    ResumeSending,
    SetPaused,
    Terms,
)
from clients.cascade.snapshot import pipe_of
from clients.cascade.state import Side, Stream
from clients.cascade.tags import write_tag
from clients.errors import ClientError, Refused, ServerFailed
from labsfu.wire.base import ABSENT
from labsfu.wire.pipe import (
    CreatePipeConsumerForProducerPayload,
    CreatePipeTransportRequestPayload,
    CreateRemoteProducerOnPipeTransportPayload,
    PipeTransportPayload,
    SrtpParameters,
)

FAREWELL = 5.0
"""Seconds that undoing what was made may take."""

_SOON = 0.5
"""Seconds until a server that is asked too often is asked again, if it does not say."""


class Workman:
    """Asks two servers.

    Args:
        sides: their states; told of what is being made.
        apis: the servers.
        terms: of pipes.
        listen: where pipes listen, in place of where the server's media comes in.
    """

    def __init__(
        self,
        sides: dict[Letter, Side],
        apis: dict[Letter, ApiClient],
        terms: Terms,
        listen: dict[Letter, str | None],
    ) -> None:
        self._sides, self._apis = sides, apis
        self._terms = terms
        self._listen = listen

    async def carry_out(self, action: Action) -> None:
        """Do one thing. That what is to be closed is not there any more is as good.

        Raises:
            Refused, ServerFailed, ProtocolViolation: a server's; nothing that was made on the way is left.
        """
        match action:
            case ClosePipe():
                await gone_is_fine(self._apis[action.side].delete_pipe_transport(action.router_id, action.pipe))
            case CloseCopy():
                await gone_is_fine(self._apis[action.side].delete_producer(action.stream.router_id, action.stream.id))
            case CloseSending():
                await gone_is_fine(self._apis[action.side].delete_consumer(action.router_id, action.consumer_id))
            case ResumeSending():
                await gone_is_fine(self._apis[action.side].resume_consumer(action.router_id, action.consumer_id))
            case SetPaused():
                api = self._apis[action.side]
                change = api.pause_producer if action.paused else api.resume_producer
                await gone_is_fine(change(action.stream.router_id, action.stream.id))
            case JoinRouters():
                await self._join(action)
            case Copy():
                await self._copy(action)

    async def end(self, pipes: list[ClosePipe]) -> None:
        """Close pipes, as far as their servers answer; what goes over them is closed with them."""

        async def close(action: ClosePipe) -> None:
            with suppress(ClientError):
                await self._close_soon(action)
                # one that could not be closed stays known: it is closed when it is seen to lead nowhere
                self._sides[action.side].made.pop(action.pipe, None)

        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL), asyncio.TaskGroup() as group:
                for pipe in pipes:
                    group.create_task(close(pipe))

    async def _close_soon(self, action: ClosePipe) -> None:
        """Close it, if need be later: until cancelled."""
        while True:
            try:
                return await self.carry_out(action)
            except Refused as refusal:
                if not refusal.too_often:
                    raise
                await asyncio.sleep(refusal.retry_after or _SOON)

    async def _join(self, action: JoinRouters) -> None:
        made: list[ClosePipe] = []
        try:
            a = await self._make_pipe("a", action.a, made)
            b = await self._make_pipe("b", action.b, made)
            for letter, here, there in (("a", a, b), ("b", b, a)):
                side: Letter = "a" if letter == "a" else "b"
                await self._connect(side, here, there)
        except BaseException:
            await asyncio.shield(self.end(made))
            raise

    async def _make_pipe(self, side: Letter, router_id: str, made: list[ClosePipe]) -> PipeTransportPayload:
        listen = self._listen[side]
        body = CreatePipeTransportRequestPayload(
            listen_ip=ABSENT if listen is None else listen,
            enable_srtp=self._terms.srtp,
            enable_rtx=self._terms.rtx,
        )
        payload = await self._apis[side].create_pipe_transport(router_id, body)
        pipe = pipe_of(payload)
        made.append(ClosePipe(side, pipe.router_id, pipe.id))
        self._sides[side].learn_pipe(pipe)
        return payload

    async def _connect(self, side: Letter, here: PipeTransportPayload, there: PipeTransportPayload) -> None:
        other: Literal["a", "b"] = "b" if side == "a" else "a"
        address = await _reached_at(there.addresses.local_ip, self._apis[other].base_url)
        keys: SrtpParameters | None = None if there.srtp_parameters is ABSENT else there.srtp_parameters
        await self._apis[side].connect_pipe_transport(
            here.router_id, here.id, address, there.addresses.local_port, keys
        )

    async def _copy(self, action: Copy) -> None:
        destination: Letter = "b" if action.source == "a" else "a"
        near, far = self._apis[action.source], self._apis[destination]
        side = self._sides[destination]
        stream = action.stream
        shown = self._sides[action.source].shown.get(stream.participant_id)
        tag = write_tag(action.tag)
        # paused until there is a producer at the other end: else the first key frame would be nobody's there
        wants = CreatePipeConsumerForProducerPayload(rtp_capabilities=side.capabilities, paused=True, app_data=tag)
        consumer = await near.pipe_consume(action.near.router_id, action.near.id, stream.id, wants)
        place = action.far.router_id, stream.id
        side.expected[place] = Stream(
            stream.id, action.far.router_id, action.participant_id, stream.kind, pipe=action.far.id, tag=action.tag
        )
        body = CreateRemoteProducerOnPipeTransportPayload(
            kind=consumer.kind,
            rtp_parameters=consumer.rtp_parameters,
            paused=consumer.producer_paused,
            display_name=ABSENT if shown is None else shown.name,
            share_screen=shown is not None and shown.share_screen,
            app_data=tag,
        )
        try:
            await far.pipe_produce(action.far.router_id, action.far.id, stream.id, action.participant_id, body)
            await near.resume_consumer(action.near.router_id, consumer.id)
        except BaseException:
            side.expected.pop(place, None)
            with suppress(ClientError):
                await asyncio.shield(near.delete_consumer(action.near.router_id, consumer.id))
            raise


async def gone_is_fine(request: Awaitable[object]) -> None:
    """Await a request about something that may have gone meanwhile."""
    try:
        await request
    except Refused as refusal:
        if not refusal.slug.endswith("-not-found"):
            raise


async def _reached_at(local: str, base_url: str) -> str:
    """The address of the other end: where it listens; when that is everywhere, where its server was found.

    Raises:
        ServerFailed: its server's name has no address any more.
    """
    if not ip_address(local).is_unspecified:
        return local
    host = urlsplit(base_url).hostname or ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError as error:
        raise ServerFailed(f"{host}: {error.strerror or error}") from error
    version = ip_address(local).version
    for *_, at in found:
        if ip_address(at[0]).version == version:
            return str(at[0])
    raise ServerFailed(f"{host} has no IPv{version} address for a pipe that listens at {local}")
