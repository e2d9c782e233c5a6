"""What the load benchmark makes of what it measured; the measuring itself is `tests/e2e/test_swarm.py`'s."""

from __future__ import annotations

import cProfile
import os
import pstats
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from clients.swarm.health import HealthCounts
from clients.swarm.messages import ClientCounts, Measured
from clients.swarm.plan import Layout
from clients.swarm.report import Reading, SwarmReport, report
from clients.swarm.totals import Flow, Joins, Received, Sent
from clients.swarm.verdict import Limits
from tests.bench import cpu_per_stream
from tests.bench.swarm import COST, CROWD, DOCUMENT, Run, crowd_table, part_of, row, shares
from tests.support.cpu import command_line, cpu_seconds, descendants, machine_seconds
from tests.support.generated_section import replace_section


def reading(at: float, flow: Flow, health: HealthCounts) -> Reading:
    layout = Layout(tag="t", room_size=5)
    clients = [
        ClientCounts(seat=layout.seat(number), present=True, stays=1, flow=media)
        for number, media in enumerate((flow, Flow()))
    ]
    worker = Measured(question=0, worker=0, pid=2, at=at, health=health, sockets=2, joins=Joins(), clients=clients)
    return Reading(at=at, pid=1, health=HealthCounts(), workers=[worker])


def found(*, complete: int = 1000, late: int = 0, drops: int = 0) -> SwarmReport:
    """What one of two clients had in ten seconds, after as much before that does not count."""
    flow = Flow()
    flow.audio_received = Received(streams=2, streams_seen=2)
    flow.video_received = Received(
        streams=2, streams_seen=2, frames_expected=1000, frames_complete=complete, packets_received=3000
    )
    flow.video_sent = Sent(packets_sent=2000, slots=1000)
    for number in range(complete):
        flow.video_received.latency.note(0.5 if number < late else 0.01)
    before, later = Flow().add(flow), Flow().add(flow).add(flow)
    later.video_received.streams_seen = later.audio_received.streams_seen = 2
    return report(
        reading(20.0, later, HealthCounts(cpu_seconds=4.0, socket_drops=drops)),
        reading(10.0, before, HealthCounts()),
        limits=Limits(),
        seed=1,
        synthetic=True,
        errors=(),
    )


def run(report: SwarmReport, people: int = 2) -> Run:
    return Run(people=people, report=report, server=0.5, workers=0.4, others=0.1, server_drops=0)


def test_a_good_crowd_is_a_row_of_what_came_between_the_readings() -> None:
    good = run(found())
    assert good.stopped_by == ""
    assert row(good) == "| 2 | VALID | 200 | 300 | 0.0 | 100.00% | 0.00% | 0 | 10 / 10 | - | 50% | 40% | 10% |"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (run(found(), people=3), "1 did not join"),
        (run(found(complete=980)), "pictures: 98.0% of the frames complete"),
        (run(found(late=20)), "pictures: 2.0% of the frames late"),
        (run(found(drops=30)), "INVALID: worker 0: socket_drops 0.009901 is more than 0"),
        (run(replace(found(), video=replace(found().video, standing=1))), "pictures: 1 of 2 streams flow"),
    ],
)
def test_what_stops_a_crowd_is_named(bad: Run, why: str) -> None:
    assert bad.stopped_by.startswith(why)
    text = crowd_table({"small": [run(found()), bad]}, 20.0)
    assert f"Largest good crowd: 2. {bad.people} were stopped by: {why}" in text


def test_the_document_has_a_place_for_both_tables() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert "Largest good crowd: 2. No more were tried" in replace_section(
        document, CROWD, crowd_table({"small": [run(found())]}, 20.0)
    )
    cost = cpu_per_stream.Cost("synthetic", 10, 1_000_000, 0.01, 0.015)
    assert "| synthetic | 10 | 1000 | 1.0% | 1.5% | 40 |" in replace_section(
        document, COST, cpu_per_stream.table([cost])
    )


def test_own_time_is_that_of_the_part_that_asked_for_it() -> None:
    profile = cProfile.Profile()
    profile.enable()
    for number in range(2000):
        command_line(number % 2)
        sorted(range(300))
    profile.disable()
    parts = dict(shares(pstats.Stats(profile)))
    assert parts["tests/support"] > 0.05
    assert sum(parts.values()) == pytest.approx(1.0, abs=0.05)
    ours = str(Path(__file__).parents[2] / "labsfu" / "core" / "rtp" / "header.py")
    assert part_of((ours, 1, "f")) == "labsfu/core/rtp"
    assert part_of(("~", 0, "<method 'sendto' of '_socket.socket' objects>")) == "system calls (sockets)"
    assert part_of(("~", 0, "<built-in method builtins.len>")) is None


def test_cpu_time_is_counted_for_us_for_children_and_for_the_machine() -> None:
    machine, mine = machine_seconds(), cpu_seconds(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in set(descendants(os.getpid()))
        assert "input()" in command_line(child.pid)
        sum(range(20_000_000))
        child.communicate(b"\n")
    assert machine_seconds() - machine > 0.05
    assert cpu_seconds(os.getpid()) - mine > 0.05
    assert cpu_seconds(child.pid) == 0.0
