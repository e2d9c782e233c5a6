"""What transports have received and sent, added up."""

from __future__ import annotations

from typing import Protocol


class Carrier(Protocol):
    """What is added up of a transport, or of a sum of several: see `Traffic`."""

    @property
    def packets_received(self) -> int: ...  # noqa: D102 - as in `Traffic`
    @property
    def bytes_received(self) -> int: ...  # noqa: D102 - the same
    @property
    def packets_sent(self) -> int: ...  # noqa: D102 - the same
    @property
    def bytes_sent(self) -> int: ...  # noqa: D102 - the same
    @property
    def forwarded(self) -> int: ...  # noqa: D102 - the same


class Traffic:
    """A sum: datagrams and their bytes on the wire, and RTP packets forwarded among those sent."""

    __slots__ = ("bytes_received", "bytes_sent", "forwarded", "packets_received", "packets_sent")

    def __init__(self) -> None:
        self.packets_received = 0
        self.bytes_received = 0
        self.packets_sent = 0
        self.bytes_sent = 0
        self.forwarded = 0

    def add(self, other: Carrier) -> None:
        """Add what a transport has carried so far, or another sum."""
        self.packets_received += other.packets_received
        self.bytes_received += other.bytes_received
        self.packets_sent += other.packets_sent
        self.bytes_sent += other.bytes_sent
        self.forwarded += other.forwarded
