"""A bad network between one real client and the server: a UDP relay on loopback, whose address the client is given.

It knows nothing of what it carries. STUN, DTLS and SRTP do not sign the addresses they travel between: for the client
the relay is the server, and to the server each socket of the client is one of the relay's.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Self

from clients.network import PERFECT, Conditions, Counts, Direction, Faults, Log, Path
from labsfu.errors import InvalidValue

Address = tuple[str, int]

MAX_FLOWS = 16
"""Source addresses that are served at a time; ICE uses a few for each transport."""

_LARGEST = 65536
"""Bytes: no datagram is larger."""
_BATCH = 64
"""Datagrams that are read from a socket before others have their turn."""
_BUFFER = 1 << 20
"""Bytes that the system is asked to keep for a socket."""


@dataclass(slots=True)
class RelayHealth:
    """Whether the relay did what its paths decided; where it did not, a run says nothing about the server.

    Attributes:
        flows: source addresses served so far.
        evicted: those given up for newer ones.
        strays: packets that came out of a path when their flow had been given up.
        socket_drops: packets that the system did not take: its buffer was full, nobody was there, no socket was left.
        worst_slip: the most that a packet left later than its path said, seconds.
    """

    flows: int = 0
    evicted: int = 0
    strays: int = 0
    socket_drops: int = 0
    worst_slip: float = 0.0


class _Flow:
    """One source address of the client, and the socket that stands for it at the server; None once given up."""

    __slots__ = ("client", "upstream", "used")

    def __init__(self, client: Address, upstream: socket.socket, now: float) -> None:
        self.client = client
        self.upstream: socket.socket | None = upstream
        self.used = now


class Relay:
    """Carries datagrams between a client and the server over two paths, while its async context is open.

    All sockets of the client share the two paths, as they would share its access link. A timer may be late by 1 ms:
    that is how finely asyncio sleeps.

    Args:
        server_address: host (a literal) and port of the server's candidate.
        seed: of the whole run.
        name: of the client, unique in the run.
        up: what happens at first to what the client sends.
        down: what happens at first to what it is sent.
        max_flows: source addresses that are served at a time; for a new one the one silent for longest is given up.
        up_log: told every decision about what the client sends.
        down_log: told every decision about what it is sent.

    Attributes:
        health: of the relay itself; live.

    Raises:
        InvalidValue: the host is not an address.
    """

    def __init__(
        self,
        server_address: Address,
        *,
        seed: int,
        name: str,
        up: Conditions = PERFECT,
        down: Conditions = PERFECT,
        max_flows: int = MAX_FLOWS,
        up_log: Log | None = None,
        down_log: Log | None = None,
    ) -> None:
        # given
        self._server = server_address
        self._family, self._host = _loopback_like(server_address[0])
        self._max_flows = max_flows
        # owned
        self._up = Path(seed, name, Direction.UP, up, log=up_log)
        self._down = Path(seed, name, Direction.DOWN, down, log=down_log)
        self._flows: dict[Address, _Flow] = {}
        self._listener: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.health = RelayHealth()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._listener = _udp_socket(self._family)
        try:
            self._listener.bind((self._host, 0))
        except OSError:
            self.close()
            raise
        self._loop.add_reader(self._listener, self._read_client, self._listener)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> Address:
        """Host and port to give to the client instead of the server's.

        Raises:
            RuntimeError: the context is not open.
        """
        if self._listener is None:
            raise RuntimeError("the relay is not open")
        host, port = self._listener.getsockname()[:2]
        return host, port

    def conditions(self, direction: Direction) -> Conditions:
        """What a path does now."""
        return self._path(direction).conditions

    def counts(self, direction: Direction) -> Counts:
        """What became of a path's packets so far; a copy."""
        return self._path(direction).counts

    def held(self, direction: Direction) -> tuple[int, ...]:
        """Numbers of the packets that a path's hook holds."""
        return self._path(direction).held

    def change(self, *, up: Conditions | None = None, down: Conditions | None = None) -> None:
        """Set the conditions of one path or both from now on; what is due by now still goes by the old ones."""
        self._pump()
        if up is not None:
            self._up.conditions = up
        if down is not None:
            self._down.conditions = down
        self._pump()

    def set_faults(self, direction: Direction, faults: Faults | None) -> None:
        """Set a path's hook for exact packets, or take it away."""
        self._path(direction).faults = faults

    def release(self, direction: Direction, *numbers: int) -> int:
        """Send what a path's hook holds: the packets of these numbers, or all of them; how many that were."""
        if self._listener is None:
            return 0
        released = self._path(direction).release(self._loop.time(), *numbers)
        self._pump()
        return released

    def close(self) -> None:
        """Close all sockets at once; what is on its way is gone. May be called again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for flow in self._flows.values():
            self._give_up(flow)
        self._flows.clear()
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _path(self, direction: Direction) -> Path:
        return self._up if direction is Direction.UP else self._down

    def _read_client(self, listener: socket.socket) -> None:
        for _ in range(_BATCH):
            try:
                data, address = listener.recvfrom(_LARGEST)
            except OSError:  # nothing more, or news of a peer that is gone
                break
            now = self._loop.time()
            flow = self._flow(address[:2], now)
            if flow is not None:
                self._up.send(data, now, flow)
        self._pump()

    def _read_server(self, flow: _Flow) -> None:
        for _ in range(_BATCH):
            if flow.upstream is None:
                break
            try:
                data = flow.upstream.recv(_LARGEST)
            except OSError:
                break
            now = flow.used = self._loop.time()
            self._down.send(data, now, flow)
        self._pump()

    def _flow(self, client: Address, now: float) -> _Flow | None:
        """The flow of this source address, made if there is none yet; None when the system has no socket for it."""
        flow = self._flows.get(client)
        if flow is not None:
            flow.used = now
            return flow
        if len(self._flows) >= self._max_flows:
            oldest = min(self._flows.values(), key=lambda one: one.used)
            self._give_up(self._flows.pop(oldest.client))
            self.health.evicted += 1
        try:
            upstream = _udp_socket(self._family)
        except OSError:
            self.health.socket_drops += 1
            return None
        try:
            upstream.connect(self._server)
        except OSError:
            upstream.close()
            self.health.socket_drops += 1
            return None
        flow = self._flows[client] = _Flow(client, upstream, now)
        self.health.flows += 1
        self._loop.add_reader(upstream, self._read_server, flow)
        return flow

    def _give_up(self, flow: _Flow) -> None:
        if flow.upstream is not None:
            self._loop.remove_reader(flow.upstream)
            flow.upstream.close()
            flow.upstream = None

    def _pump(self) -> None:
        """Hand over what has arrived, and wake up for what comes next."""
        if self._listener is None:
            return
        now = self._loop.time()
        for path, direction in ((self._up, Direction.UP), (self._down, Direction.DOWN)):
            for arrival in path.arrivals(now):
                self.health.worst_slip = max(self.health.worst_slip, now - arrival.at)
                if isinstance(arrival.tag, _Flow):
                    self._hand_over(arrival.data, arrival.tag, direction)
        self._arm()

    def _hand_over(self, data: bytes, flow: _Flow, direction: Direction) -> None:
        if flow.upstream is None or self._listener is None:
            self.health.strays += 1
            return
        try:
            if direction is Direction.UP:
                flow.upstream.send(data)
            else:
                self._listener.sendto(data, flow.client)
        except OSError:
            self.health.socket_drops += 1

    def _arm(self) -> None:
        deadlines = [at for at in (self._up.deadline(), self._down.deadline()) if at is not None]
        if not deadlines:
            return
        at = min(deadlines)
        if self._timer is not None:
            if self._timer.when() <= at:
                return  # wakes up early enough, and looks again
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._wake_up)

    def _wake_up(self) -> None:
        self._timer = None
        self._pump()


def _loopback_like(host: str) -> tuple[socket.AddressFamily, str]:
    try:
        version = ip_address(host).version
    except ValueError:
        raise InvalidValue(f"'{host}' is not an IP address") from None
    return (socket.AF_INET, "127.0.0.1") if version == 4 else (socket.AF_INET6, "::1")


def _udp_socket(family: socket.AddressFamily) -> socket.socket:
    found = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    return found
