"""What a state makes of samples: rates, losses, drops, and how much of the past it keeps."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from labsfu.shell.absent_worker import absent_worker
from labsfu.wire.base import ABSENT
from labsfu.wire.events import ConsumerResumed
from labsfu.wire.feed import Happened, Measurement
from labsfu.wire.ids import ConsumerId, ProducerId, TransportId, WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import ConsumerSample, DropCount, EncodingSample, ProducerSample, TransportSample
from tests.tui.invented_server import BEGIN, InventedServer, worker_info
from tui.model import series
from tui.model.frozen import frozen
from tui.model.samples import take
from tui.model.state import State
from tui.model.things import HISTORY, Consumer, Producer


def sample(
    at: int,
    *,
    workers: tuple[WorkerInfo, ...] = (),
    transports: tuple[TransportSample, ...] = (),
    producers: tuple[ProducerSample, ...] = (),
    consumers: tuple[ConsumerSample, ...] = (),
) -> Measurement:
    return Measurement(at=at, workers=workers, transports=transports, producers=producers, consumers=consumers)


def encoding(count: int = 0, lost: int = 0, repaired: int = 0, *, bitrate: int = 1000, ssrc: int = 1) -> EncodingSample:
    return EncodingSample(
        ssrc=ssrc,
        packet_count=count,
        byte_count=0,
        bitrate=bitrate,
        packets_lost=lost,
        packets_repaired=repaired,
        jitter=2.5 * ssrc,
        score=9 + ssrc % 2,
        round_trip_time=ABSENT if ssrc == 1 else 20.0,
    )


def a_call() -> tuple[State, Producer, Consumer]:
    """Two people; what one of them sends, the other is sent."""
    server, state = InventedServer(), State()
    for order, choice in ((0, 0), (0, 1), (2, 0), (3, 1)):
        server.do(order, choice)
    for happened in server.told:
        state.apply(happened)
    (producer,), (consumer,) = state.producers.values(), state.consumers.values()
    return state, producer, consumer


def producer_sample(of: Producer, *encodings: EncodingSample) -> ProducerSample:
    return ProducerSample(router_id=of.router_id, producer_id=of.id, encodings=encodings)


def consumer_sample(id_: ConsumerId, fraction_lost: int = 0) -> ConsumerSample:
    return ConsumerSample(
        consumer_id=id_,
        packet_count=10,
        byte_count=100,
        bitrate=64_000,
        packets_lost=0,
        packets_retransmitted=0,
        fraction_lost=fraction_lost,
        score=7,
    )


def test_numbers_of_a_stream_are_those_of_the_last_sample() -> None:
    state, producer, consumer = a_call()
    (transport,) = (one for one in state.transports.values() if one.id == producer.transport_id)
    both = (encoding(bitrate=100_000), encoding(bitrate=400_000, ssrc=2))
    flow = TransportSample(
        transport_id=transport.id, bytes_received=1, recv_bitrate=600_000, bytes_sent=1, send_bitrate=9_000
    )
    take(
        state,
        sample(
            BEGIN + 5000,
            transports=(flow,),
            producers=(producer_sample(producer, *both),),
            consumers=(consumer_sample(consumer.id, fraction_lost=64),),
        ),
    )
    assert state.now == BEGIN + 5000
    assert (series.received_rate(transport), series.sent_rate(transport)) == (600_000, 9_000)
    assert series.producer_rate(producer) == 500_000
    assert series.producer_score(producer) == 10
    assert series.producer_jitter(both) == 5.0
    assert series.producer_rtt(both) == 20.0
    assert series.consumer_rate(consumer) == 64_000
    assert series.consumer_loss(consumer) == 25
    assert series.consumer_rtt(consumer) is None
    assert series.consumer_score(consumer) == 7


def test_before_a_sample_nothing_is_known() -> None:
    _, producer, consumer = a_call()
    assert series.producer_rate(producer) is None
    assert series.producer_loss(producer) is None
    assert series.consumer_loss(consumer) is None
    assert series.producer_score(producer) is None


def test_what_a_retransmission_repaired_was_lost_at_first() -> None:
    state, producer, _ = a_call()
    for number, (count, lost, repaired) in enumerate([(100, 0, 0), (190, 5, 0), (290, 5, 5)]):
        sent = producer_sample(producer, encoding(count, lost, repaired))
        take(state, sample(BEGIN + 1000 * number, producers=(sent,)))
    # of 195 that should have come, 185 did at first; 5 came when they were sent again
    assert series.producer_loss(producer) == pytest.approx(100 * 10 / 195)
    assert series.producer_losses(producer)[0] is None


def test_the_loss_of_a_producer_is_of_the_last_samples_only() -> None:
    state, producer, _ = a_call()
    for number in range(20):
        sent = producer_sample(producer, encoding(100 * number, min(50, 10 * number)))
        take(state, sample(BEGIN + 1000 * number, producers=(sent,)))
    assert series.producer_loss(producer) == 0
    assert max(loss or 0 for loss in series.producer_losses(producer)) > 5


def test_a_worker_s_counters_become_rates() -> None:
    state = State()
    for number, (used, octets) in enumerate([(1.0, 0), (1.5, 125_000), (1.6, 125_000)]):
        take(state, sample(BEGIN + 2000 * number, workers=(worker_info(used, octets),)))
    (worker,) = state.workers.values()
    assert series.cpu(worker) == pytest.approx([25.0, 5.0])
    assert series.bits_in(worker) == [500_000, 0]
    assert series.bits_out(worker) == [1_000_000, 0]
    assert series.packets_per_second(worker) == [100, 100, 100]


def test_a_counter_that_began_anew_is_no_negative_rate() -> None:
    state = State()
    for number, used in enumerate([50.0, 0.5]):
        take(state, sample(BEGIN + 1000 * number, workers=(worker_info(used),)))
    (worker,) = state.workers.values()
    assert series.cpu(worker) == [None]


def test_a_worker_that_was_absent_for_a_sample_has_not_done_everything_at_once() -> None:
    """While it does not answer its counters are not known; neither does another process go on with them."""
    state, drops = State(), (DropCount(reason="rtp-too-long", packets=900),)
    run = worker_info(5000.0, 10**12)
    run = replace(run, media=replace(run.media, drops=drops))
    silent = absent_worker(run.id, "silent", run.pid)
    other = replace(worker_info(6000.0, 10**13), pid=run.pid + 1)
    for number, info in enumerate((run, silent, run, run, other)):
        take(state, sample(BEGIN + 1000 * number, workers=(info,)))
        if number == 2:
            assert series.drops(state) == [("rtp-too-long", 900, 0.0)]
    (worker,) = state.workers.values()
    assert series.cpu(worker) == series.bits_in(worker) == [None, None, 0, None]
    assert series.packets_per_second(worker)[1] is None


def test_drops_are_counted_by_reason_the_most_first() -> None:
    state = State()
    for number, drops in enumerate([{"late": 2, "paused": 5}, {"late": 12, "paused": 5, "new": 1}]):
        take(state, sample(BEGIN + 2000 * number, workers=(worker_info(drops=drops.items()),)))
    assert series.drops(state) == [("late", 12, 5.0), ("paused", 5, 0.0), ("new", 1, 0.5)]


def test_sums_of_several_workers_are_of_the_same_moments() -> None:
    assert series.together([[1, 2, 3], [10, None], []]) == [1, 12, 3]
    assert series.together([]) == []


def test_two_minutes_are_kept_of_what_is_there_and_nothing_of_what_is_not() -> None:
    state, producer, consumer = a_call()
    stranger = TransportSample(
        transport_id=TransportId("gone"), bytes_received=0, recv_bitrate=0, bytes_sent=0, send_bitrate=0
    )
    for number in range(HISTORY + 30):
        take(
            state,
            sample(
                BEGIN + 1000 * number,
                workers=(worker_info(),),
                transports=(stranger,),
                producers=(ProducerSample(router_id=producer.router_id, producer_id=ProducerId("gone"), encodings=()),),
                consumers=(consumer_sample(consumer.id),),
            ),
        )
    assert len(consumer.history) == HISTORY
    assert consumer.history[0][0] == BEGIN + 30_000
    assert not producer.history
    assert TransportId("gone") not in state.transports


def test_a_worker_that_is_not_sampled_any_more_is_gone() -> None:
    state = State()
    take(state, sample(BEGIN, workers=(worker_info(),)))
    take(state, sample(BEGIN + 1000))
    assert state.workers
    other = replace(worker_info(), id=WorkerId("worker-2"))
    take(state, sample(BEGIN + 2000, workers=(other,)))
    assert list(state.workers) == ["worker-2"]


def test_samples_and_events_do_not_reach_a_frozen_state() -> None:
    state, _, consumer = a_call()
    take(state, sample(BEGIN + 1000, workers=(worker_info(),), consumers=(consumer_sample(consumer.id),)))
    still = frozen(state)
    events = len(consumer.log)
    take(state, sample(BEGIN + 2000, workers=(worker_info(),), consumers=(consumer_sample(consumer.id),)))
    state.apply(
        Happened(
            state.seq + 1, BEGIN, None, None, ConsumerResumed(router_id=consumer.router_id, consumer_id=consumer.id)
        )
    )
    assert (len(consumer.history), len(consumer.log)) == (2, events + 1)
    kept = still.consumers[consumer.id]
    assert (len(kept.history), len(kept.log), still.now) == (1, events, BEGIN + 1000)
    assert [len(worker.history) for worker in still.workers.values()] == [1]
