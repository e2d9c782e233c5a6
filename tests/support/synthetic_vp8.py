"""Video that proves itself: RTP packets which look like VP8 to an SFU and say which frame they are part of.

The payload is a VP8 descriptor with a 15-bit PictureID (RFC 7741 4.2), in a frame's first packet a frame tag whose
lowest bit is 0 in key frames (4.3), filling, and at its end which part of which frame it is and when that was captured.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from msgspec.structs import replace

from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.core.rtp.values import abs_send_time_from_seconds, encode_abs_send_time, encode_transport_sequence
from labsfu.core.uris import ABS_SEND_TIME, MID, TRANSPORT_WIDE_CC
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import (
    RtcpFeedback,
    RtcpParameters,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)

MEDIA_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE = 96, 97
MID_ID, SEND_TIME_ID, TRANSPORT_SEQUENCE_ID = 4, 2, 5
CLOCK_RATE = 90_000
KEPT = 1000
"""Packets that a sender can send again."""

_TRAILER = struct.Struct("!IHH?d")
_KEY_FRAME_TAG = bytes.fromhex("10 00 00 9d 01 2a 80 02 68 01")  # P = 0, start code, 640 x 360
_DELTA_FRAME_TAG = bytes.fromhex("11 00 00")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Part `index` of `count` of a frame; `captured` in seconds of the lab's clock."""

    frame: int
    index: int
    count: int
    key: bool
    captured: float

    def encode(self, size: int) -> bytes:
        """A payload of `size` octets."""
        picture = self.frame & 0x7FFF
        head = bytes((0x80 if self.index else 0x90, 0x80, 0x80 | picture >> 8, picture & 0xFF))
        if self.index == 0:
            head += _KEY_FRAME_TAG if self.key else _DELTA_FRAME_TAG
        trailer = _TRAILER.pack(self.frame, self.index, self.count, self.key, self.captured)
        filling = bytes(((self.frame * 31 + self.index) & 0xFF,)) * (size - len(head) - len(trailer))
        return head + filling + trailer

    @classmethod
    def decode(cls, payload: bytes) -> Fragment:
        """Of a payload that came out somewhere."""
        return cls(*_TRAILER.unpack_from(payload, len(payload) - _TRAILER.size))


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a synthetic sender sends; without `rtx_ssrc` it sends packets again as they were (RFC 4585 without 4588)."""

    ssrc: int = 2222
    rtx_ssrc: int | None = 2223
    announced: bool = True
    mid: str = "v"
    nack: bool = True
    transport_cc: bool = False
    first_sequence: int = 65530
    first_timestamp: int = 0xFFFF_0000
    payload_size: int = 1000

    def parameters(self) -> RtpParameters:
        """To be produced with."""
        feedback = [RtcpFeedback(type="nack", parameter="pli"), RtcpFeedback(type="ccm", parameter="fir")]
        feedback += [RtcpFeedback(type="nack")] * self.nack
        feedback.append(RtcpFeedback(type="transport-cc" if self.transport_cc else "goog-remb"))
        codecs = [_codec("video/VP8", MEDIA_PAYLOAD_TYPE, *feedback)]
        if self.rtx_ssrc is not None:
            rtx = _codec("video/rtx", RTX_PAYLOAD_TYPE)
            codecs.append(replace(rtx, parameters={"apt": MEDIA_PAYLOAD_TYPE}))
        extensions = [(MID, MID_ID), (ABS_SEND_TIME, SEND_TIME_ID)]
        extensions += [(TRANSPORT_WIDE_CC, TRANSPORT_SEQUENCE_ID)] * self.transport_cc
        repair = ABSENT if self.rtx_ssrc is None else RtxParameters(ssrc=self.rtx_ssrc)
        return RtpParameters(
            mid=self.mid,
            codecs=tuple(codecs),
            header_extensions=tuple(RtpHeaderExtensionParameters(uri=uri, id=id_) for uri, id_ in extensions),
            encodings=(
                RtpEncodingParameters(ssrc=self.ssrc, rtx=repair) if self.announced else RtpEncodingParameters(),
            ),
            rtcp=RtcpParameters(cname="synthetic"),
        )


def _codec(mime_type: str, payload_type: int, *feedback: RtcpFeedback) -> RtpCodecParameters:
    return RtpCodecParameters(
        mime_type=mime_type, payload_type=payload_type, clock_rate=CLOCK_RATE, rtcp_feedback=feedback
    )


@dataclass(slots=True)
class SentPacket:
    """A packet of the media stream as it was before it became bytes; `number` does not wrap."""

    number: int
    timestamp: int
    marker: bool
    payload: bytes


@dataclass(slots=True)
class Packetizer:
    """Makes the packets of one stream and of its retransmissions; remembers them all.

    `forgotten` are numbers (that do not wrap) which it cannot send again.
    """

    options: StreamOptions = field(default_factory=StreamOptions)
    sent: dict[int, SentPacket] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)
    next_frame: int = 0
    next_number: int = 0
    _rtx_number: int = 65000
    _transport_number: int = 65500

    def __post_init__(self) -> None:
        self.next_number = self.options.first_sequence

    def frame(self, captured: float, parts: int, *, key: bool = False) -> list[bytes]:
        """The next frame, in `parts` packets."""
        frame, self.next_frame = self.next_frame, self.next_frame + 1
        payloads = (Fragment(frame, index, parts, key, captured) for index in range(parts))
        timestamp = self._timestamp(captured)
        return [
            self._media(
                self._remember(timestamp, part.index == parts - 1, part.encode(self.options.payload_size)), captured
            )
            for part in payloads
        ]

    def padding(self, now: float, octets: int = 200) -> bytes:
        """A packet of the media stream that is padding alone; it cannot be sent again."""
        return self._media(self._remember(self._timestamp(now), False, b""), now, octets)

    def rtx_padding(self, now: float, octets: int = 200) -> bytes:
        """A packet of the retransmission stream that is padding alone."""
        return self._retransmission(b"", self._timestamp(now), False, now, octets)

    def again(self, sequence: int, now: float) -> bytes | None:
        """The packet that was sent with this 16-bit number, once more; None if it is not kept."""
        newest = self.next_number - 1
        packet = self.sent.get(newest - ((newest - sequence) & 0xFFFF))
        if packet is None or newest - packet.number >= KEPT:
            return None
        if packet.number in self.forgotten or not packet.payload:
            return None
        if self.options.rtx_ssrc is None:
            return self._media(packet, now)
        original = (packet.number & 0xFFFF).to_bytes(2, "big")  # OSN (RFC 4588 4)
        return self._retransmission(original + packet.payload, packet.timestamp, packet.marker, now, 0)

    def _timestamp(self, at: float) -> int:
        return self.options.first_timestamp + round(at * CLOCK_RATE) & 0xFFFFFFFF

    def _remember(self, timestamp: int, marker: bool, payload: bytes) -> SentPacket:
        packet = SentPacket(self.next_number, timestamp, marker, payload)
        self.sent[packet.number] = packet
        self.next_number += 1
        return packet

    def _media(self, packet: SentPacket, now: float, padding: int = 0) -> bytes:
        return encode_packet(
            packet.payload,
            payload_type=MEDIA_PAYLOAD_TYPE,
            sequence_number=packet.number,
            timestamp=packet.timestamp,
            ssrc=self.options.ssrc,
            marker=packet.marker,
            extensions=self._extensions(now),
            padding_size=padding,
        )

    def _retransmission(self, payload: bytes, timestamp: int, marker: bool, now: float, padding: int) -> bytes:
        assert self.options.rtx_ssrc is not None
        self._rtx_number += 1
        return encode_packet(
            payload,
            payload_type=RTX_PAYLOAD_TYPE,
            sequence_number=self._rtx_number,
            timestamp=timestamp,
            ssrc=self.options.rtx_ssrc,
            marker=marker,
            extensions=self._extensions(now),
            padding_size=padding,
        )

    def _extensions(self, now: float) -> bytes:
        send_time = encode_abs_send_time(abs_send_time_from_seconds(now))
        elements = [(MID_ID, self.options.mid.encode()), (SEND_TIME_ID, send_time)]
        if self.options.transport_cc:
            elements.append((TRANSPORT_SEQUENCE_ID, encode_transport_sequence(self._transport_number)))
            self._transport_number += 1
        return encode_extensions(elements)
