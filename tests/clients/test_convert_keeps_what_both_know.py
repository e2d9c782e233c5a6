"""Wire types to aiortc's and back. The vectors are a real Chromium's and aiortc's own."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from aiortc import RTCDtlsFingerprint, RTCDtlsParameters, RTCIceCandidate, RTCIceParameters, RTCRtpReceiver

from clients import convert
from clients.errors import ProtocolViolation
from labsfu.wire.base import from_json
from labsfu.wire.commands import Produce
from labsfu.wire.rtp import MediaKind, RtpCapabilities, RtpEncodingParameters, RtpParameters
from labsfu.wire.transport import DtlsParameters, DtlsRole, IceCandidate, IceParameters

DATA = Path(__file__).parents[1] / "data" / "clients"


def chromium_produces(kind: str) -> RtpParameters:
    body = msgspec.json.decode((DATA / f"chromium-produce-{kind}.json").read_bytes())
    return msgspec.convert(body["rtpParameters"], RtpParameters)


def test_a_browsers_video_keeps_codecs_ids_and_streams_both_ways() -> None:
    sent = chromium_produces("video")
    native = convert.to_rtc_receive_parameters(sent)
    assert native.muxId == "1"
    assert [(c.mimeType, c.payloadType, c.parameters) for c in native.codecs] == [
        ("video/VP8", 96, {}),
        ("video/rtx", 97, {"apt": 96}),
    ]
    assert [(e.ssrc, e.rtx and e.rtx.ssrc, e.payloadType) for e in native.encodings] == [(1342269841, 3835565706, 96)]
    assert native.rtcp.cname == "bc9tyMWLiJ7+jCpq"

    back = convert.from_rtc_parameters(native)
    assert (back.mid, back.codecs, back.rtcp) == (sent.mid, sent.codecs, sent.rtcp)
    assert back.header_extensions == sent.header_extensions
    assert (back.encodings[0].ssrc, back.encodings[0].rtx) == (sent.encodings[0].ssrc, sent.encodings[0].rtx)


def test_a_browsers_audio_keeps_its_channels_and_format_parameters() -> None:
    native = convert.to_rtc_send_parameters(chromium_produces("audio"))
    opus = native.codecs[0]
    assert (opus.channels, opus.clockRate, opus.parameters) == (2, 48000, {"minptime": 10, "useinbandfec": 1})
    assert native.encodings[0].rtx is None
    assert convert.from_rtc_parameters(native).codecs == chromium_produces("audio").codecs


def test_an_encoding_without_ssrc_is_refused() -> None:
    by_rid = msgspec.structs.replace(chromium_produces("video"), encodings=(RtpEncodingParameters(rid="r0"),))
    with pytest.raises(ProtocolViolation):
        convert.to_rtc_receive_parameters(by_rid)


def test_a_fractional_json_number_is_still_a_payload_type() -> None:
    apt = from_json(
        b'{"codecs": [{"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96.0}}]}',
        RtpParameters,
    )
    parameter = convert.to_rtc_send_parameters(apt).codecs[0].parameters["apt"]
    assert parameter == 96
    assert isinstance(parameter, int)


@pytest.mark.parametrize("kind", MediaKind)
def test_aiortcs_capabilities_round_trip(kind: MediaKind) -> None:
    native = RTCRtpReceiver.getCapabilities(kind.value)
    assert native is not None
    wire = RtpCapabilities(codecs=tuple(convert.from_rtc_codec_capability(c) for c in native.codecs))
    assert convert.to_rtc_capabilities(wire, kind).codecs == native.codecs
    assert convert.to_rtc_capabilities(wire, next(k for k in MediaKind if k is not kind)).codecs == []


def test_a_browsers_capabilities_divide_by_kind() -> None:
    browser = from_json((DATA / "chromium-rtp-capabilities.json").read_bytes(), RtpCapabilities)
    audio, video = (convert.to_rtc_capabilities(browser, kind) for kind in MediaKind)
    assert [c.mimeType for c in audio.codecs] == ["audio/opus"]
    assert [c.mimeType for c in video.codecs] == ["video/VP8", "video/rtx"]
    assert [e.uri for e in audio.headerExtensions] == ["urn:ietf:params:rtp-hdrext:ssrc-audio-level"]


def test_ice_parameters_and_candidates_round_trip() -> None:
    native = RTCIceParameters(usernameFragment="WVzT", password="l3Yi5SAbPR8tEUbrcYBQVb", iceLite=False)
    assert convert.to_rtc_ice_parameters(convert.from_rtc_ice_parameters(native)) == native
    lite = IceParameters(username_fragment="u" * 32, password="p" * 32, ice_lite=True)
    assert convert.from_rtc_ice_parameters(convert.to_rtc_ice_parameters(lite)) == lite
    candidate = RTCIceCandidate(
        component=1, foundation="0", ip="127.0.0.1", port=40000, priority=2130706431, protocol="udp", type="host"
    )
    assert convert.to_rtc_ice_candidate(convert.from_rtc_ice_candidate(candidate)) == candidate


def test_a_tcp_candidate_keeps_its_type() -> None:
    tcp = IceCandidate(
        foundation="t", priority=1, ip="::1", address="::1", protocol="tcp", port=40000, tcp_type="passive"
    )
    native = convert.to_rtc_ice_candidate(tcp)
    assert (native.ip, native.protocol, native.tcpType) == ("::1", "tcp", "passive")


def test_missing_credentials_and_relayed_candidates_are_refused() -> None:
    with pytest.raises(ProtocolViolation):
        convert.from_rtc_ice_parameters(RTCIceParameters())
    relayed = RTCIceCandidate(
        component=1, foundation="0", ip="127.0.0.1", port=1, priority=1, protocol="udp", type="relay"
    )
    with pytest.raises(ProtocolViolation):
        convert.from_rtc_ice_candidate(relayed)


@pytest.mark.rfc("RFC 8122 5")
def test_dtls_parameters_give_one_sha_256_fingerprint_and_the_role_asked_for() -> None:
    fingerprints = [RTCDtlsFingerprint(algorithm=f"sha-{n}", value="AB:CD") for n in (512, 256, 384)]
    wire = convert.from_rtc_dtls_parameters(RTCDtlsParameters(fingerprints=fingerprints), DtlsRole.CLIENT)
    assert wire.role is DtlsRole.CLIENT
    assert [f.algorithm for f in wire.fingerprints] == ["sha-256"]
    assert convert.to_rtc_dtls_parameters(wire) == RTCDtlsParameters(fingerprints=[fingerprints[1]], role="client")


def test_a_browsers_dtls_parameters_are_understood() -> None:
    browser = from_json((DATA / "chromium-dtls-parameters.json").read_bytes(), DtlsParameters)
    native = convert.to_rtc_dtls_parameters(browser)
    assert native.role == browser.role.value
    assert [f.algorithm for f in native.fingerprints] == [f.algorithm for f in browser.fingerprints]
    assert all(len(f.value.split(":")) == 32 for f in native.fingerprints if f.algorithm == "sha-256")


def test_what_is_converted_is_what_the_server_can_read() -> None:
    sent = convert.from_rtc_parameters(convert.to_rtc_send_parameters(chromium_produces("video")))
    command = msgspec.json.encode(
        {
            "command": "Produce",
            "routerId": "r",
            "transportId": "t",
            "participantId": "p",
            "kind": "video",
            "rtpParameters": msgspec.to_builtins(sent),
        }
    )
    assert from_json(command, Produce).rtp_parameters == sent
