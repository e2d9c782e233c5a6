from __future__ import annotations

import pytest

from labsfu.core import uris
from labsfu.core.ortc.consume import can_consume, get_consumer_rtp_parameters
from labsfu.core.ortc.supported import CCM_FIR, GOOG_REMB, NACK, NACK_PLI, TRANSPORT_CC
from labsfu.errors import InvalidValue, Unsupported
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import (
    ExtensionDirection,
    MediaKind,
    RtcpFeedback,
    RtpCapabilities,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpParameters,
    RtxParameters,
)
from tests.core.ortc.material import (
    BARE_ROUTER,
    BASE_SSRC,
    FULL_ROUTER,
    capability,
    codec,
    knowing,
    produced,
    router_for,
    sent,
    stream,
    uris_of,
)

VP8, RTX, OPUS = capability("video/VP8"), capability("video/rtx", apt=101), capability("audio/opus", 48000, channels=2)
EVERYTHING = (NACK, NACK_PLI, CCM_FIR, GOOG_REMB, TRANSPORT_CC)
MID, ABS_SEND_TIME, TCC = (uris.MID, 1), (uris.ABS_SEND_TIME, 4), (uris.TRANSPORT_WIDE_CC, 5)


def video(router: RtpCapabilities = FULL_ROUTER, *encodings: RtpEncodingParameters) -> RtpParameters:
    parameters = sent(codec("video/VP8", 96), encodings=encodings or (RtpEncodingParameters(ssrc=1),))
    return produced(MediaKind.VIDEO, parameters, router)[2]


def consumed(consumable: RtpParameters, capabilities: RtpCapabilities, *, enable_rtx: bool = True) -> RtpParameters:
    return get_consumer_rtp_parameters(
        consumable, capabilities, ssrc=7000, rtx_ssrc=8000, mid="3", enable_rtx=enable_rtx
    )


def test_a_consumer_gets_the_common_codecs_under_router_payload_types() -> None:
    got = consumed(video(), knowing(OPUS, VP8, RTX))
    assert [(item.mime_type, item.payload_type) for item in got.codecs] == [("video/VP8", 101), ("video/rtx", 102)]
    assert got.mid == "3"
    assert got.encodings == (RtpEncodingParameters(ssrc=7000, rtx=RtxParameters(ssrc=8000)),)


def test_without_common_rtx_there_is_no_rtx_stream() -> None:
    got = consumed(video(), knowing(VP8))
    assert [item.mime_type for item in got.codecs] == ["video/VP8"]
    assert got.encodings == (RtpEncodingParameters(ssrc=7000),)


def test_rtx_can_be_left_out_and_plain_nack_goes_with_it() -> None:
    got = consumed(video(), knowing(VP8, RTX, feedback=EVERYTHING, extensions=(ABS_SEND_TIME,)), enable_rtx=False)
    assert [item.mime_type for item in got.codecs] == ["video/VP8"]
    assert got.codecs[0].rtcp_feedback == (NACK_PLI, CCM_FIR, GOOG_REMB)
    assert got.encodings[0].rtx is ABSENT


def test_rtx_stays_only_beside_the_codec_that_it_repairs() -> None:
    router = router_for(capability("video/H264"), capability("video/VP8"))
    parameters = sent(
        codec("video/H264", 96), codec("video/rtx", 97, apt=96), codec("video/VP8", 98), codec("video/rtx", 99, apt=98)
    )
    consumable = produced(MediaKind.VIDEO, parameters, router)[2]
    client = knowing(VP8, RTX)
    assert can_consume(consumable, client)
    got = consumed(consumable, client)
    assert [(item.mime_type, item.payload_type) for item in got.codecs] == [("video/VP8", 102), ("video/rtx", 103)]


@pytest.mark.parametrize(
    ("extensions", "kept"),
    [
        ((), (NACK, NACK_PLI, CCM_FIR)),
        ((MID,), (NACK, NACK_PLI, CCM_FIR)),
        ((MID, ABS_SEND_TIME), (NACK, NACK_PLI, CCM_FIR, GOOG_REMB)),
        ((TCC,), (NACK, NACK_PLI, CCM_FIR, TRANSPORT_CC)),
        ((ABS_SEND_TIME, TCC), (NACK, NACK_PLI, CCM_FIR, TRANSPORT_CC)),
        (((uris.ABS_SEND_TIME, 3),), (NACK, NACK_PLI, CCM_FIR)),
    ],
)
def test_bandwidth_feedback_needs_the_extension_that_it_measures_by(
    extensions: tuple[tuple[str, int], ...], kept: tuple[RtcpFeedback, ...]
) -> None:
    got = consumed(video(), knowing(VP8, feedback=EVERYTHING, extensions=extensions))
    assert got.codecs[0].rtcp_feedback == kept


def test_a_client_gets_remb_by_abs_send_time_and_nothing_that_is_not_offered() -> None:
    client = knowing(VP8, RTX, feedback=EVERYTHING, extensions=(MID, ABS_SEND_TIME, TCC))
    got = consumed(video(BARE_ROUTER), client)
    assert [item.mime_type for item in got.codecs] == ["video/VP8"]
    assert got.codecs[0].rtcp_feedback == (NACK_PLI, CCM_FIR, GOOG_REMB)
    assert uris_of(got) == [MID, ABS_SEND_TIME]
    assert got.encodings[0].rtx is ABSENT


