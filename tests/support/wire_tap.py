"""What passes a relay right before a server, counted from the headers that SRTP leaves in the clear (RFC 3711 3.1)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from clients.measure.jitter import Jitter
from clients.measure.sequence import SequenceBook
from clients.network import Direction
from clients.relay import Relay
from tests.e2e.tap import read_head

NEAR = 0.5
"""Seconds that a packet takes at most from the client to the server's door, or back."""


class Passed(NamedTuple):
    """An SRTP packet that passed: when (monotonic seconds), its numbers, its bytes with the authentication tag."""

    at: float
    sequence: int
    timestamp: int
    length: int


class Control(NamedTuple):
    """An SRTCP packet that passed: when (monotonic seconds), whose it is, its bytes as encrypted."""

    at: float
    ssrc: int
    length: int


@dataclass(slots=True)
class Datagrams:
    """All that passed in a direction, whatever it is."""

    packets: int = 0
    octets: int = 0


@dataclass(slots=True)
class Arrived:
    """What is known of a stream by its packets.

    Attributes:
        packets: of media; octets: whole RTP packets before encryption.
        lost: that did not come at first, up to the highest that came; repaired: of these, those that came as RTX.
        resent: RTX packets; resent_octets: whole RTP packets before encryption.
    """

    packets: int = 0
    octets: int = 0
    lost: int = 0
    repaired: int = 0
    resent: int = 0
    resent_octets: int = 0


@dataclass(slots=True)
class _Side:
    streams: dict[int, list[Passed]] = field(default_factory=lambda: defaultdict(list))
    control: list[Control] = field(default_factory=list)
    datagrams: Datagrams = field(default_factory=Datagrams)

    def __call__(self, _number: int, data: bytes) -> None:
        self.datagrams.packets += 1
        self.datagrams.octets += len(data)
        head = read_head(data)
        if head is not None:
            passed = Passed(time.monotonic(), head.sequence, head.timestamp, len(data))
            self.streams[head.ssrc].append(passed)
        elif is_srtcp(data):
            self.control.append(Control(time.monotonic(), int.from_bytes(data[4:8], "big"), len(data)))


def is_srtcp(data: bytes) -> bool:
    """Whether a datagram is SRTCP (RFC 7983 7, RFC 5761 4)."""
    return len(data) >= 8 and data[0] >> 6 == 2 and 192 <= data[1] <= 223


class WireTap:
    """Sits on a relay that changes nothing, next to the server: what it sees is what the server gets and sends.

    Args:
        relay: of one client.
    """

    def __init__(self, relay: Relay) -> None:
        self._sides = {direction: _Side() for direction in Direction}
        for direction, side in self._sides.items():
            relay.set_faults(direction, side)

    def datagrams(self, direction: Direction) -> Datagrams:
        """All that passed so far; live."""
        return self._sides[direction].datagrams

    def packets(self, direction: Direction, ssrc: int) -> list[Passed]:
        """Those of an SSRC, in their order; live."""
        return self._sides[direction].streams[ssrc]

    def control(self, direction: Direction, ssrc: int, length: int, at: float) -> float | None:
        """When an RTCP packet passed that its client sent, or got, at a time; None: it was lost on the way here.

        Args:
            direction: as the client sees it.
            ssrc: whose it is.
            length: its bytes as encrypted.
            at: monotonic seconds.
        """
        times = [one.at for one in self._sides[direction].control if (one.ssrc, one.length) == (ssrc, length)]
        if direction is Direction.UP:
            return next((time for time in times if at <= time <= at + NEAR), None)
        return next((time for time in reversed(times) if at - NEAR <= time <= at), None)

    def jitter(self, direction: Direction, ssrc: int, clock_rate: int, until: float) -> float:
        """Of a stream up to a time, seconds (RFC 3550 A.8)."""
        jitter = Jitter(clock_rate)
        for passed in self.packets(direction, ssrc):
            if passed.at <= until:
                jitter.receive(passed.timestamp, passed.at)
        return jitter.seconds

    def bitrate(self, direction: Direction, ssrc: int, tag: int, span: tuple[float, float]) -> float:
        """Bit/s of whole RTP packets before encryption, between two times."""
        begin, end = span
        octets = sum(p.length - tag for p in self.packets(direction, ssrc) if begin < p.at <= end)
        return 8 * octets / (end - begin)

    def arrived(
        self,
        direction: Direction,
        ssrc: int,
        rtx_ssrc: int | None,
        *,
        tag: int,
        originals: Mapping[tuple[int, int], int],
    ) -> Arrived:
        """Count a stream.

        Args:
            direction: as the client sees it.
            ssrc: of the media; rtx_ssrc: of its RTX, None without.
            tag: bytes that SRTP adds to each packet.
            originals: by SSRC and number of an RTX packet, the number of the packet that it repeats.
        """
        media = [(passed, False) for passed in self.packets(direction, ssrc)]
        again = [] if rtx_ssrc is None else [(passed, True) for passed in self.packets(direction, rtx_ssrc)]
        book, found = SequenceBook(), Arrived()
        for passed, repairs in sorted(media + again):
            if not repairs:
                found.packets += 1
                found.octets += passed.length - tag
                book.receive(passed.sequence)
                continue
            found.resent += 1
            found.resent_octets += passed.length - tag
            original = originals.get((rtx_ssrc or 0, passed.sequence))
            if original is not None:
                book.repair(original)
        found.lost, found.repaired = book.missing + book.repaired, book.repaired
        return found
