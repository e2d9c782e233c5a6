"""Dictionaries that several ORTC tests start from."""

from __future__ import annotations

from pathlib import Path

import msgspec

from labsfu.core.ortc.capabilities import generate_router_rtp_capabilities
from labsfu.core.ortc.produce import RtpMapping, get_consumable_rtp_parameters, get_producer_rtp_mapping
from labsfu.core.ortc.supported import OFFER_EVERYTHING, Offer
from labsfu.core.ortc.validate import validate_rtp_parameters
from labsfu.wire.base import ABSENT, Absent, from_json
from labsfu.wire.rtp import (
    CodecParameters,
    MediaKind,
    RtcpFeedback,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)

DATA = Path(__file__).parents[2] / "data" / "ortc"
BASE_SSRC = 500_000_000

OPUS_AND_VP8 = (
    RtpCodecCapability(mime_type="audio/opus", clock_rate=48000, channels=2),
    RtpCodecCapability(mime_type="video/VP8", clock_rate=90000),
)
FULL_ROUTER = generate_router_rtp_capabilities(OPUS_AND_VP8, OFFER_EVERYTHING)
"""Opus 100, VP8 101, RTX 102."""
BARE_ROUTER = generate_router_rtp_capabilities(OPUS_AND_VP8, Offer())
"""Opus 100, VP8 101."""


class ProduceEvent(msgspec.Struct, rename="camel"):
    """What mediasoup-client's `produce` event hands over."""

    kind: MediaKind
    rtp_parameters: RtpParameters


def chromium_produces(name: str) -> ProduceEvent:
    """A recorded `produce` event: audio-simple, video-simple, video-simulcast."""
    return from_json((DATA / f"produce-{name}.json").read_bytes(), ProduceEvent)


def chromium_device() -> RtpCapabilities:
    """What Chromium's device can receive."""
    return from_json((DATA / "device-rtpCapabilities-simple.json").read_bytes(), RtpCapabilities)


def capability(
    mime_type: str, clock_rate: int = 90000, *, channels: int | Absent = ABSENT, **parameters: str | int | float
) -> RtpCodecCapability:
    """A codec capability; `_` in names of parameters is `-`."""
    return RtpCodecCapability(
        mime_type=mime_type, clock_rate=clock_rate, channels=channels, parameters=_dashed(parameters)
    )


def codec(
    mime_type: str,
    payload_type: int,
    clock_rate: int = 90000,
    *,
    channels: int | Absent = ABSENT,
    **parameters: str | int | float,
) -> RtpCodecParameters:
    """A codec in use; `_` in names of parameters is `-`."""
    return RtpCodecParameters(
        mime_type=mime_type,
        payload_type=payload_type,
        clock_rate=clock_rate,
        channels=channels,
        parameters=_dashed(parameters),
    )


def router_for(*codecs: RtpCodecCapability, offer: Offer = OFFER_EVERYTHING) -> RtpCapabilities:
    """A router with these media codecs."""
    return generate_router_rtp_capabilities(codecs, offer)


def sent(
    *codecs: RtpCodecParameters,
    encodings: tuple[RtpEncodingParameters, ...] = (RtpEncodingParameters(ssrc=1),),
    extensions: tuple[tuple[str, int], ...] = (),
    mid: str | Absent = ABSENT,
) -> RtpParameters:
    """What a client sends."""
    return RtpParameters(
        mid=mid,
        codecs=codecs,
        encodings=encodings,
        header_extensions=tuple(RtpHeaderExtensionParameters(uri=uri, id=id_) for uri, id_ in extensions),
    )


def produced(
    kind: MediaKind, parameters: RtpParameters, router: RtpCapabilities
) -> tuple[RtpParameters, RtpMapping, RtpParameters]:
    """The producing half of the chain: validated parameters, their mapping, what is consumable."""
    valid = validate_rtp_parameters(parameters, kind)
    mapping = get_producer_rtp_mapping(valid, router, base_ssrc=BASE_SSRC)
    return valid, mapping, get_consumable_rtp_parameters(kind, valid, router, mapping)


def stream(ssrc: int, rtx_ssrc: int, *, max_bitrate: int, scalability_mode: str) -> RtpEncodingParameters:
    """One encoding with everything."""
    return RtpEncodingParameters(
        ssrc=ssrc, rtx=RtxParameters(ssrc=rtx_ssrc), max_bitrate=max_bitrate, scalability_mode=scalability_mode
    )


def knowing(
    *codecs: RtpCodecCapability,
    extensions: tuple[tuple[str, int], ...] = (),
    feedback: tuple[RtcpFeedback, ...] = (),
) -> RtpCapabilities:
    """Capabilities of a client; `feedback` is that of all codecs."""
    return RtpCapabilities(
        codecs=tuple(msgspec.structs.replace(item, rtcp_feedback=feedback) for item in codecs),
        header_extensions=tuple(RtpHeaderExtension(uri=uri, preferred_id=id_) for uri, id_ in extensions),
    )


def uris_of(parameters: RtpParameters) -> list[tuple[str, int]]:
    """(uri, id) of the header extensions."""
    return [(item.uri, item.id) for item in parameters.header_extensions]


def _dashed(parameters: CodecParameters) -> CodecParameters:
    return {name.replace("_", "-"): value for name, value in parameters.items()}
