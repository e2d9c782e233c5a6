"""The codecs that a real Chromium has, against routers: what of them can be produced and consumed."""

from __future__ import annotations

import json

import pytest

from labsfu.core.ortc.consume import can_consume, get_consumer_rtp_parameters
from labsfu.core.ortc.produce import get_producer_rtp_mapping
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS, Offer
from labsfu.errors import InvalidValue, Unsupported
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import CodecParameters, MediaKind, RtpCapabilities, RtpCodecCapability, RtpCodecParameters
from tests.core.ortc.material import DATA, capability, produced, router_for, sent

SENDS, RECEIVES = "sender", "receiver"
DEFAULT = router_for(*DEFAULT_MEDIA_CODECS, offer=Offer())


def said_by_chromium(side: str) -> list[RtpCodecCapability]:
    listed = json.loads((DATA / "chromium-codecs.json").read_text("ascii"))[side]
    return [
        RtpCodecCapability(
            mime_type=item["mimeType"],
            clock_rate=item["clockRate"],
            channels=item.get("channels", ABSENT),
            parameters=format_parameters(item.get("sdpFmtpLine", "")),
        )
        for item in listed
    ]


def format_parameters(line: str) -> CodecParameters:
    """As mediasoup-client reads an fmtp line: what looks like a number is one."""
    pairs = (pair.split("=") for pair in line.split(";") if pair)
    return {name: int(value) if value.isdecimal() else value for name, value in pairs}


def in_use(codec: RtpCodecCapability, payload_type: int = 96) -> RtpCodecParameters:
    return RtpCodecParameters(
        mime_type=codec.mime_type,
        payload_type=payload_type,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        parameters=codec.parameters,
    )


def known_to(router: RtpCapabilities, side: str) -> list[tuple[str, object, object]]:
    """Chromium's codecs that the router takes: name, and what tells H264's apart."""
    found: list[tuple[str, object, object]] = []
    for codec in said_by_chromium(side):
        try:
            get_producer_rtp_mapping(sent(in_use(codec)), router, base_ssrc=1)
        except (Unsupported, InvalidValue):  # the latter: RTX, which repairs nothing here
            continue
        named = codec.parameters.get("packetization-mode"), codec.parameters.get("profile-level-id")
        found.append((codec.mime_type, *named))
    return found


BY_DEFAULT = {
    ("audio/opus", None, None),
    ("audio/G722", None, None),
    ("audio/PCMU", None, None),
    ("audio/PCMA", None, None),
    ("video/VP8", None, None),
    ("video/H264", 1, "42e01f"),
}


@pytest.mark.parametrize("side", [SENDS, RECEIVES])
def test_by_default_each_router_codec_is_one_of_chromiums_and_only_one(side: str) -> None:
    known = known_to(DEFAULT, side)
    assert set(known) == BY_DEFAULT
    assert len(known) == len(BY_DEFAULT) == len(DEFAULT.codecs)


@pytest.mark.rfc("RFC 6184 8.1")
@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("profile", ["42001f", "42e01f", "4d001f"])
def test_each_h264_of_chromium_can_be_configured(mode: int, profile: str) -> None:
    router = router_for(capability("video/H264", packetization_mode=mode, profile_level_id=profile), offer=Offer())
    assert known_to(router, SENDS) == [("video/H264", mode, profile)]


def test_what_one_chromium_produces_another_consumes() -> None:
    device = RtpCapabilities(codecs=tuple(said_by_chromium(RECEIVES)))
    mapped = set()
    for codec in said_by_chromium(SENDS):
        kind = MediaKind(codec.mime_type.partition("/")[0])
        try:
            consumable = produced(kind, sent(in_use(codec)), DEFAULT)[2]
        except (Unsupported, InvalidValue):
            continue
        assert can_consume(consumable, device)
        got = get_consumer_rtp_parameters(consumable, device, ssrc=1, rtx_ssrc=2, mid="0")
        assert [(item.mime_type, item.parameters) for item in got.codecs] == [(codec.mime_type, codec.parameters)]
        mapped.add(got.codecs[0].payload_type)
    assert mapped == {codec.preferred_payload_type for codec in DEFAULT.codecs}
