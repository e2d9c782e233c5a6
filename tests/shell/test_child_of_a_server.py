"""A worker process from the inside, over a socket pair: what it does with what it is told, read or not."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from labsfu.config import MediaListen
from labsfu.core.engine import Engine
from labsfu.core.ortc.supported import DEFAULT_MEDIA_CODECS
from labsfu.errors import Malformed
from labsfu.shell import child as child_module
from labsfu.shell.child import Child
from labsfu.shell.clock import Clock
from labsfu.shell.driver import InProcessWorker
from labsfu.shell.frames import FrameReader, frame, pack
from labsfu.shell.outbox import Outbox
from labsfu.shell.udp import bind_udp
from labsfu.shell.worker_messages import (
    PROGRAM,
    Answer,
    Ask,
    AskInfo,
    Begin,
    Broken,
    CannotStart,
    FromWorker,
    Happened,
    Ping,
    Pong,
    Ready,
    Refused,
    Told,
    ToWorker,
    from_worker,
    refusal_of,
    result_unpacker,
)
from labsfu.wire import commands, events
from labsfu.wire.base import JsonObject
from labsfu.wire.ids import ParticipantId, ProducerId, RouterId, WorkerId
from labsfu.wire.rtp import MediaKind
from labsfu.wire.sfu import ProducerPayload
from tests.support.media import audio_parameters
from tests.support.until import until
from tests.support.wire_examples import example

pytestmark = pytest.mark.trio

NONE = RouterId("none")


def begin(port: int = 0, *, program: str = PROGRAM, sockets: tuple[int, ...] = ()) -> Begin:
    return Begin(
        program=program,
        sockets=sockets,
        worker_id=WorkerId("w"),
        media=MediaListen(("127.0.0.1",), port),
        media_codecs=DEFAULT_MEDIA_CODECS,
        boot=Clock().boot,
        log_level="warning",
        log_format="text",
    )


class Server:
    """The other end of the stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.ended: Malformed | None = None
        self.done = trio.Event()
        self.messages = self._read()

    async def run_child(self, end: trio.SocketStream) -> None:
        async with end:
            try:
                await Child(end, lambda _level, _format: None).run()
            except Malformed as error:
                self.ended = error
        self.done.set()

    async def say(self, *said: ToWorker) -> None:
        await self.stream.send_all(b"".join(map(frame, said)))

    async def hear(self) -> FromWorker:
        with trio.fail_after(5):
            return await anext(self.messages)

    async def _read(self) -> AsyncGenerator[FromWorker, None]:
        reader = FrameReader(from_worker)
        while data := await self.stream.receive_some():
            for message in reader.feed(data):
                yield message


@asynccontextmanager
async def serving(*first: ToWorker) -> AsyncIterator[Server]:
    """A child that was told this; it ends with the block."""
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in socket.socketpair())
    async with trio.open_nursery() as nursery, ours:
        server = Server(ours)
        async with aclosing(server.messages):
            nursery.start_soon(server.run_child, theirs)
            await server.say(*first)
            yield server
        await ours.aclose()
        with trio.fail_after(5):
            await server.done.wait()


@asynccontextmanager
async def working() -> AsyncIterator[Server]:
    async with serving(begin()) as server:
        assert isinstance(await server.hear(), Ready)
        yield server


def ask(number: int, command: commands.Command) -> Ask:
    return Ask(number=number, command=pack(command))


async def test_it_says_where_it_listens_and_what_its_routers_offer() -> None:
    async with serving(begin()) as server:
        ready = await server.hear()
        assert isinstance(ready, Ready)
        (place,) = ready.listen
        assert place.startswith("udp:127.0.0.1:")
        assert {codec.mime_type for codec in ready.rtp_capabilities.codecs} >= {"audio/opus", "video/VP8"}
        await server.say(AskInfo(number=3))
        told = await server.hear()
        assert isinstance(told, Told)
        assert (told.number, told.info.id, told.info.state, told.info.listen) == (3, "w", "running", (place,))


