from __future__ import annotations

import pytest
from msgspec.structs import replace

from labsfu.core import uris
from labsfu.core.ortc.produce import (
    EncodingMapping,
    get_consumable_rtp_parameters,
    get_producer_rtp_mapping,
    get_producer_type,
)
from labsfu.core.ortc.supported import CCM_FIR, GOOG_REMB, NACK_PLI
from labsfu.core.ortc.validate import validate_rtp_parameters
from labsfu.errors import CommandError, InvalidValue, Unsupported
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import MediaKind, ProducerType, RtpEncodingParameters, RtpParameters, RtxParameters
from tests.core.ortc.material import (
    BARE_ROUTER,
    BASE_SSRC,
    FULL_ROUTER,
    capability,
    codec,
    produced,
    router_for,
    sent,
    uris_of,
)

VP8 = codec("video/VP8", 96)
RTX = codec("video/rtx", 97, apt=96)


def encoded(mime_type: str, *modes: str) -> RtpParameters:
    encodings = tuple(RtpEncodingParameters(ssrc=i, scalability_mode=mode) for i, mode in enumerate(modes, start=1))
    return sent(codec(mime_type, 96), encodings=encodings)


@pytest.mark.parametrize(
    ("mime_type", "modes", "type_"),
    [
        ("audio/opus", ("",), ProducerType.SIMPLE),
        ("video/H265", ("L1T1",), ProducerType.SIMPLE),
        ("video/VP8", ("L1T3",), ProducerType.SIMULCAST),
        ("video/h264", ("L1T2",), ProducerType.SIMULCAST),
        ("video/VP9", ("L3T3_KEY",), ProducerType.SVC),
        ("video/VP9", ("L1T2",), ProducerType.SVC),
        ("video/AV1", ("L2T1",), ProducerType.SVC),
        ("video/H264-SVC", ("L2T2",), ProducerType.SVC),
        ("video/VP8", ("", ""), ProducerType.SIMULCAST),
        ("video/H264", ("L1T3", "L1T3", "L1T3"), ProducerType.SIMULCAST),
    ],
)
def test_the_type_follows_from_encodings_and_their_modes(
    mime_type: str, modes: tuple[str, ...], type_: ProducerType
) -> None:
    assert get_producer_type(encoded(mime_type, *modes)) is type_


@pytest.mark.parametrize(
    ("mime_type", "modes", "error", "slug"),
    [
        ("audio/opus", ("L1T2",), Unsupported, "unsupported-scalability-mode"),
        ("video/H265", ("L1T3",), Unsupported, "unsupported-scalability-mode"),
        ("video/VP9", ("L1T1", "L1T1"), Unsupported, "unsupported-simulcast"),
        ("audio/opus", ("", ""), Unsupported, "unsupported-simulcast"),
        ("video/VP8", ("L1T3", "L2T3"), InvalidValue, "invalid-rtp-parameters"),
    ],
)
def test_layers_that_a_codec_cannot_have_are_refused(
    mime_type: str, modes: tuple[str, ...], error: type[CommandError], slug: str
) -> None:
    with pytest.raises(error) as refusal:
        get_producer_type(encoded(mime_type, *modes))
    assert refusal.value.slug == slug
    assert mime_type in refusal.value.detail or modes[-1] in refusal.value.detail


def test_the_codec_of_an_encoding_decides_its_type() -> None:
    both = (codec("video/VP8", 96), codec("video/VP9", 98), codec("video/H264", 99))
    svc = RtpEncodingParameters(ssrc=1, codec_payload_type=98, scalability_mode="L3T3")
    assert get_producer_type(sent(*both, encodings=(svc,))) is ProducerType.SVC
    mixed = tuple(RtpEncodingParameters(ssrc=pt, codec_payload_type=pt) for pt in (96, 99))
    with pytest.raises(Unsupported, match="'video/VP8' and 'video/H264'"):
        get_producer_type(sent(*both, encodings=mixed))


