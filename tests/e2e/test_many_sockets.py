"""Two hundred sockets in one room, one of which never reads."""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from clients.api import ApiClient, participant_path, socket_url
from clients.errors import Disconnected
from clients.server import ServerProcess
from clients.signalling import Signalling
from labsfu.wire.payloads import RoomType
from labsfu.wire.rtp import MediaKind, RtpCodecParameters, RtpEncodingParameters, RtpParameters
from labsfu.wire.socket import (
    Init,
    ParticipantJoined,
    ParticipantLeft,
    Produced,
    ProducerAdded,
    ProduceRequest,
    ServerMessage,
)

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]

SOCKETS = 200
VISITS = 80
LONG_NAME = "🎈" * 200  # so that what the deaf one misses is soon more than what is kept for it
OPUS = RtpParameters(
    mid="0",
    codecs=(RtpCodecParameters(mime_type="audio/opus", payload_type=111, clock_rate=48000, channels=2),),
    encodings=(RtpEncodingParameters(ssrc=1),),
)


def url_of(server: ServerProcess, name: str, display_name: str = "n") -> str:
    query = {"roomType": "conference", "participantType": "host", "displayName": display_name}
    return socket_url(server.url, f"{participant_path('hall', name)}/create-and-connect", query)


class Listener:
    """A socket that notes all that it is told."""

    def __init__(self, name: str, signalling: Signalling) -> None:
        self.name = name
        self.signalling = signalling
        self.told: list[tuple[float, ServerMessage]] = []

    async def listen(self) -> None:
        try:
            while True:
                message = await self.signalling.receive()
                self.told.append((time.monotonic(), message))
        except Disconnected:
            return

    def heard(self, kind: type[ServerMessage], times: int) -> bool:
        return len(self.of(kind)) == times

    def of(self, kind: type[ServerMessage]) -> list[ServerMessage]:
        return [message for _, message in self.told if isinstance(message, kind)]


@asynccontextmanager
async def deaf_socket(server: ServerProcess, name: str) -> AsyncIterator[None]:
    """A client that connects and never reads: its kernel's buffer is small, its library stops at one message."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    connection = await connect(
        url_of(server, name), sock=sock, max_queue=1, max_size=None, proxy=None, ping_interval=None, close_timeout=0.1
    )
    try:
        yield
    finally:
        connection.transport.abort()


@asynccontextmanager
async def listeners(server: ServerProcess, count: int) -> AsyncIterator[list[Listener]]:
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        everyone = []
        for number in range(count):
            name = f"p{number}"
            signalling = Signalling(url_of(server, name), keep=1, timeout=30)
            listener = Listener(name, await stack.enter_async_context(signalling))
            group.create_task(listener.listen())
            everyone.append(listener)
        yield everyone


async def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it looks at what many tasks collect
            await asyncio.sleep(0.05)


@pytest.mark.timeout(180)
async def test_one_of_two_hundred_who_never_reads_is_given_up_and_harms_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "labsfu.toml"
    settings.write_text("outbox-bytes = 49152\nparticipant-grace = 1\n", encoding="utf-8")
    async with ServerProcess("--config", str(settings)) as server, ApiClient(server.url) as api:
        await api.create_room(RoomType.CONFERENCE, SOCKETS + 10, "hall")
        async with deaf_socket(server, "deaf"), listeners(server, SOCKETS - 1) as everyone:
            await wait_for(lambda: all(listener.of(Init) for listener in everyone))
            for _ in range(VISITS):
                async with Signalling(url_of(server, "visitor", LONG_NAME)) as visitor:
                    await visitor.receive()
            for place, listener in enumerate(everyone):
                later = len(everyone) - 1 - place + VISITS
                await wait_for(partial(listener.heard, ParticipantJoined, later))
                await wait_for(partial(listener.heard, ParticipantLeft, VISITS + 1))
            ids = {participant.id for participant in await api.participants("hall") if participant.connected}
            assert ids == {listener.name for listener in everyone}, "the deaf one is given up, the others are here"

            began = time.monotonic()
            await everyone[0].signalling.request(ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS), Produced)
            others = everyone[1:]
            await wait_for(lambda: all(listener.of(ProducerAdded) for listener in others))
            delays = [at - began for o in others for at, m in o.told if isinstance(m, ProducerAdded)]
            assert len(delays) == len(others)

            async with deaf_socket(server, "deaf-at-the-end"):
                ended = time.monotonic()
                code = await server.stop()
                stopping = time.monotonic() - ended
        assert code == 0
        assert stopping < 5.0  # two seconds on a quiet machine
        assert not [line for line in server.stderr_tail if "Traceback" in line]
    with capsys.disabled():
        print(
            f"\n{SOCKETS} sockets: ProducerAdded after {statistics.median(delays) * 1000:.1f} ms (median), "
            f"{max(delays) * 1000:.1f} ms (last); shutdown {stopping:.2f} s"
        )


async def test_no_socket_is_compressed_though_the_client_offers_it() -> None:
    async with ServerProcess() as server, connect(url_of(server, "ann"), proxy=None) as connection:
        assert connection.request is not None
        assert connection.response is not None
        assert "permessage-deflate" in connection.request.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in connection.response.headers
