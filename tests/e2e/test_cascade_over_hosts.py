"""Three hosts in a chain, each with a network of its own, and a cascade on each cable."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from clients.api import ApiClient
from clients.media.sinks import PictureSink, ToneSink
from clients.media.tone import tone_number
from clients.media.tracks import PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from clients.synthetic.ends import SyntheticReception
from labsfu.wire.ids import ParticipantId, ProducerId
from labsfu.wire.payloads import RoomType
from labsfu.wire.rtp import MediaKind
from labsfu.wire.socket import ProducerPaused
from tests.support.namespaces import HERE, Network, network

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]

TOKEN = "secret"
PATIENCE = 10.0
A, B, C = "a", "b", "c"
HTTP = "8000"
ROOM = "tea"


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


def serving(net: Network, host: str) -> ServerProcess:
    """A server on a host, with media at its end of the cable to us: pipes are told where else to listen."""
    media = net.address(host, HERE)
    words = (sys.executable, "-m", "labsfu", "serve", "--host", "0.0.0.0", "--port", HTTP, "--token", TOKEN)
    flags = ("--media-address", media, "--media-port", "0", "--workers", "0", "--log-level", "warning")
    return ServerProcess(command=net.command(host, *words, *flags))


def url(net: Network, host: str, towards: str) -> str:
    """Where the server of a host is found over a cable."""
    return f"http://{net.address(host, towards)}:{HTTP}"


class CascadeProcess:
    """`labsfu cascade` on a host, and what it said."""

    def __init__(self, net: Network, host: str, one: str, other: str) -> None:
        self._words = net.command(
            host,
            *(sys.executable, "-m", "labsfu", "cascade", url(net, one, other), url(net, other, one)),
            *("--room", ROOM, "--mode", "json", "--srtp", "--patience", "20"),
            *("--listen-a", net.address(one, other), "--listen-b", net.address(other, one)),
        )
        self.said: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run it; it may be run again when it has ended."""
        self.said.clear()
        self._process = await asyncio.create_subprocess_exec(
            *self._words, stdout=asyncio.subprocess.PIPE, env=os.environ | {"LABSFU_TOKEN": TOKEN}
        )
        self._reader = asyncio.create_task(self._read(self._process), name="reads a cascade")

    async def end(self, number: signal.Signals) -> int:
        """Send it a signal, and wait for its end."""
        assert self._process is not None
        assert self._reader is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            await self._reader
            return await self._process.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.said.append(json.loads(line)["kind"])


class Viewer:
    """Somebody who watches one other, number 1: with eyes and ears, or (synthetic) counting what could be decoded.

    aiortc's decoder would wait for ten seconds behind a gap that nobody can repair.
    """

    def __init__(self, client: LabClient) -> None:
        self.client = client
        self.pictures, self.tones = PictureSink(1), ToneSink()
        self.tasks: list[asyncio.Task[None]] = []
        self._counted: list[SyntheticReception] = []
        client.on_track = self._watch

    @property
    def frames(self) -> int:
        """Pictures so far."""
        return self.pictures.frames_seen + sum(each.report().frames.frames_decoded for each in self._counted)

    async def sees_more(self, seconds: float = PATIENCE) -> None:
        """Wait for a few pictures more."""
        before = self.frames
        await until(lambda: self.frames > before + 3, seconds)

    async def sees_nothing(self, seconds: float) -> bool:
        """Whether no picture comes."""
        before = self.frames
        await asyncio.sleep(seconds)
        return self.frames == before

    def pauses_heard_of(self) -> int:
        """How often it was told that something was paused."""
        return sum(isinstance(event.message, ProducerPaused) for event in self.client.events)

    def _watch(self, remote: RemoteTrack) -> None:
        if remote.reception is None:
            sink = self.pictures if remote.kind is MediaKind.VIDEO else self.tones
            self.tasks.append(asyncio.create_task(sink.run(remote.track)))
        elif remote.kind is MediaKind.VIDEO:
            self._counted.append(remote.reception)


