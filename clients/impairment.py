"""A bad network in a client's own sockets: what it sends and receives goes over two paths, decided by a seed.

It sits between asyncio's UDP sockets and aioice, whatever is on top: STUN, DTLS and SRTP, of all transports of the
client, share one path up and one down, as they would share its access link. A `SrtpPeek` tells exact packets apart.
This file touches aioice's private names: there is no other way to its sockets.
"""

# ruff: noqa: SLF001 - see above

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from aioice import Connection
from aiortc import RTCDtlsTransport

from clients.decision_log import DecisionLog
from clients.impaired_socket import Address, ImpairedSocket
from clients.network import Conditions, Counts, Decision, Direction, Fault, Path, QueueDrop
from clients.network.packets import Content, Seen, content_of, read_rtcp, read_rtp
from clients.network.plan import NetworkPlan, Schedule
from clients.network.rules import FaultRule, RuleBook
from clients.peek import SrtpPeek
from labsfu.wire.rtp import RtpCapabilities

LINGER = 2.0
"""Seconds for which a closed socket may stay open until what the client sent before has left the network."""

_HITS = 10_000


@dataclass(slots=True)
class ImpairmentHealth:
    """Whether the paths were obeyed; where they were not, a run says nothing about the server.

    Attributes:
        strays: packets that came out of a path when their socket was closed.
        worst_slip: the most that a packet left later than its path said, seconds.
    """

    strays: int = 0
    worst_slip: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A packet that a rule chose.

    Attributes:
        rule: which decided.
        seen: the packet.
        at: seconds since the start.
    """

    rule: FaultRule
    seen: Seen
    at: float


class _Tag(NamedTuple):
    socket: ImpairedSocket
    address: Address


class Impairment:
    """The network of one client. `start` needs a running loop; before it, and after `close`, nothing passes.

    A timer may be late by 1 ms: that is how finely asyncio sleeps.

    Args:
        plan: what the network shall be.
        client: name of the client, should the plan have none.

    Attributes:
        health: of itself; live.
        hits: what the rules chose, the oldest first; the last ten thousand.
    """

    def __init__(self, plan: NetworkPlan, *, client: str = "client") -> None:
        # given
        self.plan = plan
        self.client = client if plan.client is None else plan.client
        # owned
        self._log = None if plan.log is None else DecisionLog(plan.log, self.client)
        self._paths = {direction: self._path(direction) for direction in Direction}
        self._book = RuleBook(plan.faults)
        self._schedule = Schedule((), 0.0)
        self._mime_types: dict[int, str] = {}
        self._leaving: dict[ImpairedSocket, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.health = ImpairmentHealth()
        self.hits: deque[Hit] = deque(maxlen=_HITS)
        # derived
        self._seen: Seen | None = None
        self._rule: FaultRule | None = None
        self._running = self._pumping = False
        self._started_at = 0.0

    def start(self) -> None:
        """Begin: the schedule counts from now. Idempotent."""
        if self._running:
            return
        self._loop = asyncio.get_running_loop()
        self._running = True
        self._started_at = now = self._loop.time()
        self._schedule = Schedule(self.plan.schedule, now)
        if self._log is not None:
            self._log.start(self.plan.seed)
        for direction in Direction:
            self._tell_conditions(direction)
        self._pump()

    def close(self) -> None:
        """Let nothing pass any more; what is on its way is gone. Idempotent."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for socket in tuple(self._leaving):
            self._finish(socket)
        if self._log is not None:
            self._log.flush()

    def learn(self, router: RtpCapabilities) -> None:
        """Take the payload types of a router, which are those of all its clients: rules know codecs by them."""
        for codec in router.codecs:
            if isinstance(codec.preferred_payload_type, int):
                self._mime_types[codec.preferred_payload_type] = codec.mime_type.lower()

    def attach(self, connection: Connection, dtls: RTCDtlsTransport) -> Attachment:
        """Come between an ICE connection that has gathered and its sockets; starts if need be.

        Args:
            connection: with its host candidates, before its first check.
            dtls: what will go over it.
        """
        self.start()
        return Attachment(self, connection, SrtpPeek(dtls))

    def event(self, name: str) -> None:
        """Something happened, for which the schedule may wait."""
        if self._running:
            now = self._loop.time()
            if self._log is not None:
                self._log.event(now - self._started_at, name)
            self._schedule.event(name, now)
            self._pump()

    def conditions(self, direction: Direction) -> Conditions:
        """What a path does now."""
        return self._paths[direction].conditions

    def change(self, *, up: Conditions | None = None, down: Conditions | None = None) -> None:
        """Set conditions from now on, whatever the schedule says; what is due by now still goes by the old ones."""
        if self._running:
            self._pump()
        for direction, conditions in ((Direction.UP, up), (Direction.DOWN, down)):
            if conditions is not None:
                self._paths[direction].conditions = conditions
                self._tell_conditions(direction)
        if self._running:
            self._pump()

    def counts(self, direction: Direction) -> Counts:
        """What became of a path's packets so far; a copy."""
        return self._paths[direction].counts

    def add_fault(self, rule: FaultRule) -> None:
        """Add a rule, with the last say; it counts from now on."""
        self._book.add(rule)

    def held(self, direction: Direction) -> tuple[int, ...]:
        """Numbers of the packets that are held, by a hold or before a swap."""
        return self._paths[direction].held

    def release(self, direction: Direction, *numbers: int) -> int:
        """Let held packets go: those of these numbers, or all of them; how many that were."""
        if not self._running:
            return 0
        released = self._release(direction, numbers or self.held(direction))
        self._pump()
        return released

    # ------------------------------------------------------------------ of the sockets

    def pass_on(
        self, socket: ImpairedSocket, direction: Direction, data: bytes, address: Address, peek: SrtpPeek
    ) -> None:
        """Put a datagram of a socket on its path."""
        if not self._running:
            self.health.strays += 1
            return
        now = self._loop.time()
        self._keep_to_schedule(now)
        path = self._paths[direction]
        seen = self._see(direction, path.counts.sent, data, peek)
        self._seen, self._rule = seen, self._book.judge(seen, now)
        if self._rule is not None:
            self.hits.append(Hit(self._rule, seen, now - self._started_at))
        path.send(data, now, _Tag(socket, address))
        self._seen = self._rule = None
        other = Direction.DOWN if direction is Direction.UP else Direction.UP
        self._release(other, self._book.named_by(seen))
        self._pump()

    def part_from(self, socket: ImpairedSocket, *, at_once: bool = False) -> None:
        """Close a socket when what it sent has left the network, or at once."""
        if at_once or not self._running or not self._owes(socket):
            self._finish(socket)
        else:
            self._leaving.setdefault(socket, self._loop.time() + LINGER)
            self._pump()

    # ------------------------------------------------------------------ how

    def _path(self, direction: Direction) -> Path:
        def told(entry: Decision | QueueDrop) -> None:
            assert self._log is not None, "nobody is told without one"
            at = self._loop.time() - self._started_at
            if isinstance(entry, QueueDrop):
                self._log.queue_drop(at, direction, entry)
            elif self._seen is not None:
                self._log.decision(at, self._seen, entry, self._rule)

        def fault(_number: int, _data: bytes) -> Fault | None:
            return None if self._rule is None else self._rule.fault

        conditions = self.plan.conditions(direction)
        log = None if self._log is None else told
        return Path(self.plan.seed, self.client, direction, conditions, faults=fault, log=log)

    def _see(self, direction: Direction, number: int, data: bytes, peek: SrtpPeek) -> Seen:
        content = content_of(data)
        if content is Content.RTP:
            mime_type = self._mime_types.get(data[1] & 127, "")
            return read_rtp(direction, number, data, peek.read(direction, content, data), mime_type)
        if content is Content.RTCP:
            return read_rtcp(direction, number, data, peek.read(direction, content, data))
        return Seen(direction, number, content, len(data))

    def _tell_conditions(self, direction: Direction) -> None:
        if self._log is not None and self._running:
            self._log.conditions(self._loop.time() - self._started_at, direction, self.conditions(direction))

    def _keep_to_schedule(self, now: float) -> None:
        """A late timer must not let a packet go by conditions that have passed."""
        due = self._schedule.deadline()
        if due is not None and due <= now:
            self._deliver(now)
            for direction in self._schedule.change(now, self._paths):
                self._tell_conditions(direction)

    def _release(self, direction: Direction, numbers: Iterable[int]) -> int:
        held = self.held(direction)
        numbers = [number for number in numbers if number in held]
        if not numbers:
            return 0  # to a path, none would be all
        now = self._loop.time()
        if self._log is not None:
            for number in numbers:
                self._log.release(now - self._started_at, direction, number)
        return self._paths[direction].release(now, *numbers)

    def _pump(self) -> None:
        """Hand over what has arrived, and wake up for what comes next."""
        if not self._running or self._pumping:
            return  # it is a packet handed over that was answered: who hands over looks again
        now = self._loop.time()
        self._keep_to_schedule(now)
        for direction in Direction:
            self._release(direction, self._book.due(direction, now))
        self._deliver(now)
        for socket, until in tuple(self._leaving.items()):
            if until <= now or not self._owes(socket):
                self._finish(socket)
        self._arm()

    def _deliver(self, now: float) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            found = True
            while found:
                found = False
                for direction, path in self._paths.items():
                    for arrival in path.arrivals(now):
                        found = True
                        self.health.worst_slip = max(self.health.worst_slip, now - arrival.at)
                        assert isinstance(arrival.tag, _Tag), "as `pass_on` gave it"
                        self.health.strays += not arrival.tag.socket.hand_over(
                            direction, arrival.data, arrival.tag.address
                        )
                now = self._loop.time()
        finally:
            self._pumping = False

    def _arm(self) -> None:
        deadlines = [path.deadline() for path in self._paths.values()]
        deadlines += [self._schedule.deadline(), self._book.deadline(), *self._leaving.values()]
        due = [at for at in deadlines if at is not None]
        if not due or not self._running:
            return
        at = min(due)
        if self._timer is not None:
            if self._timer.when() <= at:
                return  # wakes up early enough, and looks again
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        self._pump()

    def _owes(self, socket: ImpairedSocket) -> bool:
        return any(isinstance(tag, _Tag) and tag.socket is socket for tag in self._paths[Direction.UP].tags())

    def _finish(self, socket: ImpairedSocket) -> None:
        self._leaving.pop(socket, None)
        socket.close_at_once()


class Attachment:
    """An impairment at the sockets of one ICE connection. Made by `Impairment.attach`.

    Attributes:
        peek: reads what passes.
    """

    def __init__(self, impairment: Impairment, connection: Connection, peek: SrtpPeek) -> None:
        self.peek = peek
        self._sockets = [ImpairedSocket(impairment, protocol, peek) for protocol in connection._protocols]

    def abandon(self) -> None:
        """Close the sockets at once; what is on its way is gone."""
        for socket in self._sockets:
            socket.abort()
