"""What the router knows, and what it offers of it today."""

from __future__ import annotations

from labsfu.core import uris
from labsfu.wire.base import ABSENT, Wire
from labsfu.wire.rtp import (
    CodecParameters,
    ExtensionDirection,
    MediaKind,
    RtcpFeedback,
    RtpCapabilities,
    RtpCodecCapability,
    RtpHeaderExtension,
)


class Offer(Wire):
    """Which of the supported mechanisms a router offers: only those whose other half exists.

    Attributes:
        transport_cc: the feedback `transport-cc` and its header extension. Chromium starves its upper layers when they
            are negotiated and no feedback comes.
        nack: plain `nack` and RTX codecs; `nack pli` and `ccm fir` are always offered.
        dependency_descriptor: AV1's header extension. On key frames it outgrows 16 bytes, so it needs two-byte headers.
    """

    transport_cc: bool = False
    nack: bool = False
    dependency_descriptor: bool = False


OFFER_EVERYTHING = Offer(transport_cc=True, nack=True, dependency_descriptor=True)

NACK = RtcpFeedback(type="nack")
NACK_PLI = RtcpFeedback(type="nack", parameter="pli")
CCM_FIR = RtcpFeedback(type="ccm", parameter="fir")
GOOG_REMB = RtcpFeedback(type="goog-remb")
TRANSPORT_CC = RtcpFeedback(type="transport-cc")

_VIDEO_FEEDBACK = (NACK, NACK_PLI, CCM_FIR, GOOG_REMB, TRANSPORT_CC)

DYNAMIC_PAYLOAD_TYPES: tuple[int, ...] = (*range(100, 128), *range(96, 100))
"""In the order in which they are given out (RFC 3551 3: 96 to 127 are dynamic)."""


def _audio(
    name: str,
    clock_rate: int,
    *feedback: RtcpFeedback,
    channels: int = 1,
    payload_type: int | None = None,
    parameters: CodecParameters | None = None,
) -> RtpCodecCapability:
    return RtpCodecCapability(
        kind=MediaKind.AUDIO,
        mime_type=f"audio/{name}",
        clock_rate=clock_rate,
        channels=channels,
        preferred_payload_type=ABSENT if payload_type is None else payload_type,
        parameters=parameters or {},
        rtcp_feedback=feedback,
    )


def _video(name: str, parameters: CodecParameters | None = None) -> RtpCodecCapability:
    return RtpCodecCapability(
        kind=MediaKind.VIDEO,
        mime_type=f"video/{name}",
        clock_rate=90000,
        parameters=parameters or {},
        rtcp_feedback=_VIDEO_FEEDBACK,
    )


def _multiopus(channel_mapping: str, streams: int, coupled: int) -> RtpCodecCapability:
    parameters: CodecParameters = {
        "channel_mapping": channel_mapping,
        "num_streams": streams,
        "coupled_streams": coupled,
    }
    channels = channel_mapping.count(",") + 1
    return _audio("multiopus", 48000, NACK, TRANSPORT_CC, channels=channels, parameters=parameters)


def _extension(
    id_: int, uri: str, *kinds: MediaKind, direction: ExtensionDirection = ExtensionDirection.SENDRECV
) -> tuple[RtpHeaderExtension, ...]:
    return tuple(RtpHeaderExtension(kind=kind, uri=uri, preferred_id=id_, direction=direction) for kind in kinds)


SUPPORTED_CODECS: tuple[RtpCodecCapability, ...] = (
    _audio("opus", 48000, NACK, TRANSPORT_CC, channels=2),
    _multiopus("0,1,2,3", 2, 2),
    _multiopus("0,4,1,2,3,5", 4, 2),
    _multiopus("0,6,1,2,3,4,5,7", 5, 3),
    _audio("PCMU", 8000, TRANSPORT_CC, payload_type=0),
    _audio("PCMA", 8000, TRANSPORT_CC, payload_type=8),
    _audio("ISAC", 32000, TRANSPORT_CC),
    _audio("ISAC", 16000, TRANSPORT_CC),
    _audio("G722", 8000, TRANSPORT_CC, payload_type=9),  # it samples at 16 kHz; 8000 is RFC 3551 4.5.2's old mistake
    _audio("iLBC", 8000, TRANSPORT_CC),
    _audio("SILK", 24000, TRANSPORT_CC),
    _audio("SILK", 16000, TRANSPORT_CC),
    _audio("SILK", 12000, TRANSPORT_CC),
    _audio("SILK", 8000, TRANSPORT_CC),
    _audio("CN", 32000, payload_type=13),
    _audio("CN", 16000, payload_type=13),
    _audio("CN", 8000, payload_type=13),
    _audio("telephone-event", 48000),
    _audio("telephone-event", 32000),
    _audio("telephone-event", 16000),
    _audio("telephone-event", 8000),
    _video("VP8"),
    _video("VP9"),
    _video("H264", {"level-asymmetry-allowed": 1}),
    _video("H264-SVC", {"level-asymmetry-allowed": 1}),
    _video("H265", {"level-asymmetry-allowed": 1}),
    _video("AV1"),
)

