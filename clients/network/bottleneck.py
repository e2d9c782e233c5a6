"""The narrowest place of a path: a token bucket before a bounded queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from clients.network.conditions import Conditions
from clients.network.records import Decision


class Packet(NamedTuple):
    """A packet on its way, with what was decided about it."""

    data: bytes
    sent: float
    tag: object
    decision: Decision


@dataclass(slots=True)
class Bottleneck:
    """A token bucket before a bounded queue. A packet larger than the bucket passes when that is full, on credit."""

    conditions: Conditions
    tokens: float
    at: float = float("-inf")
    """Seconds up to which tokens are counted."""
    queue: deque[Packet] = field(default_factory=deque)
    queued_bytes: int = 0

    def change(self, conditions: Conditions) -> None:
        """Go by other conditions from `at` on. A bottleneck that was none begins with a full bucket."""
        full = float(conditions.burst_bytes)
        self.tokens = full if self.conditions.rate is None else min(self.tokens, full)
        self.conditions = conditions

    def offer(self, packet: Packet) -> bool:
        """Let a packet in at the time `at`, if there is room or it can pass at once."""
        size, allowed = len(packet.data), self.conditions
        at_once = not self.queue and min(size, allowed.burst_bytes) <= self.tokens
        if allowed.rate is not None and not at_once and self.queued_bytes + size > allowed.queue_bytes:
            return False
        self.queue.append(packet)
        self.queued_bytes += size
        return True

    def departure(self) -> float | None:
        """Seconds, when the next packet passes."""
        if not self.queue:
            return None
        rate = self.conditions.rate
        missing = min(len(self.queue[0].data), self.conditions.burst_bytes) - self.tokens
        return self.at if rate is None or missing <= 0 else self.at + missing * 8 / rate

    def depart(self, now: float) -> Packet | None:
        """The next packet if it passes until now; `at` is then when it did."""
        at = self.departure()
        if at is None or at > now:
            self._refill(now)
            return None
        self._refill(at)
        packet = self.queue.popleft()
        self.queued_bytes -= len(packet.data)
        self.tokens -= len(packet.data)
        return packet

    def _refill(self, now: float) -> None:
        if now > self.at:
            rate = self.conditions.rate
            gained = float("inf") if rate is None else (now - self.at) * rate / 8
            self.tokens = min(self.conditions.burst_bytes, self.tokens + gained)
            self.at = now
