from __future__ import annotations

from typing import cast

import pytest

from labsfu.core import uris
from labsfu.core.ortc.validate import (
    MAX_ENCODINGS,
    validate_codec_capability,
    validate_rtp_capabilities,
    validate_rtp_parameters,
)
from labsfu.errors import InvalidValue
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import (
    MediaKind,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecCapability,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpParameters,
    RtxParameters,
)
from tests.core.ortc.material import capability, codec, sent

VP8 = codec("video/VP8", 96)
RTX = codec("video/rtx", 97, apt=96)
BY_SSRC = RtpEncodingParameters(ssrc=1)


def multiopus(**parameters: str | int) -> RtpCodecCapability:
    return RtpCodecCapability(
        mime_type="audio/multiopus",
        clock_rate=48000,
        channels=4,
        parameters=cast("dict[str, str | int | float]", parameters),
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (capability("chicken"), "'chicken'"),
        (capability("video/"), "'video/'"),
        (capability("text/red"), "'text/red'"),
        (capability("video/VP8\n"), "'video/VP8\n'"),
        (capability("xvideo/VP8"), "'xvideo/VP8'"),
        (capability("audio/opus", 0), "clockRate 0"),
        (capability("audio/opus", -48000), "clockRate -48000"),
        (capability("audio/opus", 48000, channels=0), "channels 0"),
        (capability("video/rtx", apt="96"), "apt '96'"),
        (capability("video/rtx", apt=96.5), "apt 96.5"),
        (multiopus(num_streams=2, coupled_streams=2), "channel_mapping None"),
        (multiopus(channel_mapping="0,1,2", num_streams=2, coupled_streams=2), "channel_mapping '0,1,2'"),
        (multiopus(channel_mapping="0,1,2,3", coupled_streams=2), "num_streams None"),
        (multiopus(channel_mapping="0,1,2,3", num_streams=2, coupled_streams="two"), "coupled_streams 'two'"),
        (RtpCodecCapability(mime_type="video/VP8", clock_rate=90000, preferred_payload_type=72), "payload type 72"),
    ],
)
def test_malformed_codec_capabilities_are_refused_by_name(wrong: RtpCodecCapability, named: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        validate_rtp_capabilities(RtpCapabilities(codecs=(capability("video/VP8"), wrong)))
    assert refusal.value.slug == "invalid-rtp-capabilities"
    assert named in refusal.value.detail


@pytest.mark.rfc("RFC 8285 4.2")
@pytest.mark.parametrize(("uri", "id_"), [(uris.MID, 0), (uris.MID, 256), ("", 1)])
def test_malformed_header_extensions_of_capabilities_are_refused(uri: str, id_: int) -> None:
    with pytest.raises(InvalidValue) as refusal:
        validate_rtp_capabilities(RtpCapabilities(header_extensions=(RtpHeaderExtension(uri=uri, preferred_id=id_),)))
    assert refusal.value.slug == "invalid-rtp-capabilities"
    assert str(id_) in refusal.value.detail


REFUSED: dict[str, tuple[RtpParameters, str]] = {
    "mimeType": (sent(codec("video", 96)), "'video'"),
    "clock rate": (sent(codec("video/VP8", 96, 0)), "clockRate 0"),
    "channels": (sent(codec("audio/opus", 96, 48000, channels=-1)), "channels -1"),
    "kind": (sent(codec("audio/opus", 96, 48000, channels=2)), "'audio/opus' is not video"),
    "kind of the second codec": (sent(VP8, codec("audio/PCMU", 0, 8000)), "'audio/PCMU' is not video"),
    "no codecs": (sent(), "no media codec"),
    "only RTX": (sent(RTX), "no media codec"),
    "duplicate payload type": (sent(VP8, codec("video/VP9", 96)), "payload type 96 appears twice"),
    "payload type of RTCP": (sent(codec("video/VP8", 73)), "payload type 73"),
    "RTX without apt": (sent(VP8, codec("video/rtx", 97)), "apt None"),
    "apt is text": (sent(VP8, codec("video/rtx", 97, apt="96")), "apt '96'"),
    "apt points nowhere": (sent(VP8, codec("video/rtx", 97, apt=98)), "apt 98"),
    "apt points to RTX": (sent(VP8, RTX, codec("video/rtx", 98, apt=97)), "apt 97"),
    "extension id 0": (sent(VP8, extensions=((uris.MID, 0),)), "id 0"),
    "extension id 256": (sent(VP8, extensions=((uris.MID, 256),)), "id 256"),
    "extension without uri": (sent(VP8, extensions=(("", 3),)), "extension 3"),
    "duplicate extension id": (sent(VP8, extensions=((uris.MID, 1), (uris.ABS_SEND_TIME, 1))), "id 1 appears twice"),
    "duplicate extension": (sent(VP8, extensions=((uris.MID, 1), (uris.MID, 2))), "mid appears twice"),
    "empty mid": (sent(VP8, mid=""), "mid is empty"),
    "empty rid": (sent(VP8, encodings=(RtpEncodingParameters(rid=""),)), "rid of encoding 0"),
    "duplicate ssrc": (sent(VP8, encodings=(BY_SSRC, BY_SSRC)), "ssrc 1 appears twice"),
    "RTX ssrc is a media ssrc": (
        sent(VP8, encodings=(BY_SSRC, RtpEncodingParameters(ssrc=2, rtx=RtxParameters(ssrc=1)))),
        "ssrc 1 appears twice",
    ),
    "RTX ssrc of rids": (
        sent(VP8, encodings=tuple(RtpEncodingParameters(rid=rid, rtx=RtxParameters(ssrc=7)) for rid in "ab")),
        "ssrc 7 appears twice",
    ),
    "duplicate rid": (sent(VP8, encodings=(RtpEncodingParameters(rid="r"),) * 2), "rid r appears twice"),
    "codecPayloadType points nowhere": (
        sent(VP8, encodings=(RtpEncodingParameters(ssrc=1, codec_payload_type=100),)),
        "codecPayloadType 100",
    ),
    "codecPayloadType points to RTX": (
        sent(VP8, RTX, encodings=(RtpEncodingParameters(ssrc=1, codec_payload_type=97),)),
        "codecPayloadType 97",
    ),
    "second encoding cannot be told": (
        sent(VP8, mid="0", encodings=(BY_SSRC, RtpEncodingParameters())),
        "encoding 1 has neither",
    ),
    "only encoding cannot be told": (sent(VP8, encodings=(RtpEncodingParameters(),)), "there is no mid"),
    "no encodings, no mid": (sent(VP8, encodings=()), "there is no mid"),
    "too many encodings": (
        sent(VP8, encodings=tuple(RtpEncodingParameters(ssrc=ssrc) for ssrc in range(MAX_ENCODINGS + 1))),
        "17 encodings",
    ),
}


@pytest.mark.rfc("RFC 4588 8.6", "RFC 5761 4", "RFC 8285 4.2")
@pytest.mark.parametrize("case", REFUSED)
def test_malformed_rtp_parameters_are_refused_by_name(case: str) -> None:
    parameters, named = REFUSED[case]
    with pytest.raises(InvalidValue) as refusal:
        validate_rtp_parameters(parameters, MediaKind.VIDEO)
    assert refusal.value.slug == "invalid-rtp-parameters"
    assert named in refusal.value.detail


def test_kind_does_not_matter_unless_asked() -> None:
    assert validate_rtp_parameters(sent(codec("audio/opus", 96, 48000, channels=2))).codecs[0].channels == 2


@pytest.mark.parametrize(
    ("given", "kind", "channels"),
    [
        (capability("audio/PCMU", 8000), MediaKind.AUDIO, 1),
        (capability("Audio/opus", 48000, channels=2), MediaKind.AUDIO, 2),
        (capability("VIDEO/VP8", channels=1), MediaKind.VIDEO, ABSENT),
        (RtpCodecCapability(kind=MediaKind.AUDIO, mime_type="video/VP8", clock_rate=90000), MediaKind.VIDEO, ABSENT),
        (multiopus(channel_mapping="0,1,2,3", num_streams=2, coupled_streams="2"), MediaKind.AUDIO, 4),
    ],
)
def test_kind_and_channels_follow_the_mime_type(given: RtpCodecCapability, kind: MediaKind, channels: object) -> None:
    valid = validate_codec_capability(given)
    assert (valid.kind, valid.channels) == (kind, channels)


def test_defaults_are_filled_in_a_new_dictionary() -> None:
    given = RtpParameters(
        mid="0",
        codecs=(codec("audio/PCMU", 0, 8000),),
        rtcp=RtcpParameters(cname="", reduced_size=False),
    )
    valid = validate_rtp_parameters(given, MediaKind.AUDIO)
    assert valid.codecs[0].channels == 1
    assert valid.encodings == (RtpEncodingParameters(dtx=False),)
    assert valid.rtcp == RtcpParameters(cname=ABSENT, reduced_size=True)
    assert given.encodings == ()
    assert given.rtcp.cname == ""
    assert given.codecs[0].channels is ABSENT


def test_what_is_given_is_kept() -> None:
    encoding = RtpEncodingParameters(
        ssrc=1, codec_payload_type=96, rtx=RtxParameters(ssrc=2), dtx=True, max_bitrate=9, scalability_mode="L1T2"
    )
    given = sent(VP8, RTX, encodings=(encoding,), extensions=((uris.MID, 15), (uris.ABS_SEND_TIME, 200)), mid="m")
    assert validate_rtp_parameters(given, MediaKind.VIDEO) == given


@pytest.mark.parametrize(
    "given",
    [
        sent(VP8, encodings=tuple(RtpEncodingParameters(ssrc=ssrc) for ssrc in range(MAX_ENCODINGS))),
        sent(codec("video/VP8", 63), codec("video/rtx", 127, apt=63)),
        sent(VP8, extensions=((uris.MID, 255), (uris.ABS_SEND_TIME, 1))),
        sent(VP8, mid="0", encodings=(RtpEncodingParameters(),)),
        sent(VP8, encodings=(RtpEncodingParameters(rid="a"), RtpEncodingParameters(ssrc=0))),
        sent(codec("video/VP8", 0, 1)),
    ],
)
def test_what_is_just_valid_is_accepted(given: RtpParameters) -> None:
    assert len(validate_rtp_parameters(given, MediaKind.VIDEO).encodings) == len(given.encodings)


def test_validation_of_what_is_valid_changes_nothing() -> None:
    once = validate_rtp_parameters(sent(VP8, RTX), MediaKind.VIDEO)
    assert validate_rtp_parameters(once, MediaKind.VIDEO) == once