def test_feedback_is_what_both_know_in_the_clients_order() -> None:
    client = knowing(VP8, feedback=(CCM_FIR, RtcpFeedback(type="foo", parameter="FOO"), NACK_PLI))
    assert consumed(video(), client).codecs[0].rtcp_feedback == (CCM_FIR, NACK_PLI)


def test_audio_never_measures_by_transport_cc() -> None:
    consumable = produced(MediaKind.AUDIO, sent(codec("audio/opus", 111, 48000, channels=2)), FULL_ROUTER)[2]
    got = consumed(consumable, knowing(OPUS, feedback=(NACK, TRANSPORT_CC), extensions=(MID, ABS_SEND_TIME, TCC)))
    assert uris_of(got) == [MID, ABS_SEND_TIME]
    assert got.codecs[0].rtcp_feedback == (NACK,)


def test_extensions_count_by_uri_and_id_and_not_by_kind() -> None:
    consumable = produced(MediaKind.AUDIO, sent(codec("audio/opus", 111, 48000, channels=2)), FULL_ROUTER)[2]
    listed = (
        RtpHeaderExtension(kind=MediaKind.VIDEO, uri=uris.MID, preferred_id=1),
        RtpHeaderExtension(uri=uris.AUDIO_LEVEL, preferred_id=2),
        RtpHeaderExtension(kind=MediaKind.VIDEO, uri=uris.VIDEO_ORIENTATION, preferred_id=11),
        RtpHeaderExtension(uri=uris.PLAYOUT_DELAY, preferred_id=14, direction=ExtensionDirection.INACTIVE),
        RtpHeaderExtension(uri=uris.ABS_CAPTURE_TIME, preferred_id=13, direction=ExtensionDirection.RECVONLY),
    )
    got = consumed(consumable, RtpCapabilities(codecs=(OPUS,), header_extensions=listed))
    assert uris_of(got) == [MID, (uris.ABS_CAPTURE_TIME, 13)]


def test_rids_are_never_sent_to_a_consumer() -> None:
    client = knowing(VP8, extensions=(MID, (uris.RTP_STREAM_ID, 2), (uris.REPAIRED_RTP_STREAM_ID, 3)))
    assert uris_of(consumed(video(), client)) == [MID]


LOW = stream(1, 2, max_bitrate=9, scalability_mode="L1T3")
HIGH = stream(3, 4, max_bitrate=6, scalability_mode="L1T2")


@pytest.mark.parametrize(
    ("encodings", "mode", "bitrate"),
    [
        ([RtpEncodingParameters(ssrc=1)], ABSENT, ABSENT),
        ([RtpEncodingParameters(ssrc=1, scalability_mode="L1T3", max_bitrate=5)], "L1T3", 5),
        ([RtpEncodingParameters(ssrc=1), RtpEncodingParameters(ssrc=2)], "L2T1", ABSENT),
        ([LOW, HIGH], "L2T3", 9),
        ([RtpEncodingParameters(rid="a"), HIGH], "L2T2", 6),
    ],
)
def test_all_encodings_become_one_stream(encodings: list[RtpEncodingParameters], mode: object, bitrate: object) -> None:
    got = consumed(video(FULL_ROUTER, *encodings), knowing(VP8))
    assert [(item.ssrc, item.scalability_mode, item.max_bitrate) for item in got.encodings] == [(7000, mode, bitrate)]


def test_a_pipe_keeps_every_encoding_and_has_no_mid() -> None:
    consumable = video(
        FULL_ROUTER,
        stream(1, 2, max_bitrate=5, scalability_mode="L1T3"),
        stream(3, 4, max_bitrate=6, scalability_mode="L1T3"),
    )
    got = get_consumer_rtp_parameters(consumable, knowing(VP8, RTX), ssrc=7000, rtx_ssrc=8000, pipe=True)
    assert got.mid is ABSENT
    assert [(item.ssrc, item.rtx, item.max_bitrate, item.scalability_mode) for item in got.encodings] == [
        (7000, RtxParameters(ssrc=8000), 5, "L1T3"),
        (7001, RtxParameters(ssrc=8001), 6, "L1T3"),
    ]
    assert [item.ssrc for item in consumable.encodings] == [BASE_SSRC, BASE_SSRC + 1]


@pytest.mark.parametrize(
    "client",
    [
        knowing(),
        knowing(OPUS),
        knowing(RTX),
        knowing(capability("video/VP9"), RTX),
        knowing(capability("video/VP8", 48000)),
    ],
)
def test_without_a_common_media_codec_nothing_can_be_consumed(client: RtpCapabilities) -> None:
    assert not can_consume(video(), client)
    with pytest.raises(Unsupported) as refusal:
        consumed(video(), client)
    assert refusal.value.slug == "no-common-codec"
    assert "video/VP8" in refusal.value.detail


@pytest.mark.parametrize(("profile", "consumes"), [(2, True), ("2", True), (0, False)])
def test_vp9_is_consumed_in_its_profile_only(profile: int | str, consumes: bool) -> None:
    router = router_for(capability("video/VP9", profile_id=2))
    consumable = produced(MediaKind.VIDEO, sent(codec("video/VP9", 96, profile_id=2)), router)[2]
    assert can_consume(consumable, knowing(capability("video/VP9", profile_id=profile))) is consumes


def test_malformed_capabilities_are_refused() -> None:
    wrong = knowing(capability("chicken"))
    with pytest.raises(InvalidValue, match="chicken"):
        can_consume(video(), wrong)
    with pytest.raises(InvalidValue, match="chicken"):
        consumed(video(), wrong)
