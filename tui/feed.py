"""Follows a server: a snapshot, then its feed; and again whenever the connection was lost."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple, Protocol, TypeVar

from clients.api import ApiClient
from clients.errors import ClientError, Refused
from clients.events import EventFeed
from clients.trust import hint_of
from labsfu.wire.feed import Gap, Happened
from labsfu.wire.ids import ConsumerId, ProducerId, RoomId
from labsfu.wire.observers import RoomActiveSpeakerPayload
from labsfu.wire.pipe import PipeTransportPayload
from labsfu.wire.sfu import ConsumerPayload, ProducerPayload, RouterPayload
from tui.model.samples import take
from tui.model.snapshot import Snapshot, describe, state_of
from tui.model.state import State

T = TypeVar("T")

INTERVAL = 1000
"""Milliseconds between samples."""
REPLAY = 10_000
"""Events from before the snapshot that are asked for: they tell whose a silent transport is, and what went on."""
PAUSES = (0.25, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect; the last one from then on."""
AGAIN = 1.0
"""Seconds until a server that was asked too often is asked again."""
_AT_ONCE = 8
_BREATH = 200


class Feed(Protocol):
    """What the dashboard shows: a state that somebody keeps up to date."""

    url: str

    @property
    def state(self) -> State:
        """The state; another object after a new snapshot."""

    async def run(self) -> None:
        """Keep it up to date, until cancelled or until there is nothing to come."""

    async def describe(self, stream_ids: Sequence[str]) -> None:
        """Ask for what events do not tell of producers and consumers."""


class Follower:
    """Keeps a state in step with a running server, for as long as `run` runs.

    A lost connection is resumed behind the last event (`since`, `epoch`); when something is missing there, or it is
    another run of the server, from a new snapshot. The state that is shown never steps back: a replay is applied to the
    new one.

    Args:
        url: of the server.
        token: bearer token, if it wants one.
        ca: file with the certificates to be trusted for https://.
        epoch_ms: the time, in epoch milliseconds.
        ended: tells why a server that we started has ended; None while it lives.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        ca: str | None = None,
        epoch_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        ended: Callable[[Exception], Awaitable[str | None]] | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.state = State()
        self._token = token
        self._ca = ca
        self._epoch_ms = epoch_ms
        self._ended = ended
        self._current = False

    async def run(self) -> None:
        """Follow; ends only when a server that we started has ended."""
        failures = 0
        async with ApiClient(self.url, self._token, ca=self._ca) as api:
            while True:
                connected_before = self.state.link.status == "live"
                try:
                    await self._follow(api)
                except ClientError as error:
                    if isinstance(error, Refused):
                        self._current = False
                    failures = 0 if connected_before or self.state.link.status == "live" else failures + 1
                    ended = None if self._ended is None else await self._ended(error)
                    if ended is not None:
                        self.state.link_is("over", self._epoch_ms(), ended)
                        return
                    self.state.link_is("lost", self._epoch_ms(), _why(error))
                    await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
                else:  # something is missing: from a new snapshot, but not without a pause
                    await asyncio.sleep(PAUSES[0])

    async def describe(self, stream_ids: Sequence[str]) -> None:
        """Ask HTTP for streams, one after the other; of what is refused (it has just gone) nothing is told."""
        async with ApiClient(self.url, self._token, ca=self._ca) as api:
            for id_ in stream_ids:
                with suppress(ClientError):
                    await self._describe(api, id_)

    async def _describe(self, api: ApiClient, id_: str) -> None:
        producer = self.state.producer(ProducerId(id_))
        consumer = self.state.consumers.get(ConsumerId(id_))
        if producer is not None:
            describe(self.state, await api.producer(producer.router_id, producer.id))
        elif consumer is not None:
            describe(self.state, await api.consumer(consumer.router_id, consumer.id))

    async def _follow(self, api: ApiClient) -> None:
        """From a snapshot, or from where we were, until a gap comes; raises when the connection is lost."""
        state, since, epoch = self.state, self.state.seq, self._epoch()
        if not self._current:
            snapshot = await take_snapshot(api)
            state = state_of(snapshot, self.state)
            since, epoch = max(0, snapshot.info.event_seq - REPLAY), snapshot.info.epoch
        known = state.seq
        count = 0
        async with EventFeed(self.url, self._token, since, epoch, interval=INTERVAL, ca=self._ca) as feed:
            self._show_if_there(state, feed)
            async for frame in feed:
                if isinstance(frame, Gap):
                    if frame.reason == "other-epoch" or frame.to_seq > known:
                        self._current = False
                        return
                elif isinstance(frame, Happened):
                    state.apply(frame)
                else:
                    take(state, frame)
                self._show_if_there(state, feed)
                count += 1
                if count % _BREATH == 0:
                    await asyncio.sleep(0)  # a long replay must not keep the keys waiting

    def _show_if_there(self, state: State, feed: EventFeed) -> None:
        if not feed.caught_up or (state is self.state and state.link.status == "live"):
            return
        state.link = self.state.link
        self.state = state
        self._current = True
        state.link_is("live", self._epoch_ms())

    def _epoch(self) -> str | None:
        return None if self.state.server is None else self.state.server.epoch


def _why(error: ClientError) -> str:
    """Short enough for a line."""
    if isinstance(error, Refused) and error.status == HTTPStatus.UNAUTHORIZED:
        return "it wants a token: --token or LABSFU_TOKEN"
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno and not isinstance(cause, ssl.SSLError):
        return os.strerror(cause.errno)
    return f"{error}{hint_of(error)}"


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the server says that it was asked too often: a large one is asked a lot."""
    while True:
        try:
            return await ask()
        except Refused as refusal:
            if refusal.status != HTTPStatus.TOO_MANY_REQUESTS:
                raise
        await asyncio.sleep(AGAIN)


async def _speaker(api: ApiClient, id_: RoomId) -> RoomActiveSpeakerPayload | None:
    try:
        return await _patiently(lambda: api.room_active_speaker(id_))
    except Refused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
        return None  # closed meanwhile, as the feed will tell


class _Inside(NamedTuple):
    """What a router holds."""

    producers: tuple[ProducerPayload, ...] = ()
    consumers: tuple[ConsumerPayload, ...] = ()
    pipe_transports: tuple[PipeTransportPayload, ...] = ()


async def take_snapshot(api: ApiClient) -> Snapshot:
    """All that HTTP shows, the number of the last event first."""
    info = await api.sfu_info()
    rooms = await api.rooms()
    speakers = [await _speaker(api, room.id) for room in rooms]
    routers = await api.routers()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def inside(of: RouterPayload) -> _Inside:
        async with gate:
            try:
                return _Inside(
                    await _patiently(lambda: api.producers(of.id)),
                    await _patiently(lambda: api.consumers(of.id)),
                    await _patiently(lambda: api.pipe_transports(of.id)) if of.pipe_transport_count else (),
                )
            except Refused as refusal:
                if refusal.status != HTTPStatus.NOT_FOUND:
                    raise
                return _Inside()  # closed meanwhile, as the feed will tell

    try:
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(inside(router)) for router in routers]
    except BaseExceptionGroup as failed:
        raise next((one for one in failed.exceptions if isinstance(one, ClientError)), failed) from failed
    found = [task.result() for task in asked]
    return Snapshot(
        info=info,
        rooms=rooms,
        speakers=tuple(one for one in speakers if one is not None),
        routers=routers,
        producers=tuple(one for inside in found for one in inside.producers),
        consumers=tuple(one for inside in found for one in inside.consumers),
        pipe_transports=tuple(one for inside in found for one in inside.pipe_transports),
    )
