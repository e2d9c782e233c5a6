from __future__ import annotations

import pytest

from labsfu.core.ortc.match import find_codec, match_codecs, negotiated_parameters
from labsfu.wire.rtp import RtpCodecCapability
from tests.core.ortc.material import capability, codec

OPUS = capability("audio/opus", 48000, channels=2)


def h264(**parameters: str | int) -> RtpCodecCapability:
    dashed: dict[str, str | int | float] = {name.replace("_", "-"): value for name, value in parameters.items()}
    return RtpCodecCapability(mime_type="video/H264", clock_rate=90000, parameters=dashed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (OPUS, capability("AUDIO/Opus", 48000, channels=2)),
        (capability("audio/PCMU", 8000), capability("audio/PCMU", 8000, channels=1)),
        (capability("video/VP8"), capability("video/vp8", channels=1)),
        (capability("video/VP9"), capability("video/VP9", profile_id=0)),
        (capability("video/VP9", profile_id="2"), capability("video/VP9", profile_id=2)),
        (capability("video/VP9", profile_id=2.0), capability("video/VP9", profile_id=2)),
        (capability("video/AV1"), capability("video/AV1", profile=0, tier=0)),
        (capability("video/H265", profile_id=1), capability("video/H265", level_id=180)),
        (capability("video/rtx", apt=96), capability("video/rtx", apt=101)),
        (h264(), h264(packetization_mode=0, profile_level_id="42e01f")),
        (h264(packetization_mode="1"), h264(packetization_mode=1)),
        (h264(profile_level_id="42e01f"), h264(profile_level_id="42e034")),
        (h264(profile_level_id=""), h264(profile_level_id="4de01f")),
    ],
)
def test_the_same_codec_matches_strictly_both_ways(one: RtpCodecCapability, other: RtpCodecCapability) -> None:
    assert match_codecs(one, other, strict=True)
    assert match_codecs(other, one, strict=True)
    assert match_codecs(one, other, strict=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (OPUS, capability("audio/opusx", 48000, channels=2)),
        (OPUS, capability("audio/opus", 24000, channels=2)),
        (OPUS, capability("audio/opus", 48000)),
        (capability("video/VP8"), capability("video/VP9")),
        (
            capability("audio/multiopus", 48000, channels=6) ,
            capability("audio/multiopus", 48000, channels=4),
        ),
    ],
)  # fmt: skip
def test_different_codecs_never_match(one: RtpCodecCapability, other: RtpCodecCapability) -> None:
    assert not match_codecs(one, other, strict=False)
    assert not match_codecs(other, one, strict=False)


@pytest.mark.parametrize(
    ("streams", "coupled", "matches"), [(4, 2, True), ("4", "2", True), (2, 2, False), (4, 1, False)]
)
def test_multiopus_matches_by_its_streams(streams: int | str, coupled: int | str, matches: bool) -> None:
    def multiopus(num: int | str, pairs: int | str) -> RtpCodecCapability:
        return RtpCodecCapability(
            mime_type="audio/multiopus",
            clock_rate=48000,
            channels=6,
            parameters={"channel_mapping": "0,4,1,2,3,5", "num_streams": num, "coupled_streams": pairs},
        )

    assert match_codecs(multiopus(4, 2), multiopus(streams, coupled), strict=False) is matches


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (h264(packetization_mode=1), h264()),
        (h264(profile_level_id="42e01f"), h264(profile_level_id="42001f")),
        (h264(), h264(profile_level_id="640c1f")),
        (h264(profile_level_id="nonsense"), h264()),
        (capability("video/H264-SVC"), capability("video/H264-SVC", packetization_mode=1)),
        (capability("video/VP9"), capability("video/VP9", profile_id=2)),
        (capability("video/AV1", profile=1), capability("video/AV1")),
        (capability("video/H265", profile_id=2), capability("video/H265")),
        (capability("video/H265", tier_flag=1), capability("video/H265")),
    ],
)
def test_another_format_of_a_codec_matches_only_loosely(one: RtpCodecCapability, other: RtpCodecCapability) -> None:
    assert not match_codecs(one, other, strict=True)
    assert not match_codecs(other, one, strict=True)
    assert match_codecs(one, other, strict=False)


@pytest.mark.rfc("RFC 6184 8.2.2")
@pytest.mark.parametrize(
    ("local", "remote", "agreed"),
    [
        (h264(profile_level_id="42e01f"), h264(profile_level_id="42e015"), "42e015"),
        (
            h264(profile_level_id="42e01f", level_asymmetry_allowed=1),
            h264(profile_level_id="42e015", level_asymmetry_allowed="1"),
            "42e01f",
        ),
        (h264(profile_level_id="42e01f", level_asymmetry_allowed=1), h264(profile_level_id="42e015"), "42e015"),
        (h264(), h264(profile_level_id="42e015"), "42e015"),
        (h264(), h264(), None),
    ],
)
def test_negotiation_sets_the_profile_level_id_in_a_copy(
    local: RtpCodecCapability, remote: RtpCodecCapability, agreed: str | None
) -> None:
    before = dict(local.parameters)
    parameters = negotiated_parameters(local, remote)
    assert parameters.get("profile-level-id") == agreed
    assert {**parameters, "profile-level-id": 0} == {**before, "profile-level-id": 0}
    assert local.parameters == before
    assert parameters is not local.parameters


def test_the_first_match_is_found() -> None:
    candidates = [capability("video/VP8"), h264(packetization_mode=1), h264(), h264(foo=1)]
    assert find_codec(codec("video/h264", 96), candidates, strict=True) is candidates[2]
    assert find_codec(codec("video/h264", 96), candidates, strict=False) is candidates[1]
    assert find_codec(codec("video/AV1", 96), candidates, strict=False) is None
