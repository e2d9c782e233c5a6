"""The whole chain, fed with what real clients said: Chromium as recorded, aiortc as it is installed."""

from __future__ import annotations

import msgspec
import pytest
from aiortc.codecs import CODECS, HEADER_EXTENSIONS

from labsfu.core import uris
from labsfu.core.ortc.consume import can_consume, get_consumer_rtp_parameters
from labsfu.core.ortc.extensions import HeaderExtensionMap
from labsfu.core.ortc.pipe import get_pipe_consumer_rtp_parameters
from labsfu.core.ortc.produce import get_producer_rtp_mapping, get_producer_type
from labsfu.core.ortc.supported import CCM_FIR, GOOG_REMB, NACK, NACK_PLI, OFFER_EVERYTHING, TRANSPORT_CC, Offer
from labsfu.core.ortc.validate import validate_rtp_parameters
from labsfu.errors import Unsupported
from labsfu.wire.base import ABSENT, JsonObject, from_json, to_json
from labsfu.wire.rtp import (
    MediaKind,
    ProducerType,
    RtcpParameters,
    RtpCapabilities,
    RtpEncodingParameters,
    RtpParameters,
    RtxParameters,
)
from tests.core.ortc.material import (
    BARE_ROUTER,
    BASE_SSRC,
    FULL_ROUTER,
    capability,
    chromium_device,
    chromium_produces,
    produced,
    router_for,
    sent,
    uris_of,
)


def chromium_consumes(name: str, router: RtpCapabilities = FULL_ROUTER) -> RtpParameters:
    event = chromium_produces(name)
    consumable = produced(event.kind, event.rtp_parameters, router)[2]
    assert can_consume(consumable, chromium_device())
    enable_rtx = event.kind is MediaKind.VIDEO
    return get_consumer_rtp_parameters(
        consumable, chromium_device(), ssrc=7000, rtx_ssrc=8000, mid="0", enable_rtx=enable_rtx
    )


def test_chromium_audio_passes_the_chain() -> None:
    event = chromium_produces("audio-simple")
    valid, mapping, consumable = produced(event.kind, event.rtp_parameters, FULL_ROUTER)
    assert get_producer_type(valid) is ProducerType.SIMPLE
    assert mapping.codecs == {111: 100}
    assert [item.ssrc for item in mapping.encodings] == [3322475210]
    assert consumable.codecs[0].parameters == {"minptime": 10, "useinbandfec": 1}

    got = chromium_consumes("audio-simple")
    assert [(item.payload_type, item.channels, item.rtcp_feedback) for item in got.codecs] == [(100, 2, ())]
    # the device lists all but the audio level under video only
    assert uris_of(got) == [(uris.MID, 1), (uris.ABS_SEND_TIME, 4), (uris.AUDIO_LEVEL, 10), (uris.PLAYOUT_DELAY, 14)]
    assert got.encodings == (RtpEncodingParameters(ssrc=7000),)
    assert got.rtcp == RtcpParameters(cname="bc9tyMWLiJ7+jCpq", reduced_size=True)


def test_chromium_video_passes_the_chain() -> None:
    event = chromium_produces("video-simple")
    valid, mapping, _ = produced(event.kind, event.rtp_parameters, FULL_ROUTER)
    assert get_producer_type(valid) is ProducerType.SIMPLE
    assert mapping.codecs == {96: 101, 97: 102}
    assert [(item.ssrc, item.rtx_ssrc) for item in mapping.encodings] == [(1342269841, 3835565706)]

    got = chromium_consumes("video-simple")
    assert [item.payload_type for item in got.codecs] == [101, 102]
    assert got.codecs[0].rtcp_feedback == (TRANSPORT_CC, CCM_FIR, NACK, NACK_PLI)
    assert [id_ for _, id_ in uris_of(got)] == [1, 4, 5, 11, 12, 14]
    assert got.encodings == (RtpEncodingParameters(ssrc=7000, rtx=RtxParameters(ssrc=8000)),)


