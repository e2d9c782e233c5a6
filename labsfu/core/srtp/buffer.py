"""The memory in which packets are protected and unprotected."""

from __future__ import annotations

from labsfu.core.srtp.binding import ffi

TRAILER_SIZE = 16 + 128 + 4
"""Most that protection may add: libsrtp's longest tag, its longest key identifier, the SRTCP index."""


class SrtpBuffer:
    """Bytes of fixed size at a fixed place, to be read into, rewritten and sent from, over and over.

    Attributes:
        data: the bytes; it cannot be resized.
        view: a view of all of them: `view[:length]` copies nothing.
        pointer: where libsrtp finds them.
        size: how many there are.
        limit: most bytes of a packet that may still be protected here.
    """

    __slots__ = ("data", "limit", "pointer", "size", "view")

    def __init__(self, size: int = 2048) -> None:
        self.data = bytearray(size)
        self.view = memoryview(self.data)
        self.pointer = ffi.from_buffer(self.data)
        self.size = size
        self.limit = size - TRAILER_SIZE

    def load(self, packet: bytes | bytearray | memoryview) -> int:
        """Copy a packet to the start; returns its length.

        Raises:
            ValueError: it is larger than the buffer.
        """
        length = len(packet)
        self.view[:length] = packet
        return length
