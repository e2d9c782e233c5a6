"""One WebRTC transport on aiortc's ORTC objects, without SDP. The only file that touches aiortc's private names.

What aiortc's own ORTC path does not do, and is done here:

- it gathers on every interface but loopback, and would ask a public STUN server: we gather exactly the local addresses
  from which the server's candidates can be reached, and ask nobody;
- it takes the controlled ICE role, and derives the DTLS role from that: a client of an ICE-lite server is controlling
  (RFC 8445 6.1.1), and the DTLS role is chosen;
- it routes RTP of an unknown SSRC to whoever has its payload type, and drops RTX as soon as two receivers share its
  payload type: here the SSRC alone decides, of media and of RTX;
- it keeps decoded frames without limit when nobody reads them: here the oldest go.
"""

# ruff: noqa: SLF001 - aiortc's private names are what this file is for

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceTransport,
    RTCRtpReceiver,
    RTCRtpSender,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcdtlstransport import RtpReceiver, RtpRouter
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtpPacket
from av import Packet
from av.frame import Frame

from clients import convert
from clients.closing import in_turn
from clients.errors import MediaFailed, TransportFailed
from labsfu.wire.rtp import MediaKind, RtpParameters, RtxParameters
from labsfu.wire.transport import DtlsParameters, DtlsRole, TransportOptions

FRAME_QUEUE = {MediaKind.AUDIO: 250, MediaKind.VIDEO: 60}
"""Decoded frames that wait for a reader before the oldest are dropped: 5 s of sound, 2 s of pictures."""

if TYPE_CHECKING:
    _FrameQueueBase = asyncio.Queue[Frame | None]
else:
    _FrameQueueBase = asyncio.Queue


