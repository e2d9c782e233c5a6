"""What the server stops of a pipe on its own account is beside what callers pause: it flows when neither stops it."""

from __future__ import annotations

import pytest

from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.wire import commands
from labsfu.wire.events import (
    ConsumerMade,
    ConsumerPaused,
    ConsumerResumed,
    Event,
    ProducerMade,
    ProducerPaused,
    ProducerResumed,
)
from labsfu.wire.ids import ParticipantId
from tests.support.layers import simulcast_parameters
from tests.support.media import KEY_FRAME, produce, video_packet, video_parameters
from tests.support.piped_lab import World, pipe_between


class Held:
    """A producer that goes into a pipe and comes out of it, both held from the beginning or not."""

    def __init__(self, *, held: bool, simulcast: bool = False) -> None:
        self.world = World()
        self.here, self.there = pipe_between(self.world.lab(), self.world.lab())
        self.sender, upstream = self.here.lab.connected_peer()
        parameters = simulcast_parameters() if simulcast else video_parameters()
        self.id = produce(self.here.lab, upstream, parameters)
        consume = commands.ConsumeForPipe(
            router_id=self.here.router,
            transport_id=self.here.made.id,
            producer_id=self.id,
            rtp_capabilities=self.here.lab.capabilities,
            held=held,
        )
        self.consumer = self.here.lab.do(consume, commands.PipeConsumed).consumer
        out = commands.ProduceFromPipe(
            router_id=self.there.router,
            transport_id=self.there.made.id,
            producer_id=self.id,
            participant_id=ParticipantId("sender"),
            kind=self.consumer.kind,
            rtp_parameters=self.consumer.rtp_parameters,
            held=held,
        )
        self.producer = self.there.lab.do(out, commands.PipeProduced).producer
        self.number = 0

    def carried(self) -> int:
        """Packets of a key frame that go into the pipe."""
        before = len(self.world.between(self.here, self.there))
        self.number += 1
        self.sender.send_rtp(video_packet(self.number, KEY_FRAME))
        self.world.pump()
        return len([d for d in self.world.between(self.here, self.there)[before:] if not 192 <= d[1] <= 223])

    def asked(self) -> int:
        """Requests for a key frame that the sender got."""
        self.world.advance(2)
        return sum(isinstance(packet, PictureLossIndication) for packet in self.sender.rtcp)

    def consumer_is(self, command: type[commands.PauseConsumer | commands.ResumeConsumer]) -> None:
        self.here.lab.do(command(router_id=self.here.router, consumer_id=self.consumer.id), commands.Done)

    def hold_consumer(self, held: bool) -> None:
        command = commands.HoldConsumer(router_id=self.here.router, consumer_id=self.consumer.id, held=held)
        self.here.lab.do(command, commands.Done)

    def producer_is(self, command: type[commands.PauseProducer | commands.ResumeProducer]) -> None:
        self.there.lab.do(command(router_id=self.there.router, producer_id=self.id), commands.Done)

    def hold_producer(self, held: bool) -> None:
        command = commands.HoldProducer(router_id=self.there.router, producer_id=self.id, held=held)
        self.there.lab.do(command, commands.Done)

    def told(self, *kinds: type[Event]) -> list[type]:
        return [type(e) for lab in (self.here.lab, self.there.lab) for e in lab.events if isinstance(e, kinds)]

    def shown(self) -> bool:
        """Whether the producer says that it is paused."""
        command = commands.GetProducer(router_id=self.there.router, producer_id=self.id)
        return self.there.lab.do(command, commands.ProducerShown).producer.paused


def test_a_consumer_that_is_held_sends_nothing_and_is_not_paused_and_begins_with_a_key_frame() -> None:
    call = Held(held=True)
    assert (call.consumer.paused, call.carried(), call.asked()) == (False, 0, 0)
    call.hold_consumer(False)
    assert call.asked() >= 1
    assert call.carried() == 1
    call.hold_consumer(True)
    assert call.carried() == 0
    assert [e.paused for e in call.here.lab.events if isinstance(e, ConsumerMade)] == [False]
    assert call.told(ConsumerPaused, ConsumerResumed) == []


def test_a_consumer_flows_when_it_is_neither_held_nor_paused() -> None:
    call = Held(held=True)
    call.consumer_is(commands.PauseConsumer)
    call.hold_consumer(False)
    assert call.carried() == 0
    call.consumer_is(commands.ResumeConsumer)
    assert call.carried() == 1
    call.hold_consumer(True)
    for command in (commands.PauseConsumer, commands.ResumeConsumer):
        call.consumer_is(command)
        assert call.carried() == 0
    call.hold_consumer(False)
    assert call.carried() == 1


def test_a_producer_that_is_held_is_shown_and_told_as_paused() -> None:
    call = Held(held=True)
    assert call.producer.paused
    assert [e.paused for e in call.there.lab.events if isinstance(e, ProducerMade)] == [True]
    call.hold_producer(False)
    assert not call.shown()
    call.hold_producer(True)
    assert call.shown()
    assert call.told(ProducerPaused, ProducerResumed) == [ProducerResumed, ProducerPaused]


@pytest.mark.parametrize("held_first", [True, False])
def test_a_producer_is_paused_once_and_until_neither_stops_it(held_first: bool) -> None:
    call = Held(held=False)
    stops = [lambda: call.hold_producer(True), lambda: call.producer_is(commands.PauseProducer)]
    goes_on = [lambda: call.hold_producer(False), lambda: call.producer_is(commands.ResumeProducer)]
    order = (0, 1) if held_first else (1, 0)
    for which in order:
        stops[which]()
        assert call.shown()
    goes_on[order[0]]()
    assert call.shown()
    goes_on[order[1]]()
    assert not call.shown()
    assert call.told(ProducerPaused, ProducerResumed) == [ProducerPaused, ProducerResumed]


def test_all_encodings_of_a_consumer_are_held_together() -> None:
    call = Held(held=True, simulcast=True)
    (consumer,) = {c[0] for c in call.here.lab.engine._tables.routers[call.here.router].consumers.values()}
    assert [part.held for part in consumer.parts] == [True] * len(call.consumer.rtp_parameters.encodings)
    call.hold_consumer(False)
    assert not any(part.held for part in consumer.parts)