async def test_a_port_in_use_is_told_and_it_ends() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        async with serving(begin(port)) as server:
            found = await server.hear()
            assert isinstance(found, CannotStart)
            assert (found.slug, f"port {port}" in found.detail) == ("address-unavailable", True)
            with trio.fail_after(5):
                await server.done.wait()
            assert server.ended is None


async def test_what_happened_is_told_before_the_answer_and_answers_come_in_order() -> None:
    async with working() as server:
        await server.say(ask(1, commands.CreateRouter()), ask(2, commands.GetRouter(router_id=NONE)), Ping())
        heard = [await server.hear() for _ in range(4)]
        (pong,) = [message for message in heard if isinstance(message, Pong)]  # it waits for nothing
        happened, answer, refused = [message for message in heard if message is not pong]
        assert isinstance(happened, Happened)
        assert isinstance(answer, Answer)
        created = result_unpacker.unpack(answer.result)
        assert isinstance(created, commands.RouterCreated)
        assert happened.events == (events.RouterMade(router_id=created.router_id),)
        assert isinstance(refused, Refused)
        assert (refused.number, str(refusal_of(refused))) == (2, "router 'none' does not exist")


async def test_a_bug_spoils_its_own_command_only(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_worker: InProcessWorker, _command: commands.Command) -> commands.Result:
        raise ZeroDivisionError("planted")

    async with working() as server:
        with monkeypatch.context() as planted:
            planted.setattr(InProcessWorker, "execute", fail)
            await server.say(ask(1, commands.CreateRouter()))
            broken = await server.hear()
        assert isinstance(broken, Broken)
        assert "ZeroDivisionError: planted" in broken.detail
        await server.say(ask(2, commands.ListRouters()))
        assert isinstance(await server.hear(), Answer)


async def test_an_answer_that_is_too_large_is_refused_and_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with working() as server:
        await server.say(*(ask(number, commands.CreateRouter()) for number in range(3)))
        assert {type(await server.hear()) for _ in range(6)} == {Happened, Answer}
        with monkeypatch.context() as small:
            small.setattr(child_module, "MAX_VALUE_BYTES", 100)
            await server.say(ask(4, commands.ListRouters()))
            refused = await server.hear()
        assert isinstance(refused, Refused)
        assert (refused.error, refused.slug) == ("Unavailable", "answer-too-large")
        assert "more than 100" in refused.detail
        await server.say(ask(5, commands.ListRouters()))
        assert isinstance(await server.hear(), Answer)


