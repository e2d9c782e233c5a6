"""The sockets of pipes: each has one of its own, opened before its transport is made and closed with it."""

from __future__ import annotations

import errno
import ipaddress
import socket
from itertools import count

import trio

from labsfu.config import MediaListen
from labsfu.core.outputs import BoundSocket, SocketId
from labsfu.errors import CommandError, Conflict, InvalidValue, Unavailable
from labsfu.shell.udp import UdpSender, bind_udp
from labsfu.wire.base import ABSENT, Absent


class PipeSockets:
    """Those that are open; implements `labsfu.core.outputs.Release`.

    Args:
        media: where other media comes in.
        sender: is told of each socket, to send over it.
        first: the id of the first one; those below are taken.
    """

    def __init__(self, media: MediaListen, sender: UdpSender, first: SocketId) -> None:
        self._media = media
        self._sender = sender
        self._ids = count(first)
        self._sockets: dict[SocketId, socket.socket] = {}

    def __len__(self) -> int:
        return len(self._sockets)

    def open(self, listen_ip: str | Absent, port: int) -> BoundSocket:
        """Open one.

        Args:
            listen_ip: absent: the first address that other media comes in at.
            port: 0: any free one.

        Raises:
            InvalidValue: that is no address, or none that the other end could be told (`invalid-listen-ip`).
            Conflict: the port is in use (`port-in-use`).
            Unavailable: the address is not this machine's, the port is not for us, or no more files may be open
                (`address-unavailable`).
        """
        ip = self._media.addresses[0] if listen_ip is ABSENT else listen_ip
        told = self._told(ip)
        try:
            sock = bind_udp(ip, port)
        except Unavailable as error:
            raise _refusal(error, f"udp {ip} port {port}") from error
        bound = BoundSocket(next(self._ids), told, sock.getsockname()[1])
        self._sockets[bound.id] = sock
        self._sender.add(bound.id, sock)
        return bound

    def socket(self, socket_id: SocketId) -> socket.socket:
        """One that is open."""
        return self._sockets[socket_id]

    def __call__(self, socket_id: SocketId, /) -> None:
        """Close one; whoever waits for it is woken by `trio.ClosedResourceError`."""
        sock = self._sockets.pop(socket_id)
        self._sender.remove(socket_id)
        trio.lowlevel.notify_closing(sock)
        sock.close()

    def close(self) -> None:
        """Close all."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    def _told(self, ip: str) -> str:
        """The address that the other end is told: what media at this address is announced as."""
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            raise InvalidValue(f"listenIp '{ip}' is not an IP address", slug="invalid-listen-ip") from None
        told = dict(zip(self._media.addresses, self._media.told, strict=True)).get(str(address), ip)
        if ipaddress.ip_address(told).is_unspecified:
            raise InvalidValue(
                f"listenIp '{ip}' is no address that the other end could be told", slug="invalid-listen-ip"
            )
        return told


def _refusal(error: Unavailable, where: str) -> CommandError:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE:
        return Conflict(f"{where} is in use", slug="port-in-use")
    return error
