"""A peer that goes on wanting what it is sent (RFC 7675): without it a long call ends after half a minute."""

from __future__ import annotations

from labsfu.core.rtcp.compound import RtcpPacket
from tests.support.lab import Peer

INTERVAL = 5.0
"""RFC 7675 5.1."""


class Consent:
    """Sends a connectivity check every five seconds."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._next = peer.lab.now + INTERVAL
        peer.programmes.append(self)

    def receive_rtp(self, packet: bytes) -> None:
        """Not ours."""

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        """Not ours."""

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return self._next

    def tick(self) -> None:
        """Send a check, if it is time."""
        if self._peer.lab.now >= self._next and self._peer.options is not None:
            self._next += INTERVAL
            self._peer.check(self._peer.options)
