"""What synthetic ends can do with a given router, and what was agreed on; pure.

As for the other clients, payload types and extension ids are always the router's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from clients.capabilities import StreamIds
from clients.errors import NothingInCommon
from clients.synthetic.formats import PayloadFormat
from clients.synthetic.opus import Opus
from clients.synthetic.outgoing import ExtensionIds, StreamTerms
from clients.synthetic.receiver import ReceptionTerms
from clients.synthetic.source import SyntheticSource
from clients.synthetic.vp8 import Vp8
from labsfu.wire.base import ABSENT
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

FORMATS: tuple[PayloadFormat, ...] = (Opus(), Vp8())
"""The codecs that can be made up."""

NACK = RtcpFeedback(type="nack")
PLI = RtcpFeedback(type="nack", parameter="pli")
FIR = RtcpFeedback(type="ccm", parameter="fir")
REMB = RtcpFeedback(type="goog-remb")
TRANSPORT_CC = RtcpFeedback(type="transport-cc")
FEEDBACK = {MediaKind.AUDIO: (TRANSPORT_CC,), MediaKind.VIDEO: (NACK, PLI, FIR, REMB, TRANSPORT_CC)}

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
EXTENSIONS = (MID, RID, REPAIRED_RID, SEND_TIME, WIDE, AUDIO_LEVEL)

_NOT_TO_SEND = (ExtensionDirection.SENDONLY, ExtensionDirection.INACTIVE)
_NOT_TO_RECEIVE = (ExtensionDirection.RECVONLY, ExtensionDirection.INACTIVE)


@dataclass(frozen=True, slots=True)
class SendTerms:
    """How a source is sent: what the server is told, and what that means for each layer, the lowest first."""

    parameters: RtpParameters
    streams: tuple[StreamTerms, ...]


def receive_capabilities(router: RtpCapabilities) -> RtpCapabilities:
    """What synthetic receivers can receive from the router: the body of `Init` and of a consumer request."""
    codecs: list[RtpCodecCapability] = []
    for codec in router.codecs:
        format_ = _format_of(codec.mime_type)
        if format_ is not None and isinstance(codec.preferred_payload_type, int):
            codecs.append(replace(codec, rtcp_feedback=_common_feedback(codec, format_.kind)))
            codecs.extend(_rtx_of(router, codec))
    return RtpCapabilities(
        codecs=tuple(codecs),
        header_extensions=tuple(
            e for e in router.header_extensions if e.uri in EXTENSIONS and e.direction not in _NOT_TO_RECEIVE
        ),
    )


def send_terms(
    source: SyntheticSource,
    router: RtpCapabilities,
    ids: StreamIds,
    layer_ssrcs: Sequence[tuple[int, int]] = (),
) -> SendTerms:
    """How a source is sent to the router.

    Args:
        source: what is sent.
        router: its capabilities.
        ids: names of the stream; its SSRCs are those of the only layer.
        layer_ssrcs: SSRC and RTX SSRC of each simulcast layer, which the server is not told.

    Raises:
        NothingInCommon: the router has not the source's codec, or simulcast cannot be told apart there.
    """
    mime_type = source.format.mime_type
    codec = next((c for c in router.codecs if _sends(c, mime_type)), None)
    if codec is None:
        raise NothingInCommon(f"the router has no '{mime_type}'")
    extensions = [
        e
        for e in router.header_extensions
        if e.uri in EXTENSIONS and e.kind in (source.kind, ABSENT) and e.direction not in _NOT_TO_SEND
    ]
    if source.rids and not {MID, RID} <= {e.uri for e in extensions}:
        raise NothingInCommon("simulcast needs the header extensions for MID and RID")
    rtx = _rtx_of(router, codec)
    used = [_in_use(replace(codec, rtcp_feedback=_common_feedback(codec, source.kind))), *map(_in_use, rtx)]
    parameters = RtpParameters(
        mid=ids.mid,
        codecs=tuple(used),
        header_extensions=tuple(RtpHeaderExtensionParameters(uri=e.uri, id=e.preferred_id) for e in extensions),
        encodings=_encodings(source, ids, with_rtx=bool(rtx)),
        rtcp=RtcpParameters(cname=ids.cname),
    )
    wide = TRANSPORT_CC in used[0].rtcp_feedback
    return SendTerms(
        parameters,
        tuple(
            StreamTerms(
                ssrc=ssrc,
                rtx_ssrc=rtx_ssrc,
                payload_type=used[0].payload_type,
                rtx_payload_type=used[1].payload_type if rtx else None,
                clock_rate=codec.clock_rate,
                mid=ids.mid,
                rid=rid,
                extensions=_extension_ids(extensions, wide=wide),
            )
            for (ssrc, rtx_ssrc), rid in zip(
                layer_ssrcs or ((ids.ssrc, ids.rtx_ssrc),), source.rids or ("",), strict=True
            )
        ),
    )


def reception_terms(parameters: RtpParameters) -> ReceptionTerms:
    """What a consumer's parameters mean for its receiver.

    Raises:
        NothingInCommon: another codec than those made up here, or no SSRC.
    """
    codec, encoding = parameters.codecs[0], parameters.encodings[0]
    format_ = _format_of(codec.mime_type)
    if format_ is None or not isinstance(encoding.ssrc, int):
        raise NothingInCommon(f"no synthetic receiver for '{codec.mime_type}' without SSRC or in this codec")
    rtx = next((c for c in parameters.codecs if _is_rtx(c.mime_type)), None)
    ids = {e.uri: e.id for e in parameters.header_extensions}
    wide = ids.get(WIDE) if TRANSPORT_CC in codec.rtcp_feedback else None
    return ReceptionTerms(
        format=format_,
        ssrc=encoding.ssrc,
        payload_type=codec.payload_type,
        rtx_ssrc=encoding.rtx.ssrc if isinstance(encoding.rtx, RtxParameters) else None,
        rtx_payload_type=None if rtx is None else rtx.payload_type,
        nack=NACK in codec.rtcp_feedback,
        pli=PLI in codec.rtcp_feedback,
        transport_cc=wide,
        send_time=ids.get(SEND_TIME) if wide is None and REMB in codec.rtcp_feedback else None,
    )


def _encodings(source: SyntheticSource, ids: StreamIds, *, with_rtx: bool) -> tuple[RtpEncodingParameters, ...]:
    """With rids the server learns the SSRCs from the packets (RFC 8853); without, it is told."""
    mode = source.scalability_mode or ABSENT
    if not source.rids:
        rtx = RtxParameters(ssrc=ids.rtx_ssrc) if with_rtx else ABSENT
        return (RtpEncodingParameters(ssrc=ids.ssrc, rtx=rtx, scalability_mode=mode),)
    return tuple(
        RtpEncodingParameters(rid=rid, scalability_mode=mode, max_bitrate=maximum)
        for rid, maximum in zip(source.rids, source.max_bitrates(), strict=True)
    )


def _extension_ids(extensions: Sequence[RtpHeaderExtension], *, wide: bool) -> ExtensionIds:
    ids = {e.uri: e.preferred_id for e in extensions}
    return ExtensionIds(
        mid=ids.get(MID),
        rid=ids.get(RID),
        repaired_rid=ids.get(REPAIRED_RID),
        send_time=ids.get(SEND_TIME),
        wide=ids.get(WIDE) if wide else None,
        audio_level=ids.get(AUDIO_LEVEL),
    )


def _format_of(mime_type: str) -> PayloadFormat | None:
    return next((f for f in FORMATS if f.mime_type.lower() == mime_type.lower()), None)


def _sends(codec: RtpCodecCapability, mime_type: str) -> bool:
    return codec.mime_type.lower() == mime_type.lower() and isinstance(codec.preferred_payload_type, int)


def _common_feedback(codec: RtpCodecCapability, kind: MediaKind) -> tuple[RtcpFeedback, ...]:
    return tuple(f for f in codec.rtcp_feedback if f in FEEDBACK[kind])


def _rtx_of(router: RtpCapabilities, codec: RtpCodecCapability) -> list[RtpCodecCapability]:
    """The router's RTX codec for a codec (RFC 4588 8.6)."""
    apt = codec.preferred_payload_type
    return [c for c in router.codecs if _is_rtx(c.mime_type) and c.parameters.get("apt") == apt][:1]


def _is_rtx(mime_type: str) -> bool:
    return mime_type.lower().endswith("/rtx")


def _in_use(codec: RtpCodecCapability) -> RtpCodecParameters:
    assert isinstance(codec.preferred_payload_type, int), "a router's codecs have payload types"
    return RtpCodecParameters(
        mime_type=codec.mime_type,
        payload_type=codec.preferred_payload_type,
        clock_rate=codec.clock_rate,
        channels=codec.channels,
        parameters=codec.parameters,
        rtcp_feedback=codec.rtcp_feedback,
    )
