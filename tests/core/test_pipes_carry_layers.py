"""All encodings cross a pipe, so that those behind it choose their layers there."""

from __future__ import annotations

import pytest

from clients.network import Conditions
from labsfu.core.outputs import Address
from labsfu.core.transport.demux import PacketKind, kind_of
from labsfu.wire import commands
from labsfu.wire.events import ConsumerScored, KeyFrameRequested
from labsfu.wire.rtp import ProducerType
from labsfu.wire.sfu import EncodingUpdate
from tests.support.layer_continuity import assert_layers_continuous
from tests.support.media import header_of, payload_of
from tests.support.piped_calls import PipedSimulcastCall, layers_now
from tests.support.simulcast_source import SimulcastOptions

HOP = 0.02
"""Seconds in each direction."""

REPORTED = 1.8
"""Seconds after which sender reports have crossed a pipe: before them streams are matched by when they arrive."""


@pytest.mark.parametrize(("srtp", "rtx", "hops"), [(False, False, 1), (True, True, 1), (False, True, 2)])
def test_every_path_between_layers_is_continuous_behind_a_pipe(srtp: bool, rtx: bool, hops: int) -> None:
    call = PipedSimulcastCall(SimulcastOptions(seed=hops, temporal_layers=3), srtp=srtp, rtx=rtx, hops=hops)
    assert [c.rtp_parameters.encodings[0].scalability_mode for c in call.carried] == ["L1T3"] * hops
    shown = call.far.do(
        commands.GetProducer(router_id=call.far.router, producer_id=call.producer), commands.ProducerShown
    ).producer
    assert shown.type is ProducerType.SIMULCAST
    call.rough_hops(Conditions(delay=HOP))
    for _ in range(2):
        call.join()
    beside = call.join_near()
    call.begin(REPORTED)
    call.walk_all_paths()
    call.settle()
    for index in range(2):
        findings = assert_layers_continuous(call, index)
        assert len(findings.switches) >= 6
    assert len(beside.outputs) > 30
    for here, there in call.ends:
        assert call.encodings_of(here, there) == {0, 1, 2}
        assert {stream.score for stream in there.inbound()} == {10}


@pytest.mark.parametrize("seed", [1, 2])
def test_loss_and_reordering_on_the_hop_are_repaired_by_rtx(seed: int) -> None:
    call = PipedSimulcastCall(SimulcastOptions(seed=seed), srtp=True, rtx=True)
    call.join()
    call.begin(REPORTED)
    call.rough_hops(Conditions(delay=HOP, jitter=0.005, loss=0.05, reorder=0.05, reorder_delay=0.03))
    call.walk_all_paths()
    call.settle()
    assert_layers_continuous(call, 0)
    here, there = call.ends[0]
    assert sum(stream.packets_repaired for stream in there.inbound()) > 5
    assert here.stats().transport.rtx_bytes_sent > 0


def test_a_late_joiner_behind_the_pipe_asks_the_sender_for_the_one_stream_within_a_round_trip() -> None:
    call = PipedSimulcastCall()
    call.join()
    call.rough_hops(Conditions(delay=HOP))
    call.begin(1.0)
    call.source.requests.clear()
    asked = call.world.now
    receiver = call.join()
    call.run(2 * HOP)
    assert [ssrc for _, ssrc in call.source.requests] == [call.source.encodings[2].ssrc]
    assert call.source.requests[0][0] - asked == pytest.approx(HOP, abs=1e-3)
    call.run(2 * HOP + 1 / 30)
    assert receiver.outputs
    told = [event for event in call.near.events if isinstance(event, KeyFrameRequested)]
    assert told[-1].ssrc == call.source.encodings[2].ssrc


def test_a_switch_behind_the_pipe_asks_for_the_stream_that_it_goes_to() -> None:
    call = PipedSimulcastCall()
    call.join()
    call.begin(1.0)
    call.source.requests.clear()
    call.prefer(0, 1)
    call.run(0.5)
    assert [ssrc for _, ssrc in call.source.requests] == [call.source.encodings[1].ssrc]
    assert layers_now(call.far, call.consumers[0]) == 1


def test_encodings_are_switched_off_and_on_behind_the_pipe_too() -> None:
    call = PipedSimulcastCall(rtx=False)
    call.join()
    call.begin(1.0)

    def put(*active: bool) -> None:
        command = commands.UpdateProducer(
            router_id=call.near.router,
            producer_id=call.producer,
            encodings=tuple(EncodingUpdate(active=each) for each in active),
        )
        call.near.do(command, commands.ProducerShown)

    put(True, True, False)
    here, there = call.ends[0]
    sent = len(call.world.sent)
    call.run(1.0)
    assert layers_now(call.far, call.consumers[0]) == 1
    del call.world.sent[:sent]
    assert call.encodings_of(here, there) == {0, 1}
    put(True, True, True)
    call.run(2.0)
    assert layers_now(call.far, call.consumers[0]) == 2
    call.settle()
    assert_layers_continuous(call, 0)


def test_a_sender_that_stops_an_encoding_is_followed_behind_the_pipe() -> None:
    call = PipedSimulcastCall()
    call.join()
    call.begin(1.0)
    call.source.silent.add(2)
    call.run(1.5)
    assert layers_now(call.far, call.consumers[0]) == 1
    call.source.silent.clear()
    call.run(2.0)
    assert layers_now(call.far, call.consumers[0]) == 2


def test_payloads_and_timestamps_in_the_pipe_are_the_senders_whoever_else_has_theirs_rewritten() -> None:
    call = PipedSimulcastCall(SimulcastOptions(temporal_layers=3), carried=False)
    call.join_near()
    call.begin(0.3)
    call.carry()
    call.run(1.0)
    here, there = call.ends[0]
    ssrcs = [encoding.ssrc for encoding in call.carried[0].rtp_parameters.encodings]
    crossed: dict[int, list[tuple[int, bytes]]] = {}
    for data in call.world.between(here, there):
        header = header_of(data) if kind_of(data, len(data)) is PacketKind.RTP else None
        if header is not None:
            crossed.setdefault(ssrcs.index(header.ssrc), []).append((header.timestamp, payload_of(data)))
    for encoding in call.source.encodings:
        sent = [(frame.timestamp, payload) for frame in encoding.frames.values() for payload in frame.payloads]
        taken = crossed[encoding.layer]
        assert len(taken) > 20
        assert sent[-len(taken) :] == taken


def test_the_pipe_alone_has_the_sender_asked_for_what_is_missing_of_any_stream() -> None:
    call = PipedSimulcastCall()
    call.begin(0.5)
    lost: set[int] = set()

    def lose(data: bytes, _to: Address) -> bool:
        ssrc = int.from_bytes(data[8:12], "big")
        first = kind_of(data, len(data)) is PacketKind.RTP and 7000 <= ssrc < 7003 and ssrc not in lost
        lost.update({ssrc} if first else ())
        return first

    call.near.lose = lose
    call.run(1.0)
    assert lost == {7000, 7001, 7002}
    assert call.source.resent == 3


def test_a_key_frame_may_be_asked_for_of_all_that_goes_into_a_pipe() -> None:
    call = PipedSimulcastCall()
    call.begin(3.0)
    call.source.requests.clear()
    here, _ = call.ends[0]
    command = commands.RequestKeyFrame(router_id=here.router, consumer_id=call.carried[0].id)
    call.near.do(command, commands.Done)
    assert {ssrc for _, ssrc in call.source.requests} == {encoding.ssrc for encoding in call.source.encodings}
    assert not [event for event in call.near.events if isinstance(event, ConsumerScored)]
