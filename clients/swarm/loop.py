"""A worker's event loop: it empties a UDP socket whenever there is something in it.

asyncio reads one datagram of each socket a turn. What waits behind that one waits where nothing measures it, and
counts as the server's latency; and each turn costs a system call more. Here all that has come is taken in the same
turn, so that no datagram waits longer than a turn lasts, and that is what the lag tells (`clients.swarm.health`).

This file touches asyncio's private names (tried with Python 3.11): there is no other way between its loops and sockets.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio.selector_events import _SelectorDatagramTransport  # type: ignore[attr-defined] # typeshed leaves it out

MOST = 64
"""Datagrams that one socket may take in a turn, so that a flood on one does not starve the others."""
LARGEST = 2048
"""Octets; asyncio asks for 256 KiB each time, and memory for that costs more than reading. No path here takes more."""
RECEIVE_BUFFER = 1 << 20
"""Octets of the kernel's buffer, as far as the system allows: joining clients may hold up a turn."""


class DrainingLoop(asyncio.SelectorEventLoop):
    """asyncio's own, with other UDP sockets."""

    def _make_datagram_transport(self, sock: socket.socket, *arguments: object, **options: object) -> object:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return _DrainingTransport(self, sock, *arguments, **options)


class _DrainingTransport(_SelectorDatagramTransport):  # type: ignore[misc] # the base is Any to typeshed
    def _read_ready(self) -> None:
        for _ in range(MOST):
            if self._conn_lost:
                return
            try:
                data, address = self._sock.recvfrom(LARGEST)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._protocol.error_received(error)
                return
            try:
                self._protocol.datagram_received(data, address)
            except Exception as error:
                self._fatal_error(error, "a protocol raised")
                return
