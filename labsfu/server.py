"""The composition root: builds the parts, owns them in one nursery, ends them in order."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.metadata import version
from typing import cast

import structlog
import trio
from hypercorn.typing import ASGIFramework

from labsfu.api.app import create_app
from labsfu.api.context import Api, Identity
from labsfu.api.edge import put_edge
from labsfu.api.guard import budgets_of
from labsfu.api.http_server import HttpServer, hypercorn_config
from labsfu.config import Config
from labsfu.core.codecs.registry import can_be_joined
from labsfu.core.ortc.media_codecs import choose_media_codecs
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS
from labsfu.errors import CommandError, ConfigError, Unavailable
from labsfu.rooms.limits import Limits
from labsfu.rooms.registry import Rooms
from labsfu.shell.clock import Clock
from labsfu.shell.driver import InProcessWorker
from labsfu.shell.entropy import SystemEntropy
from labsfu.shell.event_hub import EventHub
from labsfu.shell.event_log import log_event
from labsfu.shell.holdings import HoldingLimits
from labsfu.shell.kept_worker import Ears, KeptWorker
from labsfu.shell.logs import set_up_logs
from labsfu.shell.open_files import raise_open_files
from labsfu.shell.rooms_driver import RoomsDriver
from labsfu.shell.sampler import Sampler
from labsfu.shell.tls import server_context
from labsfu.shell.worker_messages import PROGRAM, Begin
from labsfu.shell.worker_pool import RunnableWorker, WorkerPool
from labsfu.wire.events import EngineEvent
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import Listen
from labsfu.wire.rtp import RtpCodecCapability
from labsfu.wire.worker import Workers

# Seconds that open connections get to end by themselves when the server ends.
PARTING_PATIENCE = 0.5
GOING_AWAY = 1001
BACKLOG = 512
SEND_BUFFER_BYTES = 32 * 1024

_log = structlog.get_logger()


def serve(config: Config) -> None:
    """Run a server until SIGINT or SIGTERM.

    Raises:
        ConfigError: a port or an address cannot be had.
    """
    set_up_logs(config.log_level, config.log_format)
    trio.run(_serve_until_signal, config)


async def _serve_until_signal(config: Config) -> None:
    refused: ConfigError | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        server, running = Server(config), trio.CancelScope()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, server, running)
            with running:
                refused = await _run(server)
            nursery.cancel_scope.cancel()
    if refused is not None:
        raise refused


async def _run(server: Server) -> ConfigError | None:
    """Run it to its end; answers why it cannot, since what is raised in a nursery leaves it in a group."""
    async with trio.open_nursery() as nursery:
        try:
            await nursery.start(server.run)
        except ConfigError as error:
            return error
        sys.stderr.write(f"labsfu: ready at {server.url} media {' '.join(server.media)}\n")
        sys.stderr.flush()
    return None


async def _obey(signals: AsyncIterator[int], server: Server, running: trio.CancelScope) -> None:
    """The first signal ends a server that is ready in order, one that is not at once; as does every further one."""
    async for _ in signals:
        if not server.stop():
            running.cancel()


class Server:
    """A whole server.

    Attributes:
        url: where HTTP is served; known once `run` has started.
        media: where media comes in, each as "udp:address:port".

    Raises:
        ConfigError: a codec cannot be forwarded, or the certificate cannot be served.
    """

    def __init__(self, config: Config) -> None:
        self.url = ""
        self.media: tuple[str, ...] = ()
        self._config = config
        self._media_codecs = _media_codecs(config)
        self._tls = server_context(config)
        self._ready = False
        self._stop = trio.Event()
        self._stopped = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until closed or cancelled.

        Raises:
            ConfigError: a port or an address cannot be had.
        """
        clock, entropy = Clock(), SystemEntropy()
        listener = bind_http(self._config.host, self._config.port)
        relay = _EventRelay()
        try:
            connections = self._connections()  # before the workers start: they inherit the limit of open files
            async with trio.open_nursery() as nursery:
                events = self._make_events(clock, entropy)
                workers = self._make_workers(clock, entropy, Ears(relay, events.publish))
                rooms = self._make_rooms(clock, entropy, workers, events)
                relay.target = rooms.on_events
                refusal = await _start(nursery, workers)
                if refusal is None:
                    api = self._make_api(clock, entropy, workers, rooms, events, listener)
                    await self._serve(api, listener, connections, nursery, task_status)
                nursery.cancel_scope.cancel()
        finally:
            listener.close()
            self._stopped.set()
        if refusal is not None:
            raise ConfigError(refusal.detail)

    async def close(self) -> None:
        """End in order: clients are told, connections end, then the rest."""
        self._stop.set()
        await self._stopped.wait()

    def stop(self) -> bool:
        """Have it end in order; answers whether that is new: it is ready, and was not told before."""
        if not self._ready or self._stop.is_set():
            return False
        self._stop.set()
        return True

    async def _serve(
        self,
        api: Api,
        listener: socket.socket,
        connections: int,
        nursery: trio.Nursery,
        task_status: trio.TaskStatus[None],
    ) -> None:
        app = put_edge(cast("ASGIFramework", create_app(api)), api)
        http = HttpServer(
            app,
            hypercorn_config(self._config.message_bytes),
            listener,
            tls=self._tls,
            max_connections=connections,
            handshakes=budgets_of(self._config),
        )
        api.tally.connections = lambda: http.connections
        nursery.start_soon(api.rooms.keep_time)
        nursery.start_soon(api.rooms.carry_out_orders)
        await nursery.start(http.run)
        _log.debug("ready", http=self.url, media=self.media)
        task_status.started()
        self._ready = True
        await self._stop.wait()
        api.events.close(GOING_AWAY, "the server ends")
        api.rooms.hang_up_all(GOING_AWAY, "the server ends")
        await http.close(PARTING_PATIENCE)
        api.rooms.stop()

    def _connections(self) -> int:
        """How many there may be: those of the configuration, as far as the system allows."""
        wanted = self._config.max_connections
        fit = raise_open_files(wanted)
        if fit < wanted:
            _log.warning("few open files", connections=fit, wanted=wanted, hint="see labsfu doctor")
        return fit

    def _make_events(self, clock: Clock, entropy: SystemEntropy) -> EventHub:
        return EventHub(
            entropy.uuid(),
            epoch_ms=clock.epoch_ms,
            size=self._config.event_ring,
            outbox_bytes=self._config.outbox_bytes,
            max_watchers=self._config.max_watchers,
            log=log_event,
        )

    def _make_workers(self, clock: Clock, entropy: SystemEntropy, ears: Ears) -> WorkerPool:
        """Each in a process of its own; for none, one in this process."""
        config = self._config

        def in_process(place: int, ears: Ears) -> RunnableWorker:
            return InProcessWorker(
                _worker_id(place),
                config.media,
                entropy=entropy,
                clock=clock,
                on_events=ears.engine,
                media_codecs=self._media_codecs,
            )

        def kept(place: int, ears: Ears) -> RunnableWorker:
            begin = Begin(
                program=PROGRAM,
                worker_id=_worker_id(place),
                media=config.media.of_worker(place),
                media_codecs=self._media_codecs,
                boot=clock.boot,
                log_level=config.log_level,
                log_format=config.log_format,
            )
            return KeptWorker(begin, ears, patience=config.worker_patience)

        return WorkerPool(config.worker_count or 1, kept if config.worker_count else in_process, ears)

    def _make_rooms(self, clock: Clock, entropy: SystemEntropy, workers: Workers, events: EventHub) -> RoomsDriver:
        rooms = Rooms(
            new_id=entropy.uuid,
            epoch_at_zero=round(clock.unix_offset * 1000),
            participant_grace=self._config.participant_grace,
            room_grace=self._config.room_grace,
            router_capacity=self._config.router_capacity,
            limits=limits_of(self._config),
        )
        return RoomsDriver(
            rooms,
            workers,
            now=clock.now,
            publish=events.publish,
            outbox_bytes=self._config.outbox_bytes,
            limits=holding_limits_of(self._config),
        )

    def _make_api(
        self,
        clock: Clock,
        entropy: SystemEntropy,
        workers: WorkerPool,
        rooms: RoomsDriver,
        events: EventHub,
        listener: socket.socket,
    ) -> Api:
        address = _host_and_port(listener)
        self.url, self.media = f"{'http' if self._tls is None else 'https'}://{address}", workers.listen
        identity = Identity(
            id=entropy.uuid(),
            version=version("labsfu"),
            started_at=clock.epoch_ms(),
            started=clock.now(),
            listen=Listen(http=address, media=workers.listen),
        )
        sampler = Sampler(workers, epoch_ms=clock.epoch_ms)
        return Api(rooms, events, workers, workers.rtp_capabilities, self._config, identity, entropy.uuid, sampler)


