"""One H264 producer of three streams through every step, into a consumer and into a pipe: the reference's own chain."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from labsfu.core import uris
from labsfu.core.ortc.consume import get_consumer_rtp_parameters
from labsfu.core.ortc.pipe import get_pipe_consumer_rtp_parameters
from labsfu.core.ortc.produce import get_producer_type
from labsfu.core.ortc.supported import CCM_FIR, GOOG_REMB, NACK, NACK_PLI
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import (
    MediaKind,
    ProducerType,
    RtcpParameters,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from tests.core.ortc.material import BASE_SSRC, capability, codec, knowing, produced, router_for, sent, stream, uris_of

ROUTER = router_for(
    capability("audio/opus", 48000, channels=2),
    capability(
        "video/H264", level_asymmetry_allowed=1, packetization_mode=1, profile_level_id="4d0032", of_router="kept there"
    ),
)
SENT = replace(
    sent(
        codec("video/H264", 111, packetization_mode=1, profile_level_id="4d0032", of_producer=1234),
        codec("video/rtx", 112, apt=111),
        encodings=(
            stream(11, 12, max_bitrate=111_111, scalability_mode="L1T3"),
            stream(21, 22, max_bitrate=222_222, scalability_mode="L1T3"),
            RtpEncodingParameters(rid="high", max_bitrate=333_333, scalability_mode="L1T3"),
        ),
        extensions=((uris.MID, 1), (uris.VIDEO_ORIENTATION, 2)),
    ),
    rtcp=RtcpParameters(cname="qwerty"),
)
CLIENT = knowing(
    capability("audio/opus", 48000, channels=2),
    capability("video/H264", packetization_mode=1, profile_level_id="4d0032", of_client="ignored"),
    capability("video/rtx", apt=101),
    extensions=(
        (uris.MID, 1),
        (uris.RTP_STREAM_ID, 2),
        (uris.AUDIO_LEVEL, 8),
        (uris.VIDEO_ORIENTATION, 11),
        (uris.TRANSMISSION_OFFSET, 12),
    ),
    feedback=(NACK, NACK_PLI, GOOG_REMB),
)
H264 = RtpCodecParameters(
    mime_type="video/H264",
    payload_type=101,
    clock_rate=90000,
    parameters={"packetization-mode": 1, "profile-level-id": "4d0032", "of-producer": 1234},
    rtcp_feedback=ROUTER.codecs[1].rtcp_feedback,
)
H264_RTX = RtpCodecParameters(mime_type="video/rtx", payload_type=102, clock_rate=90000, parameters={"apt": 101})


@pytest.fixture(scope="module")
def consumable() -> RtpParameters:
    return produced(MediaKind.VIDEO, SENT, ROUTER)[2]


def test_the_producer_is_mapped() -> None:
    valid, mapping, _ = produced(MediaKind.VIDEO, SENT, ROUTER)
    assert get_producer_type(valid) is ProducerType.SIMULCAST
    assert mapping.codecs == {111: 101, 112: 102}
    assert [(item.mapped_ssrc - BASE_SSRC, item.ssrc, item.rtx_ssrc, item.rid) for item in mapping.encodings] == [
        (0, 11, 12, ABSENT),
        (1, 21, 22, ABSENT),
        (2, ABSENT, ABSENT, "high"),
    ]


def test_what_is_consumable(consumable: RtpParameters) -> None:
    assert consumable.codecs == (H264, H264_RTX)
    assert consumable.encodings == tuple(
        RtpEncodingParameters(ssrc=BASE_SSRC + index, max_bitrate=bitrate, scalability_mode="L1T3", dtx=False)
        for index, bitrate in enumerate((111_111, 222_222, 333_333))
    )
    assert consumable.rtcp == RtcpParameters(cname="qwerty", reduced_size=True)


def test_what_a_client_gets(consumable: RtpParameters) -> None:
    got = get_consumer_rtp_parameters(consumable, CLIENT, ssrc=7, rtx_ssrc=8, mid="0")
    assert got == RtpParameters(
        mid="0",
        codecs=(replace(H264, rtcp_feedback=(NACK, NACK_PLI)), H264_RTX),
        header_extensions=tuple(
            RtpHeaderExtensionParameters(uri=uri, id=id_)
            for uri, id_ in ((uris.MID, 1), (uris.VIDEO_ORIENTATION, 11), (uris.TRANSMISSION_OFFSET, 12))
        ),
        encodings=(
            RtpEncodingParameters(ssrc=7, rtx=RtxParameters(ssrc=8), scalability_mode="L3T3", max_bitrate=333_333),
        ),
        rtcp=RtcpParameters(cname="qwerty", reduced_size=True),
    )


def test_what_another_router_gets(consumable: RtpParameters) -> None:
    got = get_pipe_consumer_rtp_parameters(consumable, ssrc=70, rtx_ssrc=80, enable_rtx=False)
    assert got.codecs == (replace(H264, rtcp_feedback=(NACK_PLI, CCM_FIR)),)
    assert [id_ for _, id_ in uris_of(got)] == [6, 7, 8, 11, 12, 13, 14]
    assert got.encodings == tuple(replace(item, ssrc=70 + index) for index, item in enumerate(consumable.encodings))
    assert (got.mid, got.rtcp) == (ABSENT, consumable.rtcp)
