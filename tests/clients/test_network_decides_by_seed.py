"""The same seed decides the same, packet by packet, whatever the timing and whatever became of other packets."""

from __future__ import annotations

import random

import pytest

from clients.network import Conditions, Decision, Direction, Fault, GilbertElliott, Path, QueueDrop

PACKETS = 3_000
EVERYTHING = Conditions(
    loss=GilbertElliott.of(0.1, 3),
    delay=0.04,
    jitter=0.01,
    reorder=0.05,
    duplicate=0.05,
    corrupt=0.05,
    rate=1e6,
    queue_bytes=6000,
)


class Log:
    def __init__(self) -> None:
        self.decisions: list[Decision] = []
        self.queue_drops: list[QueueDrop] = []

    def __call__(self, entry: Decision | QueueDrop) -> None:
        if isinstance(entry, Decision):
            self.decisions.append(entry)
        else:
            self.queue_drops.append(entry)


def run(
    *, seed: int = 7, client: str = "alice", direction: Direction = Direction.UP, hurry: int | None = None
) -> tuple[Path, Log]:
    """Steady traffic that is never dropped for want of room; or, with a seed for it, hectic traffic of all sizes."""
    log = Log()
    network = Path(seed, client, direction, EVERYTHING, log=log)
    chance = random.Random(hurry)
    now = 0.0
    for _ in range(PACKETS):
        now += 0.02 if hurry is None else chance.choice((0.0, 0.0, 0.001, 0.03))
        network.send(bytes(1000 if hurry is None else chance.randrange(1400)), now)
        network.receive(now)
    return network, log


def test_two_runs_decide_the_same_though_their_timing_differs() -> None:
    steady_path, steady = run()
    hectic_path, hectic = run(hurry=3)
    assert len(steady.decisions) == PACKETS
    assert steady.decisions == hectic.decisions
    assert 0 < steady_path.counts.lost == hectic_path.counts.lost


def test_what_the_queue_drops_is_told_apart() -> None:
    steady_path, steady = run()
    hectic_path, hectic = run(hurry=3)
    assert steady_path.counts.queue_dropped == len(steady.queue_drops) == 0
    assert hectic_path.counts.queue_dropped == len(hectic.queue_drops) > 100
    lost = {decision.number for decision in hectic.decisions if decision.lost}
    assert not lost & {drop.number for drop in hectic.queue_drops}


def test_another_seed_client_or_direction_decides_otherwise() -> None:
    runs = [run(), run(seed=8), run(client="bob"), run(direction=Direction.DOWN)]
    lost = [frozenset(decision.number for decision in log.decisions if decision.lost) for _, log in runs]
    assert len(set(lost)) == len(runs)
    for one in lost[1:]:  # independent of the first: not even half of what it loses is lost there, too
        assert len(lost[0] & one) < len(lost[0]) / 2


def test_the_names_of_seed_and_client_cannot_run_into_each_other() -> None:
    one, other = Log(), Log()
    for network in (
        Path(1, "1, 'up'", Direction.UP, EVERYTHING, log=one),
        Path(11, ", 'up'", Direction.UP, EVERYTHING, log=other),
    ):
        for number in range(100):
            network.send(b"x", number * 0.02)
    assert one.decisions != other.decisions


def test_decisions_are_the_same_on_every_machine_and_in_every_version() -> None:
    network = Path(1, "alice", Direction.UP, Conditions(loss=0.2))
    for number in range(40):
        network.send(bytes([number]), 0.0)
    arrived = {data[0] for data in network.receive(0.0)}
    assert [number for number in range(40) if number not in arrived] == [1, 4, 7, 9, 14, 17, 22, 29, 36]


def test_a_fault_shifts_no_other_packets_draws() -> None:
    plain, faulty = Log(), Log()
    hook = {5: Fault.DROP, 6: Fault.HOLD, 7: Fault.PASS, 90: Fault.SWAP, 91: Fault.DUPLICATE}
    one = Path(7, "alice", Direction.UP, EVERYTHING, log=plain)
    other = Path(7, "alice", Direction.UP, EVERYTHING, log=faulty, faults=lambda number, _data: hook.get(number))
    for number in range(1000):
        one.send(b"x", number * 0.02)
        other.send(b"x", number * 0.02)
    differing = {a.number for a, b in zip(plain.decisions, faulty.decisions, strict=True) if a != b}
    assert differing == set(hook)


def test_more_loss_loses_the_same_packets_and_more() -> None:
    arrived = []
    for loss in (0.1, 0.3):
        network = Path(7, "alice", Direction.UP, Conditions(loss=loss))
        for number in range(1000):
            network.send(number.to_bytes(2, "big"), 0.0)
        arrived.append(set(network.receive(0.0)))
    assert arrived[1] < arrived[0]


def test_chains_that_were_set_at_different_packets_soon_agree_again() -> None:
    logs = []
    for at in (100, 110):
        log = Log()
        network = Path(7, "alice", Direction.UP, Conditions(loss=0.9), log=log)
        for number in range(1000):
            if number == at:
                network.conditions = EVERYTHING
            network.send(b"x", number * 0.02)
        logs.append(log.decisions)
    assert logs[0][100:110] != logs[1][100:110]
    assert logs[0][150:] == logs[1][150:]


@pytest.mark.parametrize("changed", [{"delay": 0.5}, {"rate": None}, {"duplicate": 0.0}, {"corrupt": 0.5}])
def test_one_impairment_does_not_move_anothers_draws(changed: dict[str, float | None]) -> None:
    logs = []
    for more in ({}, changed):
        log = Log()
        settings = {"loss": 0.2, "delay": 0.04, "reorder": 0.1, "duplicate": 0.1, "rate": 1e6, **more}
        network = Path(7, "alice", Direction.UP, Conditions(**settings), log=log)  # type: ignore[arg-type]  # by name
        for number in range(500):
            network.send(b"x", number * 0.02)
        logs.append([(decision.lost, decision.reordered) for decision in log.decisions])
    assert logs[0] == logs[1]
