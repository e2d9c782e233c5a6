"""The network of this machine: datagrams go round on loopback, and IPv6 is there."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

from labsfu.doctor.finding import Finding, Patient, fail, ok, warn

PACKET = bytes(1200)
ROUNDS = 20
PATIENCE = 1.0


def check(patient: Patient) -> Iterator[Finding]:  # noqa: ARG001 - every check takes the same
    """One line for each family."""
    yield _check_round_trip()
    yield _check_ipv6()


def _check_round_trip() -> Finding:
    """The fastest of some: a machine that was busy meanwhile is not slow."""
    try:
        seconds = min(_round_trip(socket.AF_INET, "127.0.0.1") for _ in range(ROUNDS))
    except OSError as error:
        mend = "`ip link set lo up`, or let a firewall pass UDP on lo"
        return fail("loopback", f"UDP on 127.0.0.1 does not come back: {error}", mend)
    return ok("loopback", f"{len(PACKET)} bytes of UDP are there and back in {seconds * 1e6:.0f} µs")


def _check_ipv6() -> Finding:
    try:
        _round_trip(socket.AF_INET6, "::1")
    except OSError as error:
        mend = "nothing to do, unless media is to use IPv6: then `sysctl -w net.ipv6.conf.all.disable_ipv6=0`"
        return warn("IPv6", f"UDP on ::1 does not come back: {error}", mend)
    return ok("IPv6", "UDP on ::1 comes back")


def _round_trip(family: socket.AddressFamily, address: str) -> float:
    """Seconds that a datagram takes to another socket and back. Raises OSError."""
    with socket.socket(family, socket.SOCK_DGRAM) as here, socket.socket(family, socket.SOCK_DGRAM) as there:
        for sock in (here, there):
            sock.settimeout(PATIENCE)
            sock.bind((address, 0))
        began = time.perf_counter()
        here.sendto(PACKET, there.getsockname())
        data, source = there.recvfrom(2 * len(PACKET))
        there.sendto(data, source)
        here.recv(2 * len(PACKET))
        return time.perf_counter() - began
