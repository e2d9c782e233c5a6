"""Several encodings of one source: each receiver is sent one of them, as one continuous stream."""

from __future__ import annotations

import pytest

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.errors import Unsupported
from labsfu.wire import commands
from labsfu.wire.events import ConsumerLayersChanged
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import (
    ConsumerLayers,
    ConsumerType,
    MediaKind,
    ProducerType,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpParameters,
)
from tests.support.lab import Lab
from tests.support.layers import Layer, simulcast_parameters
from tests.support.media import (
    consume,
    header_of,
    payload_of,
    produce,
    ssrc_of,
)


class Call:
    """A sender of three layers, which answers key-frame requests with its next frame, and one receiver."""

    def __init__(self, parameters: RtpParameters | None = None) -> None:
        self.lab = Lab()
        self.sender, self.upstream = self.lab.connected_peer()
        self.producer = produce(self.lab, self.upstream, parameters or simulcast_parameters())
        self.layers = [Layer(self.sender, index) for index in range(3)]
        self.receiver, self.downstream = self.lab.connected_peer()
        self.consumed = consume(self.lab, self.downstream, self.producer)
        self._asked = 0

    def run(self, frames: int, layers: tuple[int, ...] = (0, 1, 2)) -> None:
        for _ in range(frames):
            wanted = {p.media_ssrc for p in self.sender.rtcp[self._asked :] if isinstance(p, PictureLossIndication)}
            self._asked = len(self.sender.rtcp)
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
            assert 0 < step < 90_000 if new else step == 0, step


def test_a_simulcast_producer_and_its_consumer_say_what_they_are() -> None:
    lab = Lab()
    _, upstream = lab.connected_peer()
    command = commands.Produce(
        router_id=lab.router,
        transport_id=upstream,
        participant_id=ParticipantId("sender"),
        kind=MediaKind.VIDEO,
        rtp_parameters=simulcast_parameters(),
        paused=False,
    )
    produced = lab.do(command, commands.Produced)
    _, downstream = lab.connected_peer()
    consumed = consume(lab, downstream, produced.producer_id)
    assert (produced.type, consumed.type) == (ProducerType.SIMULCAST, ConsumerType.SIMULCAST)
    assert consumed.rtp_parameters.encodings[0].scalability_mode == "L3T1"


def test_spatial_layers_inside_one_stream_are_refused_still() -> None:
    vp9 = RtpCodecCapability(mime_type="video/VP9", clock_rate=90000)
    lab = Lab(media_codecs=(vp9,))
    _, upstream = lab.connected_peer()
    parameters = RtpParameters(
        mid="v",
        codecs=(RtpCodecParameters(mime_type="video/VP9", payload_type=96, clock_rate=90000),),
        encodings=(RtpEncodingParameters(ssrc=1, scalability_mode="L3T3"),),
    )
    with pytest.raises(Unsupported, match="'svc'"):
        produce(lab, upstream, parameters)


@pytest.mark.rfc("RFC 8852 3", "RFC 8853 5.1")
def test_the_receiver_gets_the_highest_layer_as_one_stream() -> None:
    call = Call()
    call.run(30)
    assert set(call.seen()[-20:]) == {"r2"}
    call.assert_continuous()
    assert {header_of(packet).ssrc for packet in call.receiver.rtp} == {ssrc_of(call.consumed)}


@pytest.mark.parametrize("path", [(2, 0), (2, 1), (0, 2), (1, 2), (0, 1), (1, 0), (2, 0, 1, 2, 1, 0, 2)])
def test_a_switch_leaves_no_hole_in_any_number(path: tuple[int, ...]) -> None:
    call = Call()
    for spatial in path:
        call.prefer(spatial)
        call.run(15)
        assert set(call.seen()[-10:]) == {f"r{spatial}"}
    call.assert_continuous()
    changes = [event.layers.spatial_layer for event in call.lab.events if isinstance(event, ConsumerLayersChanged)]
    assert changes[-len(path) + 1 :] == list(path[1:])


def test_a_layer_that_stops_is_followed_by_the_next_lower_one_and_comes_back() -> None:
    call = Call()
    call.run(30)
    call.run(90, layers=(0, 1))
    assert set(call.seen()[-10:]) == {"r1"}
    call.run(30)
    assert set(call.seen()[-10:]) == {"r2"}
    call.assert_continuous()


def test_a_packet_of_the_right_stream_is_sent_again() -> None:
    call = Call()
    call.run(30)
    call.prefer(0)
    call.run(10)
    missed = call.receiver.rtp[-3]
    call.receiver.send_rtcp(Nack(1, ssrc_of(call.consumed), (header_of(missed).sequence_number,)))
    call.lab.pump()
    again = call.receiver.rtp[-1]
    assert payload_of(again)[2:] == payload_of(missed)
    assert header_of(again).timestamp == header_of(missed).timestamp


def test_only_layers_that_somebody_is_sent_are_asked_for_what_is_missing() -> None:
    call = Call()
    call.run(30)
    for layer in call.layers:
        layer.sequence += 1
    call.run(3)
    nacked = {packet.media_ssrc for packet in call.sender.rtcp if isinstance(packet, Nack)}
    assert nacked == {call.layers[2].ssrc}
