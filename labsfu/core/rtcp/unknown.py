"""RTCP packets that nothing here reads: kept to be counted."""

from __future__ import annotations

from dataclasses import dataclass

from labsfu.core.rtcp.header import encode_packet


@dataclass(frozen=True, slots=True)
class Unknown:
    """A well-formed packet of a type, or of a feedback format, that is not understood.

    Attributes:
        packet_type: as in the header.
        body: what follows the header, padding left out.
        count: the five bits beside the version; the format of a feedback message.
    """

    packet_type: int
    body: bytes
    count: int = 0

    def encode(self) -> bytes:
        """The whole packet."""
        return encode_packet(self.packet_type, self.count, self.body)
