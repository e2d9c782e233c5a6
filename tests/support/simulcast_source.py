"""A sender of simulcast on a lab's peer: all encodings by one clock, key frames and retransmissions when asked."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain, zip_longest

from msgspec.structs import replace

from labsfu.core.rtcp.compound import RtcpPacket
from labsfu.core.rtcp.nack import Nack
from labsfu.core.rtcp.ntp import ntp_from_unix
from labsfu.core.rtcp.pli import PictureLossIndication
from labsfu.core.rtcp.reports import SenderReport
from labsfu.core.rtcp.sdes import CNAME, SdesChunk, SdesItem, SourceDescription
from labsfu.core.uris import ABS_SEND_TIME, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID
from labsfu.core.uris import MID as MID_URI
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import (
    RtcpParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from tests.support.lab import Peer
from tests.support.media import REPAIRED_VP8, RTX_VP8
from tests.support.simulcast_encoding import (
    MID,
    MID_ID,
    REPAIRED_RID_ID,
    RID_ID,
    SEND_TIME_ID,
    Encoding,
)
from tests.support.video import unix_time

FRAME_RATE = 30.0
REPORT_INTERVAL = 1.0
CLOCK_SKEW = 37.25
"""Seconds by which the sender's wall clock is ahead."""


class Order(Enum):
    """How the packets of one picture's encodings follow one another."""

    RISING = auto()
    FALLING = auto()
    MIXED = auto()


@dataclass(frozen=True, slots=True)
class SimulcastOptions:
    """What a sender of three encodings is like; `reports`: it sends SR."""

    seed: int = 1
    temporal_layers: int = 1
    by_rid: bool = True
    reports: bool = True
    picture_id_bits: int = 15
    has_tl0: bool = True
    order: Order = Order.RISING
    parts: tuple[int, int, int] = (1, 2, 3)

    def encodings(self) -> tuple[Encoding, Encoding, Encoding]:
        """What it sends, nothing of which is made yet."""
        low, middle, high = (
            Encoding(layer, self.seed, self.temporal_layers, self.by_rid, self.picture_id_bits, self.has_tl0)
            for layer in range(3)
        )
        return low, middle, high

    def parameters(self) -> RtpParameters:
        """To be produced with: each encoding is announced by its RID, or by its SSRCs."""
        mode = f"L1T{self.temporal_layers}"
        extensions = [(MID_URI, MID_ID), (ABS_SEND_TIME, SEND_TIME_ID)]
        if self.by_rid:
            extensions += [(RTP_STREAM_ID, RID_ID), (REPAIRED_RTP_STREAM_ID, REPAIRED_RID_ID)]
        feedback = tuple(item for item in REPAIRED_VP8.rtcp_feedback if item.type != "transport-cc")
        return RtpParameters(
            mid=MID,
            codecs=(replace(REPAIRED_VP8, rtcp_feedback=feedback), RTX_VP8),
            header_extensions=tuple(RtpHeaderExtensionParameters(uri=uri, id=id_) for uri, id_ in extensions),
            encodings=tuple(
                RtpEncodingParameters(
                    ssrc=ABSENT if self.by_rid else encoding.ssrc,
                    rid=encoding.rid if self.by_rid else ABSENT,
                    rtx=ABSENT if self.by_rid else RtxParameters(ssrc=encoding.rtx_ssrc),
                    scalability_mode=mode,
                )
                for encoding in self.encodings()
            ),
            rtcp=RtcpParameters(cname="synthetic"),
        )


