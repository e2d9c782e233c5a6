"""The API over a fake worker or a real engine: in memory for HTTP, on a real loopback socket for the rest."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeAlias, TypeVar, cast

import msgspec
import trio
from hypercorn.typing import ASGIFramework
from quart.typing import TestClientProtocol
from quart_trio import QuartTrio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError

from labsfu.api.app import create_app
from labsfu.api.context import Api, Identity
from labsfu.api.edge import put_edge
from labsfu.api.guard import budgets_of
from labsfu.api.http_server import HttpServer, hypercorn_config
from labsfu.config import Config
from labsfu.rooms.registry import Rooms
from labsfu.server import bind_http, holding_limits_of, limits_of
from labsfu.shell.entropy import SystemEntropy
from labsfu.shell.event_hub import EventHub
from labsfu.shell.rooms_driver import RoomsDriver
from labsfu.shell.sampler import Sampler
from labsfu.shell.tls import server_context
from labsfu.wire import socket as wire
from labsfu.wire.base import to_json
from labsfu.wire.payloads import Listen, Problem
from tests.support.engine_worker import EngineWorker
from tests.support.fake_worker import CAPABILITIES, FakeWorker
from tests.support.sole_worker import SoleWorker

S = TypeVar("S", bound=wire.ServerMessage)
W = TypeVar("W", bound=FakeWorker | EngineWorker)

_SIGNALS: msgspec.json.Decoder[wire.ServerMessage] = msgspec.json.Decoder(wire.ServerMessage)

JOIN = "/rooms/room/participants/{}/create-and-connect?roomType=conference&participantType=host&displayName={}"


class WorldOf(Generic[W]):
    """An application, the rooms and the worker under it."""

    def __init__(self, config: Config, worker: W) -> None:
        self.config = config
        self.worker = worker
        entropy = SystemEntropy()
        rooms = Rooms(
            new_id=entropy.uuid,
            epoch_at_zero=0,
            participant_grace=config.participant_grace,
            room_grace=config.room_grace,
            router_capacity=config.router_capacity,
            limits=limits_of(config),
        )
        self.events = EventHub(
            "epoch-1",
            epoch_ms=lambda: 1000,
            size=config.event_ring,
            outbox_bytes=config.outbox_bytes,
            max_watchers=config.max_watchers,
        )
        workers = SoleWorker(self.worker)
        self.driver = RoomsDriver(
            rooms,
            workers,
            now=trio.current_time,
            publish=self.events.publish,
            outbox_bytes=config.outbox_bytes,
            limits=holding_limits_of(config),
        )
        self.worker.on_events = self.driver.on_events
        identity = Identity("sfu", "0", 0, trio.current_time(), Listen(http="here:1", media=("udp:here:2",)))
        sampler = Sampler(workers, epoch_ms=lambda: 1000)
        self.api = Api(self.driver, self.events, workers, CAPABILITIES, config, identity, entropy.uuid, sampler)
        self.app: QuartTrio = create_app(self.api)
        self.app.asgi_app = put_edge(cast("ASGIFramework", self.app.asgi_app), self.api)  # type: ignore[method-assign]  # Quart's way to add middleware
        self.client: TestClientProtocol = self.app.test_client()

    async def ask(self, method: str, path: str, **options: object) -> tuple[int, Any]:
        """Status and JSON of a request in memory."""
        response = await self.client.open(path, method=method, **options)  # type: ignore[arg-type]  # whatever Quart takes
        return response.status_code, msgspec.json.decode(await response.get_data())

    async def refused(self, method: str, path: str, **options: object) -> Problem:
        """The problem that refuses a request, checked for form."""
        response = await self.client.open(path, method=method, **options)  # type: ignore[arg-type]  # whatever Quart takes
        assert response.content_type == "application/problem+json"
        problem = msgspec.json.decode(await response.get_data(), type=Problem)
        assert problem.status == response.status_code
        return problem


class ApiWorld(WorldOf[FakeWorker]):
    """In memory, over a fake worker."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, FakeWorker())


class EngineWorld(WorldOf[EngineWorker]):
    """In memory, over a real engine."""

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config or Config(), EngineWorker())


