"""What a client receives: one receiver per consumer, all on its receive transport."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiortc import MediaStreamTrack

from clients.errors import ClientError, Refused
from clients.network import Direction
from clients.signalling import Signalling
from clients.streams import Receiver
from clients.synthetic.ends import SyntheticReception
from clients.tap import RtpTap
from clients.transport import WebRtcTransport
from labsfu.wire import sfu
from labsfu.wire.base import ABSENT
from labsfu.wire.events import LayersReason
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.socket import (
    Consumed,
    ConsumerClose,
    ConsumerClosed,
    ConsumeRequest,
    ConsumerLayersChanged,
    ConsumerPause,
    ConsumerPaused,
    ConsumerResume,
    ConsumerResumed,
    ConsumerScore,
    KeyFrameRequested,
    PreferredLayersSet,
    PrioritySet,
    RequestKeyFrameRequest,
    SetPreferredLayers,
    SetPriority,
)


@dataclass(slots=True)
class Sent:
    """What the server told last about what it sends of a stream; None: nothing yet.

    Attributes:
        layers: the layers that are sent; None too when it is nothing, and of streams without layers.
        reason: why these.
        score: how well the stream gets through.
    """

    layers: ConsumerLayers | None = None
    reason: LayersReason | None = None
    score: sfu.ConsumerScore | None = None

    def follow(self, signal: ConsumerLayersChanged | ConsumerScore) -> None:
        """The server told more."""
        if isinstance(signal, ConsumerScore):
            self.score = signal.score
        else:
            self.layers = None if signal.layers is ABSENT else signal.layers
            self.reason = signal.reason


@dataclass(frozen=True, slots=True)
class RemoteTrack:
    """A stream that somebody else sends; `track` ends when its consumer or its producer closes.

    Received synthetically, its track never has a frame: what came is told by `reception`. `sent` goes on changing.
    """

    participant_id: ParticipantId
    producer_id: ProducerId
    consumer_id: ConsumerId
    kind: MediaKind
    track: MediaStreamTrack
    reception: SyntheticReception | None = None
    sent: Sent = field(default_factory=Sent, compare=False)


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
        # of consumers whose `Consumed` came just before, and is being dealt with
        self._closed_early: set[ConsumerId] = set()
        self._sent_early: dict[ConsumerId, Sent] = {}

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

    async def consume(
        self, producer_id: ProducerId, *, paused: bool = False, preferred_layers: ConsumerLayers | None = None
    ) -> RemoteTrack:
        """Receive a producer.

        Args:
            producer_id: somebody else's.
            paused: leave the consumer paused.
            preferred_layers: at most these, of a stream that has several; None: the highest.

        Returns:
            The stream; should its producer have closed meanwhile, its track has ended and nobody was told of it.

        Raises:
            Refused, Disconnected, TransportFailed: as they say.
        """
        transport = await self._transport()
        self._consuming += 1
        try:
            request = ConsumeRequest(producer_id=producer_id, preferred_layers=preferred_layers or ABSENT)
            consumed = await self._signalling.request(request, Consumed)
            remote = await self._receive(transport, consumed)
            if consumed.id in self._closed_early:
                await self.closed(consumed.id)
                return remote
        finally:
            self._consuming -= 1
            if not self._consuming:
                self._closed_early.clear()
                self._sent_early.clear()
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

    async def set_preferred_layers(
        self, consumer_id: ConsumerId, spatial: int, temporal: int | None = None
    ) -> ConsumerLayers | None:
        """Receive at most these layers of a stream that has several (`RemoteTrack.sent` says which come).

        Args:
            consumer_id: of the stream.
            spatial: the highest encoding, from 0.
            temporal: the highest temporal layer of that one; None: all.

        Returns:
            What is preferred now, cut to what there is; None of a stream without layers.
        """
        layers = ConsumerLayers(spatial_layer=spatial, temporal_layer=ABSENT if temporal is None else temporal)
        answer = await self._signalling.request(SetPreferredLayers(id=consumer_id, layers=layers), PreferredLayersSet)
        return None if answer.layers is ABSENT else answer.layers

    async def set_priority(self, consumer_id: ConsumerId, priority: int) -> None:
        """Say how much a stream matters among those that we receive: 1 (at first) to 255."""
        await self._signalling.request(SetPriority(id=consumer_id, priority=priority), PrioritySet)

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
            self._closed_early.add(consumer_id)

    def told(self, signal: ConsumerLayersChanged | ConsumerScore) -> None:
        """The server said what it sends of a stream, or how well that gets through."""
        reception = self._receptions.get(signal.id)
        if reception is not None:
            reception.remote.sent.follow(signal)
        elif self._consuming:
            self._sent_early.setdefault(signal.id, Sent()).follow(signal)

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
            sent=self._sent_early.pop(consumed.id, Sent()),
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
