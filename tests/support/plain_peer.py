"""An untouched aiortc peer that plays the server for one `WebRtcTransport`, in the same process over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
    RTCRtpReceiver,
    RTCRtpSender,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from clients import convert
from clients.transport import WebRtcTransport
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import TransportId
from labsfu.wire.rtp import (
    MediaKind,
    RtcpFeedback,
    RtcpParameters,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from labsfu.wire.transport import DtlsRole, IceParameters, TransportOptions

OPUS = RtpCodecParameters(mime_type="audio/opus", payload_type=100, clock_rate=48000, channels=2)
VP8 = RtpCodecParameters(
    mime_type="video/VP8",
    payload_type=101,
    clock_rate=90000,
    rtcp_feedback=(RtcpFeedback(type="nack"), RtcpFeedback(type="nack", parameter="pli")),
)
RTX = RtpCodecParameters(mime_type="video/rtx", payload_type=102, clock_rate=90000, parameters={"apt": 101})
MID = RtpHeaderExtensionParameters(uri="urn:ietf:params:rtp-hdrext:sdes:mid", id=1)


def parameters(kind: MediaKind, ssrc: int, mid: str) -> RtpParameters:
    video = kind is MediaKind.VIDEO
    return RtpParameters(
        mid=mid,
        codecs=(VP8, RTX) if video else (OPUS,),
        header_extensions=(MID,),
        encodings=(RtpEncodingParameters(ssrc=ssrc, rtx=RtxParameters(ssrc=ssrc + 1) if video else ABSENT),),
        rtcp=RtcpParameters(cname="cname"),
    )


class PlainPeer:
    """Plays the server: controlled, with one candidate on loopback."""

    def __init__(self) -> None:
        self.gatherer = RTCIceGatherer(iceServers=[])
        self.ice = RTCIceTransport(self.gatherer)
        self.dtls = RTCDtlsTransport(self.ice, [RTCCertificate.generateCertificate()])
        self.senders: list[RTCRtpSender] = []
        self.receivers: list[RTCRtpReceiver] = []

    async def options(self, address: str = "127.0.0.1") -> TransportOptions:
        connection = self.ice._connection
        connection._local_candidates_start = connection._local_candidates_end = True
        connection._local_candidates = await connection.get_component_candidates(1, [address])
        credentials = convert.from_rtc_ice_parameters(self.gatherer.getLocalParameters())
        return TransportOptions(
            id=TransportId("t"),
            ice_parameters=IceParameters(
                username_fragment=credentials.username_fragment, password=credentials.password, ice_lite=True
            ),
            ice_candidates=tuple(convert.from_rtc_ice_candidate(c) for c in self.gatherer.getLocalCandidates()),
            dtls_parameters=convert.from_rtc_dtls_parameters(self.dtls.getLocalParameters()),
        )

    async def accept(self, transport: WebRtcTransport) -> None:
        """Come up against a transport that connects meanwhile; it learns the address from the checks."""
        self.dtls._set_role("server" if transport.dtls_parameters.role is DtlsRole.CLIENT else "client")
        await self.ice.start(transport._gatherer.getLocalParameters())
        await self.dtls.start(convert.to_rtc_dtls_parameters(transport.dtls_parameters))

    async def send(self, track: MediaStreamTrack, wire: RtpParameters) -> None:
        sender = RTCRtpSender(track, self.dtls)
        native = convert.to_rtc_send_parameters(wire)
        sender._ssrc = native.encodings[0].ssrc
        if native.encodings[0].rtx is not None:
            sender._rtx_ssrc = native.encodings[0].rtx.ssrc
        self.senders.append(sender)
        await sender.send(native)

    async def receive(self, wire: RtpParameters, kind: MediaKind) -> MediaStreamTrack:
        receiver = RTCRtpReceiver(kind.value, self.dtls)
        receiver._track = RemoteStreamTrack(kind=kind.value)
        receiver._set_rtcp_ssrc(1)
        self.receivers.append(receiver)
        await receiver.receive(convert.to_rtc_receive_parameters(wire))
        return receiver.track

    async def stop(self) -> None:
        for sender in self.senders:
            await sender.stop()
        for receiver in self.receivers:
            await receiver.stop()
        pump = self.dtls._task
        await self.dtls.stop()
        await self.ice.stop()
        if pump is not None:
            await asyncio.wait([pump])


@asynccontextmanager
async def connected(role: DtlsRole, address: str = "127.0.0.1") -> AsyncIterator[tuple[WebRtcTransport, PlainPeer]]:
    peer = PlainPeer()
    transport = WebRtcTransport(await peer.options(address), role=role)
    try:
        async with asyncio.timeout(20):
            async with asyncio.TaskGroup() as both:
                both.create_task(peer.accept(transport))
                both.create_task(transport.connect(10))
            yield transport, peer
    finally:
        await transport.close()
        await peer.stop()
