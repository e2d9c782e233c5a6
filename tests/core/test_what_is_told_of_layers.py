"""What watchers learn of layers and scores: each change once, and why."""

from __future__ import annotations

import msgspec
import pytest

from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import ReceiverReport, ReportBlock
from labsfu.errors import Conflict
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.events import ConsumerScored, PacketsDropped, ProducerScored
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import ConsumerLayers, RtpEncodingParameters
from labsfu.wire.sfu import ConsumerScore, EncodingUpdate
from tests.support.lab import Lab
from tests.support.layers import simulcast_parameters
from tests.support.media import MID_URI, header_of, produce, ssrc_of
from tests.support.simulcast_call import Call, TemporalCall, layers_told


def shown(call: Call) -> tuple[int | None, ...]:
    """Preferred, target and current layers, as the API shows them."""
    command = commands.GetConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id)
    consumer = call.lab.do(command, commands.ConsumerShown).consumer
    return tuple(
        layers.spatial_layer if isinstance(layers, ConsumerLayers) else None
        for layers in (consumer.preferred_layers, consumer.target_layers, consumer.current_layers)
    )


def pause(call: Call, *, paused: bool) -> None:
    command = commands.UpdateConsumer(router_id=call.lab.router, consumer_id=call.consumed.consumer_id, paused=paused)
    call.lab.do(command, commands.ConsumerShown)


def test_each_change_of_layers_is_told_once_with_its_reason() -> None:
    call = Call()
    assert layers_told(call.lab) == []
    call.run(30)
    call.prefer(0)
    call.run(30)
    call.prefer(2)
    call.run(30)
    call.run(60, layers=(0, 1))
    call.run(30)
    pause(call, paused=True)
    pause(call, paused=False)
    call.run(10)
    assert layers_told(call.lab) == [
        ((2, 0), "begun"),
        ((0, 0), "preferred"),
        ((2, 0), "preferred"),
        ((1, 0), "available"),
        ((2, 0), "available"),
        (None, "stopped"),
        ((2, 0), "begun"),
    ]


def test_going_back_before_the_switch_happened_tells_nothing() -> None:
    call = Call()
    call.run(30)
    told = len(layers_told(call.lab))
    call.prefer(0)
    call.prefer(2)
    call.run(30)
    assert layers_told(call.lab)[told:] == []


def test_temporal_layers_are_told_as_they_are_left_and_entered() -> None:
    call = TemporalCall()
    call.send(*call.pictures(8))
    for temporal in (0, 2):
        call.prefer(0, temporal)
        call.send(*call.pictures(8))
    assert layers_told(call.lab) == [
        ((0, 2), "begun"),
        ((0, 0), "preferred"),
        ((0, 1), "preferred"),
        ((0, 2), "preferred"),
    ]


def test_a_paused_producer_and_encodings_switched_off_end_what_is_sent() -> None:
    call = Call()
    call.run(30)
    router, producer = call.lab.router, call.producer
    call.lab.do(commands.PauseProducer(router_id=router, producer_id=producer), commands.Done)
    assert layers_told(call.lab)[-1] == (None, "stopped")
    assert shown(call) == (2, 2, None)
    call.lab.do(commands.ResumeProducer(router_id=router, producer_id=producer), commands.Done)
    call.run(10)
    assert layers_told(call.lab)[-1] == ((2, 0), "begun")
    assert shown(call) == (2, 2, 2)
    off = (EncodingUpdate(active=False),) * 3
    command = commands.UpdateProducer(router_id=router, producer_id=producer, encodings=off)
    call.lab.do(command, commands.ProducerShown)
    assert layers_told(call.lab)[-1] == (None, "stopped")


def test_what_is_preferred_aimed_at_and_sent_is_shown() -> None:
    call = Call()
    call.run(30)
    assert shown(call) == (2, 2, 2)
    call.prefer(0)
    assert shown(call) == (0, 0, 2)  # until its key frame
    call.run(10)
    assert shown(call) == (0, 0, 0)


def test_a_consumer_that_begins_with_a_preference_has_only_that_layer_asked_for() -> None:
    call = Call()
    call.run(30)
    before = len(call.sender.rtcp)
    peer, downstream = call.lab.connected_peer()
    command = commands.Consume(
        router_id=call.lab.router,
        transport_id=downstream,
        producer_id=call.producer,
        participant_id=ParticipantId("late"),
        rtp_capabilities=call.lab.capabilities,
        paused=False,
        preferred_layers=ConsumerLayers(spatial_layer=1),
    )
    call.lab.do(command, commands.Consumed)
    call.run(10)
    asked = {p.media_ssrc for p in call.sender.rtcp[before:] if isinstance(p, PictureLossIndication)}
    assert asked == {call.layers[1].ssrc}
    assert len(peer.rtp) > 10


# ---------------------------------------------------------------- scores


def scores(call: Call) -> list[tuple[int, ...]]:
    return [tuple(s.score for s in e.score) for e in call.lab.events if isinstance(e, ProducerScored)]


def consumer_scores(call: Call) -> list[ConsumerScore]:
    return [event.score for event in call.lab.events if isinstance(event, ConsumerScored)]


def test_scores_of_a_producer_are_told_when_they_change() -> None:
    call = Call()
    call.run(60)
    assert scores(call) == [(10,), (10, 10), (10, 10, 10)]
    told = len(scores(call))
    call.run(60)
    assert len(scores(call)) == told
    call.run(90, layers=(0, 1))
    assert scores(call)[told:] == [(10, 10, 0)]
    assert consumer_scores(call)[-1] == ConsumerScore(score=10, producer_score=10, producer_scores=(10, 10, 0))
    call.run(30)
    assert scores(call)[told:] == [(10, 10, 0), (10, 10, 10)]


@pytest.mark.rfc("RFC 3550 6.4.1")
def test_the_score_of_a_consumer_falls_with_what_its_receiver_lost() -> None:
    call = Call()
    call.run(60)
    told = len(consumer_scores(call))
    block = ReportBlock(
        ssrc=ssrc_of(call.consumed),
        fraction_lost=128,
        packets_lost=len(call.receiver.rtp) // 2,
        highest_sequence=header_of(call.receiver.rtp[-1]).sequence_number,
        jitter=0,
        last_sr=0,
        delay_since_last_sr=0,
    )
    call.receiver.send_rtcp(ReceiverReport(1, (block,)))
    call.lab.pump()
    (score,) = consumer_scores(call)[told:]
    assert score.score < 5
    assert score.producer_score == 10


# ---------------------------------------------------------------- what nobody is sent


def test_packets_of_a_layer_that_nobody_is_sent_are_counted() -> None:
    call = Call()
    call.run(90)
    drops = {
        count.reason: count.packets
        for event in call.lab.events
        if isinstance(event, PacketsDropped) and event.producer_id is not ABSENT
        for count in event.drops
    }
    assert set(drops) == {"layer-not-chosen"}


def test_two_producers_that_only_a_rid_would_tell_apart_are_refused() -> None:
    lab = Lab()
    _, upstream = lab.connected_peer()
    sent = simulcast_parameters()
    no_mid = msgspec.structs.replace(
        sent, mid=ABSENT, header_extensions=tuple(e for e in sent.header_extensions if e.uri != MID_URI)
    )
    produce(lab, upstream, no_mid)
    for second in (no_mid, sent):
        with pytest.raises(Conflict, match="'r0'"):
            produce(lab, upstream, second)
    others = tuple(RtpEncodingParameters(rid=rid) for rid in ("x", "y"))
    produce(lab, upstream, msgspec.structs.replace(no_mid, encodings=others))
