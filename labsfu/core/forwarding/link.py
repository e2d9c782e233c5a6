"""What the forwarding side knows of a transport: somewhere to write packets, and whether they would go anywhere."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """The way to one peer.

    Attributes:
        outbox: where an RTP packet is written before `send_rtp`; shared, and overwritten by the encryption.
        up: True when the peer is reached and its keys are known; `send_*` may be called only then.
        transport_sequence: the next transport-wide sequence number, counted on by whoever writes it into a packet;
            only its lower 16 bits are sent (draft-holmer-rmcat-transport-wide-cc-extensions-01 2).
        resent_bytes: of packets that were sent again, as RTX or as they were; whoever sends them counts.
    """

    outbox: bytearray
    up: bool
    transport_sequence: int
    resent_bytes: int

    def send_rtp(self, length: int) -> bool:
        """Encrypt and send the RTP packet in `outbox[:length]`; False if that cannot be."""

    def hold(self, ssrc: int) -> None:
        """Keep the keys' state of a stream that we receive."""

    def release(self, ssrc: int) -> None:
        """It need not be kept any more."""

    def forget_sent(self, ssrc: int) -> None:
        """Nothing is sent with this SSRC any more."""

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send a compound RTCP packet."""
