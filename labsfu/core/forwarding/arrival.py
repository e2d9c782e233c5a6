"""The packet that is being taken in: one object for all packets of a session, so that nothing of it may be kept."""

from __future__ import annotations

from typing import TypeAlias

from labsfu.core.codecs.vp8 import Vp8PayloadDescriptor
from labsfu.core.rtp.extensions import find_extensions
from labsfu.core.rtp.packet import Buffer, RtpHeader

Elements: TypeAlias = dict[int, tuple[int, int]]
"""Header extension elements by id, as (offset, length) in their packet."""


class Arrival:
    """A decrypted RTP packet, read in place.

    Attributes:
        buffer: where it is.
        header: its header, with offsets into `buffer`.
        length: of the whole packet, in bytes.
        elements: its header extension elements.
        descriptor: what its VP8 payload says of itself, after `describe`; None before, and without payload.
        now: when it came, monotonic seconds.
        unix_now: the same in unix seconds.
    """

    __slots__ = ("_vp8", "buffer", "descriptor", "elements", "header", "length", "now", "unix_now")

    def __init__(self) -> None:
        self.buffer: Buffer = b""
        self.header = RtpHeader()
        self.length = 0
        self.elements: Elements = {}
        self.now = 0.0
        self.unix_now = 0.0
        self.descriptor: Vp8PayloadDescriptor | None = None
        self._vp8 = Vp8PayloadDescriptor()

    def read(self, buffer: Buffer, length: int, now: float, unix_now: float) -> None:
        """Take the packet in `buffer[:length]`.

        Raises:
            Malformed: see `RtpHeader.read` and `find_extensions`.
        """
        header = self.header
        header.read(buffer, length)
        self.elements = find_extensions(buffer, header) if header.extension_length else {}
        self.descriptor = None
        self.buffer = buffer
        self.length = length
        self.now = now
        self.unix_now = unix_now

    def describe(self) -> None:
        """Read the descriptor of a VP8 payload, if there is a payload.

        Raises:
            Malformed: see `Vp8PayloadDescriptor.read`.
        """
        header = self.header
        if header.payload_length:
            self._vp8.read(self.buffer, header.payload_offset, header.payload_length)
            self.descriptor = self._vp8

    def copy(self) -> bytes:
        """The packet as it came."""
        header = self.header
        return bytes(self.buffer[: header.payload_offset + header.payload_length + header.padding_size])