class SimulcastSource:
    """Sends pictures from `start` on, each in all encodings that are not `silent`: the first is a key frame in each.

    Of an encoding that a PLI names (or a test, by `ask`) the next frame is a key frame, and no other. NACKs are
    answered by RTX, unless it is `silent_to_questions`. `requests` are the SSRCs that PLIs named, with the instant.
    """

    def __init__(self, peer: Peer, options: SimulcastOptions) -> None:
        self.peer = peer
        self.options = options
        self.encodings = options.encodings()
        self.silent: set[int] = set()
        self.silent_to_questions = False
        self.captured: list[float] = []
        self.requests: list[tuple[float, int]] = []
        self.resent = 0
        self.first_frame_at = 0.0
        self._key_frames_wanted = {encoding.ssrc for encoding in self.encodings}
        self._draw = random.Random(options.seed)
        self._next_frame: float | None = None
        self._next_report: float | None = None
        peer.programmes.append(self)

    def start(self) -> None:
        """Begin, with a frame at once."""
        self.first_frame_at = self._next_frame = self.peer.lab.now
        if self.options.reports:
            self._next_report = self.peer.lab.now + 0.1
        self.tick()

    def stop(self) -> None:
        """Capture no more; what was sent can still be asked for."""
        self._next_frame = None

    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        return min((at for at in (self._next_frame, self._next_report) if at is not None), default=None)

    def tick(self) -> None:
        """Send what is due."""
        now = self.peer.lab.now
        while self._next_frame is not None and now >= self._next_frame:
            self.send_picture()
            self._next_frame = self.first_frame_at + len(self.captured) / FRAME_RATE
        if self._next_report is not None and now >= self._next_report:
            self._report(now)
            self._next_report += REPORT_INTERVAL

    def ask(self, layer: int) -> None:
        """Let the next frame of an encoding be a key frame."""
        self._key_frames_wanted.add(self.encodings[layer].ssrc)

    def send_picture(self) -> None:
        """Send a picture now."""
        for packet in self.picture():
            self.peer.send_rtp(packet)

    def picture(self) -> list[bytes]:
        """The packets of the next picture, captured now."""
        now, number = self.peer.lab.now, len(self.captured)
        self.captured.append(now)
        frames = []
        for encoding in self.encodings:
            if encoding.layer in self.silent:
                continue
            key = encoding.ssrc in self._key_frames_wanted
            self._key_frames_wanted.discard(encoding.ssrc)
            parts = self.options.parts[encoding.layer] * (1 + key)
            frames.append(encoding.frame(number, now, parts, key=key))
        return self._in_order(frames)

    def _in_order(self, frames: list[list[bytes]]) -> list[bytes]:
        match self.options.order:
            case Order.RISING:
                return list(chain(*frames))
            case Order.FALLING:
                return list(chain(*reversed(frames)))
            case Order.MIXED:
                self._draw.shuffle(frames)
                return [packet for packets in zip_longest(*frames) for packet in packets if packet is not None]

    def receive_rtp(self, packet: bytes) -> None:
        """A sender is sent none."""

    def receive_rtcp(self, packet: RtcpPacket) -> None:
        """Do as the engine asks."""
        match packet:
            case Nack(media_ssrc=ssrc):
                self._send_again(ssrc, packet.sequence_numbers)
            case PictureLossIndication(media_ssrc=ssrc):
                self.requests.append((self.peer.lab.now, ssrc))
                self._key_frames_wanted.add(ssrc)
            case _:
                pass

    def _send_again(self, ssrc: int, sequences: tuple[int, ...]) -> None:
        for encoding in (encoding for encoding in self.encodings if encoding.ssrc == ssrc):
            for sequence in sequences:
                packet = encoding.again(sequence, self.peer.lab.now)
                if packet is not None and not self.silent_to_questions:
                    self.resent += 1
                    self.peer.send_rtp(packet)

    def _report(self, now: float) -> None:
        """SR of each encoding by one clock, in a compound of its own (RFC 3550 6.4.1)."""
        for encoding in self.encodings:
            if encoding.layer not in self.silent:
                report = SenderReport(
                    ssrc=encoding.ssrc,
                    ntp_timestamp=ntp_from_unix(unix_time(now) + CLOCK_SKEW),
                    rtp_timestamp=encoding.timestamp(now),
                    packet_count=len(encoding.packets),
                    octet_count=100 * len(encoding.packets),
                )
                name = SourceDescription((SdesChunk(encoding.ssrc, (SdesItem(CNAME, b"synthetic"),)),))
                self.peer.send_rtcp(report, name)
