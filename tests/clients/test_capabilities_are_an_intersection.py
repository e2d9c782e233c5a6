"""What a client offers a router: the router's numbers, the common codecs, extensions and feedback."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clients.capabilities import StreamIds, client_capabilities, receive_capabilities, send_parameters
from clients.errors import NothingInCommon
from labsfu.wire.base import from_json
from labsfu.wire.rtp import MediaKind, RtcpFeedback, RtpCapabilities

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
IDS = StreamIds(mid="7", ssrc=1111, rtx_ssrc=2222, cname="me")


def extension(kind: str, uri: str, id_: int, direction: str = "sendrecv") -> dict[str, Any]:
    return {"kind": kind, "uri": uri, "preferredId": id_, "preferredEncrypt": False, "direction": direction}


def video(mime: str, payload_type: int, **parameters: object) -> dict[str, Any]:
    return {
        "kind": "video",
        "mimeType": mime,
        "preferredPayloadType": payload_type,
        "clockRate": 90000,
        "parameters": parameters,
        "rtcpFeedback": []
        if mime == "video/rtx"
        else [
            {"type": "nack"},
            {"type": "nack", "parameter": "pli"},
            {"type": "ccm", "parameter": "fir"},
            {"type": "goog-remb"},
            {"type": "transport-cc"},
        ],
    }


OPUS = {
    "kind": "audio",
    "mimeType": "audio/opus",
    "preferredPayloadType": 100,
    "clockRate": 48000,
    "channels": 2,
    "rtcpFeedback": [{"type": "nack"}, {"type": "transport-cc"}],
}
EXTENSIONS = [
    extension("audio", MID, 1),
    extension("video", MID, 1),
    extension("video", "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", 2, "recvonly"),
    extension("audio", ABS_SEND_TIME, 4),
    extension("video", ABS_SEND_TIME, 4),
    extension("audio", AUDIO_LEVEL, 10),
]


def router(*codecs: dict[str, Any], extensions: list[dict[str, Any]] = EXTENSIONS) -> RtpCapabilities:
    return from_json(msgspec.json.encode({"codecs": codecs, "headerExtensions": extensions}), RtpCapabilities)


ROUTER = router(OPUS, video("video/VP9", 105), video("video/VP8", 101), video("video/rtx", 102, apt=101))


def test_receives_the_common_codecs_under_the_routers_payload_types_with_their_rtx() -> None:
    mine = receive_capabilities(ROUTER)
    assert [(c.mime_type, c.preferred_payload_type) for c in mine.codecs] == [
        ("audio/opus", 100),
        ("video/VP8", 101),
        ("video/rtx", 102),
    ]
    assert mine.codecs[2].parameters == {"apt": 101}


def test_receives_the_extensions_of_both_kinds_under_the_routers_ids() -> None:
    mine = receive_capabilities(ROUTER)
    assert [(e.kind, e.uri, e.preferred_id) for e in mine.header_extensions] == [
        ("audio", MID, 1),
        ("audio", AUDIO_LEVEL, 10),
        ("video", MID, 1),
        ("video", ABS_SEND_TIME, 4),
    ]


def test_extensions_travel_only_the_way_the_router_says() -> None:
    one_way = router(
        OPUS, extensions=[extension("audio", MID, 1, "recvonly"), extension("audio", AUDIO_LEVEL, 10, "sendonly")]
    )
    assert [e.uri for e in receive_capabilities(one_way).header_extensions] == [AUDIO_LEVEL]
    assert [e.uri for e in send_parameters(MediaKind.AUDIO, one_way, IDS).header_extensions] == [MID]


def test_feedback_is_what_both_sides_know() -> None:
    nack, pli, remb = (
        RtcpFeedback(type="nack"),
        RtcpFeedback(type="nack", parameter="pli"),
        RtcpFeedback(type="goog-remb"),
    )
    vp8 = receive_capabilities(ROUTER).codecs[1]
    assert vp8.rtcp_feedback == (nack, pli, remb)
    assert receive_capabilities(ROUTER).codecs[0].rtcp_feedback == ()


def test_sends_vp8_before_what_the_router_lists_first() -> None:
    h264_first = router(
        video("video/H264", 107, **{"packetization-mode": 1, "profile-level-id": "42e01f"}), video("video/VP8", 101)
    )
    assert [c.payload_type for c in send_parameters(MediaKind.VIDEO, h264_first, IDS).codecs] == [101]


def test_sends_what_is_asked_for_if_it_is_in_common() -> None:
    both = router(
        video("video/VP8", 101), video("video/H264", 107, **{"packetization-mode": 1, "profile-level-id": "42E01F"})
    )
    assert send_parameters(MediaKind.VIDEO, both, IDS, codec="video/h264").codecs[0].payload_type == 107
    with pytest.raises(NothingInCommon):
        send_parameters(MediaKind.VIDEO, ROUTER, IDS, codec="video/VP9")


def test_h264_of_another_packetization_or_profile_is_another_codec() -> None:
    for parameters in ({"profile-level-id": "42e01f"}, {"packetization-mode": 1, "profile-level-id": "640032"}):
        with pytest.raises(NothingInCommon):
            send_parameters(MediaKind.VIDEO, router(video("video/H264", 107, **parameters)), IDS)


def test_opus_with_another_number_of_channels_is_another_codec() -> None:
    with pytest.raises(NothingInCommon):
        send_parameters(MediaKind.AUDIO, router(OPUS | {"channels": 6}), IDS)


def test_sent_video_names_its_streams_and_its_rtx() -> None:
    sent = send_parameters(MediaKind.VIDEO, ROUTER, IDS)
    assert (sent.mid, sent.rtcp.cname) == ("7", "me")
    assert [(c.mime_type, c.payload_type) for c in sent.codecs] == [("video/VP8", 101), ("video/rtx", 102)]
    assert [(e.ssrc, e.rtx.ssrc) for e in sent.encodings] == [(1111, 2222)]  # type: ignore[union-attr] # it is there
    assert [(e.uri, e.id) for e in sent.header_extensions] == [(MID, 1), (ABS_SEND_TIME, 4)]


def test_no_rtx_ssrc_without_an_rtx_codec() -> None:
    for kind, capabilities in ((MediaKind.AUDIO, ROUTER), (MediaKind.VIDEO, router(video("video/VP8", 101)))):
        sent = send_parameters(kind, capabilities, IDS)
        assert len(sent.codecs) == 1
        assert msgspec.to_builtins(sent)["encodings"] == ({"ssrc": 1111},)


def test_rtx_for_another_payload_type_is_not_ours() -> None:
    other = router(video("video/VP8", 101), video("video/VP9", 105), video("video/rtx", 106, apt=105))
    assert [c.mime_type for c in receive_capabilities(other).codecs] == ["video/VP8"]


def test_what_aiortc_says_of_itself_is_what_we_count_on() -> None:
    names = {kind: [c.mime_type for c in client_capabilities(kind).codecs] for kind in MediaKind}
    assert names[MediaKind.AUDIO][0] == "audio/opus"
    assert names[MediaKind.VIDEO][:2] == ["video/VP8", "video/rtx"]
