"""Whenever a consumer of H.264 comes, what it gets can be decoded from its first packet on."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from aiortc.codecs.h264 import h264_depayload
from av import CodecContext, Packet
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from labsfu.core.rtp.packet import encode_packet
from labsfu.wire.rtp import RtpCodecParameters, RtpEncodingParameters, RtpParameters
from tests.support.lab import Lab
from tests.support.media import consume, header_of, payload_of, produce

RECORDED = Path(__file__).parents[2] / "data" / "h264" / "aiortc-payloads.json"
KEY_FRAMES = (0, 3)
STAP_A = 24

H264 = RtpParameters(
    codecs=(
        RtpCodecParameters(
            mime_type="video/H264",
            payload_type=99,
            clock_rate=90000,
            parameters={"packetization-mode": 1, "profile-level-id": "42e01f", "level-asymmetry-allowed": 1},
        ),
    ),
    encodings=(RtpEncodingParameters(ssrc=5),),
)

Pictures = list[list[bytes]]


def as_recorded() -> Pictures:
    return [[bytes.fromhex(payload) for payload in picture] for picture in json.loads(RECORDED.read_text("ascii"))]


def with_each_unit_in_a_packet() -> Pictures:
    """The same, with parameter sets one packet each, as packetization-mode 0 has them."""
    return [[unit for payload in picture for unit in taken_apart(payload)] for picture in as_recorded()]


def taken_apart(payload: bytes) -> list[bytes]:
    if payload[0] & 0x1F != STAP_A:
        return [payload]
    units, rest = [], payload[1:]
    while rest:
        size = int.from_bytes(rest[:2], "big")
        units.append(rest[2 : 2 + size])
        rest = rest[2 + size :]
    return units


def decoded(pictures: Pictures) -> list[NDArray[np.uint8]]:
    """What an independent decoder shows of them."""
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    shown = [
        frame for payloads in pictures for frame in decoder.decode(Packet(b"".join(map(h264_depayload, payloads))))
    ]
    return [np.asarray(frame.to_ndarray()) for frame in (*shown, *decoder.decode(None))]


@pytest.mark.rfc("RFC 6184 5.7.1", "RFC 7742 6.2")
@pytest.mark.parametrize("recording", [as_recorded, with_each_unit_in_a_packet])
def test_a_consumer_that_comes_between_any_two_packets_can_decode_all_it_gets(
    recording: Callable[[], Pictures],
) -> None:
    pictures = recording()
    whole = decoded(pictures)
    assert len(whole) == len(pictures)
    lab = Lab()
    sender, upstream = lab.connected_peer()
    producer = produce(lab, upstream, H264)
    receiver, downstream = lab.connected_peer()
    first_picture: dict[int, int | None] = {}  # by SSRC of each consumer
    sequence = 0
    for number, payloads in enumerate(pictures):
        for place, payload in enumerate(payloads):
            consumer = consume(lab, downstream, producer)
            starts = [frame for frame in KEY_FRAMES if (frame, 0) >= (number, place)]
            ssrc = consumer.rtp_parameters.encodings[0].ssrc
            assert isinstance(ssrc, int)
            first_picture[ssrc] = starts[0] if starts else None
            sequence += 1
            last = place == len(payloads) - 1
            sender.send_rtp(
                encode_packet(
                    payload,
                    payload_type=99,
                    sequence_number=sequence,
                    timestamp=number * 3000,
                    ssrc=5,
                    marker=last,
                )
            )
            lab.pump()
    for ssrc, first in first_picture.items():
        mine = [packet for packet in receiver.rtp if header_of(packet).ssrc == ssrc]
        got = [
            [payload_of(packet) for packet in picture]
            for _, picture in groupby(mine, key=lambda packet: header_of(packet).timestamp)
        ]
        expected = [] if first is None else whole[first:]
        assert len(got) == len(expected)
        assert all(np.array_equal(*pair) for pair in zip(decoded(got), expected, strict=True))


def test_what_starts_at_an_idr_slice_cannot_be_decoded() -> None:
    """Why the slice does not count as the start."""
    pictures = with_each_unit_in_a_packet()
    key_frame = [payload for payload in pictures[3] if payload[0] & 0x1F not in (7, 8)]
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    with pytest.raises(ValueError, match="Invalid data"):
        decoder.decode(Packet(b"".join(map(h264_depayload, key_frame))))
