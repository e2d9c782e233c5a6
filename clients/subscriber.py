"""What a client receives: one receiver per consumer, all on its receive transport."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiortc import MediaStreamTrack

from clients.errors import ClientError, Refused
from clients.network import Direction
from clients.signalling import Signalling
from clients.streams import Receiver
from clients.synthetic.ends import SyntheticReception
from clients.tap import RtpTap
from clients.transport import WebRtcTransport
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId
from labsfu.wire.rtp import MediaKind
from labsfu.wire.socket import (
    Consumed,
    ConsumerClose,
    ConsumerClosed,
    ConsumeRequest,
    ConsumerPause,
    ConsumerPaused,
    ConsumerResume,
    ConsumerResumed,
    KeyFrameRequested,
    RequestKeyFrameRequest,
)


@dataclass(frozen=True, slots=True)
class RemoteTrack:
    """A stream that somebody else sends; `track` ends when its consumer or its producer closes.

    Received synthetically, its track never has a frame: what came is told by `reception`.
    """

    participant_id: ParticipantId
    producer_id: ProducerId
    consumer_id: ConsumerId
    kind: MediaKind
    track: MediaStreamTrack
    reception: SyntheticReception | None = None


@dataclass(frozen=True, slots=True)
class _Reception:
    remote: RemoteTrack
    transport: WebRtcTransport
    receiver: Receiver | SyntheticReception


class Subscriber:
    """Makes consumers and keeps their receivers.

    Args:
        signalling: the participant socket; the client's capabilities must have been sent.
        transport: gives the receive transport, connected.
        on_track: told of each stream before its first packet is asked for.
        rng: where the SSRCs of our RTCP reports come from.
        synthetic: receive without decoding.

    Attributes:
        tap: told of each stream before it flows.
    """

    def __init__(
        self,
        signalling: Signalling,
        transport: Callable[[], Awaitable[WebRtcTransport]],
        on_track: Callable[[RemoteTrack], None],
        rng: random.Random,
        *,
        synthetic: bool = False,
    ) -> None:
        self.tap: RtpTap | None = None
        self._signalling = signalling
        self._transport = transport
        self._on_track = on_track
        self._rng = rng
        self._synthetic = synthetic
        self._receptions: dict[ConsumerId, _Reception] = {}
        self._consuming = 0
        self._closed_early: set[ConsumerId] = set()

    @property
    def tracks(self) -> dict[ConsumerId, RemoteTrack]:
        """What is being received, the oldest first."""
        return {id_: reception.remote for id_, reception in self._receptions.items()}

    def receiver(self, consumer_id: ConsumerId) -> Receiver:
        """The decoding receiver of a consumer.

        Raises:
            ClientError: it is not, or no longer, ours; or what comes is received synthetically.
        """
        if consumer_id not in self._receptions:
            raise ClientError(f"'{consumer_id}' is no consumer of this client")
        receiver = self._receptions[consumer_id].receiver
        if not isinstance(receiver, Receiver):
            raise ClientError(f"'{consumer_id}' is received synthetically")
        return receiver

    async def consume(self, producer_id: ProducerId, *, paused: bool = False) -> RemoteTrack:
        """Receive a producer.

        Args:
            producer_id: somebody else's.
            paused: leave the consumer paused.

        Returns:
            The stream; should its producer have closed meanwhile, its track has ended and nobody was told of it.

        Raises:
            Refused, Disconnected, TransportFailed: as they say.
        """
        transport = await self._transport()
        self._consuming += 1
        try:
            consumed = await self._signalling.request(ConsumeRequest(producer_id=producer_id), Consumed)
            remote = await self._receive(transport, consumed)
            if consumed.id in self._closed_early:
                await self.closed(consumed.id)
                return remote
        finally:
            self._consuming -= 1
            if not self._consuming:
                self._closed_early.clear()
        self._on_track(remote)
        if not paused:
            await self._resume_if_open(consumed.id)
        return remote

    async def pause(self, consumer_id: ConsumerId) -> None:
        """Have the server send a stream no more."""
        await self._signalling.request(ConsumerPause(id=consumer_id), ConsumerPaused)

    async def resume(self, consumer_id: ConsumerId) -> None:
        """Let a stream flow."""
        await self._signalling.request(ConsumerResume(id=consumer_id), ConsumerResumed)

    async def request_key_frame(self, consumer_id: ConsumerId) -> None:
        """Have the sender asked for a key frame."""
        await self._signalling.request(RequestKeyFrameRequest(id=consumer_id), KeyFrameRequested)

    async def unsubscribe(self, consumer_id: ConsumerId) -> None:
        """Close a consumer."""
        await self._signalling.request(ConsumerClose(id=consumer_id), ConsumerClosed)
        await self.closed(consumer_id)

    async def closed(self, consumer_id: ConsumerId) -> None:
        """The server said that a consumer is gone: its track ends. Idempotent."""
        reception = self._receptions.pop(consumer_id, None)
        if reception is not None:
            await reception.transport.remove(reception.receiver)
        elif self._consuming:
            # perhaps one whose `Consumed` came just before, and is being dealt with
            self._closed_early.add(consumer_id)

    async def producer_removed(self, producer_id: ProducerId) -> None:
        """The server said that a producer is gone: so are its consumers. Idempotent."""
        for consumer_id, reception in tuple(self._receptions.items()):
            if reception.remote.producer_id == producer_id:
                await self.closed(consumer_id)

    async def close(self) -> None:
        """Stop all receivers; the tracks end."""
        for consumer_id in tuple(self._receptions):
            await self.closed(consumer_id)

    async def _receive(self, transport: WebRtcTransport, consumed: Consumed) -> RemoteTrack:
        receiver = self._make_receiver(transport, consumed)
        if self.tap is not None:
            self.tap.announce(Direction.DOWN, consumed.kind, consumed.rtp_parameters)
        await receiver.start()
        remote = RemoteTrack(
            participant_id=consumed.participant_id,
            producer_id=consumed.producer_id,
            consumer_id=consumed.id,
            kind=consumed.kind,
            track=receiver.track,
            reception=receiver if isinstance(receiver, SyntheticReception) else None,
        )
        self._receptions[consumed.id] = _Reception(remote, transport, receiver)
        return remote

    def _make_receiver(self, transport: WebRtcTransport, consumed: Consumed) -> Receiver | SyntheticReception:
        kind, parameters, rtcp_ssrc = consumed.kind, consumed.rtp_parameters, self._rng.randrange(1, 1 << 32)
        if self._synthetic:
            return SyntheticReception(kind, transport, parameters, rtcp_ssrc=rtcp_ssrc)
        return transport.add_receiver(kind, parameters, rtcp_ssrc=rtcp_ssrc)

    async def _resume_if_open(self, consumer_id: ConsumerId) -> None:
        try:
            await self.resume(consumer_id)
        except Refused as refusal:
            if refusal.slug != "consumer-not-found":
                raise
            await self.closed(consumer_id)