class _EventRelay:
    """Hands the workers' events to the rooms, which are made after them."""

    def __init__(self) -> None:
        self.target: Callable[[Sequence[EngineEvent]], None] | None = None

    def __call__(self, events: Sequence[EngineEvent]) -> None:
        if self.target is not None:
            self.target(events)


def limits_of(config: Config) -> Limits:
    """The limits that rooms keep."""
    return Limits(config.max_rooms, config.max_participants, config.max_producers_per_participant)


def holding_limits_of(config: Config) -> HoldingLimits:
    """The limits on what the engine holds."""
    return HoldingLimits(
        config.max_routers,
        config.max_transports,
        config.max_consumers_per_participant,
        config.max_streams_per_pipe,
    )


def _media_codecs(config: Config) -> tuple[RtpCodecCapability, ...]:
    """The codecs of the configuration, else the default ones."""
    try:
        return choose_media_codecs(config.codecs, can_be_joined) or DEFAULT_MEDIA_CODECS
    except CommandError as error:
        raise ConfigError(f"codecs: {error.detail}") from None


def _worker_id(place: int) -> WorkerId:
    return WorkerId(f"worker-{place + 1}")


async def _start(nursery: trio.Nursery, workers: WorkerPool) -> Unavailable | None:
    """Start the workers; answers why they could not, since what is raised in a nursery leaves it in a group."""
    try:
        await nursery.start(workers.run)
    except Unavailable as error:
        return error
    return None


def bind_http(host: str, port: int) -> socket.socket:
    """A listening TCP socket on `host` (name or address) and `port` (0: any free one).

    Raises:
        ConfigError: the address or the port cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # the latter: no name can be so long
        reason = error.strerror if isinstance(error, OSError) else "no such name"
        raise ConfigError(f"cannot listen on http {host} port {port}: {reason}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection: what the kernel keeps for a client that does not read is bounded too.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on http {host} port {port}: {error.strerror}") from error
    return listener


def _host_and_port(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
