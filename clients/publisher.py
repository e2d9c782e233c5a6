"""What a client sends: one RTCRtpSender per track, all on its send transport."""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine

from aiortc import MediaStreamTrack

from clients.capabilities import StreamIds, send_parameters
from clients.errors import ClientError
from clients.network import Direction
from clients.signalling import Signalling
from clients.streams import Sender
from clients.synthetic.ends import SyntheticSender
from clients.synthetic.source import SyntheticSource
from clients.synthetic.terms import send_terms
from clients.tap import RtpTap
from clients.transport import WebRtcTransport
from labsfu.wire.base import ABSENT, JsonObject
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import MediaKind, RtpCapabilities
from labsfu.wire.socket import (
    Produced,
    ProducerClose,
    ProduceRequest,
    ProducerPause,
    ProducerPaused,
    ProducerRemoved,
    ProducerResume,
    ProducerResumed,
)

Work = Callable[[], Coroutine[object, object, None]]
Spawn = Callable[[Work], None]
"""Starts a task of the client; what it raises ends the client."""


class Publisher:
    """Makes producers and keeps their senders.

    Args:
        signalling: the participant socket.
        transport: gives the send transport, connected.
        router: its capabilities.
        cname: the same for all that this client sends (RFC 8834 4.9).
        spawn: starts the task that watches a sender.
        rng: where SSRCs come from.

    Attributes:
        tap: told of each stream before it flows.
    """

    def __init__(
        self,
        signalling: Signalling,
        transport: Callable[[], Awaitable[WebRtcTransport]],
        router: RtpCapabilities,
        cname: str,
        spawn: Spawn,
        rng: random.Random,
    ) -> None:
        self.tap: RtpTap | None = None
        self._signalling = signalling
        self._transport = transport
        self._router = router
        self._cname = cname
        self._spawn = spawn
        self._rng = rng
        self._mids = itertools.count()
        self._senders: dict[ProducerId, tuple[WebRtcTransport, Sender | SyntheticSender]] = {}

    @property
    def producer_ids(self) -> tuple[ProducerId, ...]:
        """What is being sent, the oldest first."""
        return tuple(self._senders)

    def sender(self, producer_id: ProducerId) -> Sender | SyntheticSender:
        """The sender of a producer.

        Raises:
            ClientError: it is not, or no longer, ours.
        """
        if producer_id not in self._senders:
            raise ClientError(f"'{producer_id}' is no producer of this client")
        return self._senders[producer_id][1]

    async def publish(
        self,
        track: MediaStreamTrack,
        *,
        codec: str | None = None,
        paused: bool = False,
        app_data: JsonObject | None = None,
    ) -> ProducerId:
        """Send a track; its first packet leaves after the server has said yes.

        Args:
            track: audio or video; stopped when sending stops.
            codec: mime type; None takes VP8 or Opus if the router has it.
            paused: begin paused.
            app_data: kept by the server with the producer.

        Raises:
            NothingInCommon: no such codec.
            Refused, Disconnected, TransportFailed: as they say.
        """
        transport = await self._transport()
        kind = MediaKind(track.kind)
        ids = StreamIds(mid=str(next(self._mids)), ssrc=self._ssrc(), rtx_ssrc=self._ssrc(), cname=self._cname)
        parameters = send_parameters(kind, self._router, ids, codec=codec)
        request = ProduceRequest(
            kind=kind, rtp_parameters=parameters, paused=paused, app_data=ABSENT if app_data is None else app_data
        )
        producer_id = (await self._signalling.request(request, Produced)).id
        sender = transport.add_sender(track, ssrc=ids.ssrc, rtx_ssrc=ids.rtx_ssrc)
        sender.enable(not paused)
        self._senders[producer_id] = (transport, sender)
        if self.tap is not None:
            self.tap.announce(Direction.UP, kind, parameters)
        await sender.start(parameters)
        self._spawn(sender.ended)
        return producer_id

    async def unpublish(self, producer_id: ProducerId) -> None:
        """Send a track no more, and close its producer."""
        self.sender(producer_id)
        await self.removed(producer_id)
        await self._signalling.request(ProducerClose(id=producer_id), ProducerRemoved)

    async def pause(self, producer_id: ProducerId) -> None:
        """Stop a producer at both ends; the track is still read."""
        self.sender(producer_id).enable(False)
        await self._signalling.request(ProducerPause(id=producer_id), ProducerPaused)

    async def resume(self, producer_id: ProducerId) -> None:
        """Let a producer flow again."""
        self.sender(producer_id).enable(True)
        await self._signalling.request(ProducerResume(id=producer_id), ProducerResumed)

    async def removed(self, producer_id: ProducerId) -> None:
        """The producer is gone: stop its sender. Idempotent."""
        transport, sender = self._senders.pop(producer_id, (None, None))
        if transport is not None and sender is not None:
            await transport.remove(sender)

    async def close(self) -> None:
        """Stop all senders; each says BYE."""
        for producer_id in tuple(self._senders):
            await self.removed(producer_id)

    def _ssrc(self) -> int:
        return self._rng.randrange(1, 1 << 32)
