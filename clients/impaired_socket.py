"""A socket of a client with a network in front of it: between asyncio's UDP transport and aioice's protocol."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from aioice.ice import StunProtocol

from clients.network import Direction
from clients.peek import SrtpPeek

Address = tuple[str, int]


class Network(Protocol):
    """What lies in between: it calls `ImpairedSocket.hand_over` with what has passed."""

    def pass_on(
        self, socket: ImpairedSocket, direction: Direction, data: bytes, address: Address, peek: SrtpPeek
    ) -> None:
        """Put a datagram of a socket on its path."""

    def part_from(self, socket: ImpairedSocket, *, at_once: bool = False) -> None:
        """Call `close_at_once` when what the socket sent has left the network, or at once."""


class ImpairedSocket(asyncio.DatagramTransport):
    """What aioice sends through; what it receives comes through here, too.

    Args:
        network: what lies in between.
        protocol: of aioice, connected to its socket.
        peek: reads what passes.
    """

    def __init__(self, network: Network, protocol: StunProtocol, peek: SrtpPeek) -> None:
        super().__init__()
        self._network = network
        self._real = protocol.transport
        self._protocol = protocol
        self._peek = peek
        self._closing = self._gone = False
        self._real.set_protocol(_Ear(self, protocol))
        protocol.transport = self

    def sendto(self, data: Any, addr: Any = None) -> None:  # noqa: ANN401 - as asyncio has it
        """Put a datagram on the path up."""
        if not self._closing:
            self._network.pass_on(self, Direction.UP, bytes(data), addr, self._peek)

    def receive(self, data: bytes, address: Address) -> None:
        """Put a datagram on the path down."""
        if not self._closing:
            self._network.pass_on(self, Direction.DOWN, data, address, self._peek)

    def hand_over(self, direction: Direction, data: bytes, address: Address) -> bool:
        """A datagram has passed; whether it still finds somebody."""
        if self._gone or (self._closing and direction is Direction.DOWN):
            return False
        if direction is Direction.UP:
            self._real.sendto(data, address)
        else:
            self._protocol.datagram_received(data, address)
        return True

    def close(self) -> None:
        """Send and receive no more, and close when what was sent has left the network."""
        if not self._closing:
            self._closing = True
            self._network.part_from(self)

    def abort(self) -> None:
        """Close at once. Idempotent, and possible after `close`."""
        self._closing = True
        self._network.part_from(self, at_once=True)

    def close_at_once(self) -> None:
        """Close the socket below."""
        if not self._gone:
            self._closing = self._gone = True
            self._real.close()

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio has it
        """Of the socket below."""
        return self._real.get_extra_info(name, default)


class _Ear(asyncio.DatagramProtocol):
    """Hears what comes to the socket below, in aioice's place."""

    def __init__(self, socket: ImpairedSocket, protocol: StunProtocol) -> None:
        self._socket = socket
        self._protocol = protocol

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._socket.receive(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        self._protocol.error_received(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
