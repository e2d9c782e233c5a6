"""An engine in this process: the Trio side of `labsfu.core.engine`."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import trio
from msgspec.structs import replace

from labsfu.config import MediaListen
from labsfu.core.dtls.certificate import generate_certificate
from labsfu.core.engine import Engine
from labsfu.core.entropy import Entropy
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS
from labsfu.core.outputs import Address, SocketId
from labsfu.errors import Unavailable
from labsfu.shell.absent_worker import absent_worker
from labsfu.shell.clock import Clock
from labsfu.shell.pipe_sockets import PipeSockets
from labsfu.shell.udp import UdpSender, bind_all, drain_udp
from labsfu.shell.usage import cpu_seconds, resident_bytes
from labsfu.wire.commands import Command, Counted, CreatePipeTransport, GetCounts, Result
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.rtp import RtpCapabilities, RtpCodecCapability
from labsfu.wire.transport import IceCandidate

# Datagrams read before others get their turn: about 10 ms of work at the most.
BURST = 64

# RFC 8445 5.1.2.1 with mediasoup's numbers, so that clients choose among candidates as they do there.
CANDIDATE_PRIORITY = (1 << 24) * 64 + (1 << 8) * 10_000 + 255

CERTIFICATE_DAYS = 30

_Receive: TypeAlias = Callable[[int, Address, SocketId, float], None]


class InProcessWorker:
    """A worker whose engine runs in this process; satisfies `labsfu.wire.worker.Worker`.

    Given: its id, where media comes in, entropy, clock, who wants the events, what is forwarded, and sockets that are
    bound there already, if there are. Owned: engine and sockets, both from `run` on.
    """

    def __init__(
        self,
        worker_id: WorkerId,
        media: MediaListen,
        *,
        entropy: Entropy,
        clock: Clock,
        on_events: Callable[[Sequence[EngineEvent]], None],
        media_codecs: Sequence[RtpCodecCapability] = DEFAULT_MEDIA_CODECS,
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self._id = worker_id
        self._media = media
        self._entropy = entropy
        self._clock = clock
        self._on_events = on_events
        self._media_codecs = media_codecs
        self._sockets = sockets
        self._open: _Open | None = None

    @property
    def id(self) -> WorkerId:
        """Stable name of this worker."""
        return self._id

    @property
    def listen(self) -> tuple[str, ...]:
        """Where media comes in, as "udp:address:port"; empty before `run`."""
        return () if self._open is None else self._open.listen

    @property
    def rtp_capabilities(self) -> RtpCapabilities:
        """What this worker's routers offer."""
        return self._running().engine.rtp_capabilities

    @property
    def load(self) -> float:
        """The share of a core that this process used in the last second."""
        return 0.0 if self._open is None else self._open.load

    @property
    def running(self) -> bool:
        """Whether it carries commands out."""
        return self._open is not None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Bind, unless that was done, say that it is ready, serve until cancelled.

        Raises:
            Unavailable: the media port cannot be had.
        """
        with ExitStack() as stack:
            bound = self._sockets or bind_all(self._media.addresses, self._media.port)
            sockets = [stack.enter_context(sock) for sock in bound]
            async with trio.open_nursery() as nursery:
                self._open = _Open(
                    sockets, self._media, self._entropy, self._clock, self._on_events, self._media_codecs, nursery
                )
                stack.callback(self._open.pipes.close)
                try:
                    self._open.start()
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    self._open = None

    async def execute(self, command: Command) -> Result:
        """Carry a command out.

        Raises:
            CommandError: it was refused; nothing changed.
        """
        await trio.lowlevel.checkpoint()
        return self._running().execute(command)

    async def info(self) -> WorkerInfo:
        """State, load and counts."""
        await trio.lowlevel.checkpoint()
        return self._running().info(self._id)

    def silent_info(self) -> WorkerInfo:
        """Its state and where it listens."""
        return absent_worker(self._id, "dead" if self._open is None else "silent", os.getpid(), self.listen)

    def _running(self) -> _Open:
        if self._open is None:
            raise Unavailable(f"worker '{self._id}' is not running", slug="worker-unavailable")
        return self._open


class _Open:
    """A worker's engine while its socket is open."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        media: MediaListen,
        entropy: Entropy,
        clock: Clock,
        on_events: Callable[[Sequence[EngineEvent]], None],
        media_codecs: Sequence[RtpCodecCapability],
        nursery: trio.Nursery,
    ) -> None:
        self._sockets = sockets
        self._nursery = nursery
        self._clock = clock
        self._on_events = on_events
        self._sender = UdpSender(sockets)
        self._timer = trio.CancelScope()
        self._rate = 0.0
        self.load = 0.0
        self.pipes = PipeSockets(media, self._sender, len(sockets))
        self.listen = tuple(f"udp:{_endpoint(sock)}" for sock in sockets)
        port = sockets[0].getsockname()[1]
        wall = datetime.fromtimestamp(clock.epoch_ms() / 1000, UTC)
        self.engine = Engine(
            entropy=entropy,
            unix_offset=clock.unix_offset,
            certificate=generate_certificate(wall - timedelta(days=1), wall + timedelta(days=CERTIFICATE_DAYS)),
            transmit=self._sender,
            candidates=[_candidate(address, port, place) for place, address in enumerate(media.told)],
            media_codecs=media_codecs,
            release=self.pipes,
        )

    def start(self) -> None:
        """Begin to read and to keep time. What came before is for an engine that is no more, if for any."""
        receive = self.engine.received
        for socket_id, sock in enumerate(self._sockets):
            drain_udp(sock)
            self._nursery.start_soon(self._receive, sock, socket_id, receive)
        self._nursery.start_soon(self._tick_forever)
        self._nursery.start_soon(self._sample_forever)

    def execute(self, command: Command) -> Result:
        """One command, then what follows from it."""
        try:
            if isinstance(command, CreatePipeTransport):
                return self._create_pipe(command)
            return self.engine.execute(command, self._clock.now())
        finally:
            self._drain()

    def _create_pipe(self, command: CreatePipeTransport) -> Result:
        """The socket is the engine's from when it took it, and ours if it did not."""
        bound = self.pipes.open(command.listen_ip, command.port)
        try:
            result = self.engine.execute(command, self._clock.now(), bound)
        except BaseException:
            self.pipes(bound.id)
            raise
        self._nursery.start_soon(self._receive_by_pipe, self.pipes.socket(bound.id), bound.id)
        return result

    def info(self, worker_id: WorkerId) -> WorkerInfo:
        """State, load and counts."""
        counted = self.engine.execute(GetCounts(), self._clock.now())
        assert isinstance(counted, Counted)  # what GetCounts answers
        counts = replace(counted.counts, unsent_packets=self._sender.unsent)
        return WorkerInfo(
            id=worker_id,
            pid=os.getpid(),
            state="running",
            listen=self.listen,
            load=round(self.load, 3),
            cpu_seconds=cpu_seconds(),
            rss_bytes=resident_bytes(),
            router_count=counts.routers,
            producer_count=counts.producers,
            consumer_count=counts.consumers,
            forwarded_packets_per_second=round(self._rate, 1),
            media=counts,
        )

    async def _receive_by_pipe(self, sock: socket.socket, socket_id: SocketId) -> None:
        """Read until the engine gives the socket back."""
        with suppress(trio.ClosedResourceError):
            await self._receive(sock, socket_id, self.engine.received_by_pipe)

    async def _receive(self, sock: socket.socket, socket_id: SocketId, receive: _Receive) -> None:
        """Read until the socket would block, at most a burst; then drain. Ends with the socket."""
        now, read, inbox = self._clock.now, sock.recvfrom_into, self.engine.inbox.view
        while sock.fileno() >= 0:  # what is read may close a pipe
            await trio.lowlevel.wait_readable(sock)
            for _ in range(BURST):
                try:
                    length, source = read(inbox)
                except BlockingIOError:
                    break
                except OSError:
                    if sock.fileno() < 0:
                        break
                    continue  # an ICMP error of an earlier datagram; reading takes it away
                receive(length, source, socket_id, now())
            self._drain()

    async def _tick_forever(self) -> None:
        """Sleep until the engine's deadline, which `_drain` may bring forward."""
        while True:
            deadline = self.engine.deadline()
            self._timer = trio.CancelScope(deadline=float("inf") if deadline is None else deadline)
            with self._timer:
                await trio.sleep_forever()
            self.engine.tick(self._clock.now())
            self._drain()

    async def _sample_forever(self) -> None:
        """Work out the forwarding rate and the load once a second."""
        before, spent, then = 0, cpu_seconds(), self._clock.now()
        while True:
            await trio.sleep(1)
            counted = self.engine.execute(GetCounts(), self._clock.now())
            assert isinstance(counted, Counted)  # what GetCounts answers
            now, count = self._clock.now(), counted.counts.forwarded_packets
            cpu = cpu_seconds()
            self._rate, self.load = (count - before) / (now - then), (cpu - spent) / (now - then)
            before, spent, then = count, cpu, now

    def _drain(self) -> None:
        """After every mutation: hand on the events, and wake the timer earlier where that is needed."""
        events = self.engine.drain()
        if events:
            self._on_events(events)
        deadline = self.engine.deadline()
        if deadline is not None and deadline < self._timer.deadline:
            self._timer.deadline = deadline


def _endpoint(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if sock.family == socket.AF_INET6 else f"{host}:{port}"


def _candidate(address: str, port: int, place: int) -> IceCandidate:
    """A host candidate; what is named earlier in the configuration is preferred."""
    return IceCandidate(
        foundation="udpcandidate",
        priority=CANDIDATE_PRIORITY - place * (100 << 8),
        ip=address,
        address=address,
        protocol="udp",
        port=port,
    )
