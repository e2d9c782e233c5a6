from __future__ import annotations

import pytest

from labsfu.core import uris
from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.ortc.supported import (
    CCM_FIR,
    DEFAULT_MEDIA_CODECS,
    GOOG_REMB,
    NACK,
    NACK_PLI,
    OFFER_EVERYTHING,
    SUPPORTED_CODECS,
    SUPPORTED_HEADER_EXTENSIONS,
    TRANSPORT_CC,
    Offer,
    supported_capabilities,
)
from labsfu.core.ortc.validate import validate_rtp_capabilities
from labsfu.errors import InvalidValue, Unsupported
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpCodecCapability
from tests.core.ortc.material import BARE_ROUTER, FULL_ROUTER, OPUS_AND_VP8, capability, router_for

OPUS = capability("audio/opus", 48000, channels=2, useinbandfec=1)
VIDEO_FEEDBACK = (NACK, NACK_PLI, CCM_FIR, GOOG_REMB, TRANSPORT_CC)


def at(payload_type: int, codec: RtpCodecCapability) -> RtpCodecCapability:
    return RtpCodecCapability(
        mime_type=codec.mime_type,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        parameters=codec.parameters,
        preferred_payload_type=payload_type,
    )


def payload_types(capabilities: RtpCapabilities) -> list[tuple[str, object]]:
    return [(codec.mime_type, codec.preferred_payload_type) for codec in capabilities.codecs]


def test_payload_types_are_the_preferred_one_or_the_next_free_one_and_rtx_follows_video() -> None:
    h264 = capability("video/h264", packetization_mode=1, profile_level_id="42e01f", foo="bar")
    router = router_for(OPUS, at(125, capability("video/VP8")), h264)
    assert [
        (codec.kind, codec.mime_type, codec.preferred_payload_type, codec.parameters, codec.rtcp_feedback)
        for codec in router.codecs
    ] == [
        (MediaKind.AUDIO, "audio/opus", 100, {"useinbandfec": 1}, (NACK, TRANSPORT_CC)),
        (MediaKind.VIDEO, "video/VP8", 125, {}, VIDEO_FEEDBACK),
        (MediaKind.VIDEO, "video/rtx", 101, {"apt": 125}, ()),
        (
            MediaKind.VIDEO,
            "video/H264",
            102,
            {"level-asymmetry-allowed": 1, "packetization-mode": 1, "profile-level-id": "42e01f", "foo": "bar"},
            VIDEO_FEEDBACK,
        ),
        (MediaKind.VIDEO, "video/rtx", 103, {"apt": 102}, ()),
    ]


def test_given_parameters_win_and_the_tables_stay_as_they_are() -> None:
    router = router_for(capability("video/H264", level_asymmetry_allowed=0))
    assert router.codecs[0].parameters == {"level-asymmetry-allowed": 0}
    assert router_for(capability("video/H264")).codecs[0].parameters == {"level-asymmetry-allowed": 1}


@pytest.mark.rfc("RFC 3551 6")
def test_static_payload_types_are_used_unless_another_is_preferred() -> None:
    pcma = capability("audio/PCMA", 8000)
    router = router_for(capability("audio/PCMU", 8000), at(120, pcma), capability("audio/G722", 8000))
    assert payload_types(router) == [("audio/PCMU", 0), ("audio/PCMA", 120), ("audio/G722", 9)]


def test_dynamic_payload_types_start_at_100_and_end_with_99() -> None:
    router = router_for(*[OPUS] * 32)
    assert [codec.preferred_payload_type for codec in router.codecs] == [*range(100, 128), *range(96, 100)]


@pytest.mark.parametrize(
    "codecs", [[OPUS] * 33, [capability("video/VP8")] * 17, [OPUS] * 31 + [capability("video/VP8")]]
)
def test_too_many_codecs_are_refused(codecs: list[RtpCodecCapability]) -> None:
    with pytest.raises(InvalidValue) as refusal:
        router_for(*codecs)
    assert refusal.value.slug == "too-many-codecs"


@pytest.mark.parametrize(
    "codecs", [(at(110, OPUS), at(110, OPUS)), (OPUS, at(100, OPUS)), (capability("audio/PCMU", 8000),) * 2]
)
def test_a_payload_type_is_given_once(codecs: tuple[RtpCodecCapability, ...]) -> None:
    with pytest.raises(InvalidValue) as refusal:
        router_for(*codecs)
    assert refusal.value.slug == "invalid-rtp-capabilities"
    assert "is used twice" in refusal.value.detail


@pytest.mark.parametrize(
    "codec",
    [
        capability("audio/chicken", 8000, channels=4),
        capability("audio/opus", 48000, channels=1),
        capability("video/VP8", 48000),
        capability("video/rtx", apt=96),
        capability("audio/red", 48000, channels=2),
    ],
)
def test_codecs_that_nobody_knows_are_refused(codec: RtpCodecCapability) -> None:
    with pytest.raises(Unsupported) as refusal:
        router_for(codec)
    assert refusal.value.slug == "unsupported-codec"
    assert codec.mime_type in refusal.value.detail


def test_malformed_media_codecs_are_refused() -> None:
    with pytest.raises(InvalidValue, match="chicken"):
        router_for(capability("chicken"))


