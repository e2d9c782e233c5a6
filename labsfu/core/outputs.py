"""How packets leave the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeAlias

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as Python's sockets give it: (host, port), with flow info and scope id behind them for IPv6."""

SocketId: TypeAlias = int
"""A number by which the driver knows one of its sockets."""


class Transmit(Protocol):
    """Given to the engine by its driver; called while input is handled, must not block."""

    def __call__(self, socket_id: SocketId, buffer: bytearray | bytes, length: int, address: Address, /) -> None:
        """Send `buffer[:length]` now or never: the buffer is reused afterwards."""


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """A socket that the driver opened for a command: its id, and the address at which others reach it."""

    id: SocketId
    ip: str
    port: int


class Release(Protocol):
    """Given to the engine by its driver: a socket that was opened for a pipe is not needed any more."""

    def __call__(self, socket_id: SocketId, /) -> None:
        """Close it; nothing is sent over it from now on."""
