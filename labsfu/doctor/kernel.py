"""What the kernel grants: buffers for datagrams, open files, a clock that is fine enough."""

from __future__ import annotations

import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator

from labsfu.doctor.finding import Finding, Patient, fail, ok, warn
from labsfu.shell.open_files import RESERVE
from labsfu.shell.udp import BUFFER_BYTES

# Below this not even a small room works.
FEWEST_FILES = 64 + RESERVE

# A packet's pacing and a round trip are measured in milliseconds.
COARSEST = 1e-4

_NAMES = {socket.SO_RCVBUF: ("receive", "rmem_max"), socket.SO_SNDBUF: ("send", "wmem_max")}


def check(patient: Patient) -> Iterator[Finding]:
    """Lines for each."""
    yield check_buffer(socket.SO_RCVBUF, BUFFER_BYTES)
    yield check_buffer(socket.SO_SNDBUF, BUFFER_BYTES)
    yield check_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[1], patient.config.max_connections)
    yield check_clock(time.perf_counter)


def check_buffer(option: int, wanted: int) -> Finding:
    """Whether a UDP socket gets a buffer of so many bytes; Linux tells twice what it gives (socket(7))."""
    direction, setting = _NAMES[option]
    name = f"{direction} buffer"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, wanted)
        except OSError as error:
            return fail(name, f"no {wanted >> 10} KiB for a UDP socket: {error.strerror}", "the server will not start")
        given = sock.getsockopt(socket.SOL_SOCKET, option) // (2 if sys.platform == "linux" else 1)
    if given >= wanted:
        return ok(name, f"{wanted >> 10} KiB for a UDP socket")
    found = f"{given >> 10} of the {wanted >> 10} KiB that are asked for: bursts (key frames) will be lost"
    return warn(name, found, f"sudo sysctl -w net.core.{setting}={wanted}")


def check_open_files(limit: int, connections: int) -> Finding:
    """Whether so many connections fit under a limit of open files (the hard one: the server goes up to it)."""
    if limit == resource.RLIM_INFINITY:
        return ok("open files", "any number")
    if limit >= connections + RESERVE:
        return ok("open files", f"{limit}, enough for {connections} connections")
    mend = f"`ulimit -n {connections + RESERVE}` before the start (systemd: LimitNOFILE=), or a smaller max-connections"
    if limit < FEWEST_FILES:
        return fail("open files", f"{limit}: too few for any room", mend)
    return warn("open files", f"{limit}, enough for {limit - RESERVE} of {connections} connections", mend)


def check_clock(clock: Callable[[], float]) -> Finding:
    """Whether a clock's steps, as they are seen, are small enough."""
    step, before, end = float("inf"), clock(), time.monotonic() + 0.5
    for _ in range(1000):
        while (now := clock()) == before and time.monotonic() < end:
            pass
        if now == before:
            break
        step, before = min(step, now - before), now
    if step <= COARSEST:
        return ok("clock", f"steps of {step * 1e6:.2g} µs")
    found = "stands still" if step == float("inf") else f"steps of {step * 1e3:.3g} ms: delays will be told wrong"
    return warn("clock", found, "see /sys/devices/system/clocksource/clocksource0/available_clocksource")
