"""VP8 payloads (RFC 7741 4.2, 4.3): descriptor, frame tag, filling. What they hold decodes to no picture."""

from __future__ import annotations

from clients.synthetic import stamp
from clients.synthetic.formats import EncodedFrame, PayloadHead
from clients.synthetic.stamp import Stamp
from labsfu.errors import Malformed
from labsfu.wire.rtp import MediaKind

_START_CODE = b"\x9d\x01\x2a"
_FILLING = bytes(2000)
_EXTENDED, _START, _NOT_REFERENCED = 0x80, 0x10, 0x20
_PICTURE, _BASE, _TEMPORAL, _KEY_INDEX = 0x80, 0x40, 0x20, 0x10


class Vp8:
    """VP8 as browsers send it: 15-bit PictureID always, TL0PICIDX and TID with temporal layers."""

    mime_type = "video/VP8"
    kind = MediaKind.VIDEO
    clock_rate = 90_000

    def packetize(self, frame: EncodedFrame, limit: int) -> list[bytes]:
        """The payloads of a frame; the first has its tag, and the size of the picture in a key frame."""
        descriptor = _descriptor(frame)
        tag = _tag(frame)
        first = bytes((descriptor[0] | _START,)) + descriptor[1:] + tag
        room = limit - len(descriptor) - stamp.LENGTH
        content = max(frame.size, len(tag) + 1)
        count = -(-content // room)
        share, longer = divmod(content, count)
        payloads = []
        for index in range(count):
            mark = Stamp(
                frame.source,
                frame.number,
                frame.captured,
                frame.layer,
                frame.temporal_id,
                frame.reference,
                index,
                count,
            ).encode()
            length = share + (index < longer) + len(descriptor)
            head = descriptor if index else first
            payloads.append(head + _FILLING[: length - len(head)] + mark)
        return payloads

    def read(self, data: bytes, start: int, end: int) -> PayloadHead:
        """What descriptor and frame tag say.

        Raises:
            Malformed: `vp8-truncated`.
        """
        first = data[start]
        offset = start + 1
        picture = base = temporal = -1
        sync = False
        # whatever is read beyond the end is noticed below: the buffer goes on, or slicing gives less
        octets = data[offset : offset + 6] + bytes(6)
        if first & _EXTENDED:
            present = octets[0]
            at = 1
            if present & _PICTURE:
                picture = octets[at]
                at += 1
                if picture & 0x80:
                    picture = (picture & 0x7F) << 8 | octets[at]
                    at += 1
            if present & _BASE:
                base = octets[at]
                at += 1
            if present & (_TEMPORAL | _KEY_INDEX):
                if present & _TEMPORAL:
                    temporal, sync = octets[at] >> 6, bool(octets[at] & 0x20)
                at += 1
            offset += at
        if offset > end:
            raise Malformed("vp8-truncated")
        starts = first & 0x17 == _START
        return PayloadHead(starts, starts and offset < end and not data[offset] & 1, picture, base, temporal, sync)


def _descriptor(frame: EncodedFrame) -> bytes:
    """The descriptor, without S."""
    layered = frame.temporal_layers > 1
    unused = layered and frame.temporal_id == frame.temporal_layers - 1
    picture = frame.picture & 0x7FFF | 0x8000
    head = bytes((_EXTENDED | (_NOT_REFERENCED if unused else 0), _PICTURE | (_BASE | _TEMPORAL if layered else 0)))
    head += picture.to_bytes(2, "big")
    if layered:
        head += bytes((frame.base_picture & 0xFF, frame.temporal_id << 6 | frame.sync << 5))
    return head


def _tag(frame: EncodedFrame) -> bytes:
    """The frame tag (RFC 6386 9.1): key frame or not, shown, half of the frame is the first partition."""
    key = not frame.reference
    partition = min(frame.size // 2, 0x7FFFF)
    tag = (partition << 5 | 0x10 | (not key)).to_bytes(3, "little")
    if not key:
        return tag
    return tag + _START_CODE + frame.width.to_bytes(2, "little") + frame.height.to_bytes(2, "little")
