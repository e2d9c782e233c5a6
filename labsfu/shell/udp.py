"""A UDP socket that moves datagrams between the kernel and an engine, and does nothing else."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from contextlib import ExitStack

from labsfu.core.outputs import Address
from labsfu.errors import Unavailable

# Room for bursts: a key frame to many consumers is a few megabytes at once. The kernel gives what it allows.
BUFFER_BYTES = 4 << 20

# More small datagrams than fit into a buffer: reading them away takes some 20 ms.
STALE_DATAGRAMS = 20_000


def bind_udp(address: str, port: int) -> socket.socket:
    """A non-blocking UDP socket on `address` (IPv4 or IPv6 literal) and `port` (0: any free one).

    Raises:
        Unavailable: the address or the port cannot be had.
    """
    version = ipaddress.ip_address(address).version
    try:
        with ExitStack() as undo:
            sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
            undo.callback(sock.close)
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            if version == 6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            undo.pop_all()
    except OSError as error:  # that no more files may be open, too
        raise Unavailable(
            f"cannot listen on udp {address} port {port}: {error.strerror}", slug="address-unavailable"
        ) from error
    return sock


def bind_all(addresses: Sequence[str], port: int, attempts: int = 20) -> list[socket.socket]:
    """One socket for each address, all on one port (0: any that is free on all of them).

    Raises:
        Unavailable: an address or the port cannot be had.
    """
    for attempt in range(attempts):
        sockets: list[socket.socket] = []
        try:
            for address in addresses:
                sockets.append(bind_udp(address, sockets[0].getsockname()[1] if sockets else port))
        except Unavailable:
            for sock in sockets:
                sock.close()
            # A port that the kernel chose for the first address may be taken on another: have it choose again.
            if port or not sockets or attempt == attempts - 1:
                raise
        else:
            return sockets
    raise AssertionError("the last attempt returned or raised")


def adopt_udp(descriptor: int) -> socket.socket:
    """A socket that another process bound and this one inherited; it is this one's to close."""
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


def drain_udp(sock: socket.socket) -> int:
    """Throw away what came while nobody read, `STALE_DATAGRAMS` at the most; how many there were."""
    nowhere = bytearray(1)
    for count in range(STALE_DATAGRAMS):
        try:
            sock.recv_into(nowhere)
        except BlockingIOError:
            return count
        except OSError:
            continue  # an ICMP error of an earlier datagram; reading takes it away
    return STALE_DATAGRAMS


class UdpSender:
    """Implements `labsfu.core.outputs.Transmit` over sockets: the first ones are known by their place in the list.

    Attributes:
        unsent: datagrams that the kernel would not take.
    """

    __slots__ = ("_sendto", "unsent")

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sendto = {socket_id: sock.sendto for socket_id, sock in enumerate(sockets)}
        self.unsent = 0

    def add(self, socket_id: int, sock: socket.socket) -> None:
        """Send over one more."""
        self._sendto[socket_id] = sock.sendto

    def remove(self, socket_id: int) -> None:
        """Send over this one no more."""
        del self._sendto[socket_id]

    def __call__(self, socket_id: int, buffer: bytearray | bytes, length: int, address: Address, /) -> None:
        """Send `buffer[:length]` now or never."""
        try:
            self._sendto[socket_id](memoryview(buffer)[:length], address)
        except OSError:
            # Full buffers (EAGAIN), or a peer's ICMP error: media is not worth waiting for.
            self.unsent += 1