class Chain:
    """The whole of it: ada sends on A, carl (or eve, in his place) watches on C, nobody is on B."""

    def __init__(self, net: Network, stack: AsyncExitStack) -> None:
        self.net = net
        self._stack = stack
        self.servers: dict[str, ServerProcess] = {}
        self.apis: dict[str, ApiClient] = {}
        self.cascades = {A: CascadeProcess(net, B, A, B), C: CascadeProcess(net, B, B, C)}
        self.ada = self._person("ada", A)
        self.carl = Viewer(self._person("carl", C))
        self.eve = Viewer(self._person("eve", C, synthetic=True))
        self.camera = ProducerId("")

    def _person(self, name: str, host: str, *, synthetic: bool = False) -> LabClient:
        shown = name.title()
        return LabClient(
            url(self.net, host, HERE), room=ROOM, name=shown, participant_id=name, token=TOKEN, synthetic=synthetic
        )

    async def start(self) -> None:
        """Servers and cascades, which wait for them, and everybody comes."""
        for host in (A, B, C):
            self.servers[host] = serving(self.net, host)
            self.apis[host] = await self._stack.enter_async_context(ApiClient(url(self.net, host, HERE), TOKEN))
        for cascade in self.cascades.values():
            await cascade.start()
            self._stack.push_async_callback(cascade.end, signal.SIGKILL)
        await asyncio.gather(*(self._stack.enter_async_context(server) for server in self.servers.values()))
        self._stack.push_async_callback(self._stop)
        await self.open_middle()
        await self._stack.enter_async_context(self.carl.client)
        await self._stack.enter_async_context(self.ada)
        await self.ada.publish(ToneTrack(1))
        self.camera = await self.ada.publish(PatternTrack(1, fps=10, size=(320, 180)))

    async def _stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self.servers.values()))

    async def restart(self, host: str) -> None:
        """A server that was stopped runs again, and has forgotten all."""
        self.servers[host] = await self._stack.enter_async_context(serving(self.net, host))
        await self.open_middle()

    async def open_middle(self) -> None:
        """Nobody is in the room on B: somebody must make it."""
        await self.apis[B].create_room(RoomType.CONFERENCE, 4, ROOM)

    async def pipes(self, host: str) -> set[str]:
        """The pipes that lead out of a host's room."""
        (router,) = (await self.apis[host].room(ROOM)).router_ids
        return {pipe.id for pipe in await self.apis[host].pipe_transports(router)}

    async def pause(self, viewer: Viewer) -> None:
        """Ada pauses; who watches is told, and sees nothing after a second."""
        told, began = viewer.pauses_heard_of(), time.monotonic()
        await self.ada.publisher.pause(self.camera)
        await viewer.client.until(lambda: viewer.pauses_heard_of() > told, 1.0)
        await asyncio.sleep(began + 1.0 - time.monotonic())
        assert await viewer.sees_nothing(0.3)

    async def resume(self, viewer: Viewer) -> None:
        """And sees her again."""
        await self.ada.publisher.resume(self.camera)
        await viewer.sees_more()

    async def change_viewers(self) -> None:
        """Eve comes, carl goes."""
        await self._stack.enter_async_context(self.eve.client)
        await self.carl.client.leave()
        await self.eve.sees_more()


@asynccontextmanager
async def chain() -> AsyncIterator[Chain]:
    with network((A, B), (B, C), (HERE, A), (HERE, B), (HERE, C)) as net:
        async with asyncio.timeout(90), AsyncExitStack() as stack:
            made = Chain(net, stack)
            await made.start()
            yield made
        await asyncio.gather(*made.carl.tasks)


async def test_a_person_is_seen_and_heard_two_hosts_away_whatever_happens_in_between() -> None:
    async with chain() as made:
        await made.carl.sees_more()
        await until(lambda: made.carl.tones.hearing == {tone_number(1)})
        ada = made.carl.client.participants[ParticipantId("ada")]
        assert (ada.remote, ada.display_name) == (True, "Ada")
        await made.pause(made.carl)
        await made.resume(made.carl)
        await crash_and_start_again(made)
        await made.change_viewers()
        await restart_the_middle(made)
        await pull_the_plug(made)
        await say_goodbye(made)


async def crash_and_start_again(made: Chain) -> None:
    """What a killed cascade made goes on; the next one takes it over, and makes up for what was missed."""
    before = await made.pipes(A)
    assert await made.cascades[A].end(signal.SIGKILL) == -signal.SIGKILL
    await made.carl.sees_more(2.0)
    await made.ada.publisher.pause(made.camera)
    await made.cascades[A].start()
    await until(lambda: "stream-paused" in made.cascades[A].said)
    await made.resume(made.carl)
    assert await made.pipes(A) == before


async def restart_the_middle(made: Chain) -> None:
    """The cascades wait for it, and make all of it anew."""
    await made.servers[B].stop()
    await until(lambda: all("server-away" in cascade.said for cascade in made.cascades.values()))
    await made.restart(B)
    await made.eve.sees_more()
    async with asyncio.timeout(PATIENCE):
        while [len(await made.pipes(host)) for host in (A, B, C)] != [1, 2, 1]:  # noqa: ASYNC110 - servers are asked
            await asyncio.sleep(0.1)


async def pull_the_plug(made: Chain) -> None:
    """Without its cable a stream stops; with it, it is there again."""
    made.net.plug(A, B, connected=False)
    await asyncio.sleep(0.5)
    assert await made.eve.sees_nothing(1.5)
    made.net.plug(A, B, connected=True)
    await made.eve.sees_more(3.0)
    await made.ada.publisher.pause(made.camera)  # over connections that were cut, too
    await made.eve.client.until(lambda: made.eve.pauses_heard_of() > 0, 5.0)
    await made.resume(made.eve)


async def say_goodbye(made: Chain) -> None:
    """Who leaves is gone everywhere; a cascade that is asked to end undoes what it made."""
    await made.ada.leave()
    await made.eve.client.until(lambda: not made.eve.client.participants, 2.0)
    for cascade in made.cascades.values():
        assert await cascade.end(signal.SIGINT) == 0
        assert cascade.said[-1] == "left"
    assert await made.pipes(C) == set()
