"""One WebRTC transport on aiortc's ORTC objects, without SDP. `dtls.py` and `streams.py` touch aiortc's privates, too.

What aiortc's own ORTC path does not do, and is done here:

- it gathers on every interface but loopback, and would ask a public STUN server: we gather exactly the local addresses
  from which the server's candidates can be reached, and ask nobody;
- it takes the controlled ICE role, and derives the DTLS role from that: a client of an ICE-lite server is controlling
  (RFC 8445 6.1.1), and the DTLS role is chosen.
"""

# ruff: noqa: SLF001 - aiortc's private names are what this file is for

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable
from functools import partial
from typing import Protocol

import msgspec
from aiortc import MediaStreamTrack, RTCCertificate, RTCIceGatherer, RTCIceTransport

from clients import convert
from clients.closing import in_turn
from clients.dtls import LabDtlsTransport, RawHandler, Tap
from clients.errors import TransportFailed
from clients.impairment import Attachment, Impairment
from clients.streams import Receiver, Sender, SsrcRouter
from labsfu.wire.rtp import MediaKind, RtpParameters
from labsfu.wire.transport import DtlsParameters, DtlsRole, IceCandidate, TransportOptions


class End(Protocol):
    """What sends or receives over a transport."""

    async def stop(self) -> None:
        """Send or receive no more. Idempotent."""


class WebRtcTransport:
    """A client's end of a server's transport.

    Args:
        options: what the server said of its end.
        role: DTLS role of this end, client or server; `auto` is for the server to say, and refused.
        reach_at: address and port that stand for the server's candidates, e.g. those of a relay in between.
        network: the client's; what this transport sends and receives goes over it.
    """

    def __init__(
        self,
        options: TransportOptions,
        *,
        role: DtlsRole,
        reach_at: tuple[str, int] | None = None,
        network: Impairment | None = None,
    ) -> None:
        if role is DtlsRole.AUTO:
            raise ValueError("this end must be the DTLS client or the DTLS server")
        self.id = options.id
        self._options = options
        self._candidates = options.ice_candidates if reach_at is None else _only_at(options.ice_candidates, *reach_at)
        self._role = role
        self._network = network
        self._impaired: Attachment | None = None
        self._gatherer = RTCIceGatherer(iceServers=[])
        self._ice = RTCIceTransport(self._gatherer)
        self._ice._connection.ice_controlling = True
        self._dtls = LabDtlsTransport(self._ice, [RTCCertificate.generateCertificate()])
        self._dtls._set_role(role.value)
        self._router = SsrcRouter()
        self._dtls._rtp_router = self._router
        self._ends: set[End] = set()
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
    def selected_pair(self) -> tuple[tuple[str, int], tuple[str, int]] | None:
        """Local and remote address and port that media goes between; None before ICE is up, and after `close`."""
        pair = self._ice._connection._nominated.get(1)
        return None if pair is None else (pair.local_addr, pair.remote_addr)

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

    def adopt(self, end: End) -> None:
        """Have an end that somebody else made stopped with the others when this transport closes.

        Raises:
            TransportFailed: this transport has been closed.
        """
        self._refuse_when_closed()
        self._ends.add(end)

    def add_tap(self, tap: Tap) -> None:
        """Have a tap told of every RTP and compound RTCP packet from now on, both ways, decrypted."""
        self._dtls.taps.append(tap)

    def remove_tap(self, tap: Tap) -> None:
        """Tell a tap no more. Idempotent."""
        with contextlib.suppress(ValueError):
            self._dtls.taps.remove(tap)

    def add_raw_receiver(self, ssrcs: Iterable[int], handler: RawHandler) -> None:
        """Give the RTP of these SSRCs to a handler (bytes, monotonic seconds); aiortc does not see it."""
        self._dtls.raw_rtp.update(dict.fromkeys(ssrcs, handler))

    def remove_raw_receiver(self, ssrcs: Iterable[int]) -> None:
        """Take the RTP of these SSRCs raw no more. Idempotent."""
        for ssrc in ssrcs:
            self._dtls.raw_rtp.pop(ssrc, None)

    def add_raw_rtcp(self, handler: RawHandler) -> None:
        """Give every compound RTCP packet that comes to a handler, too (bytes, monotonic seconds)."""
        self._dtls.raw_rtcp.append(handler)

    def remove_raw_rtcp(self, handler: RawHandler) -> None:
        """Give RTCP to a handler no more. Idempotent."""
        with contextlib.suppress(ValueError):
            self._dtls.raw_rtcp.remove(handler)

    def send_raw(self, data: bytes) -> None:
        """Encrypt and send an RTP or compound RTCP packet at once.

        Raises:
            ConnectionError: the transport is not up, or not any more.
            pylibsrtp.Error: the packet cannot be encrypted.
        """
        self._dtls.send_raw(data)

    async def remove(self, end: End) -> None:
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
        if self._impaired is not None:
            self._impaired.abandon()
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
        addresses = local_addresses_towards((c.address, c.port) for c in self._candidates)
        connection = self._ice._connection
        connection._local_candidates_start = True
        connection._local_candidates = await connection.get_component_candidates(component=1, addresses=addresses)
        connection._local_candidates_end = True
        if self._network is not None:
            self._impaired = self._network.attach(connection, self._dtls)
        if self._closing:
            await connection.close()
            raise TransportFailed(f"{self._where()} was closed while it came up")
        await self._gatherer.gather()
        if not connection._local_candidates:
            raise TransportFailed(f"no local address reaches {[c.address for c in self._candidates]}")

    async def _start_ice(self) -> None:
        for candidate in self._candidates:
            if candidate.protocol == "udp" and _is_address(candidate.address):
                await self._ice.addRemoteCandidate(convert.to_rtc_ice_candidate(candidate))
        await self._ice.addRemoteCandidate(None)
        await self._ice.start(convert.to_rtc_ice_parameters(self._options.ice_parameters))
        if self._ice.state != "completed":
            raise TransportFailed(f"{self._where()} failed: no candidate pair works")

    def _where(self) -> str:
        return f"transport {self.id} (ICE {self.ice_state}, DTLS {self.dtls_state} as {self._role.value})"


def _only_at(candidates: Iterable[IceCandidate], address: str, port: int) -> tuple[IceCandidate, ...]:
    """The first candidate over UDP, moved elsewhere."""
    moved = (msgspec.structs.replace(c, ip=address, address=address, port=port) for c in candidates)
    return tuple(candidate for candidate in moved if candidate.protocol == "udp")[:1]


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