class WebRtcTransport:
    """A client's end of a server's transport.

    Args:
        options: what the server said of its end.
        role: DTLS role of this end, client or server; `auto` is for the server to say, and refused.
    """

    def __init__(self, options: TransportOptions, *, role: DtlsRole) -> None:
        if role is DtlsRole.AUTO:
            raise ValueError("this end must be the DTLS client or the DTLS server")
        self.id = options.id
        self._options = options
        self._role = role
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._ice = RTCIceTransport(self._gatherer)
        self._ice._connection.ice_controlling = True
        self._dtls = RTCDtlsTransport(self._ice, [RTCCertificate.generateCertificate()])
        self._dtls._set_role(role.value)
        self._router = SsrcRouter()
        self._dtls._rtp_router = self._router
        self._ends: set[Sender | Receiver] = set()
        self._closing = False
        self._pump: asyncio.Future[None] | None = None

    @property
    def dtls_parameters(self) -> DtlsParameters:
        """This end's role and sha-256 fingerprint: the body of `Connect…Transport`."""
        return convert.from_rtc_dtls_parameters(self._dtls.getLocalParameters(), self._role)

    @property
    def ice_state(self) -> str:
        """`new`, `checking`, `completed`, `failed` or `closed`."""
        return self._ice.state

    @property
    def dtls_state(self) -> str:
        """`new`, `connecting`, `connected`, `closed` or `failed`."""
        return self._dtls.state

    @property
    def local_addresses(self) -> tuple[tuple[str, int], ...]:
        """Address and port of each local candidate; empty before `connect` and after `close`."""
        return tuple((c.ip, c.port) for c in self._gatherer.getLocalCandidates())

    @property
    def unrouted_packets(self) -> int:
        """RTP packets of an SSRC that no receiver has."""
        return self._router.unrouted

    async def connect(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - part of the contract: always bounded
        """Bring ICE and DTLS up. Once only; the server must have our `dtls_parameters`, or get them meanwhile.

        Raises:
            TransportFailed: not up within `timeout` seconds, or refused; the transport must still be closed.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._gather()
                await self._start_ice()
                await self._dtls.start(convert.to_rtc_dtls_parameters(self._options.dtls_parameters))
        except TimeoutError:
            raise TransportFailed(f"{self._where()} not up in {timeout:g} s") from None
        if self._dtls.state != "connected" or self._closing:
            raise TransportFailed(f"{self._where()} failed")
        self._pump = self._dtls._task

    async def ended(self) -> None:
        """Wait until a connected transport has ended: by `close`, by the peer, or by lost consent (RFC 7675).

        Raises:
            TransportFailed: it ended by an error of ours, e.g. a packet that aiortc could not take.
        """
        if self._pump is None:
            raise TransportFailed(f"{self._where()} was never connected")
        await asyncio.wait([self._pump])
        error = None if self._pump.cancelled() else self._pump.exception()
        if error is not None:
            raise TransportFailed(f"{self._where()} broke: {error!r}") from error

    def add_sender(self, track: MediaStreamTrack, *, ssrc: int, rtx_ssrc: int) -> Sender:
        """Make a sender of a track; nothing is sent before its `start`.

        Raises:
            TransportFailed: this transport has been closed.
        """
        self._refuse_when_closed()
        sender = Sender(track, self._dtls, ssrc=ssrc, rtx_ssrc=rtx_ssrc)
        self._ends.add(sender)
        return sender

    def add_receiver(self, kind: MediaKind, parameters: RtpParameters, *, rtcp_ssrc: int) -> Receiver:
        """Make a receiver; nothing is received before its `start`.

        Args:
            kind: of the stream.
            parameters: the consumer's.
            rtcp_ssrc: what this client's RTCP reports are sent as.

        Raises:
            TransportFailed: this transport has been closed.
        """
        self._refuse_when_closed()
        receiver = Receiver(kind, self._dtls, parameters, rtcp_ssrc)
        self._ends.add(receiver)
        return receiver

    async def remove(self, end: Sender | Receiver) -> None:
        """Stop one sender or receiver and forget it. Idempotent."""
        await end.stop()
        self._ends.discard(end)

    async def close(self) -> None:
        """Stop senders (RTCP BYE) and receivers, say goodbye (DTLS close_notify), close the sockets. Idempotent."""
        if self._closing:
            return
        self._closing = True
        await in_turn(self._stop_media, self._stop_dtls, self._ice.stop)

    async def abort(self) -> None:
        """Close without a word, as a client that is killed: nothing leaves the sockets any more. Idempotent."""
        if self._closing:
            return
        self._closing = True
        await in_turn(self._ice.stop, self._stop_media, self._stop_dtls)

    def _refuse_when_closed(self) -> None:
        """Nobody would stop what is added now."""
        if self._closing:
            raise TransportFailed(f"{self._where()} was closed")

    async def _stop_media(self) -> None:
        await in_turn(*(partial(self.remove, end) for end in tuple(self._ends)))

    async def _stop_dtls(self) -> None:
        await self._dtls.stop()
        if self._pump is not None:
            # aiortc cancels its reading task and forgets it
            await asyncio.wait([self._pump])
            if not self._pump.cancelled():
                self._pump.exception()

    async def _gather(self) -> None:
        """Host candidates on the addresses that reach the server, in place of aioice's own choice."""
        addresses = local_addresses_towards((c.address, c.port) for c in self._options.ice_candidates)
        connection = self._ice._connection
        connection._local_candidates_start = True
        connection._local_candidates = await connection.get_component_candidates(component=1, addresses=addresses)
        connection._local_candidates_end = True
        if self._closing:
            await connection.close()
            raise TransportFailed(f"{self._where()} was closed while it came up")
        await self._gatherer.gather()
        if not connection._local_candidates:
            raise TransportFailed(f"no local address reaches {[c.address for c in self._options.ice_candidates]}")

    async def _start_ice(self) -> None:
        for candidate in self._options.ice_candidates:
            if candidate.protocol == "udp" and _is_address(candidate.address):
                await self._ice.addRemoteCandidate(convert.to_rtc_ice_candidate(candidate))
        await self._ice.addRemoteCandidate(None)
        await self._ice.start(convert.to_rtc_ice_parameters(self._options.ice_parameters))
        if self._ice.state != "completed":
            raise TransportFailed(f"{self._where()} failed: no candidate pair works")

    def _where(self) -> str:
        return f"transport {self.id} (ICE {self.ice_state}, DTLS {self.dtls_state} as {self._role.value})"


class Sender:
    """Sends one track. Made by `WebRtcTransport.add_sender`."""

    def __init__(self, track: MediaStreamTrack, dtls: RTCDtlsTransport, *, ssrc: int, rtx_ssrc: int) -> None:
        self._source = _Source(track)
        self._dtls = dtls
        self._rtc = RTCRtpSender(self._source, dtls)
        self._rtc._ssrc = ssrc
        self._rtc._rtx_ssrc = rtx_ssrc
        self._started = self._stopping = self._stopped = False

    @property
    def rtc(self) -> RTCRtpSender:
        """The sender of aiortc, for its statistics."""
        return self._rtc

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
        self._rtc = RTCRtpReceiver(kind.value, dtls)
        self._rtc._track = self._track
        self._rtc._set_rtcp_ssrc(rtcp_ssrc)
        self._started = self._stopped = False

    @property
    def rtc(self) -> RTCRtpReceiver:
        """The receiver of aiortc, for its statistics."""
        return self._rtc

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
        retransmissions = [e.rtx.ssrc for e in self._parameters.encodings if isinstance(e.rtx, RtxParameters)]
        # aiortc registers the SSRCs of media only
        self._dtls._rtp_router.register_receiver(self._rtc, ssrcs=retransmissions, payload_types=[])

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


def local_addresses_towards(remotes: Iterable[tuple[str, int]]) -> list[str]:
    """The local addresses from which the system would send to these (address, port), each once.

    Only asks the routing table; nothing is sent. Names are left out, nothing is resolved.
    """
    found: dict[str, None] = {}
    for address, port in remotes:
        if not _is_address(address):
            continue
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, port))
            found[probe.getsockname()[0]] = None
    return list(found)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
