"""Wire types to aiortc's ORTC dataclasses and back; pure.

Both follow the ORTC dictionaries (https://draft.ortc.org/), so most is renaming. What aiortc has no place for (rid,
dtx, scalability mode, extension encryption and direction) is dropped on the way to it.
"""

from __future__ import annotations

from typing import Literal, TypeVar, cast

from aiortc import RTCDtlsFingerprint, RTCDtlsParameters, RTCIceCandidate, RTCIceParameters
from aiortc.rtcrtpparameters import (
    ParametersDict,
    RTCRtcpFeedback,
    RTCRtcpParameters,
    RTCRtpCapabilities,
    RTCRtpCodecCapability,
    RTCRtpCodecParameters,
    RTCRtpCodingParameters,
    RTCRtpDecodingParameters,
    RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability,
    RTCRtpHeaderExtensionParameters,
    RTCRtpReceiveParameters,
    RTCRtpRtxParameters,
    RTCRtpSendParameters,
)

from clients.errors import ProtocolViolation
from labsfu.wire import rtp, transport
from labsfu.wire.base import ABSENT, Absent

Coding = TypeVar("Coding", bound=RTCRtpCodingParameters)

HashName = Literal["sha-1", "sha-224", "sha-256", "sha-384", "sha-512"]


def to_rtc_ice_parameters(value: transport.IceParameters) -> RTCIceParameters:
    """ICE credentials for aiortc."""
    return RTCIceParameters(usernameFragment=value.username_fragment, password=value.password, iceLite=value.ice_lite)


def from_rtc_ice_parameters(value: RTCIceParameters) -> transport.IceParameters:
    """ICE credentials of aiortc.

    Raises:
        ProtocolViolation: there are none.
    """
    if value.usernameFragment is None or value.password is None:
        raise ProtocolViolation("ICE parameters without credentials")
    return transport.IceParameters(
        username_fragment=value.usernameFragment, password=value.password, ice_lite=value.iceLite
    )


def to_rtc_ice_candidate(value: transport.IceCandidate) -> RTCIceCandidate:
    """A candidate for aiortc; its component is 1, as RTCP is always multiplexed (RFC 8834 4.5)."""
    return RTCIceCandidate(
        component=1,
        foundation=value.foundation,
        ip=value.address,
        port=value.port,
        priority=value.priority,
        protocol=value.protocol,
        type=value.type,
        tcpType=_or_none(value.tcp_type),
    )


def from_rtc_ice_candidate(value: RTCIceCandidate) -> transport.IceCandidate:
    """A host candidate of aiortc.

    Raises:
        ProtocolViolation: it is not a host candidate over UDP, and aiortc gathers no other without servers.
    """
    if value.type != "host" or value.protocol.lower() != "udp":
        raise ProtocolViolation(f"'{value.type}' candidate over {value.protocol}")
    return transport.IceCandidate(
        foundation=value.foundation,
        priority=value.priority,
        ip=value.ip,
        address=value.ip,
        protocol="udp",
        port=value.port,
    )


def to_rtc_dtls_parameters(value: transport.DtlsParameters) -> RTCDtlsParameters:
    """Role and fingerprints for aiortc."""
    return RTCDtlsParameters(
        fingerprints=[RTCDtlsFingerprint(algorithm=f.algorithm, value=f.value) for f in value.fingerprints],
        role=value.role.value,
    )


def from_rtc_dtls_parameters(
    value: RTCDtlsParameters, role: transport.DtlsRole | None = None
) -> transport.DtlsParameters:
    """Role and sha-256 fingerprint of aiortc.

    One fingerprint only, for there are servers that read the first of a list and others that read the last.

    Args:
        value: aiortc's own; it says `auto` whatever role was set.
        role: replaces its role.
    """
    return transport.DtlsParameters(
        role=transport.DtlsRole(value.role) if role is None else role,
        fingerprints=tuple(
            transport.DtlsFingerprint(algorithm=cast("HashName", f.algorithm), value=f.value)
            for f in value.fingerprints
            if f.algorithm == "sha-256"
        ),
    )


def to_rtc_capabilities(value: rtp.RtpCapabilities, kind: rtp.MediaKind) -> RTCRtpCapabilities:
    """The capabilities of one kind; aiortc's have neither payload types, feedback nor extension ids."""
    prefix = f"{kind.value}/"
    return RTCRtpCapabilities(
        codecs=[
            RTCRtpCodecCapability(
                mimeType=c.mime_type,
                clockRate=c.clock_rate,
                channels=_or_none(c.channels),
                parameters=_parameters(c.parameters),
            )
            for c in value.codecs
            if c.mime_type.lower().startswith(prefix)
        ],
        headerExtensions=[
            RTCRtpHeaderExtensionCapability(uri=e.uri) for e in value.header_extensions if e.kind in (kind, ABSENT)
        ],
    )


def from_rtc_codec_capability(value: RTCRtpCodecCapability) -> rtp.RtpCodecCapability:
    """A codec that aiortc knows, without payload type and feedback."""
    return rtp.RtpCodecCapability(
        kind=rtp.MediaKind(value.mimeType.partition("/")[0]),
        mime_type=value.mimeType,
        clock_rate=value.clockRate,
        channels=ABSENT if value.channels is None else value.channels,
        parameters={name: "" if v is None else v for name, v in value.parameters.items()},
    )


