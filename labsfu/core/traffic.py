"""What transports have sent, added up."""

from __future__ import annotations

from typing import Protocol


class Sender(Protocol):
    """What is added up of a transport."""

    packets_sent: int
    bytes_sent: int
    forwarded: int


class Traffic:
    """A sum: datagrams and their bytes on the wire, and RTP packets forwarded among them."""

    __slots__ = ("bytes", "forwarded", "packets")

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.forwarded = 0

    def add(self, transport: Sender) -> None:
        """Add what a transport has sent so far."""
        self.packets += transport.packets_sent
        self.bytes += transport.bytes_sent
        self.forwarded += transport.forwarded
