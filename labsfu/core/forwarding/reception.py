"""What a receiver knows of one incoming stream: RFC 3550 appendix A.1 (validity), A.3 (loss) and A.8 (jitter)."""

from __future__ import annotations

from dataclasses import dataclass

MAX_DROPOUT = 3000
MAX_MISORDER = 1500
SEQUENCE_MOD = 1 << 16

DISCARDED = -1
"""A sequence number too far from the last: the packet is not part of the stream, unless its successor follows."""


@dataclass(frozen=True, slots=True)
class LossReport:
    """The loss half of a report block (RFC 3550 6.4.1).

    `fraction` is in 1/256 since the last report; `cumulative` may be negative (duplicates).
    """

    fraction: int
    cumulative: int
    highest: int


class Reception:
    """Extends, validates and counts the sequence numbers of one stream; estimates its jitter.

    `restarts` grows when the sender began its numbers anew: what was mapped before has no meaning after.
    `premature` counts packets from before the first one of a run, which were not expected.
    """

    __slots__ = (
        "_bad_sequence",
        "_base",
        "_clock_rate",
        "_cycles",
        "_expected_prior",
        "_jitter",
        "_max_sequence",
        "_past_expected",
        "_past_received",
        "_received_prior",
        "_transit",
        "premature",
        "received",
        "restarts",
        "started",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._jitter = 0.0
        self._transit: float | None = None
        self._past_expected = 0
        self._past_received = 0
        self.premature = 0
        self.restarts = -1
        self.started = False
        self._begin(0)

    def _begin(self, sequence: int) -> None:
        self._base = sequence
        self._max_sequence = sequence
        # One cycle up, so that a packet that comes before the first one still has a positive number.
        self._cycles = SEQUENCE_MOD
        self._bad_sequence = -1
        self.received = 0
        self._expected_prior = 0
        self._received_prior = 0
        self.restarts += 1

    def receive(self, sequence: int) -> int:
        """Take in a 16-bit number; the extended one, or DISCARDED."""
        if not self.started:
            self.started = True
            self._begin(sequence)
            self.restarts = 0
        ahead = (sequence - self._max_sequence) & 0xFFFF
        if ahead < MAX_DROPOUT:
            if sequence < self._max_sequence:
                self._cycles += SEQUENCE_MOD
            self._max_sequence = sequence
        elif ahead <= SEQUENCE_MOD - MAX_MISORDER:
            if sequence != self._bad_sequence:
                self._bad_sequence = (sequence + 1) & 0xFFFF
                return DISCARDED
            # Two in a row: the sender began anew.
            self._past_expected += self.expected
            self._past_received += self.received
            self._begin(sequence)
        else:
            self.received += 1
            late_cycle = SEQUENCE_MOD if sequence > self._max_sequence else 0
            number = self._cycles - late_cycle + sequence
            if number < self.first:
                self.premature += 1
            return number
        self.received += 1
        return self._cycles + sequence

    def extend(self, sequence: int) -> int:
        """The extended number of a 16-bit one near the highest received; nothing is counted."""
        highest = self._cycles + self._max_sequence
        return highest + ((sequence - self._max_sequence + 0x8000) & 0xFFFF) - 0x8000

    def arrive(self, timestamp: int, now: float) -> None:
        """Take in the RTP timestamp of a packet that arrived at `now` (seconds), for the jitter."""
        transit = now * self._clock_rate - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            # A timestamp that wrapped or jumped says nothing about the network.
            if difference < self._clock_rate * 10:
                self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    @property
    def first(self) -> int:
        """The extended number with which the present run of numbers began."""
        return SEQUENCE_MOD + self._base

    @property
    def missing(self) -> int:
        """How many numbers that were expected have not come, of all runs; duplicates count as having come."""
        expected, received = self._past_expected + self.expected, self._past_received + self.received
        return expected - received + self.premature

    @property
    def highest(self) -> int:
        """Extended highest sequence number received, as report blocks carry it (32 bits)."""
        return (self._cycles - SEQUENCE_MOD + self._max_sequence) & 0xFFFFFFFF

    @property
    def jitter(self) -> int:
        """Interarrival jitter in units of the stream's clock."""
        return int(self._jitter)

    @property
    def expected(self) -> int:
        """How many packets should have come."""
        return self._cycles - SEQUENCE_MOD + self._max_sequence - self._base + 1 if self.started else 0

    @property
    def lost(self) -> int:
        """How many of the expected packets have not come; negative when there were duplicates."""
        return self.expected - self.received

    def report(self) -> LossReport:
        """Loss since the last report and in all; begins the next interval."""
        expected = self.expected
        expected_interval = expected - self._expected_prior
        lost_interval = expected_interval - (self.received - self._received_prior)
        self._expected_prior = expected
        self._received_prior = self.received
        fraction = 0
        if expected_interval > 0 and lost_interval > 0:
            fraction = min(255, (lost_interval << 8) // expected_interval)
        return LossReport(fraction, max(-0x800000, min(0x7FFFFF, expected - self.received)), self.highest)
