"""A call with a sender of several encodings, on invented time."""

from __future__ import annotations

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.wire import commands
from labsfu.wire.events import ConsumerLayersChanged
from labsfu.wire.rtp import ConsumerLayers, RtpParameters
from tests.support.lab import Lab
from tests.support.layers import Layer, simulcast_parameters
from tests.support.media import consume, header_of, payload_of, produce


class Call:
    """A sender of three layers, which answers key-frame requests with its next frame if `answers`, and one receiver."""

    def __init__(self, parameters: RtpParameters | None = None) -> None:
        self.lab = Lab()
        self.sender, self.upstream = self.lab.connected_peer()
        self.producer = produce(self.lab, self.upstream, parameters or simulcast_parameters())
        self.layers = [Layer(self.sender, index) for index in range(3)]
        self.receiver, self.downstream = self.lab.connected_peer()
        self.consumed = consume(self.lab, self.downstream, self.producer)
        self._asked = 0
        self.answers = True

    def run(self, frames: int, layers: tuple[int, ...] = (0, 1, 2)) -> None:
        for _ in range(frames):
            wanted = {p.media_ssrc for p in self.sender.rtcp[self._asked :] if isinstance(p, PictureLossIndication)}
            self._asked = len(self.sender.rtcp)
            wanted = wanted if self.answers else set()
            for index in layers:
                layer = self.layers[index]
                for packet in layer.frame(key=layer.ssrc in wanted):
                    self.sender.send_rtp(packet)
            self.lab.advance(1 / 30)

    def prefer(self, spatial: int, temporal: int | None = None) -> None:
        layers = (
            ConsumerLayers(spatial_layer=spatial)
            if temporal is None
            else ConsumerLayers(spatial_layer=spatial, temporal_layer=temporal)
        )
        command = commands.UpdateConsumer(
            router_id=self.lab.router, consumer_id=self.consumed.consumer_id, preferred_layers=layers
        )
        self.lab.do(command, commands.ConsumerShown)

    def goes_over_without_a_leap(self, spatial: int) -> bool:
        """Switch to a layer, which is sent then; whether timestamps went on, by less than two seconds."""
        before = header_of(self.receiver.rtp[-1])
        self.prefer(spatial)
        self.run(15)
        after = header_of(self.receiver.rtp[-1])
        assert self.seen()[-1] == f"r{spatial}"
        return 0 < (after.timestamp - before.timestamp) & 0xFFFFFFFF < 2 * 90_000

    def seen(self) -> list[str]:
        """Which encoding each packet of the receiver is of."""
        return [payload_of(packet)[-2:].decode() for packet in self.receiver.rtp]

    def assert_continuous(self) -> None:
        """Sequence numbers, PictureIDs, TL0PICIDX and timestamps go on without a step back or a hole."""
        headers = [header_of(packet) for packet in self.receiver.rtp]
        first = headers[0].sequence_number
        assert [(h.sequence_number - first) & 0xFFFF for h in headers] == list(range(len(headers)))
        descriptors = []
        for packet, header in zip(self.receiver.rtp, headers, strict=True):
            descriptor = Vp8PayloadDescriptor()
            descriptor.read(packet, header.payload_offset, header.payload_length)
            descriptors.append(descriptor)
        for (before, d0), (after, d1) in zip(
            zip(headers, descriptors, strict=True), list(zip(headers, descriptors, strict=True))[1:], strict=False
        ):
            new = d1.start_of_partition
            assert (d1.picture_id - d0.picture_id) & 0x7FFF == new
            assert (d1.tl0_picture_index - d0.tl0_picture_index) & 0xFF == (new and d1.temporal_id == 0)
            step = (after.timestamp - before.timestamp) & 0xFFFFFFFF
            assert 0 < step < 100_000 if new else step == 0, step


def layers_told(lab: Lab) -> list[tuple[tuple[int, int] | None, str]]:
    """What was told of the layers of consumers: (spatial, temporal), or None for nothing, and the reason."""
    told: list[tuple[tuple[int, int] | None, str]] = []
    for event in lab.events:
        if isinstance(event, ConsumerLayersChanged):
            layers = event.layers
            if isinstance(layers, ConsumerLayers):
                assert isinstance(layers.temporal_layer, int)
                told.append(((layers.spatial_layer, layers.temporal_layer), event.reason))
            else:
                told.append((None, event.reason))
    return told


PATTERN = (0, 2, 1, 2)
"""L1T3, where every frame above T0 depends on lower layers only."""


class TemporalCall(Call):
    """One encoding with three temporal layers."""

    def __init__(self) -> None:
        super().__init__(simulcast_parameters(("r0",), "L1T3"))
        self._place = 0

    def pictures(self, count: int) -> list[list[bytes]]:
        """The next pictures, a key frame first of all, and each when it is due."""
        pictures = []
        for _ in range(count):
            tid = PATTERN[self._place % len(PATTERN)]
            pictures.append(self.layers[0].frame(key=self._place == 0, tid=tid, sync=tid > 0))
            self._place += 1
            self.lab.advance(1 / 30)
        return pictures

    def send(self, *pictures: list[bytes]) -> None:
        for picture in pictures:
            for packet in picture:
                self.sender.send_rtp(packet)
        self.lab.pump()

    def temporal_layers(self) -> list[int]:
        """Of the packets that the receiver has, those without payload left out."""
        found = []
        for packet in self.receiver.rtp:
            header = header_of(packet)
            if header.payload_length:
                descriptor = Vp8PayloadDescriptor()
                descriptor.read(packet, header.payload_offset, header.payload_length)
                found.append(descriptor.temporal_id)
        return found