@pytest.mark.rfc("RFC 7742 5", "RFC 7874 3")
def test_a_router_that_is_told_nothing_has_what_browsers_must_have() -> None:
    router = generate_router_rtp_capabilities(DEFAULT_MEDIA_CODECS)
    assert payload_types(router) == [
        ("audio/opus", 100), ("video/VP8", 101), ("video/rtx", 102), ("video/H264", 103), ("video/rtx", 104),
        ("audio/PCMU", 0), ("audio/PCMA", 8), ("audio/G722", 9),
    ]  # fmt: skip
    assert router.codecs[3].parameters == {
        "level-asymmetry-allowed": 1,
        "packetization-mode": 1,
        "profile-level-id": "42e01f",
    }


def test_a_router_offers_all_that_it_supports() -> None:
    assert generate_router_rtp_capabilities(OPUS_AND_VP8) == FULL_ROUTER


def test_a_bare_offer_has_neither_transport_cc_nor_retransmission() -> None:
    assert payload_types(BARE_ROUTER) == [("audio/opus", 100), ("video/VP8", 101)]
    assert [codec.rtcp_feedback for codec in BARE_ROUTER.codecs] == [(), (NACK_PLI, CCM_FIR, GOOG_REMB)]
    offered = {extension.uri for extension in BARE_ROUTER.header_extensions}
    assert offered == {item.uri for item in SUPPORTED_HEADER_EXTENSIONS} - {
        uris.TRANSPORT_WIDE_CC,
        uris.DEPENDENCY_DESCRIPTOR,
    }


@pytest.mark.parametrize(
    ("offer", "feedback", "has_extension", "has_rtx"),
    [
        (Offer(transport_cc=True), (NACK_PLI, CCM_FIR, GOOG_REMB, TRANSPORT_CC), True, False),
        (Offer(nack=True), (NACK, NACK_PLI, CCM_FIR, GOOG_REMB), False, True),
    ],
)
def test_each_mechanism_is_offered_alone(
    offer: Offer, feedback: tuple[object, ...], has_extension: bool, has_rtx: bool
) -> None:
    router = generate_router_rtp_capabilities(OPUS_AND_VP8, offer)
    assert router.codecs[1].rtcp_feedback == feedback
    assert (uris.TRANSPORT_WIDE_CC in {item.uri for item in router.header_extensions}) is has_extension
    assert ("video/rtx" in {codec.mime_type for codec in router.codecs}) is has_rtx


def test_the_tables_name_what_the_reference_does() -> None:
    said = [
        f"{codec.mime_type.split('/')[1]} {codec.clock_rate} {codec.channels} {codec.preferred_payload_type}"
        for codec in SUPPORTED_CODECS
        if codec.kind is MediaKind.AUDIO
    ]
    assert said == [
        "opus 48000 2 UNSET", "multiopus 48000 4 UNSET", "multiopus 48000 6 UNSET", "multiopus 48000 8 UNSET",
        "PCMU 8000 1 0", "PCMA 8000 1 8", "ISAC 32000 1 UNSET", "ISAC 16000 1 UNSET", "G722 8000 1 9",
        "iLBC 8000 1 UNSET", "SILK 24000 1 UNSET", "SILK 16000 1 UNSET", "SILK 12000 1 UNSET", "SILK 8000 1 UNSET",
        "CN 32000 1 13", "CN 16000 1 13", "CN 8000 1 13", "telephone-event 48000 1 UNSET",
        "telephone-event 32000 1 UNSET", "telephone-event 16000 1 UNSET", "telephone-event 8000 1 UNSET",
    ]  # fmt: skip
    video = [codec for codec in SUPPORTED_CODECS if codec.kind is MediaKind.VIDEO]
    assert [codec.mime_type for codec in video] == [
        f"video/{name}" for name in ("VP8", "VP9", "H264", "H264-SVC", "H265", "AV1")
    ]
    assert {codec.clock_rate for codec in video} == {90000}
    assert [codec.parameters for codec in video] == [{}, {}, *[{"level-asymmetry-allowed": 1}] * 3, {}]
    assert [codec.parameters for codec in SUPPORTED_CODECS if codec.mime_type == "audio/multiopus"] == [
        {"channel_mapping": "0,1,2,3", "num_streams": 2, "coupled_streams": 2},
        {"channel_mapping": "0,4,1,2,3,5", "num_streams": 4, "coupled_streams": 2},
        {"channel_mapping": "0,6,1,2,3,4,5,7", "num_streams": 5, "coupled_streams": 3},
    ]
    without_feedback = {codec.mime_type for codec in SUPPORTED_CODECS if not codec.rtcp_feedback}
    assert without_feedback == {"audio/CN", "audio/telephone-event"}
    ids = [(item.preferred_id, item.kind, item.direction) for item in SUPPORTED_HEADER_EXTENSIONS]
    assert [f"{id_} {str(kind)[0]} {direction}" for id_, kind, direction in ids] == [
        "1 a sendrecv", "1 v sendrecv", "2 v recvonly", "3 v recvonly", "4 a sendrecv", "4 v sendrecv",
        "5 a recvonly", "5 v sendrecv", "6 v sendrecv", "7 v sendrecv", "8 v sendrecv", "10 a sendrecv",
        "11 v sendrecv", "12 v sendrecv", "13 a sendrecv", "13 v sendrecv", "14 a sendrecv", "14 v sendrecv",
    ]  # fmt: skip


def test_the_tables_are_valid_as_they_are() -> None:
    supported = supported_capabilities(OFFER_EVERYTHING)
    assert validate_rtp_capabilities(supported) == supported
    assert supported.codecs == SUPPORTED_CODECS
    assert supported.header_extensions == SUPPORTED_HEADER_EXTENSIONS