async def test_what_cannot_be_answered_is_not_told_as_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal says that nothing changed."""
    deep: JsonObject = {}
    for _ in range(sys.getrecursionlimit()):
        deep = {"a": deep}

    async def carry_out(_worker: InProcessWorker, _command: commands.Command) -> commands.Result:
        await trio.lowlevel.checkpoint()
        return commands.ProducerShown(producer=replace(example(ProducerPayload, full=True), app_data=deep))

    async with working() as server:
        with monkeypatch.context() as planted:
            planted.setattr(InProcessWorker, "execute", carry_out)
            await server.say(ask(1, commands.CreateRouter()))
            broken = await server.hear()
        assert isinstance(broken, Broken)
        assert "RecursionError" in broken.detail


async def test_what_happened_at_once_is_told_in_as_many_frames_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "MAX_FRAME_BYTES", 300)
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in socket.socketpair())
    async with ours, theirs:
        child = Child(theirs, lambda _level, _format: None)
        told = tuple(events.RouterMade(router_id=RouterId(f"router {number}")) for number in range(50))
        child._tell(told)
        reader = FrameReader(from_worker, limit=300)
        heard = [m for data in child._outbox._frames for m in reader.feed(data)]
    assert sum((message.events for message in heard if isinstance(message, Happened)), ()) == told
    assert 5 < len(heard) < 20


async def test_what_is_nested_too_deep_is_refused() -> None:
    deep: object = 1
    for _ in range(10_000):
        deep = b"\x91" + (deep if isinstance(deep, bytes) else b"\x01")
    command = pack(commands.CreateProducer(router_id=NONE, participant_id=ParticipantId("p"), app_data={"x": 7}))
    at = command.index(b"\xa1x\x07") + 2
    assert isinstance(deep, bytes)
    async with working() as server:
        await server.say(Ask(number=1, command=command[:at] + deep + command[at + 1 :]))
        refused = await server.hear()
        assert isinstance(refused, Refused)
        assert (refused.error, "nested too deep" in refused.detail) == ("InvalidValue", True)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\xff\xff\xff\xff", "frame-too-long"),
        (b"\x00\x00\x00\x01\xc0", "frame-undecodable"),
        (frame(Ask(number=1, command=b"\xc0")), "frame-undecodable"),
        (frame(Ask(number=1, command=pack(commands.Done()))), "frame-undecodable"),
        (frame(Pong(load=0.5)), "frame-undecodable"),
    ],
)
async def test_what_makes_no_sense_ends_it(said: bytes, reason: str) -> None:
    async with working() as server:
        await server.stream.send_all(said)
        with trio.fail_after(5):
            await server.done.wait()
        assert server.ended is not None
        assert server.ended.reason == reason


async def test_the_worker_of_another_program_says_so_and_ends() -> None:
    async with serving(begin(program="labsfu 0.0 at /elsewhere")) as server:
        found = await server.hear()
        assert isinstance(found, CannotStart)
        assert found.detail == f"the server is labsfu 0.0 at /elsewhere, its worker {PROGRAM}"
        with trio.fail_after(5):
            await server.done.wait()
        assert server.ended is None


@pytest.mark.parametrize("first", [Ping(), AskInfo(number=1)])
async def test_the_first_thing_it_is_told_must_be_who_it_is(first: ToWorker) -> None:
    async with serving(first) as server:
        with trio.fail_after(5):
            await server.done.wait()
        assert server.ended is not None
        assert server.ended.reason == "frame-out-of-order"


async def test_who_it_is_is_told_once() -> None:
    async with working() as server:
        await server.say(begin())
        with trio.fail_after(5):
            await server.done.wait()
        assert server.ended is not None


@pytest.mark.parametrize("torn", [b"", b"\x00", frame(Ping())[:-1]])
async def test_it_ends_in_order_when_the_stream_ends(torn: bytes) -> None:
    async with working() as server:
        await server.stream.send_all(torn)
        await server.stream.send_eof()
        with trio.fail_after(5):
            await server.done.wait()
        assert server.ended is None


async def test_it_ends_when_nobody_ever_says_anything() -> None:
    async with serving() as server:
        await server.stream.send_eof()
        with trio.fail_after(5):
            await server.done.wait()
        assert server.ended is None


async def test_it_takes_no_more_commands_while_nobody_reads_and_media_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers fill the stream, then the outbox; the worker goes on to read what comes to its media port."""
    monkeypatch.setattr(child_module, "OUTBOX_BYTES", 64 * 1024)
    taken = received = 0
    execute, receive = InProcessWorker.execute, Engine.received

    def count_received(engine: Engine, *datagram: Any) -> None:  # noqa: ANN401 - handed on as it is
        nonlocal received
        received += 1
        receive(engine, *datagram)

    async def count_taken(worker: InProcessWorker, command: commands.Command) -> commands.Result:
        nonlocal taken
        taken += 1
        return await execute(worker, command)

    monkeypatch.setattr(InProcessWorker, "execute", count_taken)
    monkeypatch.setattr(Engine, "received", count_received)
    asked = 3000
    async with serving(begin()) as server:
        ready = await server.hear()
        assert isinstance(ready, Ready)
        await server.say(ask(0, commands.CreateRouter()))
        await server.hear()
        answer = await server.hear()
        assert isinstance(answer, Answer)
        created = result_unpacker.unpack(answer.result)
        assert isinstance(created, commands.RouterCreated)
        show = commands.GetRouter(router_id=created.router_id)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.say, *(ask(number, show) for number in range(1, asked + 1)))
            with trio.fail_after(10):
                before = -1
                while taken != before:  # nothing moves any more
                    before = taken
                    await trio.sleep(0.05)
            assert taken < asked / 2
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                stranger.sendto(b"hello", ("127.0.0.1", int(ready.listen[0].rpartition(":")[2])))
                await until(lambda: received > 0)
            assert taken == before
            numbers: list[int] = []
            while len(numbers) < asked:
                answer = await server.hear()
                if isinstance(answer, Answer):
                    numbers.append(answer.number)
                else:
                    assert isinstance(answer, Happened)  # the stranger's datagram was dropped
        assert numbers == list(range(1, asked + 1))


