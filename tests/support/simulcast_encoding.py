"""One encoding of a simulcast sender: RTP packets that look like VP8 to an SFU, and all that is to be known of them.

The payload is a VP8 descriptor (RFC 7741 4.2), in a frame's first packet a frame tag whose lowest bit is 0 in key
frames (4.3), filling, and at its end which encoding, which frame and which part of it this is (`Fragment`).
Frames are numbered from 0 over all encodings together: the same number is the same picture.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.core.rtp.values import abs_send_time_from_seconds, encode_abs_send_time
from tests.support.synthetic_vp8 import CLOCK_RATE, KEPT, MEDIA_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE, Fragment

MID = "v"
MID_ID, SEND_TIME_ID, RID_ID, REPAIRED_RID_ID = 4, 2, 10, 11
TRAILER = 18
"""Octets at a payload's end: the index of the encoding, and a `Fragment`."""

_KEY_FRAME_TAG = bytes.fromhex("10 00 00 9d 01 2a 80 02 68 01")  # P = 0, start code, 640 x 360
_DELTA_FRAME_TAG = bytes.fromhex("11 00 00")


@dataclass(frozen=True, slots=True)
class Slot:
    """A frame's place in a pattern of temporal layers: `sync` (Y) refers to T0 only, else to all up to its own."""

    tid: int
    sync: bool = False


PATTERNS = {1: (Slot(0),), 3: (Slot(0), Slot(2, sync=True), Slot(1, sync=True), Slot(2))}
"""As libvpx codes L1T1 and L1T3; each key frame begins the pattern anew."""


@dataclass(frozen=True, slots=True)
class SentFrame:
    """A frame as it was sent; `captured` in seconds of the lab's clock, `references` are numbers of other frames."""

    layer: int
    number: int
    captured: float
    timestamp: int
    key: bool
    tid: int
    references: frozenset[int]
    payloads: tuple[bytes, ...]
    picture_id_bits: int
    has_tl0: bool

    def split(self, part: int, payload: bytes) -> tuple[int, int, bytes]:
        """PictureID and TL0PICIDX (-1: absent) of a payload that is one of ours, and it with ours in their place."""
        sent = self.payloads[part]
        end = 2 + self.picture_id_bits // 7
        long = 0x8000 if self.picture_id_bits == 15 else 0
        picture_id, tl0 = int.from_bytes(payload[2:end], "big") - long, -1
        payload = payload[:2] + sent[2:end] + payload[end:]
        if self.has_tl0:
            tl0 = payload[end]
            payload = payload[:end] + sent[end : end + 1] + payload[end + 1 :]
        return picture_id, tl0, payload


