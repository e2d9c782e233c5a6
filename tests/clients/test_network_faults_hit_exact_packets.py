"""The hook for exact packets, and that the draws spare them."""

from __future__ import annotations

import pytest

from clients.network import Conditions, Direction, Fault, Path

ALL_BAD = Conditions(loss=1.0, duplicate=1.0, corrupt=1.0, reorder=1.0, jitter=0.01, delay=0.1)


def path(faults: dict[int, Fault], conditions: Conditions | None = None) -> Path:
    return Path(1, "alice", Direction.UP, conditions or Conditions(), faults=lambda number, _data: faults.get(number))


def send(network: Path, text: bytes, now: float = 0.0) -> None:
    for number in text:
        network.send(bytes([number]), now)


def test_the_hook_sees_number_and_bytes() -> None:
    seen: list[tuple[int, bytes]] = []

    def hook(number: int, data: bytes) -> Fault | None:
        seen.append((number, data))
        return Fault.DROP if data == b"b" else None

    network = Path(1, "alice", Direction.UP, faults=hook)
    send(network, b"abc")
    assert seen == [(0, b"a"), (1, b"b"), (2, b"c")]
    assert network.receive(0.0) == [b"a", b"c"]
    assert network.counts.fault_dropped == 1
    assert network.counts.lost == 0


def test_a_held_packet_comes_when_it_is_released() -> None:
    network = path({1: Fault.HOLD, 2: Fault.HOLD, 3: Fault.HOLD}, Conditions(delay=0.1))
    send(network, b"abcde")
    assert network.held == (1, 2, 3)
    assert network.waiting == 5
    assert network.receive(9.0) == [b"a", b"e"]
    assert network.deadline() is None
    assert network.release(10.0, 2) == 1
    assert network.receive(10.0) == []
    assert network.receive(10.1) == [b"c"]
    assert network.release(11.0, 2) == 0
    assert network.release(11.0) == 2
    assert network.receive(11.1) == [b"b", b"d"]
    assert len(network.held) == 0


def test_a_swapped_packet_follows_the_next_one() -> None:
    network = path({1: Fault.SWAP})
    send(network, b"ab")
    assert network.receive(0.0) == [b"a"]
    send(network, b"cd")
    assert network.receive(0.0) == [b"c", b"b", b"d"]
    assert network.counts.overtaken == 1


def test_two_swapped_packets_follow_the_first_one_that_goes() -> None:
    network = path({0: Fault.SWAP, 1: Fault.SWAP, 2: Fault.DROP})
    send(network, b"abcd")
    assert network.receive(0.0) == [b"d", b"a", b"b"]


def test_a_released_swap_is_not_sent_twice() -> None:
    network = path({0: Fault.SWAP})
    send(network, b"a")
    assert network.release(0.0) == 1
    send(network, b"bc")
    assert network.receive(0.0) == [b"a", b"b", b"c"]


def test_duplicate_and_corrupt() -> None:
    network = path({0: Fault.DUPLICATE, 1: Fault.CORRUPT})
    send(network, b"ab")
    first, second, wrong = network.receive(0.0)
    assert (first, second) == (b"a", b"a")
    assert (wrong[0] ^ ord("b")).bit_count() == 1


@pytest.mark.parametrize("fault", [Fault.PASS, Fault.HOLD, Fault.SWAP])
def test_the_draws_spare_a_packet_with_a_fault(fault: Fault) -> None:
    network = path({0: fault}, ALL_BAD)
    network.send(b"a", 0.0)
    network.release(0.0)
    assert network.deadline() == pytest.approx(0.1)
    assert network.receive(0.1) == [b"a"]
    assert network.deadline() is None


def test_the_hook_may_be_set_and_taken_away_at_any_time() -> None:
    network = Path(1, "alice", Direction.UP)
    send(network, b"a")
    network.faults = lambda number, data: Fault.DROP
    send(network, b"b")
    network.faults = None
    send(network, b"c")
    assert network.receive(0.0) == [b"a", b"c"]


def test_a_tag_comes_back_with_its_packet() -> None:
    network = Path(1, "alice", Direction.UP, Conditions(delay=0.1))
    number = network.send(b"a", 1.0, tag="first")
    (arrival,) = network.arrivals(1.1)
    assert (arrival.number, arrival.tag, arrival.sent) == (number, "first", 1.0)
    assert arrival.at == pytest.approx(1.1)
