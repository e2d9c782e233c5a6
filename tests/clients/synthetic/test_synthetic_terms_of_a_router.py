"""What synthetic ends and a router agree on."""

from __future__ import annotations

import pytest

from clients.capabilities import StreamIds
from clients.errors import NothingInCommon
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.outgoing import ExtensionIds
from clients.synthetic.receiver import ReceptionTerms
from clients.synthetic.terms import (
    FIR,
    MID,
    NACK,
    PLI,
    REMB,
    RID,
    SEND_TIME,
    TRANSPORT_CC,
    WIDE,
    receive_capabilities,
    reception_terms,
    send_terms,
)
from clients.synthetic.video import SyntheticVideo
from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS, OFFER_EVERYTHING, Offer
from labsfu.core.ortc.validate import validate_rtp_capabilities, validate_rtp_parameters
from labsfu.wire.base import ABSENT
from labsfu.wire.rtp import (
    MediaKind,
    RtpCapabilities,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)

IDS = StreamIds(mid="3", ssrc=1000, rtx_ssrc=1001, cname="me")


@pytest.fixture
def router() -> RtpCapabilities:
    return generate_router_rtp_capabilities(DEFAULT_MEDIA_CODECS, OFFER_EVERYTHING)


def test_all_of_a_routers_feedback_is_understood_for_video_and_transport_cc_for_sound(router: RtpCapabilities) -> None:
    mine = receive_capabilities(router)
    assert validate_rtp_capabilities(mine) == mine
    assert {codec.mime_type for codec in mine.codecs} == {"audio/opus", "video/VP8", "video/rtx"}
    by_type = {codec.mime_type: set(codec.rtcp_feedback) for codec in mine.codecs}
    assert by_type["video/VP8"] == {NACK, PLI, FIR, REMB, TRANSPORT_CC}
    assert by_type["audio/opus"] == {TRANSPORT_CC}
    assert {(e.kind, e.uri) for e in mine.header_extensions} >= {(MediaKind.VIDEO, WIDE), (MediaKind.AUDIO, MID)}
    assert RID not in {e.uri for e in mine.header_extensions}


def test_a_single_video_tells_its_ssrcs(router: RtpCapabilities) -> None:
    terms = send_terms(SyntheticVideo(1), router, IDS)
    validate_rtp_parameters(terms.parameters, MediaKind.VIDEO)
    assert terms.parameters.encodings == (RtpEncodingParameters(ssrc=1000, rtx=RtxParameters(ssrc=1001)),)
    (stream,) = terms.streams
    assert (stream.ssrc, stream.rtx_ssrc, stream.rid, stream.mid) == (1000, 1001, "", "3")
    assert stream.payload_type == terms.parameters.codecs[0].payload_type
    assert stream.rtx_payload_type == terms.parameters.codecs[1].payload_type
    assert stream.extensions == ExtensionIds(mid=1, rid=2, repaired_rid=3, send_time=4, wide=5)


@pytest.mark.rfc("RFC 8853 4", "RFC 8852 3")
def test_simulcast_tells_rids_and_no_ssrc(router: RtpCapabilities) -> None:
    source = SyntheticVideo(1, rids=("r0", "r1"), temporal_layers=3)
    terms = send_terms(source, router, IDS, [(10, 11), (20, 21)])
    validate_rtp_parameters(terms.parameters, MediaKind.VIDEO)
    assert [(e.rid, e.ssrc, e.rtx, e.scalability_mode, e.max_bitrate) for e in terms.parameters.encodings] == [
        ("r0", ABSENT, ABSENT, "L1T3", 150_000),
        ("r1", ABSENT, ABSENT, "L1T3", 500_000),
    ]
    assert [(stream.rid, stream.ssrc, stream.rtx_ssrc) for stream in terms.streams] == [("r0", 10, 11), ("r1", 20, 21)]


def test_sound_has_a_level_and_no_retransmission(router: RtpCapabilities) -> None:
    terms = send_terms(SyntheticAudio(1), router, IDS)
    validate_rtp_parameters(terms.parameters, MediaKind.AUDIO)
    (stream,) = terms.streams
    assert stream.rtx_payload_type is None
    assert stream.extensions.audio_level == 10
    assert stream.extensions.rid is None
    assert stream.clock_rate == 48_000


def test_what_a_router_does_not_offer_is_not_used() -> None:
    router = generate_router_rtp_capabilities(DEFAULT_MEDIA_CODECS, Offer())
    (stream,) = send_terms(SyntheticVideo(1), router, IDS).streams
    assert stream.rtx_payload_type is None
    assert stream.extensions.wide is None
    assert NACK not in receive_capabilities(router).codecs[1].rtcp_feedback


def test_a_router_without_the_codec_or_without_rids_is_refused(router: RtpCapabilities) -> None:
    with pytest.raises(NothingInCommon, match="video/VP8"):
        send_terms(SyntheticVideo(1), generate_router_rtp_capabilities(DEFAULT_MEDIA_CODECS[:1], Offer()), IDS)
    nameless = RtpCapabilities(codecs=router.codecs)
    with pytest.raises(NothingInCommon, match="RID"):
        send_terms(SyntheticVideo(1, rids=("a", "b")), nameless, IDS, [(1, 2), (3, 4)])


def consumer(*feedback: object, mime_type: str = "video/VP8") -> RtpParameters:
    codecs = (
        RtpCodecParameters(mime_type=mime_type, payload_type=101, clock_rate=90_000, rtcp_feedback=feedback),  # type: ignore[arg-type] # RtcpFeedback
        RtpCodecParameters(mime_type="video/rtx", payload_type=102, clock_rate=90_000, parameters={"apt": 101}),
    )
    return RtpParameters(
        codecs=codecs,
        header_extensions=(
            RtpHeaderExtensionParameters(uri=SEND_TIME, id=4),
            RtpHeaderExtensionParameters(uri=WIDE, id=5),
        ),
        encodings=(RtpEncodingParameters(ssrc=7, rtx=RtxParameters(ssrc=8)),),
    )


def test_a_receiver_reports_arrivals_or_sends_a_remb_as_was_agreed() -> None:
    by_number = reception_terms(consumer(NACK, PLI, REMB, TRANSPORT_CC))
    assert (by_number.transport_cc, by_number.send_time) == (5, None)
    by_time = reception_terms(consumer(REMB))
    assert (by_time.transport_cc, by_time.send_time) == (None, 4)
    assert by_time == ReceptionTerms(by_time.format, 7, 101, 8, 102, send_time=4)
    assert (by_number.nack, by_number.pli, by_time.nack) == (True, True, False)
    with pytest.raises(NothingInCommon):
        reception_terms(consumer(mime_type="video/AV1"))
