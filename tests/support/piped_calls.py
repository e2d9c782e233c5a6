"""Calls whose sender and receivers are on different engines, with a chain of pipes between them."""

from __future__ import annotations

from itertools import pairwise

from msgspec.structs import replace

from clients.network import PERFECT, Conditions
from labsfu.core import uris
from labsfu.wire import commands
from labsfu.wire.commands import Consumed
from labsfu.wire.events import ConsumerLayersChanged
from labsfu.wire.ids import ConsumerId
from labsfu.wire.pipe import PipeConsumerPayload
from labsfu.wire.rtp import ConsumerLayers
from tests.support.consent import Consent
from tests.support.layer_receiver import TRIES, LayerReceiver
from tests.support.media import consume, produce
from tests.support.nack_receiver import NackReceiver
from tests.support.piped_lab import End, PipedLab, World, carry, pipe_between
from tests.support.rough_simulcast_call import RoughSimulcastCall, Wish
from tests.support.simulcast_source import SimulcastOptions, SimulcastSource
from tests.support.synthetic_vp8 import StreamOptions
from tests.support.video import VideoSource

HOP_BY_HOP = (uris.MID, uris.ABS_SEND_TIME, uris.TRANSPORT_WIDE_CC)


def chain(world: World, hops: int, *, srtp: bool, rtx: bool) -> tuple[list[PipedLab], list[tuple[End, End]]]:
    """So many engines and one more, and the pipes from each to the next."""
    labs = [world.lab() for _ in range(hops + 1)]
    ends = [pipe_between(near, far, srtp=srtp, rtx=rtx) for near, far in pairwise(labs)]
    return labs, ends


class PipedVideoCall:
    """A sender of one stream of video, pipes, and receivers behind the last of them."""

    def __init__(
        self,
        seed: int = 1,
        *,
        hops: int = 1,
        srtp: bool = False,
        rtx: bool = True,
        options: StreamOptions | None = None,
        receivers: int = 1,
    ) -> None:
        self.world = World(seed)
        self.labs, self.ends = chain(self.world, hops, srtp=srtp, rtx=rtx)
        self.near, self.far = self.labs[0], self.labs[-1]
        self.sender, upstream = self.near.connected_peer()
        Consent(self.sender)
        self.source = VideoSource(self.sender, options)
        self.producer = produce(self.near, upstream, self.source.options.parameters())
        self.carried = [carry(self.producer, *ends) for ends in self.ends]
        self.receivers: list[NackReceiver] = []
        self.consumed: list[Consumed] = []
        for _ in range(receivers):
            self.join()

    def join(self, lab: PipedLab | None = None) -> NackReceiver:
        """Somebody more who receives."""
        lab = lab or self.far
        peer, transport = lab.connected_peer()
        Consent(peer)
        self.consumed.append(consume(lab, transport, self.producer))
        self.receivers.append(NackReceiver(peer, self.consumed[-1]))
        self.receivers[-1].missing.tries = TRIES  # what the hops lost may take long
        return self.receivers[-1]

    def rough(self, conditions: Conditions) -> None:
        """All hops are like this from now on."""
        for ends in self.ends:
            self.world.rough(*ends, conditions)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.world.advance(seconds)

    def settle(self) -> None:
        """Nothing is lost any more; once all is repaired or given up, the sender stops."""
        self.rough(PERFECT)
        self.run(1.5)
        self.source.stop()
        self.run(0.5)


