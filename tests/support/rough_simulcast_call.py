"""One sender of three encodings, the engine, and receivers that want other layers now and then, on bad networks."""

from __future__ import annotations

import random
from dataclasses import dataclass

from clients.network import PERFECT, Conditions, Fault
from labsfu.wire import commands
from labsfu.wire.events import ConsumerLayersChanged
from labsfu.wire.ids import ConsumerId
from labsfu.wire.rtp import ConsumerLayers
from tests.support.consent import Consent
from tests.support.layer_receiver import LayerReceiver
from tests.support.media import consume, produce
from tests.support.rough_lab import RoughLab
from tests.support.simulcast_source import FRAME_RATE, SimulcastOptions, SimulcastSource
from tests.support.video_call import without_rtx

ALL_PATHS = (0, 1, 2, 0, 2, 1, 0)
"""Between three layers, each path once."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Layers that a receiver wants from an instant of the lab's clock on."""

    at: float
    spatial: int
    temporal: int


class RoughSimulcastCall:
    """Everybody is connected over a perfect network; nothing is sent before `begin`.

    `wishes` are those of each receiver, the first of them all layers.
    """

    def __init__(self, options: SimulcastOptions | None = None) -> None:
        self.options = options or SimulcastOptions()
        self.lab = RoughLab(self.options.seed)
        self.sender, self.upstream = self.lab.connected_peer()
        Consent(self.sender)
        self.source = SimulcastSource(self.sender, self.options)
        self.producer = produce(self.lab, self.upstream, self.options.parameters())
        self.receivers: list[LayerReceiver] = []
        self.consumers: list[ConsumerId] = []
        self.wishes: list[list[Wish]] = []
        self.upstream_delay = 0.0
        """What an upstream packet that is not lost takes at most, as good as always."""
        self._fates: dict[tuple[int, int, int], Fault] = {}

    def join(self, *, rtx: bool = True) -> LayerReceiver:
        """Somebody more who receives from now on."""
        peer, transport = self.lab.connected_peer()
        Consent(peer)
        capabilities = self.lab.capabilities if rtx else without_rtx(self.lab.capabilities)
        consumed = consume(self.lab, transport, self.producer, capabilities=capabilities)
        receiver = LayerReceiver(peer, consumed)
        self.receivers.append(receiver)
        self.consumers.append(consumed.consumer_id)
        self.wishes.append([Wish(self.lab.now, 2, self.highest_temporal)])
        return receiver

    @property
    def highest_temporal(self) -> int:
        """The highest temporal layer that there is."""
        return self.options.temporal_layers - 1

    def begin(self, seconds: float = 0.3) -> None:
        """Start the sender; a receiver cannot know of what is lost before its first packet, so nothing is at first."""
        self.source.start()
        self.run(seconds)

    def rough(self, up: Conditions, down: Conditions) -> None:
        """From now on the sender is reached over `up`, and the receivers over `down`, both ways."""
        self.lab.rough(self.sender, up, up)
        for receiver in self.receivers:
            self.lab.rough(receiver.peer, down, down)
        self.upstream_delay = max(self.upstream_delay, up.delay + 5 * up.jitter + up.reorder_delay * bool(up.reorder))

    def fate(self, fault: Fault, layer: int, picture: int, *parts: int) -> None:
        """What becomes upstream of packets that are still to be sent, of a picture's frame in one encoding.

        It needs a network (`rough`). What is sent again of them gets through.
        """
        self._fates |= {(layer, picture, part): fault for part in parts}
        self.lab.networks[self.sender.address].up.faults = self._judge

    def release(self) -> None:
        """Let go what was held."""
        self.lab.networks[self.sender.address].up.release(self.lab.now)
        self.lab.pump()

    def _judge(self, _number: int, data: bytes) -> Fault | None:
        sequence, ssrc = int.from_bytes(data[2:4], "big"), int.from_bytes(data[8:12], "big")
        for encoding in self.source.encodings:
            if encoding.ssrc == ssrc:
                return self._fates.pop((encoding.layer, *encoding.place(sequence)), None)
        return None

    def prefer(self, receiver: int, spatial: int, temporal: int | None = None) -> None:
        """Let a receiver want other layers: all temporal ones, if it is not said."""
        asked = self.highest_temporal if temporal is None else min(temporal, self.highest_temporal)
        self.wishes[receiver].append(Wish(self.lab.now, spatial, asked))
        command = commands.UpdateConsumer(
            router_id=self.lab.router,
            consumer_id=self.consumers[receiver],
            preferred_layers=ConsumerLayers(spatial_layer=spatial, temporal_layer=asked),
        )
        self.lab.do(command, commands.ConsumerShown)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.lab.advance(seconds)

    def run_to(self, picture: int) -> None:
        """Let time pass until the picture of this number, the first is 0, has just been sent."""
        self.run(self.source.first_frame_at + picture / FRAME_RATE + 0.001 - self.lab.now)
        assert len(self.source.captured) == picture + 1

    def walk_all_paths(self, seconds: float = 0.35) -> None:
        """Every receiver takes every path, each from another layer on, and wants any temporal layers."""
        draw = random.Random(self.options.seed)
        for step in range(len(ALL_PATHS)):
            for receiver in range(len(self.receivers)):
                spatial = (ALL_PATHS[step] + receiver) % 3
                self.prefer(receiver, spatial, draw.choice((0, 1, 2, 2)))
            self.run(seconds)

    def walk_at_random(self, steps: int, seconds: float = 0.15) -> None:
        """Receivers change their minds, mostly before the switch before has happened."""
        draw = random.Random(self.options.seed + 1)
        for _ in range(steps):
            self.prefer(draw.randrange(len(self.receivers)), draw.randrange(3), draw.randrange(3))
            self.run(draw.random() * seconds)

    def settle(self) -> None:
        """Nothing is lost any more; once all is repaired or given up, and all wishes are fulfilled, the sender stops.

        Key-frame requests are held back for up to four seconds, where there were many.
        """
        for network in self.lab.networks.values():
            network.up.conditions = network.down.conditions = PERFECT
        for _ in range(6):
            self.run(1.0)
            if all(told == wishes[-1].spatial for told, wishes in zip(self.told(), self.wishes, strict=True)):
                break
        self.run(1.0)
        self.source.stop()
        self.run(0.5)

    def told(self) -> list[int]:
        """The spatial layer of which each receiver was last told that it is sent it."""
        last: dict[ConsumerId, int] = {}
        for event in self.lab.events:
            if isinstance(event, ConsumerLayersChanged) and isinstance(event.layers, ConsumerLayers):
                last[event.consumer_id] = event.layers.spatial_layer
        return [last.get(consumer, -1) for consumer in self.consumers]
