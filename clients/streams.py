"""What goes over a transport: senders and receivers of one stream each, on aiortc's RTP objects.

Besides `transport.py` the only file that touches aiortc's private names. What aiortc does not do, and is done here:

- it routes RTP of an unknown SSRC to whoever has its payload type, and drops RTX as soon as two receivers share its
  payload type: here the SSRC alone decides, of media and of RTX;
- it keeps decoded frames without limit when nobody reads them: here the oldest go;
- it does not count what it does about loss.
"""

# ruff: noqa: SLF001 - aiortc's private names are what this file is for

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiortc import MediaStreamTrack, RTCDtlsTransport, RTCRtpReceiver, RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import (
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    AnyRtcpPacket,
    RtcpPsfbPacket,
    RtcpRtpfbPacket,
    RtpPacket,
)
from av import Packet
from av.frame import Frame

from clients import convert
from clients.errors import MediaFailed
from labsfu.wire.rtp import MediaKind, RtpParameters, RtxParameters

FRAME_QUEUE = {MediaKind.AUDIO: 250, MediaKind.VIDEO: 60}
"""Decoded frames that wait for a reader before the oldest are dropped: 5 s of sound, 2 s of pictures."""

if TYPE_CHECKING:
    _FrameQueueBase = asyncio.Queue[Frame | None]
else:
    _FrameQueueBase = asyncio.Queue


@dataclass(slots=True)
class Repairs:
    """What was done about loss at one end of a stream.

    Attributes:
        nacks: NACK packets sent, or received by a sender. aiortc's receiver sends one when a new gap appears, with all
            that is missing then, and repeats none by the clock.
        asked: packets named in them, each as often as it was named.
        rtx: packets that came as RTX (RFC 4588); a receiver's only.
        key_frames: requests for a key frame (PLI, FIR), sent or received.
    """

    nacks: int = 0
    asked: int = 0
    rtx: int = 0
    key_frames: int = 0


class Sender:
    """Sends one track. Made by `WebRtcTransport.add_sender`."""

    def __init__(self, track: MediaStreamTrack, dtls: RTCDtlsTransport, *, ssrc: int, rtx_ssrc: int) -> None:
        self._source = _Source(track)
        self._dtls = dtls
        self._rtc = _CountingSender(self._source, dtls)
        self._rtc._ssrc = ssrc
        self._rtc._rtx_ssrc = rtx_ssrc
        self._started = self._stopping = self._stopped = False

    @property
    def rtc(self) -> RTCRtpSender:
        """The sender of aiortc, for its statistics."""
        return self._rtc

    @property
    def repairs(self) -> Repairs:
        """What it was asked for again; live."""
        return self._rtc.repairs

    async def start(self, parameters: RtpParameters) -> None:
        """Send, with the server's payload types and extension ids. The transport must be connected."""
        await self._rtc.send(convert.to_rtc_send_parameters(parameters))
        self._started = True

    def enable(self, enabled: bool) -> None:
        """Send, or go on reading the track and send nothing."""
        self._rtc._enabled = enabled

    async def ended(self) -> None:
        """Wait until a started sender sends no more: stopped, track at its end, or transport gone.

        Raises:
            MediaFailed: the track or the encoder raised; aiortc only logs that.
        """
        await self._rtc._RTCRtpSender__rtp_exited.wait()  # type: ignore[attr-defined] # mangled: aiortc's private event
        if self._source.error is not None:
            raise MediaFailed(f"the {self._source.kind} track raised {self._source.error!r}") from self._source.error
        if not self._stopping and not self._source.finished and self._dtls.state == "connected":
            raise MediaFailed(f"sending {self._source.kind} stopped by itself; aiortc's log has the reason")

    async def stop(self) -> None:
        """Send no more; the track is stopped too. Idempotent; goes on where a call that was cancelled gave up."""
        self._stopping = True
        if self._started and not self._stopped:
            await self._rtc.stop()
        self._stopped = True


