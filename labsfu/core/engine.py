"""The media engine: datagrams, commands and time in; datagrams, results and events out. Nothing in here waits.

One mutation, then `drain`, with no await between. Packets leave through `transmit` while the input is handled.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from labsfu.core.drop_reports import DropReports, Stream
from labsfu.core.drops import Drops
from labsfu.core.dtls.certificate import DtlsCertificate
from labsfu.core.entropy import Entropy
from labsfu.core.executor import Executor
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS
from labsfu.core.outputs import Address, BoundSocket, Release, SocketId, Transmit
from labsfu.core.srtp.buffer import SrtpBuffer
from labsfu.core.stats.sampler import Sampler
from labsfu.core.stun.message import local_ufrag_of
from labsfu.core.tables import Tables
from labsfu.core.token_bucket import TokenBucket
from labsfu.core.transport.base import Transport
from labsfu.core.transport.demux import PacketKind, kind_of
from labsfu.core.transport.surroundings import Surroundings
from labsfu.core.transport.webrtc import WebRtcTransport
from labsfu.errors import Malformed
from labsfu.wire.commands import Command, Result
from labsfu.wire.events import EngineEvent
from labsfu.wire.rtp import RtpCapabilities, RtpCodecCapability
from labsfu.wire.transport import IceCandidate

STUN_REFUSALS, STUN_REFUSALS_BURST = 50, 100
"""Error responses to checks, which strangers can cause: so many a second, and so many at once."""


def _keep(socket_id: SocketId, /) -> None:
    """For a driver that opens no sockets."""


class Engine:
    """All routers of one worker.

    Args:
        entropy: every random value but OpenSSL's comes from here.
        unix_offset: what to add to `now` to get unix seconds.
        certificate: the DTLS certificate of all transports.
        transmit: takes each outgoing datagram.
        release: is told that a socket which was opened for a pipe is not needed any more.
        candidates: where clients reach this engine.
        media_codecs: what its routers forward.

    Attributes:
        inbox: to be filled by the driver before `received`.
    """

    def __init__(
        self,
        *,
        entropy: Entropy,
        unix_offset: float,
        certificate: DtlsCertificate,
        transmit: Transmit,
        candidates: Sequence[IceCandidate],
        media_codecs: Sequence[RtpCodecCapability] = DEFAULT_MEDIA_CODECS,
        release: Release = _keep,
    ) -> None:
        self.inbox = SrtpBuffer()
        self._drops = Drops()
        self._events: list[EngineEvent] = []
        self._drop_reports = DropReports(self._events.append)
        self._drop_reports.watch(self._drops, Stream())
        self._packets_received = 0
        self._bytes_received = 0
        self._tables = Tables()
        self._sampler = Sampler(self._tables)
        around = Surroundings(
            entropy=entropy,
            unix_offset=unix_offset,
            certificate=certificate,
            transmit=transmit,
            release=release,
            emit=self._events.append,
            came_up=self._sampler.wake,
            drops=self._drops,
            drop_reports=self._drop_reports,
            refusals=TokenBucket(STUN_REFUSALS, STUN_REFUSALS_BURST),
            outbox=SrtpBuffer(),
            candidates=tuple(candidates),
        )
        self._executor = Executor(self._tables, around, media_codecs, self._events, self._traffic)
        self._receivers: dict[PacketKind, Callable[[int, SocketId, Address, float], WebRtcTransport]] = {
            PacketKind.STUN: self._receive_stun,
            PacketKind.DTLS: self._receive_dtls,
            PacketKind.RTCP: self._receive_rtcp,
        }

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        """What the routers of this engine offer."""
        return self._executor.rtp_capabilities

    def execute(self, command: Command, now: float, socket: BoundSocket | None = None) -> Result:
        """Carry out a command.

        Args:
            command: what to do.
            now: monotonic seconds.
            socket: opened for a `CreatePipeTransport`, which it then belongs to until it is released.

        Raises:
            CommandError: it was refused; nothing changed, and the socket is the driver's to close.
        """
        return self._executor.execute(command, now, socket)

    def receive(self, datagram: bytes, source: Address, socket: SocketId, now: float) -> None:
        """Take in a datagram; what is not understood is counted and dropped."""
        room = len(self.inbox.data)
        self.received(self.inbox.load(datagram[:room]), source, socket, now)

    def received(self, length: int, source: Address, socket: SocketId, now: float) -> None:
        """Take in the datagram that was put into `inbox`; one that fills it to the brim was cut off."""
        self._packets_received += 1
        self._bytes_received += length
        owner = self._tables.by_address.get(source)
        if owner is not None:
            owner.packets_received += 1
            owner.bytes_received += length
        try:
            if length == len(self.inbox.data):
                raise Malformed("too-long")
            kind = kind_of(self.inbox.data, length)
            if kind is PacketKind.RTP:
                if owner is None:
                    raise Malformed("rtp-unknown-source")
                if owner.receive_rtp(self.inbox, length, now):
                    self._tables.follow(owner)
                return
            receive = self._receivers.get(kind)
            if receive is None:
                raise Malformed("unknown-packet")
            transport = receive(length, socket, source, now)
        except Malformed as malformed:
            self._refused(source, malformed.reason)
        except Exception as error:
            self._contain(owner, error, now)
        else:
            self._tables.follow(transport)

    def received_by_pipe(self, length: int, source: Address, socket: SocketId, now: float) -> None:
        """Take in the datagram that was put into `inbox`, and came on the socket of a pipe."""
        self._packets_received += 1
        self._bytes_received += length
        pipe = self._tables.by_socket.get(socket)
        if pipe is None:  # it is closed; this came just before
            self._drops.count("pipe-closed")
            return
        try:
            if pipe.receive(self.inbox, length, source, now):
                self._tables.follow(pipe)
        except Malformed as malformed:
            pipe.drops.count(malformed.reason)
            self._tables.follow(pipe)  # what was understood of it may have set a timer
        except Exception as error:
            self._contain(pipe, error, now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        for transport in self._tables.timers.due(now):
            try:
                transport.tick(now)
            except Exception as error:
                self._contain(transport, error, now)
            else:
                self._tables.follow(transport)
        for router in self._tables.router_timers.due(now):
            try:
                router.tick(now)
            except Exception as error:
                self._contain(None, error, now)
        self._drop_reports.tick(now)
        self._sampler.tick(now)

    def deadline(self) -> float | None:
        """When `tick` has something to do, which may be long since; never before that."""
        at = self._tables.timers.deadline()
        routers = self._tables.router_timers.deadline()
        for other in (routers, self._drop_reports.deadline(), self._sampler.deadline()):
            if other is not None and (at is None or other < at):
                at = other
        return at

    def drain(self) -> list[EngineEvent]:
        """Take what happened since the last time, in its order."""
        events = self._events[:]
        self._events.clear()
        return events

    def _refused(self, source: Address, reason: str) -> None:
        """Count it at the transport whose address it came from, else with the strangers'."""
        transport = self._tables.by_address.get(source)
        if transport is None:
            self._drops.count(reason)
        else:
            transport.drops.count(reason)
            self._tables.follow(transport)  # what was understood of it may have set a timer

    def _contain(self, transport: Transport | None, error: Exception, now: float) -> None:
        """A bug of ours: tell, and close the transport that it happened in, so that it does not happen again."""
        self._drops.count("internal-error")
        detail = "".join(traceback.format_exception(error))
        self._executor.give_up(transport, detail, now)

    # ---------------------------------------------------------------- rarer packets

    def _receive_stun(self, length: int, socket: SocketId, source: Address, now: float) -> WebRtcTransport:
        data = bytes(self.inbox.view[:length])
        transport = self._tables.by_ufrag.get(local_ufrag_of(data))
        if transport is None:
            raise Malformed("stun-unknown-ufrag")
        owner = self._tables.by_address.get(source)
        if owner is not None and owner is not transport and owner.reachable:
            # Anyone may write any source address: who has shown that this one is its own keeps it.
            raise Malformed("stun-address-in-use")
        transport.receive_stun(data, socket, source, now)
        if owner is None:  # it is known only now whose address this is
            transport.packets_received += 1
            transport.bytes_received += length
        return transport

    def _receive_dtls(self, length: int, socket: SocketId, source: Address, now: float) -> WebRtcTransport:  # noqa: ARG002 - one signature for all
        transport = self._tables.by_address.get(source)
        if transport is None:
            raise Malformed("dtls-unknown-source")
        try:
            transport.receive_dtls(bytes(self.inbox.view[:length]), source, now)
        finally:
            self._tables.follow(transport)
        return transport

    def _receive_rtcp(self, length: int, socket: SocketId, source: Address, now: float) -> WebRtcTransport:  # noqa: ARG002 - one signature for all
        transport = self._tables.by_address.get(source)
        if transport is None:
            raise Malformed("rtcp-unknown-source")
        transport.receive_rtcp(self.inbox, length, now)
        return transport

    def _traffic(self) -> tuple[int, int, Drops]:
        return self._packets_received, self._bytes_received, self._drops
