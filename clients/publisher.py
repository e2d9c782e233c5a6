"""What a client sends: one sender per track or synthetic source, all on its send transport."""

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
from clients.synthetic.terms import SendTerms, send_terms
from clients.tap import RtpTap
from clients.transport import WebRtcTransport
from labsfu.wire.base import ABSENT, JsonObject
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpParameters
from labsfu.wire.sfu import ProducerScore
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
        scores: how well the streams of each producer arrive, as the server told last.
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
        self.scores: dict[ProducerId, tuple[ProducerScore, ...]] = {}
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

    def sender(self, producer_id: ProducerId) -> Sender:
        """The sender of a track's producer.

        Raises:
            ClientError: it is not, or no longer, ours; or it sends a synthetic source.
        """
        sender = self._sender(producer_id)
        if not isinstance(sender, Sender):
            raise ClientError(f"'{producer_id}' sends no track")
        return sender

    def synthetic_sender(self, producer_id: ProducerId) -> SyntheticSender:
        """The sender of a synthetic source's producer.

        Raises:
            ClientError: it is not, or no longer, ours; or it sends a track.
        """
        sender = self._sender(producer_id)
        if not isinstance(sender, SyntheticSender):
            raise ClientError(f"'{producer_id}' sends nothing synthetic")
        return sender

    async def publish(
        self,
        track: MediaStreamTrack | SyntheticSource,
        *,
        codec: str | None = None,
        paused: bool = False,
        app_data: JsonObject | None = None,
    ) -> ProducerId:
        """Send a track or a synthetic source; its first packet leaves after the server has said yes.

        Args:
            track: audio or video; a track is stopped when sending stops, a source can be sent once.
            codec: mime type; None takes VP8 or Opus if the router has it. A synthetic source has its own.
            paused: begin paused.
            app_data: kept by the server with the producer.

        Raises:
            NothingInCommon: no such codec.
            Refused, Disconnected, TransportFailed: as they say.
        """
        transport = await self._transport()
        kind = MediaKind(track.kind)
        ids = StreamIds(mid=str(next(self._mids)), ssrc=self._ssrc(), rtx_ssrc=self._ssrc(), cname=self._cname)
        terms: SendTerms | None = None
        if isinstance(track, MediaStreamTrack):
            parameters = send_parameters(kind, self._router, ids, codec=codec)
        else:
            terms = send_terms(track, self._router, ids, [(self._ssrc(), self._ssrc()) for _ in track.rids])
            parameters = terms.parameters
        request = ProduceRequest(
            kind=kind, rtp_parameters=parameters, paused=paused, app_data=ABSENT if app_data is None else app_data
        )
        producer_id = (await self._signalling.request(request, Produced)).id
        sender = self._make_sender(transport, track, ids, terms)
        sender.enable(not paused)
        self._senders[producer_id] = (transport, sender)
        self._announce(kind, parameters, terms)
        await sender.start(parameters)
        self._spawn(sender.ended)
        return producer_id

    async def unpublish(self, producer_id: ProducerId) -> None:
        """Send a track no more, and close its producer."""
        self._sender(producer_id)
        await self.removed(producer_id)
        await self._signalling.request(ProducerClose(id=producer_id), ProducerRemoved)

    async def pause(self, producer_id: ProducerId) -> None:
        """Stop a producer at both ends; the track is still read."""
        self._sender(producer_id).enable(False)
        await self._signalling.request(ProducerPause(id=producer_id), ProducerPaused)

    async def resume(self, producer_id: ProducerId) -> None:
        """Let a producer flow again."""
        self._sender(producer_id).enable(True)
        await self._signalling.request(ProducerResume(id=producer_id), ProducerResumed)

    async def removed(self, producer_id: ProducerId) -> None:
        """The producer is gone: stop its sender. Idempotent."""
        self.scores.pop(producer_id, None)
        transport, sender = self._senders.pop(producer_id, (None, None))
        if transport is not None and sender is not None:
            await transport.remove(sender)

    async def close(self) -> None:
        """Stop all senders; each says BYE."""
        for producer_id in tuple(self._senders):
            await self.removed(producer_id)

    def _sender(self, producer_id: ProducerId) -> Sender | SyntheticSender:
        if producer_id not in self._senders:
            raise ClientError(f"'{producer_id}' is no producer of this client")
        return self._senders[producer_id][1]

    def _make_sender(
        self,
        transport: WebRtcTransport,
        track: MediaStreamTrack | SyntheticSource,
        ids: StreamIds,
        terms: SendTerms | None,
    ) -> Sender | SyntheticSender:
        if isinstance(track, MediaStreamTrack):
            return transport.add_sender(track, ssrc=ids.ssrc, rtx_ssrc=ids.rtx_ssrc)
        assert terms is not None, "a synthetic source is sent on terms"
        return SyntheticSender(transport, track, terms, self._rng)

    def _announce(self, kind: MediaKind, parameters: RtpParameters, terms: SendTerms | None) -> None:
        if self.tap is None:
            return
        self.tap.announce(Direction.UP, kind, parameters)
        for stream in () if terms is None else terms.streams:
            self.tap.pair_rtx(Direction.UP, stream.ssrc, stream.rtx_ssrc)

    def _ssrc(self) -> int:
        return self._rng.randrange(1, 1 << 32)
