"""RTP parameters and packets for engine tests."""

from __future__ import annotations

import msgspec

from labsfu.core.rtp.extensions import encode_extensions
from labsfu.core.rtp.packet import RtpHeader, encode_packet
from labsfu.wire import commands
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ParticipantId, ProducerId, TransportId
from labsfu.wire.rtp import (
    MediaKind,
    RtcpFeedback,
    RtcpParameters,
    RtpCapabilities,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from tests.support.lab import Lab

MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"
AUDIO_LEVEL_URI = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME_URI = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

OPUS = RtpCodecParameters(mime_type="audio/opus", payload_type=111, clock_rate=48000, channels=2)
VP8 = RtpCodecParameters(
    mime_type="video/VP8",
    payload_type=96,
    clock_rate=90000,
    rtcp_feedback=(
        RtcpFeedback(type="nack", parameter="pli"),
        RtcpFeedback(type="ccm", parameter="fir"),
        RtcpFeedback(type="goog-remb"),
    ),
)

# VP8: a descriptor with S=1, PID=0, then the frame header, whose lowest bit is 0 in a key frame (RFC 7741 4.3).
KEY_FRAME = bytes.fromhex("10 00 00 00 9d 01 2a 80 02 68 01") + b"key"
DELTA_FRAME = bytes.fromhex("10 01 00 00") + b"delta"


def audio_parameters(ssrc: int | None = 1111, mid: str = "a") -> RtpParameters:
    return RtpParameters(
        mid=mid,
        codecs=(OPUS,),
        header_extensions=(
            RtpHeaderExtensionParameters(uri=MID_URI, id=4),
            RtpHeaderExtensionParameters(uri=AUDIO_LEVEL_URI, id=1),
            RtpHeaderExtensionParameters(uri=ABS_SEND_TIME_URI, id=2),
        ),
        encodings=(RtpEncodingParameters(),) if ssrc is None else (RtpEncodingParameters(ssrc=ssrc),),
        rtcp=RtcpParameters(cname="sender"),
    )


def video_parameters(ssrc: int | None = 2222, mid: str = "v") -> RtpParameters:
    return RtpParameters(
        mid=mid,
        codecs=(VP8,),
        header_extensions=(
            RtpHeaderExtensionParameters(uri=MID_URI, id=4),
            RtpHeaderExtensionParameters(uri=ABS_SEND_TIME_URI, id=2),
        ),
        encodings=(RtpEncodingParameters(),) if ssrc is None else (RtpEncodingParameters(ssrc=ssrc),),
        rtcp=RtcpParameters(cname="sender"),
    )


def produce(
    lab: Lab,
    transport_id: TransportId,
    parameters: RtpParameters,
    *,
    kind: MediaKind | None = None,
    paused: bool = False,
) -> ProducerId:
    audio = parameters.codecs[0].mime_type.startswith("audio/")
    command = commands.Produce(
        router_id=lab.router,
        transport_id=transport_id,
        participant_id=ParticipantId("sender"),
        kind=kind or (MediaKind.AUDIO if audio else MediaKind.VIDEO),
        rtp_parameters=parameters,
        paused=paused,
    )
    return lab.do(command, commands.Produced).producer_id


def consume(
    lab: Lab,
    transport_id: TransportId,
    producer_id: ProducerId,
    *,
    paused: bool = False,
    capabilities: RtpCapabilities | None = None,
) -> commands.Consumed:
    command = commands.Consume(
        router_id=lab.router,
        transport_id=transport_id,
        producer_id=producer_id,
        participant_id=ParticipantId("receiver"),
        rtp_capabilities=lab.capabilities if capabilities is None else capabilities,
        paused=paused,
    )
    return lab.do(command, commands.Consumed)


def ssrc_of(consumed: commands.Consumed) -> int:
    ssrc = consumed.rtp_parameters.encodings[0].ssrc
    assert isinstance(ssrc, int)
    return ssrc


def video_packet(
    sequence: int,
    payload: bytes = DELTA_FRAME,
    *,
    ssrc: int = 2222,
    timestamp: int = 90_000,
    marker: bool = True,
    mid: str = "v",
) -> bytes:
    return encode_packet(
        payload,
        payload_type=96,
        sequence_number=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        marker=marker,
        extensions=encode_extensions([(4, mid.encode()), (2, b"\x01\x02\x03")]),
    )


def audio_packet(sequence: int, payload: bytes = b"\x78opus", *, ssrc: int = 1111, timestamp: int = 960) -> bytes:
    return encode_packet(
        payload,
        payload_type=111,
        sequence_number=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        extensions=encode_extensions([(4, b"a"), (1, b"\x85"), (2, b"\x01\x02\x03")]),
    )


def header_of(packet: bytes) -> RtpHeader:
    header = RtpHeader()
    header.read(packet, len(packet))
    return header


def payload_of(packet: bytes) -> bytes:
    header = header_of(packet)
    return packet[header.payload_offset : header.payload_offset + header.payload_length]


# ---------------------------------------------------------------- with repair

TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

REPAIRED_VP8 = msgspec.structs.replace(
    VP8,
    rtcp_feedback=(RtcpFeedback(type="nack"), *VP8.rtcp_feedback, RtcpFeedback(type="transport-cc")),
)
RTX_VP8 = RtpCodecParameters(mime_type="video/rtx", payload_type=97, clock_rate=90000, parameters={"apt": 96})


def repaired_video_parameters(
    ssrc: int = 2222, rtx_ssrc: int | None = 3333, *, transport_cc: bool = False
) -> RtpParameters:
    """Video whose lost packets may be asked for: as RTX, or (`rtx_ssrc` None) as they were."""
    plain = video_parameters(ssrc)
    measured = (RtpHeaderExtensionParameters(uri=TRANSPORT_CC_URI, id=3),) if transport_cc else ()
    rtx = ABSENT if rtx_ssrc is None else RtxParameters(ssrc=rtx_ssrc)
    return msgspec.structs.replace(
        plain,
        codecs=(REPAIRED_VP8,) if rtx_ssrc is None else (REPAIRED_VP8, RTX_VP8),
        header_extensions=(*plain.header_extensions, *measured),
        encodings=(RtpEncodingParameters(ssrc=ssrc, rtx=rtx),),
    )


def rtx_packet(
    sequence: int, original: int, payload: bytes = DELTA_FRAME, *, ssrc: int = 3333, timestamp: int = 90_000
) -> bytes:
    """The packet `original` sent again (RFC 4588 4), written by hand."""
    header = b"\x80\xe1" + sequence.to_bytes(2, "big") + timestamp.to_bytes(4, "big") + ssrc.to_bytes(4, "big")
    return header + original.to_bytes(2, "big") + payload


def rtx_ssrc_of(consumed: commands.Consumed) -> int:
    rtx = consumed.rtp_parameters.encodings[0].rtx
    assert isinstance(rtx, RtxParameters)
    return rtx.ssrc


def without_rtx(capabilities: RtpCapabilities) -> RtpCapabilities:
    """What a client has that knows NACK, but no RTX."""
    codecs = tuple(codec for codec in capabilities.codecs if not codec.mime_type.endswith("/rtx"))
    return msgspec.structs.replace(capabilities, codecs=codecs)
