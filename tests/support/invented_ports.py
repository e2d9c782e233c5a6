"""The ports of a machine that is none: opened for pipes and closed as a driver does, refused as a system does."""

from __future__ import annotations

import ipaddress
from itertools import count

from labsfu.core.outputs import BoundSocket, SocketId
from labsfu.errors import Conflict, InvalidValue, Unavailable
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from tests.support.lab import SERVER

HERE = (str(SERVER[0]), "127.0.0.1")
_FIRST, _FIRST_SOCKET = 50_000, 100


class InventedPorts:
    """Those that are open, by the ids of their sockets; calling it with one closes that."""

    def __init__(self) -> None:
        self.open: dict[SocketId, tuple[str, int]] = {}
        self._ids = count(_FIRST_SOCKET)
        self._free = count(_FIRST)

    def bind(self, command: commands.CreatePipeTransport) -> BoundSocket:
        """Open one, as it is asked for; raises CommandError."""
        ip = HERE[0] if command.listen_ip is ABSENT else command.listen_ip
        try:
            ipaddress.ip_address(ip)
        except ValueError:
            raise InvalidValue(f"listenIp '{ip}' is not an IP address", slug="invalid-listen-ip") from None
        if ip not in HERE:
            raise Unavailable(f"udp {ip} is not here", slug="address-unavailable")
        port = command.port or next(self._free)
        if (ip, port) in self.open.values():
            raise Conflict(f"udp {ip} port {port} is in use", slug="port-in-use")
        bound = BoundSocket(next(self._ids), ip, port)
        self.open[bound.id] = ip, port
        return bound

    def __call__(self, socket_id: SocketId, /) -> None:
        del self.open[socket_id]