class Receiver:
    """Receives one stream as a track. Made by `WebRtcTransport.add_receiver`."""

    def __init__(self, kind: MediaKind, dtls: RTCDtlsTransport, parameters: RtpParameters, rtcp_ssrc: int) -> None:
        self._dtls = dtls
        self._parameters = parameters
        self._frames = FrameQueue(FRAME_QUEUE[kind])
        self._track = RemoteStreamTrack(kind=kind.value)
        self._track._queue = self._frames
        rtx_ssrcs = [e.rtx.ssrc for e in parameters.encodings if isinstance(e.rtx, RtxParameters)]
        self._rtc = _CountingReceiver(kind.value, dtls, rtx_ssrcs)
        self._rtc._track = self._track
        self._rtc._set_rtcp_ssrc(rtcp_ssrc)
        self._started = self._stopped = False

    @property
    def rtc(self) -> RTCRtpReceiver:
        """The receiver of aiortc, for its statistics."""
        return self._rtc

    @property
    def repairs(self) -> Repairs:
        """What it asked for again, and got; live."""
        return self._rtc.repairs

    @property
    def track(self) -> MediaStreamTrack:
        """What arrives; it ends when the receiver stops, or the server says BYE."""
        return self._track

    @property
    def unread_frames(self) -> int:
        """Decoded frames that were dropped because nobody read the track."""
        return self._frames.dropped

    async def start(self) -> None:
        """Receive: from now on the transport hands packets of these SSRCs to this receiver."""
        await self._rtc.receive(convert.to_rtc_receive_parameters(self._parameters))
        self._started = True
        # aiortc registers the SSRCs of media only
        self._dtls._rtp_router.register_receiver(self._rtc, ssrcs=self._rtc.rtx_ssrcs, payload_types=[])

    async def stop(self) -> None:
        """Receive no more; the track ends. Idempotent; goes on where a call that was cancelled gave up."""
        if self._started and not self._stopped:
            await self._rtc.stop()
            # the decoder thread's last words to the track are callbacks of the loop
            for _ in range(3):
                await asyncio.sleep(0)
        self._stopped = True


class SsrcRouter(RtpRouter):
    """Gives RTP to the receiver that was registered for its SSRC, and to nobody else (RFC 8834 4.1 has no guessing)."""

    def __init__(self) -> None:
        super().__init__()
        self.unrouted = 0

    def route_rtp(self, packet: RtpPacket) -> RtpReceiver | None:
        """The receiver of a packet."""
        receiver = self.ssrc_table.get(packet.ssrc)
        if receiver is None:
            self.unrouted += 1
        return receiver


class FrameQueue(_FrameQueueBase):
    """A queue that drops its oldest frame when it is full, and counts."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.dropped = 0

    async def put(self, item: Frame | None) -> None:
        """Put a frame (None: there will be no more) without ever waiting."""
        if self.full():
            self.get_nowait()
            self.dropped += 1
        self.put_nowait(item)


class _CountingSender(RTCRtpSender):
    def __init__(self, track: MediaStreamTrack, dtls: RTCDtlsTransport) -> None:
        super().__init__(track, dtls)
        self.repairs = Repairs()

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
            self.repairs.nacks += 1
            self.repairs.asked += len(packet.lost)
        elif isinstance(packet, RtcpPsfbPacket) and packet.fmt in (RTCP_PSFB_PLI, RTCP_PSFB_FIR):
            self.repairs.key_frames += 1
        await super()._handle_rtcp_packet(packet)


class _CountingReceiver(RTCRtpReceiver):
    def __init__(self, kind: str, dtls: RTCDtlsTransport, rtx_ssrcs: list[int]) -> None:
        super().__init__(kind, dtls)
        self.rtx_ssrcs = rtx_ssrcs
        self.repairs = Repairs()

    async def _handle_rtp_packet(self, packet: RtpPacket, arrival_time_ms: int) -> None:
        self.repairs.rtx += packet.ssrc in self.rtx_ssrcs
        await super()._handle_rtp_packet(packet, arrival_time_ms)

    async def _send_rtcp_nack(self, media_ssrc: int, lost: list[int]) -> None:
        self.repairs.nacks += 1
        self.repairs.asked += len(lost)
        await super()._send_rtcp_nack(media_ssrc, lost)

    async def _send_rtcp_pli(self, media_ssrc: int) -> None:
        self.repairs.key_frames += 1
        await super()._send_rtcp_pli(media_ssrc)


class _Source(MediaStreamTrack):
    """A track that remembers how it ended, since aiortc's sender only logs it."""

    def __init__(self, track: MediaStreamTrack) -> None:
        super().__init__()
        self.kind = track.kind
        self.error: Exception | None = None
        self.finished = False
        self._track = track

    async def recv(self) -> Frame | Packet[Any]:
        try:
            return await self._track.recv()
        except MediaStreamError:
            self.finished = True
            raise
        except Exception as error:
            self.error = error
            raise MediaStreamError from error

    def stop(self) -> None:
        super().stop()
        self._track.stop()
