from __future__ import annotations

import pytest

from labsfu.core import uris
from labsfu.core.ortc.pipe import get_pipe_consumer_rtp_parameters
from labsfu.core.ortc.produce import get_producer_type
from labsfu.core.ortc.supported import CCM_FIR, NACK, NACK_PLI
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import MediaKind, ProducerType, RtpCapabilities, RtpParameters, RtxParameters
from tests.core.ortc.material import (
    BARE_ROUTER,
    FULL_ROUTER,
    capability,
    codec,
    produced,
    router_for,
    sent,
    stream,
    uris_of,
)

SIMULCAST = sent(
    codec("video/VP8", 96),
    encodings=(
        stream(1, 2, max_bitrate=100, scalability_mode="L1T3"),
        stream(3, 4, max_bitrate=200, scalability_mode="L1T3"),
    ),
    mid="0",
)


def piped(router: RtpCapabilities, *, enable_rtx: bool) -> RtpParameters:
    consumable = produced(MediaKind.VIDEO, SIMULCAST, router)[2]
    return get_pipe_consumer_rtp_parameters(consumable, ssrc=70, rtx_ssrc=80, enable_rtx=enable_rtx)


def test_without_rtx_a_pipe_carries_all_streams_and_key_frame_requests() -> None:
    got = piped(FULL_ROUTER, enable_rtx=False)
    assert [(item.payload_type, item.rtcp_feedback) for item in got.codecs] == [(101, (NACK_PLI, CCM_FIR))]
    assert [(item.ssrc, item.rtx, item.max_bitrate, item.scalability_mode) for item in got.encodings] == [
        (70, ABSENT, 100, "L1T3"),
        (71, ABSENT, 200, "L1T3"),
    ]
    assert got.mid is ABSENT


def test_with_rtx_a_pipe_has_nack_and_rtx_streams_too() -> None:
    got = piped(FULL_ROUTER, enable_rtx=True)
    assert [(item.payload_type, item.rtcp_feedback) for item in got.codecs] == [
        (101, (NACK, NACK_PLI, CCM_FIR)),
        (102, ()),
    ]
    assert [item.rtx for item in got.encodings] == [RtxParameters(ssrc=80), RtxParameters(ssrc=81)]


def test_a_pipe_cannot_have_rtx_that_the_router_does_not_offer() -> None:
    got = piped(BARE_ROUTER, enable_rtx=True)
    assert [(item.payload_type, item.rtcp_feedback) for item in got.codecs] == [(101, (NACK_PLI, CCM_FIR))]
    assert [item.rtx for item in got.encodings] == [ABSENT, ABSENT]


def test_extensions_of_one_hop_stay_behind() -> None:
    assert [id_ for _, id_ in uris_of(piped(FULL_ROUTER, enable_rtx=True))] == [6, 7, 8, 11, 12, 13, 14]


@pytest.mark.parametrize("enable_rtx", [False, True])
def test_what_comes_out_of_a_pipe_can_be_produced_in_a_router_with_other_numbers(enable_rtx: bool) -> None:
    other = router_for(capability("audio/opus", 48000, channels=2), capability("video/VP9"), capability("video/VP8"))
    valid, mapping, consumable = produced(MediaKind.VIDEO, piped(FULL_ROUTER, enable_rtx=enable_rtx), other)
    assert get_producer_type(valid) is ProducerType.SIMULCAST
    assert mapping.codecs == ({101: 103, 102: 104} if enable_rtx else {101: 103})
    assert [(item.ssrc, item.rtx_ssrc) for item in mapping.encodings] == (
        [(70, 80), (71, 81)] if enable_rtx else [(70, ABSENT), (71, ABSENT)]
    )
    assert uris.MID not in mapping.header_extensions
    assert [item.payload_type for item in consumable.codecs] == [103, 104]