@dataclass(slots=True)
class Encoding:
    """Makes the packets of one encoding and of its retransmissions, and remembers them.

    Its SSRCs are fixed, all other numbers begin where `seed` says, near their wrap. `by_rid`: packets say which
    encoding they are of. Numbers of packets do not wrap.
    """

    layer: int
    seed: int
    temporal_layers: int = 1
    by_rid: bool = True
    picture_id_bits: int = 15
    has_tl0: bool = True
    payload_size: int = 100
    frames: dict[int, SentFrame] = field(default_factory=dict)
    packets: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Frame and part, by the packet's number."""
    next_number: int = 0
    first_timestamp: int = 0
    _picture_id: int = 0
    _tl0: int = 0
    _rtx_number: int = 0
    _slot: int = 0
    _newest: dict[int, int] = field(default_factory=dict)
    """The last frame of each temporal layer."""

    def __post_init__(self) -> None:
        draw = random.Random(f"{self.seed} {self.layer}")
        self.next_number = draw.randrange(65_400, 65_536)
        self.first_timestamp = draw.randrange(1 << 32)
        if draw.random() < 0.5:
            self.first_timestamp = -round(1000 * CLOCK_RATE) - draw.randrange(4 * CLOCK_RATE) & 0xFFFFFFFF
        self._picture_id = draw.randrange(0x8000 - 60, 0x8000)
        self._tl0 = draw.randrange(236, 256)
        self._rtx_number = draw.randrange(65_400, 65_536)

    @property
    def ssrc(self) -> int:
        """Of the media."""
        return 7000 + self.layer

    @property
    def rtx_ssrc(self) -> int:
        """Of retransmissions."""
        return 7100 + self.layer

    @property
    def rid(self) -> str:
        """What it is announced as."""
        return f"r{self.layer}"

    def frame(self, number: int, captured: float, parts: int, *, key: bool) -> list[bytes]:
        """The next frame, in `parts` packets."""
        if key:
            self._slot = 0
        slot = PATTERNS[self.temporal_layers][self._slot % len(PATTERNS[self.temporal_layers])]
        self._slot += 1
        references = frozenset() if key else self._references(slot)
        self._newest[slot.tid] = number
        if key:
            self._newest = {0: number}
        self._picture_id += 1
        self._tl0 += slot.tid == 0
        payloads = (self._payload(Fragment(number, index, parts, key, captured), slot) for index in range(parts))
        self.frames[number] = SentFrame(
            self.layer, number, captured, self.timestamp(captured), key, slot.tid, references, tuple(payloads),
            self.picture_id_bits, self.has_tl0,
        )  # fmt: skip
        first, self.next_number = self.next_number, self.next_number + parts
        self.packets |= {first + part: (number, part) for part in range(parts)}
        return [self.packet(first + part, captured) for part in range(parts)]

    def packet(self, number: int, now: float) -> bytes:
        """A packet of the media stream, sent at `now`."""
        frame, part = self._sent(number)
        return encode_packet(
            frame.payloads[part],
            payload_type=MEDIA_PAYLOAD_TYPE,
            sequence_number=number,
            timestamp=frame.timestamp,
            ssrc=self.ssrc,
            marker=part == len(frame.payloads) - 1,
            extensions=self._extensions(now, RID_ID),
        )

    def again(self, sequence: int, now: float) -> bytes | None:
        """The packet that was sent with this 16-bit number, as RTX (RFC 4588 4); None if it is not kept."""
        number = self._number(sequence)
        if number not in self.packets or self.next_number - number > KEPT:
            return None
        frame, part = self._sent(number)
        self._rtx_number += 1
        return encode_packet(
            (number & 0xFFFF).to_bytes(2, "big") + frame.payloads[part],
            payload_type=RTX_PAYLOAD_TYPE,
            sequence_number=self._rtx_number,
            timestamp=frame.timestamp,
            ssrc=self.rtx_ssrc,
            marker=part == len(frame.payloads) - 1,
            extensions=self._extensions(now, REPAIRED_RID_ID),
        )

    def place(self, sequence: int) -> tuple[int, int]:
        """Which part of which frame was sent last with this 16-bit number."""
        return self.packets[self._number(sequence)]

    def timestamp(self, at: float) -> int:
        """The RTP timestamp of an instant of the lab's clock."""
        return self.first_timestamp + round(at * CLOCK_RATE) & 0xFFFFFFFF

    def _number(self, sequence: int) -> int:
        newest = self.next_number - 1
        return newest - ((newest - sequence) & 0xFFFF)

    def _sent(self, number: int) -> tuple[SentFrame, int]:
        frame, part = self.packets[number]
        return self.frames[frame], part

    def _references(self, slot: Slot) -> frozenset[int]:
        highest = 0 if slot.sync else slot.tid
        return frozenset(self._newest[tid] for tid in range(highest + 1))

    def _payload(self, part: Fragment, slot: Slot) -> bytes:
        head = self._descriptor(part, slot)
        if part.index == 0:
            head += _KEY_FRAME_TAG if part.key else _DELTA_FRAME_TAG
        body = part.encode(self.payload_size)
        return head + bytes(body[40 : 1 - TRAILER]) + bytes((self.layer,)) + body[1 - TRAILER :]

    def _descriptor(self, part: Fragment, slot: Slot) -> bytes:
        first = 0x80 | (0x10 if part.index == 0 else 0) | (0x20 if slot.tid == 2 else 0)
        present = 0x80 | (0x60 if self.has_tl0 else 0)
        if self.picture_id_bits == 15:
            numbers = (0x8000 | self._picture_id & 0x7FFF).to_bytes(2, "big")
        else:
            numbers = bytes((self._picture_id & 0x7F,))
        if self.has_tl0:
            numbers += bytes((self._tl0 & 0xFF, slot.tid << 6 | (0x20 if slot.sync else 0)))
        return bytes((first, present)) + numbers

    def _extensions(self, now: float, rid_id: int) -> bytes:
        elements = [(MID_ID, MID.encode()), (SEND_TIME_ID, encode_abs_send_time(abs_send_time_from_seconds(now)))]
        return encode_extensions([*elements, (rid_id, self.rid.encode())] if self.by_rid else elements)


def place_of(payload: bytes) -> tuple[int, Fragment]:
    """Which encoding a payload is of, and which part of which frame."""
    return payload[-TRAILER], Fragment.decode(payload)
