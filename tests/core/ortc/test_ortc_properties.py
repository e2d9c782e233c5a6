from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.ortc.consume import can_consume, get_consumer_rtp_parameters
from labsfu.core.ortc.mime import associated_payload_type, is_rtx
from labsfu.core.ortc.pipe import get_pipe_consumer_rtp_parameters
from labsfu.core.ortc.produce import get_consumable_rtp_parameters, get_producer_rtp_mapping, get_producer_type
from labsfu.core.ortc.supported import (
    GOOG_REMB,
    OFFER_EVERYTHING,
    SUPPORTED_CODECS,
    SUPPORTED_HEADER_EXTENSIONS,
    Offer,
)
from labsfu.core.ortc.validate import validate_rtp_capabilities, validate_rtp_parameters
from labsfu.core.uris import ABS_SEND_TIME
from labsfu.errors import InvalidValue, Unsupported
from labsfu.wire.base import from_json, to_json
from labsfu.wire.rtp import (
    MediaKind,
    RtpCapabilities,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from tests.core.ortc.material import ProduceEvent, capability, chromium_device, chromium_produces, produced, router_for

ROUTER = router_for(
    capability("audio/opus", 48000, channels=2),
    capability("video/VP8"),
    capability("video/VP9", profile_id=2),
    capability("video/H264", packetization_mode=1),
)
RECORDED = [chromium_produces(name) for name in ("audio-simple", "video-simple", "video-simulcast")]
OFFERS = st.builds(Offer, transport_cc=st.booleans(), nack=st.booleans(), dependency_descriptor=st.booleans())


@st.composite
def clients(draw: st.DrawFn) -> RtpCapabilities:
    """Any part of what the router knows, with any part of the feedback, and some ids of the client's own."""
    codecs = draw(st.lists(st.sampled_from(ROUTER.codecs), unique_by=lambda item: item.preferred_payload_type))
    extensions = draw(st.lists(st.sampled_from(SUPPORTED_HEADER_EXTENSIONS)))
    feedback = [draw(st.lists(st.sampled_from(item.rtcp_feedback or (GOOG_REMB,)))) for item in codecs]
    ids = [draw(st.sampled_from([item.preferred_id, 9])) for item in extensions]
    return RtpCapabilities(
        codecs=tuple(replace(item, rtcp_feedback=tuple(kept)) for item, kept in zip(codecs, feedback, strict=True)),
        header_extensions=tuple(replace(item, preferred_id=id_) for item, id_ in zip(extensions, ids, strict=True)),
    )


@given(client=clients(), event=st.sampled_from(RECORDED), offer=OFFERS, enable_rtx=st.booleans(), pipe=st.booleans())
def test_consumer_parameters_hold_only_what_both_sides_negotiated(
    client: RtpCapabilities, event: ProduceEvent, offer: Offer, enable_rtx: bool, pipe: bool
) -> None:
    router = generate_router_rtp_capabilities([c for c in ROUTER.codecs if not is_rtx(c)], offer)
    media = tuple(item for item in event.rtp_parameters.codecs if offer.nack or not is_rtx(item))
    consumable = produced(event.kind, replace(event.rtp_parameters, codecs=media), router)[2]
    try:
        got = get_consumer_rtp_parameters(
            consumable, client, ssrc=1, rtx_ssrc=100, mid="0", enable_rtx=enable_rtx, pipe=pipe
        )
    except Unsupported:
        assert not can_consume(consumable, client)
        return
    assert can_consume(consumable, client)
    known = {item.mime_type: set(item.rtcp_feedback) for item in client.codecs}
    offered = {item.preferred_payload_type: item for item in router.codecs}
    for item in got.codecs:
        assert offered[item.payload_type].mime_type == item.mime_type
        feedback = set(item.rtcp_feedback)
        assert feedback <= set(offered[item.payload_type].rtcp_feedback)
        assert is_rtx(item) or feedback <= known[item.mime_type]
    assert not is_rtx(got.codecs[0])
    media_types = {item.payload_type for item in got.codecs if not is_rtx(item)}
    assert {associated_payload_type(item) for item in got.codecs if is_rtx(item)} <= media_types
    listed = {(item.uri, item.preferred_id) for item in client.header_extensions}
    assert {(item.uri, item.id) for item in got.header_extensions} <= listed
    assert {item.uri for item in got.header_extensions} <= {item.uri for item in router.header_extensions}
    if any(GOOG_REMB in item.rtcp_feedback for item in got.codecs):
        assert ABS_SEND_TIME in {item.uri for item in got.header_extensions}
    has_rtx = any(is_rtx(item) for item in got.codecs)
    assert all(isinstance(item.rtx, RtxParameters) is has_rtx for item in got.encodings)
    assert len(got.encodings) == (len(consumable.encodings) if pipe else 1)


@given(client=clients(), event=st.sampled_from(RECORDED))
def test_no_step_changes_what_it_is_given(client: RtpCapabilities, event: ProduceEvent) -> None:
    codecs = [item for item in ROUTER.codecs if not is_rtx(item)]
    given_values = (codecs, SUPPORTED_CODECS, ROUTER, event.rtp_parameters, client)
    before = [to_json(value) for value in given_values]
    generate_router_rtp_capabilities(codecs, OFFER_EVERYTHING)
    valid, mapping, consumable = produced(event.kind, event.rtp_parameters, ROUTER)
    between = [to_json(value) for value in (valid, consumable)], dict(mapping.codecs)
    get_producer_type(valid)
    validate_rtp_capabilities(client)
    if can_consume(consumable, client):
        get_consumer_rtp_parameters(consumable, client, ssrc=1, rtx_ssrc=2, mid="0")
    get_pipe_consumer_rtp_parameters(consumable, ssrc=1, rtx_ssrc=2, enable_rtx=True)
    assert [to_json(value) for value in given_values] == before
    assert ([to_json(value) for value in (valid, consumable)], dict(mapping.codecs)) == between


def test_results_share_no_dictionary_with_the_tables_or_the_router() -> None:
    event = chromium_produces("video-simple")
    consumable = produced(event.kind, event.rtp_parameters, ROUTER)[2]
    held = {id(item.parameters) for item in (*SUPPORTED_CODECS, *ROUTER.codecs)}
    held |= {id(item.parameters) for item in event.rtp_parameters.codecs}
    assert held.isdisjoint(id(item.parameters) for item in consumable.codecs)
    assert can_consume(consumable, chromium_device())


_NAMES = st.sampled_from(["video/VP8", "video/H264", "video/rtx", "audio/opus", "video", "a/b", "", "audio/multiopus"])
_VALUES = st.one_of(st.integers(-1, 130), st.text(max_size=6), st.floats(allow_nan=False, allow_infinity=False))
_FMTP = st.dictionaries(
    st.sampled_from(["apt", "profile-level-id", "packetization-mode", "num_streams", "channel_mapping"]), _VALUES
)
_MAYBE_SSRC = st.one_of(st.none(), st.integers(0, 3))


@st.composite
def anything_sent(draw: st.DrawFn) -> RtpParameters:
    """RtpParameters as the wire lets them through, right or wrong."""
    codecs = [
        {
            "mimeType": draw(_NAMES),
            "payloadType": draw(st.integers(0, 127)),
            "clockRate": 90000,
            "parameters": draw(_FMTP),
        }
        for _ in range(draw(st.integers(0, 3)))
    ]
    encodings = []
    for _ in range(draw(st.integers(0, 3))):
        encoding: dict[str, object] = {"scalabilityMode": draw(st.sampled_from(["L1T1", "L3T3", "S2T2", "x"]))}
        encoding |= {
            name: draw(st.integers(0, 5)) for name in draw(st.sets(st.sampled_from(["ssrc", "codecPayloadType"])))
        }
        if draw(st.booleans()):
            encoding["rid"] = draw(st.text(max_size=2))
        encodings.append(encoding)
    extensions = [
        {"uri": draw(st.text(max_size=2)), "id": draw(st.integers(1, 4))} for _ in range(draw(st.integers(0, 2)))
    ]
    body = {"codecs": codecs, "encodings": encodings, "headerExtensions": extensions, "mid": draw(st.text(max_size=1))}
    return from_json(to_json(body), RtpParameters)


@given(parameters=anything_sent(), kind=st.sampled_from(MediaKind))
def test_whatever_is_sent_is_negotiated_or_refused(parameters: RtpParameters, kind: MediaKind) -> None:
    try:
        valid = validate_rtp_parameters(parameters, kind)
        get_producer_type(valid)
        mapping = get_producer_rtp_mapping(valid, ROUTER, base_ssrc=1)
    except (InvalidValue, Unsupported):  # and nothing else
        return
    consumable = get_consumable_rtp_parameters(kind, valid, ROUTER, mapping)
    assert {item.payload_type for item in consumable.codecs} <= {item.preferred_payload_type for item in ROUTER.codecs}


@given(
    ssrcs=st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=4, unique=True),
    base=st.integers(100_000_000, 999_999_998),
)
def test_each_stream_has_a_mapped_ssrc_of_its_own(ssrcs: list[int], base: int) -> None:
    parameters = RtpParameters(
        codecs=(RtpCodecParameters(mime_type="video/VP8", payload_type=96, clock_rate=90000),),
        header_extensions=(RtpHeaderExtensionParameters(uri=ABS_SEND_TIME, id=3),),
        encodings=tuple(RtpEncodingParameters(ssrc=ssrc) for ssrc in ssrcs),
    )
    mapping = get_producer_rtp_mapping(validate_rtp_parameters(parameters), ROUTER, base_ssrc=base)
    assert [item.mapped_ssrc for item in mapping.encodings] == list(range(base, base + len(ssrcs)))
    assert [item.ssrc for item in mapping.encodings] == ssrcs