async def test_pings_are_answered_while_it_takes_no_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[int] = []

    async def wait_room(outbox: Outbox) -> None:
        waiting.append(outbox.size)
        await trio.sleep_forever()

    async with working() as server:
        monkeypatch.setattr(Outbox, "wait_room", wait_room)
        await server.say(ask(1, commands.CreateRouter()), AskInfo(number=2), Ping(), Ping())
        assert [type(await server.hear()) for _ in range(2)] == [Pong, Pong]
        await until(lambda: len(waiting) == 1)


async def test_it_listens_on_what_it_was_handed_and_what_came_before_it_is_thrown_away() -> None:
    bound = [bind_udp("127.0.0.1", 0), bind_udp("127.0.0.2", 0)]
    places = [sock.getsockname() for sock in bound]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for place in places:
            for _ in range(5):
                stranger.sendto(b"stale", place)
        told = replace(
            begin(sockets=tuple(sock.detach() for sock in bound)), media=MediaListen(("127.0.0.1", "127.0.0.2"), 0)
        )
        async with serving(told) as server:
            ready = await server.hear()
            assert isinstance(ready, Ready)
            assert ready.listen == tuple(f"udp:{ip}:{port}" for ip, port in places)
            for place in places:
                stranger.sendto(b"fresh", place)
            happened = await server.hear()
            assert isinstance(happened, Happened)
            await server.say(AskInfo(number=1))
            dropped = 0
            while dropped < 2:
                told_of = await server.hear()
                if isinstance(told_of, Told):
                    dropped = sum(drop.packets for drop in told_of.info.media.drops)
                    await server.say(AskInfo(number=1))
        assert dropped == 2


def some_events() -> tuple[events.EngineEvent, ...]:
    producer = ProducerId("p")
    return (
        events.KeyFrameRequested(router_id=NONE, producer_id=producer, ssrc=1),
        events.ProducerClosed(router_id=NONE, producer_id=producer, reason="asked"),
        events.PacketsDropped(router_id=NONE, drops=()),
    )


async def test_who_never_reads_is_told_in_the_end_only_what_is_made_and_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_module, "OUTBOX_HARD_BYTES", 1000)
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in socket.socketpair())
    async with ours, theirs:
        child = Child(theirs, lambda _level, _format: None)
        while child._outbox.size < 1000:
            child._tell(some_events())
        for _ in range(10):
            child._tell(some_events())
            child._tell(some_events()[:1])
        reader = FrameReader(from_worker)
        heard = [m for data in child._outbox._frames for m in reader.feed(data)]
    assert all(isinstance(message, Happened) for message in heard)
    told = [message.events for message in heard if isinstance(message, Happened)]
    assert told[-10:] == [some_events()[1:2]] * 10
    assert told[0] == some_events()


async def test_events_come_without_being_asked_for() -> None:
    """What is closed with its transport: events of media that nobody commanded use the same way."""
    async with working() as server:
        await server.say(ask(1, commands.CreateRouter()))
        made = await server.hear()
        assert isinstance(made, Happened)
        router = made.events[0].router_id
        await server.hear()
        produce = commands.CreateProducer(
            router_id=router,
            participant_id=ParticipantId("ann"),
            kind=MediaKind.AUDIO,
            rtp_parameters=audio_parameters(),
        )
        await server.say(ask(2, produce))
        happened = await server.hear()
        assert isinstance(happened, Happened)
        assert [type(event) for event in happened.events] == [events.TransportMade, events.ProducerMade]
