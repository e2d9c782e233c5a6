"""What packets said of when they were sent, so that one that is sent again as it was is the same bit for bit.

Without RTX a packet goes out a second time under its own number. An AEAD must never protect two different packets with
one nonce (RFC 7714 8.1, 14.1), and here the number is the nonce: so even the times in its header stay what they were.
"""

from __future__ import annotations

from zlib import crc32

from labsfu.core.forwarding.form import PacketForm

CAPACITY = 2048
"""Packets that are remembered; a power of two."""

_MASK = CAPACITY - 1
_SEND_TIME_LENGTH, _SEQUENCE_LENGTH = 3, 2


class SendTimes:
    """abs-send-time and transport-wide number of the last packets of one consumer, by their 16-bit number."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[tuple[int, bytes, bytes, int] | None] = [None] * CAPACITY

    def keep(self, number: int, form: PacketForm, packet: bytearray) -> None:
        """Remember what the packet says, which is about to be sent for the first time."""
        time_at, sequence_at = form.send_time_at, form.transport_sequence_at
        self._kept[number & _MASK] = (
            number,
            bytes(packet[time_at : time_at + _SEND_TIME_LENGTH]) if time_at else b"",
            bytes(packet[sequence_at : sequence_at + _SEQUENCE_LENGTH]) if sequence_at else b"",
            crc32(packet[12 : form.length]),
        )

    def restore(self, number: int, form: PacketForm, packet: bytearray) -> bool:
        """Write it into the packet that is sent again; False when it is not known any more."""
        kept = self._kept[number & _MASK]
        if kept is None or kept[0] != number:
            return False
        _, send_time, sequence, digest = kept
        if send_time:
            packet[form.send_time_at : form.send_time_at + _SEND_TIME_LENGTH] = send_time
        if sequence:
            packet[form.transport_sequence_at : form.transport_sequence_at + _SEQUENCE_LENGTH] = sequence
        return crc32(packet[12 : form.length]) == digest