def test_chromium_simulcast_passes_the_chain() -> None:
    event = chromium_produces("video-simulcast")
    valid, mapping, consumable = produced(event.kind, event.rtp_parameters, FULL_ROUTER)
    assert get_producer_type(valid) is ProducerType.SIMULCAST
    assert [(item.rid, item.ssrc, item.mapped_ssrc) for item in mapping.encodings] == [
        ("r0", ABSENT, BASE_SSRC),
        ("r1", ABSENT, BASE_SSRC + 1),
        ("r2", ABSENT, BASE_SSRC + 2),
    ]
    assert mapping.header_extensions[uris.RTP_STREAM_ID] == 10
    assert [item.rid for item in consumable.encodings] == [ABSENT] * 3

    encoding = chromium_consumes("video-simulcast").encodings[0]
    assert (encoding.scalability_mode, encoding.max_bitrate) == ("L3T3", 1500000)

    piped = get_pipe_consumer_rtp_parameters(consumable, ssrc=70, rtx_ssrc=80, enable_rtx=True)
    assert [(item.ssrc, item.max_bitrate) for item in piped.encodings] == [(70, 200000), (71, 500000), (72, 1500000)]
    assert get_producer_type(produced(event.kind, piped, FULL_ROUTER)[0]) is ProducerType.SIMULCAST


def test_chromiums_recorded_rtx_is_refused_while_no_retransmission_is_offered() -> None:
    event = chromium_produces("video-simple")
    with pytest.raises(Unsupported, match="offers no RTX"):
        produced(event.kind, event.rtp_parameters, BARE_ROUTER)


def test_without_rtx_chromium_passes_a_chain_that_offers_none() -> None:
    recorded = chromium_produces("video-simple").rtp_parameters
    parameters = msgspec.structs.replace(
        recorded, codecs=recorded.codecs[:1], encodings=(RtpEncodingParameters(ssrc=1342269841),)
    )
    consumable = produced(MediaKind.VIDEO, parameters, BARE_ROUTER)[2]
    got = get_consumer_rtp_parameters(consumable, chromium_device(), ssrc=7000, rtx_ssrc=8000, mid="1")
    assert [item.payload_type for item in got.codecs] == [101]
    assert got.codecs[0].rtcp_feedback == (GOOG_REMB, CCM_FIR, NACK_PLI)
    assert [id_ for _, id_ in uris_of(got)] == [1, 4, 11, 12, 14]
    assert got.encodings == (RtpEncodingParameters(ssrc=7000),)


def test_extensions_of_chromium_are_mapped_to_the_routers() -> None:
    producer = chromium_produces("video-simulcast").rtp_parameters
    map_ = HeaderExtensionMap.between(producer, chromium_consumes("video-simulcast"))
    assert map_.shared == (
        (uris.MID, 4, 1),
        (uris.ABS_SEND_TIME, 2, 4),
        (uris.TRANSPORT_WIDE_CC, 3, 5),
        (uris.VIDEO_ORIENTATION, 13, 11),
        (uris.TRANSMISSION_OFFSET, 14, 12),
        (uris.PLAYOUT_DELAY, 5, 14),
    )


@pytest.mark.parametrize("name", ["audio-simple", "video-simple", "video-simulcast"])
def test_every_result_survives_json(name: str) -> None:
    got = chromium_consumes(name)
    assert from_json(to_json(got), RtpParameters) == got


# ------------------------------------------------------------------- aiortc: its own numbers, text where browsers say 1


def aiortc_codecs(kind: str, payload_type_key: str) -> list[JsonObject]:
    return [
        {
            "mimeType": item.mimeType,
            payload_type_key: item.payloadType,
            "clockRate": item.clockRate,
            **({"channels": item.channels} if item.channels else {}),
            "parameters": dict(item.parameters),
            "rtcpFeedback": [{"type": one.type, "parameter": one.parameter or ""} for one in item.rtcpFeedback],
        }
        for item in CODECS[kind]
    ]


def aiortc_capabilities() -> RtpCapabilities:
    """Everything as aiortc numbers it."""
    return from_json(
        msgspec.json.encode(
            {
                "codecs": [each for kind in ("audio", "video") for each in aiortc_codecs(kind, "preferredPayloadType")],
                "headerExtensions": [
                    {"kind": kind, "uri": item.uri, "preferredId": item.id}
                    for kind in ("audio", "video")
                    for item in HEADER_EXTENSIONS[kind]
                ],
            }
        ),
        RtpCapabilities,
    )


def aiortc_sends(kind: str, *mime_types: str) -> RtpParameters:
    """One stream of aiortc in these codecs, in its own numbers."""
    codecs = [item for item in aiortc_codecs(kind, "payloadType") if item["mimeType"] in mime_types]
    extensions = [{"uri": item.uri, "id": item.id} for item in HEADER_EXTENSIONS[kind]]
    body = {"mid": "0", "codecs": codecs, "headerExtensions": extensions, "encodings": [{"ssrc": 42}]}
    return from_json(msgspec.json.encode(body), RtpParameters)


