"""A sender of simulcast: several encodings, each with numbers of its own, and temporal layers in them."""

from __future__ import annotations

import msgspec

from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import encode_packet
from labsfu.wire.rtp import RtpEncodingParameters, RtpHeaderExtensionParameters, RtpParameters
from tests.support.lab import Peer
from tests.support.media import repaired_video_parameters

RID_URI = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"


def simulcast_parameters(rids: tuple[str, ...] = ("r0", "r1", "r2"), mode: str = "L1T1") -> RtpParameters:
    plain = repaired_video_parameters()
    return msgspec.structs.replace(
        plain,
        header_extensions=(
            *plain.header_extensions,
            RtpHeaderExtensionParameters(uri=RID_URI, id=10),
            RtpHeaderExtensionParameters(uri=REPAIRED_RID_URI, id=11),
        ),
        encodings=tuple(RtpEncodingParameters(rid=rid, scalability_mode=mode) for rid in rids),
    )


class Layer:
    """One encoding of a sender: numbers, timestamps and PictureIDs of its own."""

    def __init__(self, peer: Peer, index: int) -> None:
        self.peer = peer
        self.index = index
        self.ssrc = 7000 + index
        self.sequence = 65_500 + 10 * index
        self.picture_id = 32_760 + 3 * index
        self.tl0 = 250 + index
        self.base = 1_000_000_000 * (index + 1)

    def packet(self, *, key: bool = False, parts: int = 1, part: int = 0, tid: int = 0, sync: bool = False) -> bytes:
        first = 0x90 if part == 0 else 0x80
        descriptor = bytes((
            first, 0xE0, 0x80 | self.picture_id >> 8 & 0x7F, self.picture_id & 0xFF, self.tl0 & 0xFF,
            tid << 6 | (0x20 if sync else 0),
        ))  # fmt: skip
        frame = (b"\x00\x00\x00\x9d\x01\x2a\x80\x02\x68\x01" if key else b"\x01\x00\x00") if part == 0 else b"more"
        timestamp = self.base + round(self.peer.lab.now * 90_000) & 0xFFFFFFFF
        return encode_packet(
            descriptor + frame + f"r{self.index}".encode(),
            payload_type=96,
            sequence_number=self.sequence & 0xFFFF,
            timestamp=timestamp,
            ssrc=self.ssrc,
            marker=part == parts - 1,
            extensions=encode_extensions([(4, b"v"), (10, f"r{self.index}".encode())]),
        )

    def frame(self, *, key: bool = False, parts: int = 2, tid: int = 0, sync: bool = False) -> list[bytes]:
        """The next picture."""
        self.picture_id += 1
        self.tl0 += tid == 0
        packets = []
        for part in range(parts):
            packets.append(self.packet(key=key, parts=parts, part=part, tid=tid, sync=sync))
            self.sequence += 1
        return packets