class ServedWorld(WorldOf[W]):
    """The same on a real socket."""

    def __init__(self, config: Config, worker: W) -> None:
        super().__init__(config, worker)
        self.listener = bind_http("127.0.0.1", 0)
        self.address: tuple[str, int] = self.listener.getsockname()
        self.peers: list[Peer] = []
        self.ended = trio.Event()
        self.http = HttpServer(
            cast("ASGIFramework", self.app),
            hypercorn_config(config.message_bytes),
            self.listener,
            tls=server_context(config),
            max_connections=config.max_connections,
            handshakes=budgets_of(config),
        )
        self.api.tally.connections = lambda: self.http.connections

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Serve; `ended` is set when no connection is left."""
        await self.http.run(task_status=task_status)
        self.ended.set()

    async def send(self, method: str, path: str, body: object) -> trio.SocketStream:
        """Send a request over a socket of its own; the answer is the caller's to read, or not."""
        stream = await _stream(self.address)
        data = msgspec.json.encode(body)
        await stream.send_all(self._head(method, path, f"Content-Length: {len(data)}") + data)
        return stream

    async def raw(self, method: str, path: str, data: bytes, *, chunked: bool) -> Any:  # noqa: ANN401 - whatever JSON has
        """The JSON that answers a request over a socket, its body in chunks of unsaid number or not."""
        request = self._head(method, path, f"Content-Length: {len(data)}") + data
        if chunked:
            half = len(data) // 2
            parts = [b"%x\r\n%s\r\n" % (len(part), part) for part in (data[:half], data[half:], b"")]
            request = self._head(method, path, "Transfer-Encoding: chunked") + b"".join(parts)
        with trio.fail_after(10):  # it is to be closed at once, as it was asked for
            async with await _stream(self.address) as stream:
                await stream.send_all(request)
                answer = b"".join([bytes(part) async for part in stream])
        return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])

    def _head(self, method: str, path: str, framing: str) -> bytes:
        lines = f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.address[1]}", "Content-Type: application/json"
        return "\r\n".join((*lines, framing, "Connection: close", "", "")).encode()

    async def connect(self, path: str) -> Peer:
        """A WebSocket; refused ones have a `refusal`."""
        peer = Peer(await _stream(self.address), f"127.0.0.1:{self.address[1]}", path)
        self.peers.append(peer)
        await peer.handshake()
        return peer

    async def join(self, name: str) -> Peer:
        """A host in the room, its `Init` read."""
        peer = await self.connect(JOIN.format(name, name))
        assert peer.refusal is None
        await peer.expect(wire.Init)
        return peer


Served: TypeAlias = ServedWorld[FakeWorker]


@asynccontextmanager
async def serving(config: Config | None = None) -> AsyncIterator[Served]:
    """A served API over a fake worker; everything ends with the block."""
    async with _serving(ServedWorld(config or Config(), FakeWorker())) as served:
        yield served


@asynccontextmanager
async def serving_engine(config: Config | None = None) -> AsyncIterator[ServedWorld[EngineWorker]]:
    """A served API over a real engine; everything ends with the block."""
    async with _serving(ServedWorld(config or Config(), EngineWorker())) as served:
        yield served


@asynccontextmanager
async def _serving(served: ServedWorld[W]) -> AsyncIterator[ServedWorld[W]]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(served.driver.keep_time)
        nursery.start_soon(served.driver.carry_out_orders)
        await nursery.start(served.run)
        try:
            yield served
        finally:
            for peer in served.peers:
                peer.stream.socket.close()
            served.driver.stop()
        nursery.cancel_scope.cancel()


class Peer:
    """A WebSocket client on wsproto.

    Attributes:
        stream: the TCP connection, for tests that misuse it.
        refusal: status and body with which the handshake was refused.
    """

    def __init__(self, stream: trio.SocketStream, host: str, path: str) -> None:
        self.stream = stream
        self.refusal: tuple[int, Problem] | None = None
        self._host = host
        self._path = path
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    async def handshake(self) -> None:
        await self._send(Request(host=self._host, target=self._path))
        event = await self._next()
        if isinstance(event, RejectConnection):
            body = b""
            while not isinstance(event, RejectData) or not event.body_finished:
                event = await self._next()
                assert isinstance(event, RejectData)
                body += event.data
            status = 0 if not isinstance(event, RejectConnection) else event.status_code
            problem = msgspec.json.decode(body, type=Problem)
            self.refusal = (status or problem.status, problem)
        else:
            assert isinstance(event, AcceptConnection)

    async def say(self, message: wire.ClientMessage) -> None:
        await self.say_text(to_json(message).decode())

    async def say_text(self, text: str) -> None:
        await self._send(Message(data=text))

    async def say_bytes(self, data: bytes) -> None:
        await self._send(Message(data=data))

    async def hear(self) -> wire.ServerMessage | CloseConnection:
        """The next message, or the close (which is answered)."""
        text = ""
        while True:
            event = await self._next()
            match event:
                case TextMessage():
                    text += event.data
                    if event.message_finished:
                        return _SIGNALS.decode(text)
                case Ping():
                    await self._send(event.response())
                case CloseConnection():
                    await self._send(event.response())
                    return event
                case _:
                    assert not isinstance(event, BytesMessage)

    async def expect(self, type_: type[S]) -> S:
        """The next message, which must be of this type."""
        message = await self.hear()
        assert isinstance(message, type_), message
        return message

    async def expect_close(self) -> int:
        """The code of the close, whatever is said before it."""
        while not isinstance(message := await self.hear(), CloseConnection):
            pass
        return int(message.code)

    async def close(self) -> None:
        """Say goodbye, as a client should."""
        await self._send(CloseConnection(code=1000))

    async def vanish(self) -> None:
        """End without a word, as a killed process does."""
        await self.stream.aclose()

    async def _send(self, event: Event) -> None:
        try:
            data = self._connection.send(event)
        except LocalProtocolError:
            return  # a pong, and the server's close came right behind its ping
        await self.stream.send_all(data)

    async def _next(self) -> Event:
        while not self._events:
            data = await self.stream.receive_some(65536)
            self._connection.receive_data(bytes(data) if data else None)
            self._events.extend(self._connection.events())
        return self._events.pop(0)


async def _stream(address: tuple[str, int]) -> trio.SocketStream:
    sock = trio.socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    await sock.connect(address)
    return trio.SocketStream(sock)