EVERY_CODEC_OF_AIORTC = router_for(
    capability("audio/opus", 48000, channels=2),
    capability("audio/G722", 8000),
    capability("audio/PCMU", 8000),
    capability("audio/PCMA", 8000),
    capability("video/VP8"),
    capability("video/H264", packetization_mode=1, profile_level_id="42001f"),
    capability("video/H264", packetization_mode=1, profile_level_id="42e01f"),
    offer=OFFER_EVERYTHING,
)


def test_every_audio_codec_of_aiortc_is_mapped() -> None:
    parameters = aiortc_sends("audio", "audio/opus", "audio/G722", "audio/PCMU", "audio/PCMA")
    valid = validate_rtp_parameters(parameters, MediaKind.AUDIO)
    mapping = get_producer_rtp_mapping(valid, EVERY_CODEC_OF_AIORTC, base_ssrc=1)
    assert list(mapping.codecs.values()) == [100, 9, 0, 8]
    assert mapping.header_extensions == {uris.MID: 1, uris.AUDIO_LEVEL: 2}


@pytest.mark.rfc("RFC 6184 8.1")
def test_every_video_codec_of_aiortc_is_mapped_to_its_profile() -> None:
    valid = validate_rtp_parameters(aiortc_sends("video", "video/VP8", "video/rtx", "video/H264"), MediaKind.VIDEO)
    mapping = get_producer_rtp_mapping(valid, EVERY_CODEC_OF_AIORTC, base_ssrc=1)
    names = {item.preferred_payload_type: item for item in EVERY_CODEC_OF_AIORTC.codecs}
    for item in valid.codecs:
        mapped = names[mapping.codecs[item.payload_type]]
        assert mapped.mime_type == item.mime_type
        assert mapped.parameters.get("profile-level-id") == item.parameters.get("profile-level-id")
    assert len(set(mapping.codecs.values())) == len(valid.codecs) == 6
    assert mapping.header_extensions == {uris.MID: 1, uris.ABS_SEND_TIME: 3}


def test_only_constrained_baseline_of_aiortc_fits_a_router_that_says_nothing_of_profiles() -> None:
    router = router_for(capability("video/H264", packetization_mode=1), offer=Offer())
    recorded = aiortc_sends("video", "video/H264").codecs
    by_profile = {item.parameters["profile-level-id"]: item for item in recorded}
    assert get_producer_rtp_mapping(sent(by_profile["42e01f"]), router, base_ssrc=1).codecs
    with pytest.raises(Unsupported):
        get_producer_rtp_mapping(sent(by_profile["42001f"]), router, base_ssrc=1)


@pytest.mark.parametrize("name", ["audio-simple", "video-simple", "video-simulcast"])
def test_aiortc_consumes_chromium_with_the_extensions_whose_ids_agree(name: str) -> None:
    event = chromium_produces(name)
    consumable = produced(event.kind, event.rtp_parameters, FULL_ROUTER)[2]
    assert can_consume(consumable, aiortc_capabilities())
    got = get_consumer_rtp_parameters(consumable, aiortc_capabilities(), ssrc=7000, rtx_ssrc=8000, mid="0")
    assert got.codecs[0].payload_type == (100 if event.kind is MediaKind.AUDIO else 101)
    assert uris_of(got) == [(uris.MID, 1)]
    assert GOOG_REMB not in got.codecs[0].rtcp_feedback  # abs-send-time is 3 there and 4 here


def test_aiortc_that_takes_the_routers_ids_gets_remb() -> None:
    own = aiortc_capabilities()
    adopted = {item.uri: item.preferred_id for item in FULL_ROUTER.header_extensions}
    device = msgspec.structs.replace(
        own,
        header_extensions=tuple(
            msgspec.structs.replace(item, preferred_id=adopted[item.uri]) for item in own.header_extensions
        ),
    )
    event = chromium_produces("video-simple")
    consumable = produced(event.kind, event.rtp_parameters, FULL_ROUTER)[2]
    got = get_consumer_rtp_parameters(consumable, device, ssrc=7000, rtx_ssrc=8000, mid="0")
    assert uris_of(got) == [(uris.MID, 1), (uris.ABS_SEND_TIME, 4)]
    assert got.codecs[0].rtcp_feedback == (NACK, NACK_PLI, GOOG_REMB)