def test_payload_types_streams_and_extensions_are_mapped() -> None:
    parameters = sent(
        RTX,
        VP8,
        encodings=(
            RtpEncodingParameters(ssrc=11, rtx=RtxParameters(ssrc=12), scalability_mode="L1T2"),
            RtpEncodingParameters(rid="hi"),
        ),
        extensions=((uris.MID, 9), ("urn:example:unknown", 3), (uris.RTP_STREAM_ID, 4)),
    )
    mapping = get_producer_rtp_mapping(parameters, FULL_ROUTER, base_ssrc=1000)
    assert mapping.codecs == {96: 101, 97: 102}
    assert mapping.encodings == (
        EncodingMapping(mapped_ssrc=1000, ssrc=11, rtx_ssrc=12, scalability_mode="L1T2"),
        EncodingMapping(mapped_ssrc=1001, rid="hi"),
    )
    assert mapping.header_extensions == {uris.MID: 9, uris.RTP_STREAM_ID: 4}


@pytest.mark.rfc("RFC 6184 8.1")
def test_each_h264_maps_to_the_router_codec_of_its_profile_and_mode() -> None:
    router = router_for(
        capability("video/H264", packetization_mode=0),
        capability("video/H264", packetization_mode=1),
        capability("video/H264", packetization_mode=1, profile_level_id="4d0032"),
    )
    parameters = sent(
        codec("video/H264", 96, packetization_mode=1, profile_level_id="4d001f"),
        codec("video/rtx", 97, apt=96),
        codec("video/H264", 98, packetization_mode="1", profile_level_id="42e01f"),
        codec("video/rtx", 99, apt=98),
    )
    mapping = get_producer_rtp_mapping(parameters, router, base_ssrc=1)
    assert mapping.codecs == {96: 104, 97: 105, 98: 102, 99: 103}


@pytest.mark.parametrize(
    "parameters",
    [
        sent(codec("video/VP9", 96)),
        sent(codec("video/VP8", 96, 48000)),
        sent(VP8, codec("video/ulpfec", 98)),
        sent(codec("audio/opus", 96, 48000, channels=1)),
        sent(codec("video/H264", 96, profile_level_id="64001f")),
        sent(codec("video/H264", 96, packetization_mode=1)),
    ],
)
def test_codecs_that_the_router_lacks_are_refused(parameters: RtpParameters) -> None:
    router = router_for(
        capability("audio/opus", 48000, channels=2),
        capability("video/VP8"),
        capability("video/H264", profile_level_id="42e01f"),
    )
    with pytest.raises(Unsupported) as refusal:
        get_producer_rtp_mapping(parameters, router, base_ssrc=1)
    assert refusal.value.slug == "unsupported-codec"
    assert parameters.codecs[-1].mime_type in refusal.value.detail


def test_rtx_is_refused_where_the_router_offers_none() -> None:
    with pytest.raises(Unsupported) as refusal:
        get_producer_rtp_mapping(sent(VP8, RTX), BARE_ROUTER, base_ssrc=1)
    assert refusal.value.slug == "unsupported-codec"
    assert "no RTX" in refusal.value.detail


def test_rtx_that_repairs_nothing_is_refused() -> None:
    with pytest.raises(InvalidValue) as refusal:
        get_producer_rtp_mapping(sent(VP8, codec("video/rtx", 97, apt=98)), FULL_ROUTER, base_ssrc=1)
    assert refusal.value.slug == "invalid-rtp-parameters"


def test_multiopus_with_other_streams_is_refused() -> None:
    def surround(streams: int, coupled: int) -> dict[str, str | int | float]:
        return {"channel_mapping": "0,4,1,2,3,5", "num_streams": streams, "coupled_streams": coupled}

    def sending(streams: int, coupled: int) -> RtpParameters:
        opus = codec("audio/multiopus", 96, 48000, channels=6)
        return validate_rtp_parameters(sent(replace(opus, parameters=surround(streams, coupled))), MediaKind.AUDIO)

    router = router_for(replace(capability("audio/multiopus", 48000, channels=6), parameters=surround(4, 2)))
    assert get_producer_rtp_mapping(sending(4, 2), router, base_ssrc=1).codecs == {96: 100}
    for streams, coupled in ((2, 2), (4, 1)):
        with pytest.raises(Unsupported, match="audio/multiopus"):
            get_producer_rtp_mapping(sending(streams, coupled), router, base_ssrc=1)


