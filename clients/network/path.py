"""One direction of one client's network."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from heapq import heappop, heappush
from statistics import NormalDist

from clients.network.bottleneck import Bottleneck, Packet
from clients.network.conditions import PERFECT, Conditions, GilbertElliott
from clients.network.records import Arrival, Counts, Decision, Direction, Fault, Faults, Log, QueueDrop
from clients.network.strata import Strata

_DRAWS = struct.Struct("<8Q")
_NORMAL = NormalDist()


class Path:
    """One direction of one client's network.

    Time never runs backwards: an earlier `now` counts as the latest one.

    Args:
        seed: of the whole run.
        client: name of the client, unique in the run.
        direction: as the client sees it.
        conditions: what it does at first; may be set at any time. They hold for packets sent from then on; but rate,
            bucket and queue apply at once, to what waits too (from the latest `now` on).
        faults: hook for exact packets; may be set at any time.
        log: told every decision when it is taken, and each drop of the queue.
    """

    __slots__ = (
        "_bad",
        "_bottleneck",
        "_conditions",
        "_counts",
        "_flying",
        "_held",
        "_highest",
        "_key",
        "_last",
        "_log",
        "_now",
        "_pushed",
        "_queued",
        "_strata",
        "_swaps",
        "faults",
    )

    def __init__(
        self,
        seed: int,
        client: str,
        direction: Direction,
        conditions: Conditions = PERFECT,
        *,
        faults: Faults | None = None,
        log: Log | None = None,
    ) -> None:
        # given
        self._key = blake2b(repr((seed, client, direction.value)).encode(), digest_size=32).digest()
        self._conditions = conditions
        self.faults = faults
        self._log = log
        # owned
        self._strata = Strata(self._key)
        self._bottleneck = Bottleneck(conditions, tokens=conditions.burst_bytes)
        self._flying: list[tuple[float, int, Arrival]] = []
        self._held: dict[int, Packet] = {}
        self._swaps: list[int] = []
        self._counts = Counts()
        self._bad = False
        # derived
        self._now = float("-inf")
        self._last = float("-inf")
        self._pushed = 0
        self._queued = 0
        self._highest = -1

    @property
    def conditions(self) -> Conditions:
        """What the path does now."""
        return self._conditions

    @conditions.setter
    def conditions(self, value: Conditions) -> None:
        self._conditions = value
        self._bottleneck.change(value)

    @property
    def counts(self) -> Counts:
        """What became of the packets so far; a copy."""
        return replace(self._counts)

    @property
    def waiting(self) -> int:
        """Packets on their way: held, in the queue or on the link; second copies too, lost ones not."""
        return len(self._held) + self._queued + len(self._flying)

    @property
    def queued_bytes(self) -> int:
        """Bytes before the bottleneck."""
        return self._bottleneck.queued_bytes

    @property
    def held(self) -> tuple[int, ...]:
        """Numbers of the packets that the hook holds."""
        return tuple(self._held)

    def tags(self) -> Iterator[object]:
        """The tags of what is on its way and will arrive; what the hook holds is left out."""
        yield from (packet.tag for packet in self._bottleneck.queue if not packet.decision.lost)
        yield from (arrival.tag for _, _, arrival in self._flying)

    def send(self, data: bytes, now: float, tag: object = None) -> int:
        """Put a packet on its way.

        Args:
            data: its bytes; may be empty.
            now: seconds.
            tag: given back with the arrival.

        Returns:
            Its number on this path.
        """
        self._advance(now)
        number = self._counts.sent
        self._counts.sent += 1
        self._counts.sent_bytes += len(data)
        fault = None if self.faults is None else self.faults(number, data)
        packet = Packet(bytes(data), self._now, tag, self._decide(number, fault))
        if self._log is not None:
            self._log(packet.decision)
        if fault is Fault.DROP:
            self._counts.fault_dropped += 1
        elif fault is Fault.HOLD or fault is Fault.SWAP:
            self._held[number] = packet
            if fault is Fault.SWAP:
                self._swaps.append(number)
        else:
            self._enter(packet)
            if self._swaps:
                swaps, self._swaps = self._swaps, []
                self.release(now, *swaps)
        return number

    def release(self, now: float, *numbers: int) -> int:
        """Send what the hook holds: the packets of these numbers, or all of them; how many that were."""
        self._advance(now)
        released = 0
        for number in numbers or tuple(self._held):
            packet = self._held.pop(number, None)
            if packet is not None:
                released += 1
                self._enter(packet)
        return released

    def arrivals(self, now: float) -> list[Arrival]:
        """What has arrived since the last call, in the order of arrival."""
        self._advance(now)
        found = []
        counts = self._counts
        while self._flying and self._flying[0][0] <= self._now:
            arrival = heappop(self._flying)[2]
            found.append(arrival)
            counts.delivered += 1
            counts.delivered_bytes += len(arrival.data)
            if arrival.number > self._highest:
                self._highest = arrival.number
            elif not arrival.copy:
                counts.overtaken += 1
        return found

    def receive(self, now: float) -> list[bytes]:
        """The bytes of what has arrived since the last call, in the order of arrival."""
        return [arrival.data for arrival in self.arrivals(now)]

    def deadline(self) -> float | None:
        """When to look again, seconds: a packet arrives, or passes the bottleneck. None: nothing is on its way."""
        departure = self._bottleneck.departure()
        if not self._flying:
            return departure
        arrival = self._flying[0][0]
        return arrival if departure is None else min(arrival, departure)

    def _decide(self, number: int, fault: Fault | None) -> Decision:
        """One hash gives all the draws of a packet, so that none shifts another's; that of loss is spread evenly."""
        digest = blake2b(number.to_bytes(8, "little"), digest_size=64, key=self._key).digest()
        step, loss, *others = ((word >> 11) * 2.0**-53 for word in _DRAWS.unpack(digest))
        lost = self._is_lost(step, self._strata.spread(number, loss))
        reorder, duplicate, corrupt, where, jitter, copy_jitter = others
        now = self._conditions
        if fault is not None:
            twice, wrong = fault is Fault.DUPLICATE, fault is Fault.CORRUPT
            return Decision(number, fault, False, now.delay, False, twice, now.delay, wrong, where)
        reordered, duplicated = reorder < now.reorder, duplicate < now.duplicate
        delay = _delay(now, jitter) + (now.reorder_delay if reordered else 0.0)
        copy_delay = _delay(now, copy_jitter) if duplicated else delay
        return Decision(number, None, lost, delay, reordered, duplicated, copy_delay, corrupt < now.corrupt, where)

    def _is_lost(self, step: float, loss: float) -> bool:
        model = self._conditions.loss
        if not isinstance(model, GilbertElliott):
            self._bad = False
            return loss < model
        # A small draw leads to the bad state from either one, a large one to the good: runs whose states differ for
        # once (conditions set at another packet) soon agree again.
        self._bad = step < (1.0 - model.leave if self._bad else model.enter)
        return loss < (model.bad_loss if self._bad else model.good_loss)

    def _enter(self, packet: Packet) -> None:
        """Into the queue. A packet that the link will lose takes its room there and its share of the rate, too."""
        decision, counts = packet.decision, self._counts
        room = self._bottleneck.offer(packet)
        if decision.lost:
            counts.lost += 1
        elif not room:
            counts.queue_dropped += 1
            if self._log is not None:
                self._log(QueueDrop(decision.number, self._now, len(packet.data)))
        else:
            self._queued += 1 + decision.duplicated
            counts.duplicated += decision.duplicated
            counts.reordered += decision.reordered
            counts.corrupted += decision.corrupted and bool(packet.data)
        self._advance(self._now)

    def _advance(self, now: float) -> None:
        self._now = max(now, self._now)
        while (packet := self._bottleneck.depart(self._now)) is not None:
            if not packet.decision.lost:
                self._fly(packet, self._bottleneck.at)

    def _fly(self, packet: Packet, at: float) -> None:
        data, sent, tag, decision = packet
        if decision.corrupted:
            data = _corrupt(data, decision.where)
        arrival = at + decision.delay
        if not decision.reordered:
            arrival = self._last = max(arrival, self._last)
        self._push(Arrival(decision.number, data, sent, arrival, False, tag))
        if decision.duplicated:
            self._push(Arrival(decision.number, data, sent, max(arrival, at + decision.copy_delay), True, tag))

    def _push(self, arrival: Arrival) -> None:
        self._queued -= 1
        self._pushed += 1
        heappush(self._flying, (arrival.at, self._pushed, arrival))


def _delay(conditions: Conditions, draw: float) -> float:
    if conditions.jitter == 0.0:
        return conditions.delay
    # The draw lies in [0, 1), what the normal distribution can be asked for in (0, 1).
    return max(0.0, conditions.delay + conditions.jitter * _NORMAL.inv_cdf(max(draw, 2.0**-53)))


def _corrupt(data: bytes, where: float) -> bytes:
    if not data:
        return data
    byte, bit = divmod(int(where * len(data) * 8), 8)
    changed = bytearray(data)
    changed[byte] ^= 1 << bit
    return bytes(changed)