def to_rtc_send_parameters(value: rtp.RtpParameters) -> RTCRtpSendParameters:
    """What an RTCRtpSender shall send."""
    return RTCRtpSendParameters(
        codecs=[_to_rtc_codec(c) for c in value.codecs],
        headerExtensions=_to_rtc_extensions(value),
        muxId=value.mid if isinstance(value.mid, str) else "",
        rtcp=_to_rtc_rtcp(value.rtcp),
        encodings=_to_rtc_encodings(value, RTCRtpEncodingParameters),
    )


def to_rtc_receive_parameters(value: rtp.RtpParameters) -> RTCRtpReceiveParameters:
    """What an RTCRtpReceiver shall receive.

    Raises:
        ProtocolViolation: an encoding has no SSRC, and nothing else tells aiortc's streams apart.
    """
    return RTCRtpReceiveParameters(
        codecs=[_to_rtc_codec(c) for c in value.codecs],
        headerExtensions=_to_rtc_extensions(value),
        muxId=value.mid if isinstance(value.mid, str) else "",
        rtcp=_to_rtc_rtcp(value.rtcp),
        encodings=_to_rtc_encodings(value, RTCRtpDecodingParameters),
    )


def from_rtc_parameters(value: RTCRtpSendParameters | RTCRtpReceiveParameters) -> rtp.RtpParameters:
    """RtpParameters of aiortc's send or receive parameters."""
    return rtp.RtpParameters(
        mid=value.muxId or ABSENT,
        codecs=tuple(_from_rtc_codec(c) for c in value.codecs),
        header_extensions=tuple(rtp.RtpHeaderExtensionParameters(uri=e.uri, id=e.id) for e in value.headerExtensions),
        encodings=tuple(_from_rtc_encoding(e) for e in value.encodings),
        rtcp=rtp.RtcpParameters(cname=ABSENT if value.rtcp.cname is None else value.rtcp.cname),
    )


def _to_rtc_codec(value: rtp.RtpCodecParameters) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(
        mimeType=value.mime_type,
        clockRate=value.clock_rate,
        channels=_or_none(value.channels),
        payloadType=value.payload_type,
        rtcpFeedback=[RTCRtcpFeedback(type=f.type, parameter=f.parameter or None) for f in value.rtcp_feedback],
        parameters=_parameters(value.parameters),
    )


def _from_rtc_codec(value: RTCRtpCodecParameters) -> rtp.RtpCodecParameters:
    if value.payloadType is None:
        raise ProtocolViolation(f"codec '{value.mimeType}' has no payload type")
    return rtp.RtpCodecParameters(
        mime_type=value.mimeType,
        payload_type=value.payloadType,
        clock_rate=value.clockRate,
        channels=ABSENT if value.channels is None else value.channels,
        parameters={name: "" if v is None else v for name, v in value.parameters.items()},
        rtcp_feedback=tuple(rtp.RtcpFeedback(type=f.type, parameter=f.parameter or "") for f in value.rtcpFeedback),
    )


def _to_rtc_extensions(value: rtp.RtpParameters) -> list[RTCRtpHeaderExtensionParameters]:
    return [RTCRtpHeaderExtensionParameters(id=e.id, uri=e.uri) for e in value.header_extensions]


def _to_rtc_rtcp(value: rtp.RtcpParameters) -> RTCRtcpParameters:
    return RTCRtcpParameters(cname=_or_none(value.cname), mux=True)


def _to_rtc_encodings(value: rtp.RtpParameters, into: type[Coding]) -> list[Coding]:
    default = value.codecs[0].payload_type if value.codecs else 0
    encodings = []
    for encoding in value.encodings:
        if not isinstance(encoding.ssrc, int):
            raise ProtocolViolation("an encoding without ssrc")
        rtx = encoding.rtx
        payload_type = encoding.codec_payload_type
        encodings.append(
            into(
                ssrc=encoding.ssrc,
                payloadType=payload_type if isinstance(payload_type, int) else default,
                rtx=RTCRtpRtxParameters(ssrc=rtx.ssrc) if isinstance(rtx, rtp.RtxParameters) else None,
            )
        )
    return encodings


def _from_rtc_encoding(value: RTCRtpCodingParameters) -> rtp.RtpEncodingParameters:
    return rtp.RtpEncodingParameters(
        ssrc=value.ssrc,
        codec_payload_type=value.payloadType,
        rtx=ABSENT if value.rtx is None else rtp.RtxParameters(ssrc=value.rtx.ssrc),
    )


def _parameters(value: rtp.CodecParameters) -> ParametersDict:
    """Format parameters; aiortc knows no fractions (a JSON 96.0 is the payload type 96 all the same)."""
    converted: ParametersDict = {}
    for name, parameter in value.items():
        if isinstance(parameter, float):
            converted[name] = int(parameter) if parameter.is_integer() else str(parameter)
        else:
            converted[name] = parameter
    return converted


_V = TypeVar("_V")


def _or_none(value: _V | Absent) -> _V | None:
    return None if isinstance(value, Absent) else value
