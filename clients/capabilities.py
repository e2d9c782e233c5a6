"""What this client can send to and receive from a given router, as a mediasoup device would say; pure.

Payload types and extension ids are always the router's, so that nothing has to be mapped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aiortc import RTCRtpReceiver

from clients.convert import from_rtc_codec_capability
from clients.errors import NothingInCommon
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.rtp import (
    ExtensionDirection,
    MediaKind,
    RtcpFeedback,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecCapability,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtension,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)

VIDEO_FEEDBACK = (
    RtcpFeedback(type="nack"),
    RtcpFeedback(type="nack", parameter="pli"),
    RtcpFeedback(type="goog-remb"),
)
"""The feedback that aiortc sends and obeys; its public capabilities do not say it."""

PREFERRED = {MediaKind.AUDIO: "audio/opus", MediaKind.VIDEO: "video/VP8"}

_NOT_TO_SEND = (ExtensionDirection.SENDONLY, ExtensionDirection.INACTIVE)
_NOT_TO_RECEIVE = (ExtensionDirection.RECVONLY, ExtensionDirection.INACTIVE)
_H264_MUST_MATCH = (("packetization-mode", "0"), ("profile-level-id", "42001f"))
"""Format parameters that tell H264 codecs apart, with their defaults (RFC 6184 8.1)."""


@dataclass(frozen=True, slots=True)
class StreamIds:
    """What names a stream that we are going to send.

    Attributes:
        mid: unique on the transport, at most 8 bytes.
        ssrc: of the media.
        rtx_ssrc: of its retransmissions, used only if the router offers them.
        cname: the same for all that this client sends.
    """

    mid: str
    ssrc: int
    rtx_ssrc: int
    cname: str


def client_capabilities(kind: MediaKind) -> RtpCapabilities:
    """All that aiortc can send and receive of a kind, without payload types; extension ids count from 1."""
    native = RTCRtpReceiver.getCapabilities(kind.value)
    codecs = [] if native is None else [from_rtc_codec_capability(c) for c in native.codecs]
    extensions = [] if native is None else native.headerExtensions
    feedback = VIDEO_FEEDBACK if kind is MediaKind.VIDEO else ()
    return RtpCapabilities(
        codecs=tuple(c if _is_rtx(c) else _with_feedback(c, feedback) for c in codecs),
        header_extensions=tuple(
            RtpHeaderExtension(kind=kind, uri=e.uri, preferred_id=i) for i, e in enumerate(extensions, 1)
        ),
    )


def receive_capabilities(router: RtpCapabilities) -> RtpCapabilities:
    """What this client can receive from the router: the body of `Init` and of a consumer request."""
    codecs: list[RtpCodecCapability] = []
    extensions: list[RtpHeaderExtension] = []
    for kind in MediaKind:
        for codec in _common_codecs(router, kind):
            codecs.append(codec)
            codecs.extend(_rtx_of(router, kind, codec.preferred_payload_type))
        extensions.extend(_common_extensions(router, kind, _NOT_TO_RECEIVE))
    return RtpCapabilities(codecs=tuple(codecs), header_extensions=tuple(extensions))


def send_parameters(
    kind: MediaKind, router: RtpCapabilities, ids: StreamIds, *, codec: str | None = None
) -> RtpParameters:
    """The RtpParameters with which this client sends one stream to the router.

    Args:
        kind: of the track.
        router: its capabilities.
        ids: names of the stream.
        codec: mime type to send; None takes VP8 or Opus if it is in common, else the first that is.

    Raises:
        NothingInCommon: no codec (or not this one) that both know.
    """
    chosen = _choose(_common_codecs(router, kind), PREFERRED[kind], codec)
    if chosen is None:
        raise NothingInCommon(f"the router and aiortc share no {codec or kind.value} codec")
    rtx = _rtx_of(router, kind, chosen.preferred_payload_type)
    return RtpParameters(
        mid=ids.mid,
        codecs=tuple(_in_use(c) for c in (chosen, *rtx)),
        header_extensions=tuple(
            RtpHeaderExtensionParameters(uri=e.uri, id=e.preferred_id)
            for e in _common_extensions(router, kind, _NOT_TO_SEND)
        ),
        encodings=(RtpEncodingParameters(ssrc=ids.ssrc, rtx=RtxParameters(ssrc=ids.rtx_ssrc) if rtx else ABSENT),),
        rtcp=RtcpParameters(cname=ids.cname),
    )


def _choose(common: list[RtpCodecCapability], preferred: str, asked: str | None) -> RtpCodecCapability | None:
    wanted = (asked or preferred).lower()
    for codec in common:
        if codec.mime_type.lower() == wanted:
            return codec
    return common[0] if common and asked is None else None


def _in_use(codec: RtpCodecCapability) -> RtpCodecParameters:
    assert isinstance(codec.preferred_payload_type, int), "_common_codecs and _rtx_of give no other"
    return RtpCodecParameters(
        mime_type=codec.mime_type,
        payload_type=codec.preferred_payload_type,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        parameters=codec.parameters,
        rtcp_feedback=codec.rtcp_feedback,
    )


def _common_codecs(router: RtpCapabilities, kind: MediaKind) -> list[RtpCodecCapability]:
    """The router's codecs of a kind that this client knows, in the router's order, feedback reduced to the common."""
    mine = [c for c in client_capabilities(kind).codecs if not _is_rtx(c)]
    common = []
    for theirs in router.codecs:
        match = next((c for c in mine if _same_codec(c, theirs)), None)
        if match is not None and isinstance(theirs.preferred_payload_type, int):
            feedback = tuple(f for f in theirs.rtcp_feedback if f in match.rtcp_feedback)
            common.append(_with_feedback(theirs, feedback))
    return common


def _same_codec(mine: RtpCodecCapability, theirs: RtpCodecCapability) -> bool:
    if (mine.mime_type.lower(), mine.clock_rate) != (theirs.mime_type.lower(), theirs.clock_rate):
        return False
    if _channels(mine) != _channels(theirs):
        return False
    if mine.mime_type.lower() != "video/h264":
        return True
    return all(
        str(mine.parameters.get(name, default)).lower() == str(theirs.parameters.get(name, default)).lower()
        for name, default in _H264_MUST_MATCH
    )


def _channels(codec: RtpCodecCapability) -> int:
    return codec.channels if isinstance(codec.channels, int) else 1


def _rtx_of(router: RtpCapabilities, kind: MediaKind, apt: int | Absent) -> tuple[RtpCodecCapability, ...]:
    """The router's RTX codec for a payload type (RFC 4588 8.6), if this client can retransmit that kind."""
    if not any(_is_rtx(c) for c in client_capabilities(kind).codecs):
        return ()
    found = (c for c in router.codecs if _is_rtx(c) and c.parameters.get("apt") == apt)
    return tuple(c for c in found if isinstance(c.preferred_payload_type, int))[:1]


def _common_extensions(
    router: RtpCapabilities, kind: MediaKind, unless: Iterable[ExtensionDirection]
) -> list[RtpHeaderExtension]:
    mine = {e.uri for e in client_capabilities(kind).header_extensions}
    common: dict[str, RtpHeaderExtension] = {}
    for extension in router.header_extensions:
        if extension.uri in mine and extension.kind in (kind, ABSENT) and extension.direction not in unless:
            common.setdefault(extension.uri, extension)
    return list(common.values())


def _is_rtx(codec: RtpCodecCapability) -> bool:
    return codec.mime_type.lower().endswith("/rtx")


def _with_feedback(codec: RtpCodecCapability, feedback: tuple[RtcpFeedback, ...]) -> RtpCodecCapability:
    return RtpCodecCapability(
        kind=codec.kind,
        mime_type=codec.mime_type,
        clock_rate=codec.clock_rate,
        preferred_payload_type=codec.preferred_payload_type,
        channels=codec.channels,
        parameters=codec.parameters,
        rtcp_feedback=feedback,
    )
