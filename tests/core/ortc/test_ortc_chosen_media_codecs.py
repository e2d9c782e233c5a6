"""What an operator may configure, and why not."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from labsfu.core.codecs.registry import can_be_joined
from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.ortc.media_codecs import choose_media_codecs
from labsfu.core.ortc.mime import is_rtx
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS
from labsfu.errors import CommandError, InvalidValue, Unsupported
from labsfu.wire.rtp import RtpCodecCapability
from tests.core.ortc.material import capability

HIGH = capability("video/H264", packetization_mode=1, profile_level_id="640c1f")
BASELINE = capability("video/H264", packetization_mode=1, profile_level_id="42e01f")


def offered(*choices: str | RtpCodecCapability) -> list[tuple[str, object]]:
    router = generate_router_rtp_capabilities(choose_media_codecs(choices, can_be_joined))
    media = (codec for codec in router.codecs if not is_rtx(codec))
    return [(codec.mime_type, codec.preferred_payload_type) for codec in media]


def test_names_mean_the_default_codecs_in_the_order_given() -> None:
    names = [codec.mime_type.partition("/")[2] for codec in DEFAULT_MEDIA_CODECS]
    assert choose_media_codecs(names, can_be_joined) == DEFAULT_MEDIA_CODECS
    assert offered("h264", "AUDIO/OPUS", "pcmu") == [("video/H264", 100), ("audio/opus", 102), ("audio/PCMU", 0)]


def test_a_name_that_no_default_codec_has_means_a_supported_one() -> None:
    assert offered("iLBC") == [("audio/iLBC", 100)]


def test_several_formats_of_one_codec_are_given_in_full() -> None:
    at_120 = replace(HIGH, preferred_payload_type=120)
    assert offered(at_120, BASELINE, "VP8") == [("video/H264", 120), ("video/H264", 101), ("video/VP8", 103)]


@pytest.mark.parametrize(
    ("choices", "error", "named"),
    [
        (["opsu"], Unsupported, "'opsu' is no codec"),
        (["video/opus"], Unsupported, "'video/opus' is no codec"),
        (["rtx"], Unsupported, "'rtx'"),
        (["VP9"], Unsupported, "'video/VP9' is not forwarded yet"),
        (["AV1"], Unsupported, "'video/AV1' is not forwarded yet"),
        (["H265"], Unsupported, "'video/H265' is not forwarded yet"),
        ([capability("video/H264-SVC")], Unsupported, "'video/H264-SVC' is not forwarded yet"),
        (["SILK"], InvalidValue, "'SILK' is several codecs (24000 Hz, channels 1 or"),
        ([capability("audio/opus", 48000)], Unsupported, "'audio/opus' (48000 Hz, channels 1)"),
        ([capability("video/VP8", 48000)], Unsupported, "'video/VP8' (48000 Hz)"),
        ([capability("VP8")], InvalidValue, "mimeType 'VP8'"),
        (["opus", "OPUS"], InvalidValue, "'audio/opus' is given twice"),
        (["H264", BASELINE], InvalidValue, "'video/H264' is given twice"),
        ([capability("video/H264", profile_level_id="high")], InvalidValue, "profile-level-id 'high'"),
        ([capability("video/H264", packetization_mode=2)], Unsupported, "packetization-mode 2"),
        ([replace(HIGH, preferred_payload_type=70)], InvalidValue, "payload type 70"),
        (["opus", replace(HIGH, preferred_payload_type=100)], InvalidValue, "payload type 100 is used twice"),
    ],
)
def test_what_could_not_work_is_refused_by_name(
    choices: list[str | RtpCodecCapability], error: type[CommandError], named: str
) -> None:
    with pytest.raises(error) as refusal:
        choose_media_codecs(choices, can_be_joined)
    assert named in refusal.value.detail
    assert "\n" not in refusal.value.detail
