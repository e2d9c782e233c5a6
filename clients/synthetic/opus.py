"""Opus payloads (RFC 6716 3.1, RFC 7587): each packet is a frame of 20 ms that decodes to silence."""

from __future__ import annotations

from clients.synthetic import stamp
from clients.synthetic.formats import EncodedFrame, PayloadHead
from clients.synthetic.stamp import Stamp
from labsfu.wire.rtp import MediaKind

_SILENCE = bytes.fromhex("fc ff fe")
"""TOC: CELT only, fullband, 20 ms, stereo, one frame; then CELT's silence flag: the decoder looks at nothing more."""
_FILLING = bytes(1275)
_HEAD = PayloadHead(starts=True, key=True)


class Opus:
    """Opus in stereo at 48 kHz, one frame of 20 ms in each packet."""

    mime_type = "audio/opus"
    kind = MediaKind.AUDIO
    clock_rate = 48_000

    def packetize(self, frame: EncodedFrame, limit: int) -> list[bytes]:
        """One payload of about `frame.size` octets, a little more than a stamp at the least."""
        mark = Stamp(frame.source, frame.number, frame.captured).encode()
        size = min(frame.size, limit, 1275)
        return [_SILENCE + _FILLING[: max(0, size - len(_SILENCE) - stamp.LENGTH)] + mark]

    def read(self, data: bytes, start: int, end: int) -> PayloadHead:  # noqa: ARG002 - any packet is all of a frame
        """Every packet is a frame, and needs no other."""
        return _HEAD
