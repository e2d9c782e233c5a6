"""The ORTC dictionaries of RTP, in mediasoup's shapes (https://mediasoup.org/documentation/v3/mediasoup/rtp-parameters-and-capabilities/)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import msgspec

from labsfu.wire.base import ABSENT, Absent, Wire

PayloadType: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=127)]
SsrcValue: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
ExtensionId: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=255)]
BitrateValue: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
Layer: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=255)]
"""bit/s; 0 means no limit."""
CodecParameters: TypeAlias = dict[str, str | int | float]


class MediaKind(StrEnum):
    """Audio or video."""

    AUDIO = "audio"
    VIDEO = "video"


class ProducerType(StrEnum):
    """How many streams a producer sends: one; several encodings; one with layers inside."""

    SIMPLE = "simple"
    SIMULCAST = "simulcast"
    SVC = "svc"


class ConsumerType(StrEnum):
    """A producer's types, and `pipe`: all streams, to another router."""

    SIMPLE = "simple"
    SIMULCAST = "simulcast"
    SVC = "svc"
    PIPE = "pipe"


class ExtensionDirection(StrEnum):
    """Which way a header extension may travel, as the router sees it."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


class RtcpFeedback(Wire):
    """One RTCP feedback message that a codec supports (RFC 4585 4.2), e.g. `nack pli`."""

    type: str
    parameter: str = ""


class RtpCodecCapability(Wire):
    """A codec that an endpoint can send or receive."""

    kind: MediaKind | Absent = ABSENT
    mime_type: str
    clock_rate: int
    preferred_payload_type: PayloadType | Absent = ABSENT
    channels: int | Absent = ABSENT
    parameters: CodecParameters = msgspec.field(default_factory=dict)
    rtcp_feedback: tuple[RtcpFeedback, ...] = ()


class RtpHeaderExtension(Wire):
    """A header extension that an endpoint knows (RFC 8285)."""

    kind: MediaKind | Absent = ABSENT
    uri: str
    preferred_id: ExtensionId
    preferred_encrypt: bool = False
    direction: ExtensionDirection = ExtensionDirection.SENDRECV


class RtpCapabilities(Wire):
    """What an endpoint can do."""

    codecs: tuple[RtpCodecCapability, ...] = ()
    header_extensions: tuple[RtpHeaderExtension, ...] = ()


class RtpCodecParameters(Wire):
    """A codec in use, with its payload type."""

    mime_type: str
    payload_type: PayloadType
    clock_rate: int
    channels: int | Absent = ABSENT
    parameters: CodecParameters = msgspec.field(default_factory=dict)
    rtcp_feedback: tuple[RtcpFeedback, ...] = ()


class RtpHeaderExtensionParameters(Wire):
    """A header extension in use, with its id."""

    uri: str
    id: ExtensionId
    encrypt: bool = False
    parameters: CodecParameters = msgspec.field(default_factory=dict)


class RtxParameters(Wire):
    """The retransmission stream of an encoding (RFC 4588)."""

    ssrc: SsrcValue


class RtpEncodingParameters(Wire):
    """One stream of media."""

    ssrc: SsrcValue | Absent = ABSENT
    rid: str | Absent = ABSENT
    codec_payload_type: PayloadType | Absent = ABSENT
    rtx: RtxParameters | Absent = ABSENT
    dtx: bool | Absent = ABSENT
    scalability_mode: str | Absent = ABSENT
    scale_resolution_down_by: float | Absent = ABSENT
    max_bitrate: BitrateValue | Absent = ABSENT
    active: bool | Absent = ABSENT


class RtcpParameters(Wire):
    """The RTCP side of RtpParameters. `mux` is tolerated and ignored: it is always on."""

    cname: str | Absent = ABSENT
    reduced_size: bool = True


class RtpParameters(Wire):
    """What one endpoint sends: codecs, header extensions, streams."""

    mid: str | Absent = ABSENT
    codecs: tuple[RtpCodecParameters, ...]
    header_extensions: tuple[RtpHeaderExtensionParameters, ...] = ()
    encodings: tuple[RtpEncodingParameters, ...] = ()
    rtcp: RtcpParameters = RtcpParameters()


class ConsumerLayers(Wire):
    """Spatial and temporal layer; both count from 0. What is higher than there is means the highest."""

    spatial_layer: Layer
    temporal_layer: Layer | Absent = ABSENT
