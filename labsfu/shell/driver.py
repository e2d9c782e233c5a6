"""An engine in this process: the Trio side of `labsfu.core.engine`."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio
from msgspec.structs import replace

from labsfu.config import MediaListen
from labsfu.core.dtls.certificate import generate_certificate
from labsfu.core.engine import Engine
from labsfu.core.entropy import Entropy
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS
from labsfu.errors import Unavailable
from labsfu.shell.clock import Clock
from labsfu.shell.udp import UdpSender, bind_all
from labsfu.wire.commands import Command, Counted, GetCounts, Result
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


class InProcessWorker:
    """A worker whose engine runs in this process; satisfies `labsfu.wire.worker.Worker`.

    Given: its id, where media comes in, entropy, clock, who wants the events, what is forwarded. Owned: engine and
    socket, both from `run` on.
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
    ) -> None:
        self._id = worker_id
        self._media = media
        self._entropy = entropy
        self._clock = clock
        self._on_events = on_events
        self._media_codecs = media_codecs
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

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Bind, say that it is ready, serve until cancelled.

        Raises:
            Unavailable: the media port cannot be had.
        """
        with ExitStack() as stack:
            sockets = [stack.enter_context(sock) for sock in bind_all(self._media.addresses, self._media.port)]
            self._open = _Open(sockets, self._media, self._entropy, self._clock, self._on_events, self._media_codecs)
            try:
                async with trio.open_nursery() as nursery:
                    for socket_id in range(len(sockets)):
                        nursery.start_soon(self._open.receive_forever, socket_id)
                    nursery.start_soon(self._open.tick_forever)
                    nursery.start_soon(self._open.sample_forever)
                    task_status.started()
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
    ) -> None:
        self._sockets = sockets
        self._clock = clock
        self._on_events = on_events
        self._sender = UdpSender(sockets)
        self._timer = trio.CancelScope()
        self._rate = 0.0
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
        )

    def execute(self, command: Command) -> Result:
        """One command, then what follows from it."""
        try:
            return self.engine.execute(command, self._clock.now())
        finally:
            self._drain()

    def info(self, worker_id: WorkerId) -> WorkerInfo:
        """State, load and counts."""
        counted = self.engine.execute(GetCounts(), self._clock.now())
        assert isinstance(counted, Counted)  # what GetCounts answers
        usage = resource.getrusage(resource.RUSAGE_SELF)
        counts = replace(counted.counts, unsent_packets=self._sender.unsent)
        return WorkerInfo(
            id=worker_id,
            pid=os.getpid(),
            state="running",
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            rss_bytes=_resident_bytes(),
            router_count=counts.routers,
            producer_count=counts.producers,
            consumer_count=counts.consumers,
            forwarded_packets_per_second=round(self._rate, 1),
            media=counts,
        )

    async def receive_forever(self, socket_id: int) -> None:
        """Read until the socket would block, at most a burst; then drain."""
        sock, engine, now = self._sockets[socket_id], self.engine, self._clock.now
        read, inbox = sock.recvfrom_into, engine.inbox.view
        while True:
            await trio.lowlevel.wait_readable(sock)
            for _ in range(BURST):
                try:
                    length, source = read(inbox)
                except BlockingIOError:
                    break
                except OSError:
                    continue  # an ICMP error of an earlier datagram; reading takes it away
                engine.received(length, source, socket_id, now())
            self._drain()

    async def tick_forever(self) -> None:
        """Sleep until the engine's deadline, which `_drain` may bring forward."""
        while True:
            deadline = self.engine.deadline()
            self._timer = trio.CancelScope(deadline=float("inf") if deadline is None else deadline)
            with self._timer:
                await trio.sleep_forever()
            self.engine.tick(self._clock.now())
            self._drain()

    async def sample_forever(self) -> None:
        """Work out the forwarding rate once a second."""
        before, then = 0, self._clock.now()
        while True:
            await trio.sleep(1)
            counted = self.engine.execute(GetCounts(), self._clock.now())
            assert isinstance(counted, Counted)  # what GetCounts answers
            now, count = self._clock.now(), counted.counts.forwarded_packets
            self._rate = (count - before) / (now - then)
            before, then = count, now

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


def _resident_bytes() -> int:
    """Resident memory of this process; 0 where /proc does not tell (not Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
