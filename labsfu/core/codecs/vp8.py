"""The VP8 payload descriptor and the start of a VP8 frame (RFC 7741 4.2, 4.3; RFC 6386 9.1)."""

from __future__ import annotations

from typing import TypeAlias

from labsfu.errors import Malformed

Buffer: TypeAlias = bytes | bytearray | memoryview

_KEY_FRAME_HEADER_LENGTH = 10  # frame tag, start code, width, height


class Vp8PayloadDescriptor:
    """What the descriptor of one payload says; filled in place and reused, as `RtpHeader` is.

    Attributes:
        non_reference: N, no other frame depends on this one.
        start_of_partition: S.
        partition_index: PID, 0..7.
        picture_id: 0..32767, -1 when absent.
        picture_id_offset: where PictureID lies in the buffer, 0 when absent.
        long_picture_id: PictureID has 15 bits (two octets, the first with its top bit set).
        tl0_picture_index: TL0PICIDX, 0..255, -1 when absent.
        tl0_picture_index_offset: where it lies in the buffer, 0 when absent.
        temporal_id: TID, 0..3, -1 when absent.
        layer_sync: Y, the frame depends on base layer frames only.
        key_index: KEYIDX, 0..31, -1 when absent.
        payload_offset: where the VP8 data start, behind the descriptor.
        is_key_frame: this is the first packet of a key frame.
        width: pixels, 0 unless this packet starts a key frame and holds its size.
        height: pixels, likewise.
    """

    __slots__ = (
        "height",
        "is_key_frame",
        "key_index",
        "layer_sync",
        "long_picture_id",
        "non_reference",
        "partition_index",
        "payload_offset",
        "picture_id",
        "picture_id_offset",
        "start_of_partition",
        "temporal_id",
        "tl0_picture_index",
        "tl0_picture_index_offset",
        "width",
    )

    def __init__(self) -> None:
        self.non_reference = False
        self.start_of_partition = False
        self.partition_index = 0
        self.payload_offset = 0
        self._clear()

    def read(self, buffer: Buffer, offset: int, length: int) -> None:
        """Fill every field from the RTP payload in `buffer[offset:offset + length]`.

        Raises:
            Malformed: `vp8-truncated`; the fields then mean nothing.
        """
        end = offset + length
        if length < 1 or end > len(buffer):
            raise Malformed("vp8-truncated")
        first = buffer[offset]
        self._clear()
        self.non_reference = bool(first & 0x20)
        self.start_of_partition = bool(first & 0x10)
        self.partition_index = first & 0x07
        if first & 0x80:
            offset = self._read_extension(buffer, offset + 1, end)
        else:
            offset += 1
        self.payload_offset = offset
        if first & 0x17 == 0x10 and offset < end and not buffer[offset] & 1:
            self.is_key_frame = True
            self._read_size(buffer, offset, end)

    def write_picture_id(self, buffer: bytearray | memoryview, picture_id: int) -> None:
        """Put another PictureID where the present one lies, modulo 2**15 or 2**7 as it is long; no-op when absent."""
        offset = self.picture_id_offset
        if not offset:
            return
        if self.long_picture_id:
            buffer[offset] = 0x80 | picture_id >> 8 & 0x7F
            buffer[offset + 1] = picture_id & 0xFF
        else:
            buffer[offset] = picture_id & 0x7F

    def write_tl0_picture_index(self, buffer: bytearray | memoryview, index: int) -> None:
        """Put another TL0PICIDX where the present one lies, modulo 256; no-op when absent."""
        if self.tl0_picture_index_offset:
            buffer[self.tl0_picture_index_offset] = index & 0xFF

    def _clear(self) -> None:
        self.picture_id = self.tl0_picture_index = self.temporal_id = self.key_index = -1
        self.picture_id_offset = self.tl0_picture_index_offset = 0
        self.long_picture_id = self.layer_sync = self.is_key_frame = False
        self.width = self.height = 0

    def _read_extension(self, buffer: Buffer, offset: int, end: int) -> int:
        """Read I, L, T, K and what they announce; returns where the descriptor ends."""
        if offset >= end:
            raise Malformed("vp8-truncated")
        present = buffer[offset]
        offset += 1
        if present & 0x80:
            offset = self._read_picture_id(buffer, offset, end)
        if present & 0x40:
            if offset >= end:
                raise Malformed("vp8-truncated")
            self.tl0_picture_index = buffer[offset]
            self.tl0_picture_index_offset = offset
            offset += 1
        if present & 0x30:
            if offset >= end:
                raise Malformed("vp8-truncated")
            octet = buffer[offset]
            if present & 0x20:
                self.temporal_id = octet >> 6
                self.layer_sync = bool(octet & 0x20)
            if present & 0x10:
                self.key_index = octet & 0x1F
            offset += 1
        return offset

    def _read_picture_id(self, buffer: Buffer, offset: int, end: int) -> int:
        if offset >= end:
            raise Malformed("vp8-truncated")
        self.picture_id_offset = offset
        first = buffer[offset]
        if first < 0x80:
            self.picture_id = first
            return offset + 1
        if offset + 1 >= end:
            raise Malformed("vp8-truncated")
        self.long_picture_id = True
        self.picture_id = (first & 0x7F) << 8 | buffer[offset + 1]
        return offset + 2

    def _read_size(self, buffer: Buffer, offset: int, end: int) -> None:
        """Width and height, 14 bits each (the upper two are scaling), behind the frame tag and the start code."""
        if offset + _KEY_FRAME_HEADER_LENGTH > end or buffer[offset + 3 : offset + 6] != b"\x9d\x01\x2a":
            return
        self.width = buffer[offset + 6] | (buffer[offset + 7] & 0x3F) << 8
        self.height = buffer[offset + 8] | (buffer[offset + 9] & 0x3F) << 8


def is_key_frame(buffer: Buffer, offset: int, length: int) -> bool:
    """Whether the RTP payload in `buffer[offset:offset + length]` starts a key frame; False when it is too short.

    That is: S is set, PID is 0, and the P bit of the frame tag behind the descriptor is 0 (RFC 7741 4.2, 4.3).
    """
    end = min(offset + length, len(buffer))
    if offset >= end:
        return False
    first = buffer[offset]
    if first & 0x17 != 0x10:
        return False
    offset += 1
    if first & 0x80:
        if offset >= end:
            return False
        present = buffer[offset]
        offset += 1
        if present & 0x80:
            if offset >= end:
                return False
            offset += 2 if buffer[offset] & 0x80 else 1
        if present & 0x40:
            offset += 1
        if present & 0x30:
            offset += 1
    return offset < end and not buffer[offset] & 1
