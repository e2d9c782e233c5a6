"""The token bucket and its bounded queue, and conditions that change while packets wait."""

from __future__ import annotations

import pytest

from clients.network import Conditions, Direction, Path


def path(conditions: Conditions) -> Path:
    return Path(1, "alice", Direction.DOWN, conditions)


def arrival_times(network: Path) -> list[float]:
    found = []
    while (deadline := network.deadline()) is not None:
        found += [arrival.at for arrival in network.arrivals(deadline)]
    return found


def test_packets_leave_one_after_the_other_at_the_rate() -> None:
    network = path(Conditions(rate=80_000, burst_bytes=1000, delay=0.5))
    for _ in range(4):
        network.send(bytes(1000), 10.0)
    assert arrival_times(network) == pytest.approx([10.5, 10.6, 10.7, 10.8])


def test_a_silence_fills_the_bucket_and_no_more_than_that() -> None:
    network = path(Conditions(rate=80_000, burst_bytes=3000))
    for _ in range(5):
        network.send(bytes(1000), 100.0)
    assert arrival_times(network) == pytest.approx([100.0, 100.0, 100.0, 100.1, 100.2])


def test_a_packet_larger_than_the_bucket_passes_on_credit() -> None:
    network = path(Conditions(rate=80_000, burst_bytes=500))
    network.send(bytes(1500), 0.0)
    network.send(bytes(500), 0.0)
    network.send(bytes(500), 0.0)
    assert arrival_times(network) == pytest.approx([0.0, 0.15, 0.2])


def test_credit_needs_no_room_in_the_queue() -> None:
    network = path(Conditions(rate=80_000, burst_bytes=500, queue_bytes=0))
    network.send(bytes(1500), 0.0)
    assert network.deadline() == 0.0


def test_a_small_packet_does_not_slip_past_a_full_queue() -> None:
    network = path(Conditions(rate=8000, burst_bytes=1000, queue_bytes=1000))
    network.send(bytes(1000), 0.0)
    network.send(bytes(1000), 0.6)
    network.send(bytes(500), 0.6)  # 600 bytes might pass, but not before the one that waits
    assert network.counts.queue_dropped == 1
    assert network.queued_bytes == 1000


def test_a_bottleneck_that_comes_later_begins_with_a_full_bucket() -> None:
    network = path(Conditions())
    for _ in range(100):
        network.send(bytes(1000), 0.0)
    network.conditions = Conditions(rate=8000, burst_bytes=1000)
    network.send(bytes(1000), 0.0)
    network.send(bytes(1000), 0.0)
    assert len(network.receive(0.0)) == 101
    assert network.deadline() == pytest.approx(1.0)


def test_a_smaller_bucket_holds_no_more_than_its_size() -> None:
    network = path(Conditions(rate=8000, burst_bytes=5000))
    network.send(bytes(1000), 0.0)
    network.conditions = Conditions(rate=8000, burst_bytes=1000)
    for _ in range(3):
        network.send(bytes(1000), 0.0)
    assert arrival_times(network) == pytest.approx([0.0, 0.0, 1.0, 2.0])


def test_a_packet_held_back_on_the_link_does_not_delay_the_queue() -> None:
    network = path(Conditions(reorder=1.0, reorder_delay=9.0))
    network.send(b"late", 0.0)
    network.conditions = Conditions(rate=8000, burst_bytes=1000)
    network.send(bytes(1000), 0.0)
    network.send(bytes(1000), 0.0)
    assert len(network.receive(0.0)) == 1
    assert network.deadline() == pytest.approx(1.0)
    assert arrival_times(network) == pytest.approx([1.0, 9.0])


def test_the_queue_is_bounded_in_bytes() -> None:
    network = path(Conditions(rate=8000, burst_bytes=1000, queue_bytes=2500))
    for _ in range(100):
        network.send(bytes(1000), 0.0)
        assert network.queued_bytes <= 2500
    assert network.counts.queue_dropped == 97  # one passed at once, two wait
    network.send(bytes(500), 0.0)  # for a small one there is room
    assert network.counts.queue_dropped == 97
    assert network.queued_bytes == 2500
    assert arrival_times(network) == pytest.approx([0.0, 1.0, 2.0, 2.5])


def test_without_a_queue_what_exceeds_the_rate_is_dropped() -> None:
    network = path(Conditions(rate=8000, burst_bytes=1000, queue_bytes=0))
    for now in (0.0, 0.5, 1.0, 1.5, 2.0):
        network.send(bytes(1000), now)
    assert arrival_times(network) == [0.0, 1.0, 2.0]
    assert network.counts.queue_dropped == 2


def test_packets_that_the_link_loses_take_their_share_of_the_rate() -> None:
    network = path(Conditions(rate=80_000, burst_bytes=1000, loss=0.5))
    for number in range(50):
        network.send(bytes([number]) * 1000, 0.0)
    arrivals = []
    while (deadline := network.deadline()) is not None:
        arrivals += network.arrivals(deadline)
    assert 0 < len(arrivals) < 50
    assert [arrival.at for arrival in arrivals] == pytest.approx([arrival.number * 0.1 for arrival in arrivals])


def test_a_new_rate_holds_for_what_waits_already() -> None:
    network = path(Conditions(rate=8000, burst_bytes=1000))
    for _ in range(4):
        network.send(bytes(1000), 0.0)
    assert len(network.receive(1.0)) == 2
    network.conditions = Conditions(rate=80_000, burst_bytes=1000)
    assert arrival_times(network) == pytest.approx([1.1, 1.2])


def test_without_a_rate_all_that_waits_leaves() -> None:
    network = path(Conditions(rate=8000, burst_bytes=1000))
    for _ in range(4):
        network.send(bytes(1000), 0.0)
    assert len(network.receive(1.5)) == 2
    network.conditions = Conditions(delay=0.25)
    assert len(network.receive(1.5)) == 2


def test_other_conditions_hold_for_what_is_sent_from_then_on() -> None:
    network = path(Conditions(delay=0.1))
    network.send(b"before", 0.0)
    network.conditions = Conditions(loss=1.0, delay=0.3)
    network.send(b"lost", 0.01)
    network.conditions = Conditions(delay=0.2)
    network.send(b"after", 0.02)
    assert network.deadline() == pytest.approx(0.1)
    assert network.receive(0.1) == [b"before"]
    assert network.receive(0.21) == []
    assert network.receive(0.22) == [b"after"]


def test_a_shorter_way_does_not_let_later_packets_overtake() -> None:
    network = path(Conditions(delay=0.5))
    network.send(b"a", 0.0)
    network.conditions = Conditions(delay=0.0)
    network.send(b"b", 0.1)
    assert network.receive(0.4) == []
    assert network.receive(0.5) == [b"a", b"b"]


def test_time_never_runs_backwards() -> None:
    network = path(Conditions(delay=0.1))
    network.send(b"a", 5.0)
    network.send(b"b", 4.0)
    assert network.receive(5.05) == []
    assert [(arrival.data, arrival.sent) for arrival in network.arrivals(5.1)] == [(b"a", 5.0), (b"b", 5.0)]


def test_a_deadline_always_leads_on() -> None:
    network = path(Conditions(rate=333_333.3, burst_bytes=777, delay=0.0123, jitter=0.007, reorder=0.1))
    calls = received = 0
    for number in range(2000):
        network.send(bytes(number % 1400), number * 0.0071)
    while (deadline := network.deadline()) is not None:
        received += len(network.receive(deadline))
        calls += 1
    assert received + network.counts.queue_dropped == 2000
    assert calls <= 2 * 2000