class PipedSimulcastCall(RoughSimulcastCall):
    """As the call that it is made of, with pipes between the sender's engine and that of the receivers.

    `lab` is the receivers'; the only networks that can be made rough are those of the pipes.
    """

    def __init__(  # it is the same call on other engines: nothing of the base's is wanted
        self,
        options: SimulcastOptions | None = None,
        *,
        hops: int = 1,
        srtp: bool = False,
        rtx: bool = True,
        carried: bool = True,
    ) -> None:
        self.options = options or SimulcastOptions()
        self.world = World(self.options.seed)
        self.labs, self.ends = chain(self.world, hops, srtp=srtp, rtx=rtx)
        self.near, self.far = self.labs[0], self.labs[-1]
        self.lab = self.far  # type: ignore[assignment]  # of a RoughLab nothing is used but what any lab has
        self.sender, self.upstream = self.near.connected_peer()
        Consent(self.sender)
        self.source = SimulcastSource(self.sender, self.options)
        self.producer = produce(self.near, self.upstream, self.options.parameters())
        self.carried: list[PipeConsumerPayload] = []
        self.receivers: list[LayerReceiver] = []
        self.consumers: list[ConsumerId] = []
        self.wishes: list[list[Wish]] = []
        self.upstream_delay = 0.0
        if carried:
            self.carry()

    def carry(self) -> None:
        """Send the producer into the pipes."""
        self.carried = [carry(self.producer, *ends)[0] for ends in self.ends]

    def join_near(self) -> LayerReceiver:
        """Somebody on the sender's engine, who wants the lowest layers, and takes packets in the form of the pipe."""
        peer, transport = self.near.connected_peer()
        Consent(peer)
        known = self.near.capabilities
        alike = replace(known, header_extensions=tuple(e for e in known.header_extensions if e.uri not in HOP_BY_HOP))
        consumed = consume(self.near, transport, self.producer, capabilities=alike)
        command = commands.UpdateConsumer(
            router_id=self.near.router,
            consumer_id=consumed.consumer_id,
            preferred_layers=ConsumerLayers(spatial_layer=0, temporal_layer=0),
        )
        self.near.do(command, commands.ConsumerShown)
        return LayerReceiver(peer, consumed)

    def join(self, *, rtx: bool = True) -> LayerReceiver:
        """Somebody more who receives from now on."""
        assert rtx
        peer, transport = self.far.connected_peer()
        Consent(peer)
        consumed = consume(self.far, transport, self.producer)
        self.receivers.append(LayerReceiver(peer, consumed))
        self.consumers.append(consumed.consumer_id)
        self.wishes.append([Wish(self.world.now, 2, self.highest_temporal)])
        return self.receivers[-1]

    def rough_hops(self, conditions: Conditions) -> None:
        """All hops are like this from now on."""
        for ends in self.ends:
            self.world.rough(*ends, conditions)
            self.upstream_delay += conditions.delay + 5 * conditions.jitter
            self.upstream_delay += conditions.reorder_delay * bool(conditions.reorder)

    def settle(self) -> None:
        """As the base's."""
        for ends in self.ends:
            self.world.rough(*ends, PERFECT)
        for _ in range(6):
            self.run(1.0)
            if all(told == wishes[-1].spatial for told, wishes in zip(self.told(), self.wishes, strict=True)):
                break
        self.run(1.0)
        self.source.stop()
        self.run(0.5)

    def encodings_of(self, end: End, other: End) -> set[int]:
        """Which of the pipe's streams, by their place, packets of media were sent of."""
        (consumer,) = (c for c, ends in zip(self.carried, self.ends, strict=True) if end in ends)
        ssrcs = [encoding.ssrc for encoding in consumer.rtp_parameters.encodings]
        sent = {int.from_bytes(data[8:12], "big") for data in self.world.between(end, other)}
        return {place for place, ssrc in enumerate(ssrcs) if ssrc in sent}


def layers_now(lab: PipedLab, consumer: ConsumerId) -> int:
    """The spatial layer that a consumer was told last that it is sent; -1 for none."""
    last = -1
    for event in lab.events:
        if isinstance(event, ConsumerLayersChanged) and event.consumer_id == consumer:
            last = event.layers.spatial_layer if isinstance(event.layers, ConsumerLayers) else -1
    return last


def pause(lab: PipedLab, consumer: ConsumerId, *, paused: bool) -> None:
    """Pause or resume a consumer."""
    kind = commands.PauseConsumer if paused else commands.ResumeConsumer
    lab.do(kind(router_id=lab.router, consumer_id=consumer), commands.Done)