def test_consumable_codecs_have_router_numbers_and_feedback_but_the_producers_parameters() -> None:
    vp8 = codec("video/vp8", 96, max_fr=30)
    _, _, consumable = produced(MediaKind.VIDEO, sent(vp8), FULL_ROUTER)
    media, rtx = consumable.codecs  # RTX although this producer has none
    assert (media.mime_type, media.payload_type, media.clock_rate, media.channels) == ("video/VP8", 101, 90000, ABSENT)
    assert media.parameters == {"max-fr": 30}
    assert media.rtcp_feedback == FULL_ROUTER.codecs[1].rtcp_feedback
    assert (rtx.mime_type, rtx.payload_type, rtx.parameters) == ("video/rtx", 102, {"apt": 101})


def test_a_consumable_has_no_rtx_and_no_nack_where_the_router_offers_none() -> None:
    _, _, consumable = produced(MediaKind.VIDEO, sent(VP8), BARE_ROUTER)
    assert [item.mime_type for item in consumable.codecs] == ["video/VP8"]
    assert consumable.codecs[0].rtcp_feedback == (NACK_PLI, CCM_FIR, GOOG_REMB)


def test_two_payload_types_of_one_router_codec_are_consumable_once() -> None:
    valid, mapping, consumable = produced(MediaKind.VIDEO, sent(VP8, codec("video/VP8", 98)), FULL_ROUTER)
    assert len(valid.codecs) == 2
    assert mapping.codecs == {96: 101, 98: 101}
    assert [item.payload_type for item in consumable.codecs] == [101, 102]


@pytest.mark.rfc("RFC 6184 8.2.2")
def test_the_lower_h264_level_becomes_consumable() -> None:
    router = router_for(capability("video/H264", profile_level_id="42e01f"))
    parameters = sent(codec("video/H264", 96, profile_level_id="42e034"))
    _, _, consumable = produced(MediaKind.VIDEO, parameters, router)
    assert consumable.codecs[0].parameters == {"profile-level-id": "42e01f"}
    assert parameters.codecs[0].parameters == {"profile-level-id": "42e034"}


@pytest.mark.parametrize(
    ("kind", "parameters", "ids"),
    [
        (MediaKind.AUDIO, sent(codec("audio/opus", 96, 48000, channels=2)), [1, 4, 10, 13, 14]),
        (MediaKind.VIDEO, sent(VP8), [1, 4, 5, 6, 7, 8, 11, 12, 13, 14]),
    ],
)
def test_consumable_extensions_are_those_that_the_router_sends_for_the_kind(
    kind: MediaKind, parameters: RtpParameters, ids: list[int]
) -> None:
    _, _, consumable = produced(kind, parameters, FULL_ROUTER)
    assert [item.id for item in consumable.header_extensions] == ids
    assert dict(uris_of(consumable))[uris.MID] == 1


def test_consumable_encodings_show_only_mapped_ssrcs() -> None:
    encoding = RtpEncodingParameters(
        rid="a", codec_payload_type=96, rtx=RtxParameters(ssrc=5), max_bitrate=7, scalability_mode="L1T2", dtx=True
    )
    _, _, consumable = produced(MediaKind.VIDEO, sent(VP8, RTX, encodings=(encoding,)), FULL_ROUTER)
    kept = RtpEncodingParameters(ssrc=BASE_SSRC, max_bitrate=7, scalability_mode="L1T2", dtx=True)
    assert consumable.encodings == (kept,)
    assert consumable.mid is ABSENT


def test_the_cname_is_the_transports_if_given() -> None:
    valid = validate_rtp_parameters(sent(VP8))
    mapping = get_producer_rtp_mapping(valid, FULL_ROUTER, base_ssrc=1)
    own = get_consumable_rtp_parameters(MediaKind.VIDEO, valid, FULL_ROUTER, mapping)
    assert own.rtcp == valid.rtcp
    given = get_consumable_rtp_parameters(MediaKind.VIDEO, valid, FULL_ROUTER, mapping, cname="shared")
    assert (given.rtcp.cname, given.rtcp.reduced_size) == ("shared", True)