_A, _V = MediaKind.AUDIO, MediaKind.VIDEO
_RECVONLY = ExtensionDirection.RECVONLY

SUPPORTED_HEADER_EXTENSIONS: tuple[RtpHeaderExtension, ...] = (
    *_extension(1, uris.MID, _A, _V),
    *_extension(2, uris.RTP_STREAM_ID, _V, direction=_RECVONLY),
    *_extension(3, uris.REPAIRED_RTP_STREAM_ID, _V, direction=_RECVONLY),
    *_extension(4, uris.ABS_SEND_TIME, _A, _V),
    *_extension(5, uris.TRANSPORT_WIDE_CC, _A, direction=_RECVONLY),
    *_extension(5, uris.TRANSPORT_WIDE_CC, _V),
    *_extension(6, uris.FRAME_MARKING_07, _V),
    *_extension(7, uris.FRAME_MARKING, _V),
    *_extension(8, uris.DEPENDENCY_DESCRIPTOR, _V),
    *_extension(10, uris.AUDIO_LEVEL, _A),
    *_extension(11, uris.VIDEO_ORIENTATION, _V),
    *_extension(12, uris.TRANSMISSION_OFFSET, _V),
    *_extension(13, uris.ABS_CAPTURE_TIME, _A, _V),
    *_extension(14, uris.PLAYOUT_DELAY, _A, _V),
)

DEFAULT_MEDIA_CODECS: tuple[RtpCodecCapability, ...] = (
    RtpCodecCapability(kind=_A, mime_type="audio/opus", clock_rate=48000, channels=2),
    RtpCodecCapability(kind=_V, mime_type="video/VP8", clock_rate=90000),
    RtpCodecCapability(
        kind=_V,
        mime_type="video/H264",
        clock_rate=90000,
        parameters={"level-asymmetry-allowed": 1, "packetization-mode": 1, "profile-level-id": "42e01f"},
    ),
    RtpCodecCapability(kind=_A, mime_type="audio/PCMU", clock_rate=8000, channels=1),
    RtpCodecCapability(kind=_A, mime_type="audio/PCMA", clock_rate=8000, channels=1),
    RtpCodecCapability(kind=_A, mime_type="audio/G722", clock_rate=8000, channels=1),
)
"""The media codecs of a router that was not told any; clients take the first of a kind unless they wish otherwise.

H264 as all browsers have it (RFC 7742 5: Constrained Baseline is mandatory), in packetization-mode 1."""


def supported_capabilities(offer: Offer) -> RtpCapabilities:
    """All supported codecs and header extensions, without what is not offered."""
    feedback = {TRANSPORT_CC: offer.transport_cc, NACK: offer.nack}
    extensions = {uris.TRANSPORT_WIDE_CC: offer.transport_cc, uris.DEPENDENCY_DESCRIPTOR: offer.dependency_descriptor}
    return RtpCapabilities(
        codecs=tuple(_with_feedback(codec, feedback) for codec in SUPPORTED_CODECS),
        header_extensions=tuple(item for item in SUPPORTED_HEADER_EXTENSIONS if extensions.get(item.uri, True)),
    )


def _with_feedback(codec: RtpCodecCapability, offered: dict[RtcpFeedback, bool]) -> RtpCodecCapability:
    return RtpCodecCapability(
        kind=codec.kind,
        mime_type=codec.mime_type,
        clock_rate=codec.clock_rate,
        preferred_payload_type=codec.preferred_payload_type,
        channels=codec.channels,
        parameters=dict(codec.parameters),
        rtcp_feedback=tuple(item for item in codec.rtcp_feedback if offered.get(item, True)),
    )
