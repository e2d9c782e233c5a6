"""What is particular to a codec: how frames become payloads, and what a payload says of its frame."""

from __future__ import annotations

from typing import Protocol

import msgspec

from labsfu.wire.rtp import MediaKind


class EncodedFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame that a synthetic encoder has made up.

    Attributes:
        source: number of the sender.
        number: of the frame, without wrap.
        size: octets that it is to have, about.
        captured: monotonic seconds.
        layer: of simulcast.
        temporal_id: temporal layer.
        temporal_layers: how many the stream has.
        reference: how many frames ago its reference is; 0: key frame.
        sync: it is predicted from frames of temporal layer 0 only.
        picture: how many frames the layer has had before.
        base_picture: how many frames of temporal layer 0 it has had, this one included.
        width: pixels; height: the same.
    """

    source: int
    number: int
    size: int
    captured: float
    layer: int = 0
    temporal_id: int = 0
    temporal_layers: int = 1
    reference: int = 0
    sync: bool = False
    picture: int = 0
    base_picture: int = 0
    width: int = 0
    height: int = 0


class PayloadHead(msgspec.Struct, frozen=True, gc=False):
    """What a payload says of its frame.

    Attributes:
        starts: it is the first of the frame.
        key: it is the first of a key frame.
        picture_id: -1 without any.
        base_index: TL0PICIDX, 8 bits; -1 without any.
        temporal_id: -1 without any.
        sync: the frame is predicted from frames of temporal layer 0 only.
    """

    starts: bool
    key: bool
    picture_id: int = -1
    base_index: int = -1
    temporal_id: int = -1
    sync: bool = False


class PayloadFormat(Protocol):
    """The payload format of a codec."""

    @property
    def mime_type(self) -> str:
        """As in RtpParameters."""

    @property
    def kind(self) -> MediaKind:
        """Of the codec."""

    @property
    def clock_rate(self) -> int:
        """Of the RTP timestamp, Hz."""

    def packetize(self, frame: EncodedFrame, limit: int) -> list[bytes]:
        """The payloads of a frame, of at most `limit` octets each, a stamp at the end of each."""

    def read(self, data: bytes, start: int, end: int) -> PayloadHead:
        """What the payload `data[start:end]`, which is not empty, says.

        Raises:
            Malformed: it is cut off.
        """
