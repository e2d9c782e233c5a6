"""Slip, lag, socket drops and CPU are measured where they are planted, and decide whether a run is VALID."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from clients.swarm.health import HealthCounts, HealthProbe
from clients.swarm.histogram import STEP, Histogram
from clients.swarm.socket_drops import SocketDrops, drops_by_inode
from clients.swarm.totals import Received, Sent
from clients.swarm.verdict import CONDUCTOR, Excess, Limits, Verdict, WorkerHealth

pytestmark = pytest.mark.asyncio


async def test_a_loop_that_is_held_up_is_measured_as_late_by_as_much() -> None:
    probe = HealthProbe()
    probe.start()
    before = probe.counts()
    await asyncio.sleep(0.05)
    until = time.monotonic() + 0.1
    while time.monotonic() < until:
        pass
    await asyncio.sleep(0.05)
    probe.stop()
    found = probe.counts().minus(before)
    for late in (found.lag, found.slip):
        longest = late.percentile(1.0)
        assert longest is not None
        assert 0.08 < longest < 1.0
        assert 1 <= late.above(0.08) < late.count / 2, "of many readings hardly one is late"
    assert 0.02 < found.cpu_seconds < 1.0


async def test_datagrams_that_a_full_buffer_drops_are_counted_and_those_of_others_are_not() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as full,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as us,
    ):
        full.bind(("127.0.0.1", 0))
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mine, others = SocketDrops(), SocketDrops(process="1")
        mine.look()
        others.look()
        sent = 200
        for _ in range(sent):
            us.sendto(bytes(1000), full.getsockname())
        mine.look()
        others.look()
        full.setblocking(False)
        kept = 0
        while True:
            try:
                full.recv(2000)
            except BlockingIOError:
                break
            kept += 1
        assert 0 < kept < sent
        assert mine.dropped == sent - kept
        assert mine.sockets >= 2
        mine.look()
        assert mine.dropped == sent - kept, "the same drop counts once"
    mine.look()
    assert mine.dropped == sent - kept, "and stays when the socket is closed"


async def test_lines_of_another_form_are_left_out() -> None:
    line = "12798: 0100007F:C02E 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 719275 2 00000000 17"
    assert drops_by_inode(["  sl  local_address rem_address", "", "a b c", line]) == {719275: 17}


def health(*, slip: float = 0.001, cpu: float = 0.5, drops: int = 0, skipped: int = 0) -> WorkerHealth:
    counts = HealthCounts(cpu_seconds=cpu * 10, socket_drops=drops)
    for _ in range(100):
        counts.slip.note(slip)
        counts.lag.note(0.001)
    slots = Sent(slots=10_000, slots_skipped=skipped)
    return WorkerHealth.of(1, 4711, counts, slots, seconds=10.0, sockets=8)


async def test_a_worker_within_its_limits_has_nothing_to_say() -> None:
    assert health().excesses(Limits(), packets=1000) == ()
    assert str(Verdict()) == "VALID"


@pytest.mark.parametrize(
    ("sick", "what"),
    [
        (health(slip=0.03), ["slip_p99"]),
        (health(slip=0.3), ["slip_p99", "stall"]),
        (health(cpu=0.99), ["cpu"]),
        (health(drops=1), ["socket_drops"]),
        (health(skipped=20), ["slots_skipped"]),
    ],
)
async def test_each_limit_is_named_with_what_was_measured(sick: WorkerHealth, what: list[str]) -> None:
    reasons = sick.excesses(Limits(), packets=1000)
    assert [reason.what for reason in reasons] == what
    assert all(reason.measured > reason.limit for reason in reasons)
    verdict = Verdict(reasons=reasons)
    assert not verdict.valid
    assert str(verdict).startswith(f"INVALID: worker 1: {what[0]} ")


async def test_the_conductor_is_named_as_such() -> None:
    assert str(Excess(worker=CONDUCTOR, what="cpu", measured=0.99, limit=0.95)) == (
        "the conductor: cpu 0.99 is more than 0.95"
    )


async def test_percentiles_are_upper_edges_and_a_later_reading_less_an_earlier_is_what_came_between() -> None:
    first = Received(frames_expected=3, standing=1)
    for milliseconds in (1, 2, 3):
        first.latency.note(milliseconds / 1000 + 1e-6)
    later = Received().add(first)
    later.frames_expected, later.standing = 10, 2
    for _ in range(7):
        later.latency.note(0.4501)
    between = later.minus(first)
    assert (between.frames_expected, between.latency.count, between.latency.percentile(0.5)) == (7, 7, 0.4505)
    assert between.standing == 2, "how it is, not what has been"
    assert first.latency.percentile(1.0) == 0.003 + STEP
    assert later.latency.above(0.4) == 7
    assert Histogram().spread().p99 is None
