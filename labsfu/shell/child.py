"""A worker process: `python -P -m labsfu.shell.child --socket FD --parent PID`; started by the server only."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import socket
import sys
import traceback
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing

import structlog
import trio

from labsfu.errors import CommandError, InvalidValue, Malformed, Unavailable
from labsfu.shell.clock import Clock
from labsfu.shell.driver import InProcessWorker
from labsfu.shell.entropy import SystemEntropy
from labsfu.shell.frames import MAX_FRAME_BYTES, MAX_VALUE_BYTES, FrameReader, frame, pack
from labsfu.shell.logs import set_up_logs
from labsfu.shell.outbox import Outbox
from labsfu.shell.udp import adopt_udp
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
    command_unpacker,
    refused_by,
    to_worker,
)
from labsfu.wire import events
from labsfu.wire.events import EngineEvent

OUTBOX_BYTES = 1 << 20
"""From here on no more commands are taken: each has an answer, and events."""

OUTBOX_HARD_BYTES = 16 << 20
"""From here on only events of what is made and closed are told: the server has not read for long."""

ASKS_WAITING = 256
"""So many are read ahead, for the pings behind them; the server never has more open at one time."""

EXIT_CONFUSED = 3

_PR_SET_PDEATHSIG = 1

_MEASURED = (
    events.AudioLevels,
    events.ActiveSpeaker,
    events.ProducerScored,
    events.ConsumerScored,
    events.ConsumerLayersChanged,
    events.KeyFrameRequested,
    events.PacketsDropped,
)
"""What media alone can cause without end; the others are bounded by what there is."""

_log = structlog.get_logger()


class Child:
    """An engine that obeys the other end of a stream.

    Args:
        stream: to the server.
        set_up_logs: is given the level and the format that the server wants.
    """

    def __init__(self, stream: trio.SocketStream, set_up_logs: Callable[[str, str], None]) -> None:
        self._stream = stream
        self._set_up_logs = set_up_logs
        self._outbox = Outbox(OUTBOX_BYTES)
        self._confused: Malformed | None = None

    async def run(self) -> None:
        """Serve until the server is gone, or says so by ending the stream.

        Raises:
            Malformed: what came makes no sense.
        """
        async with aclosing(self._messages()) as messages:
            begin = await anext(messages, None)
            if isinstance(begin, Begin):
                self._set_up_logs(begin.log_level, begin.log_format)
                if begin.program == PROGRAM:
                    await self._work(begin, messages)
                else:
                    detail = f"the server is {begin.program}, its worker {PROGRAM}"
                    await self._refuse(Unavailable(detail, slug="worker-unavailable"))
            elif begin is not None:
                raise Malformed("frame-out-of-order")

    async def _work(self, begin: Begin, messages: AsyncIterator[ToWorker]) -> None:
        worker = InProcessWorker(
            begin.worker_id,
            begin.media,
            entropy=SystemEntropy(),
            clock=Clock(begin.boot),
            on_events=self._tell,
            media_codecs=begin.media_codecs,
            sockets=[adopt_udp(descriptor) for descriptor in begin.sockets],
        )
        refusal: Unavailable | None = None
        async with trio.open_nursery() as nursery:
            try:
                await nursery.start(worker.run)
            except Unavailable as error:
                refusal = error
            else:
                nursery.start_soon(self._outbox.write_forever, self._stream)
                self._say(Ready(listen=worker.listen, rtp_capabilities=worker.rtp_capabilities))
                await self._obey(worker, messages)
            nursery.cancel_scope.cancel()
        if refusal is not None:
            await self._refuse(refusal)
        if self._confused is not None:  # what is raised in a nursery leaves it in a group
            raise self._confused

    async def _refuse(self, refusal: Unavailable) -> None:
        await self._stream.send_all(frame(CannotStart(slug=refusal.slug, detail=refusal.detail)))

    async def _messages(self) -> AsyncGenerator[ToWorker, None]:
        """What the server says, until it ends the stream; a frame that was torn off by that is nothing."""
        reader = FrameReader(to_worker)
        try:
            while data := await self._stream.receive_some():
                for message in reader.feed(data):
                    yield message
        except trio.BrokenResourceError:
            return

    async def _obey(self, worker: InProcessWorker, messages: AsyncIterator[ToWorker]) -> None:
        """Until the stream ends or makes no sense. Pings are answered at once, whatever else waits for its turn."""
        asked, asks = trio.open_memory_channel[Ask | AskInfo](ASKS_WAITING)
        async with trio.open_nursery() as nursery:

            async def answer() -> None:
                try:
                    await self._answer(worker, asks)
                except Malformed as error:
                    self._confused = error
                    nursery.cancel_scope.cancel()

            nursery.start_soon(answer)
            try:
                async for message in messages:
                    match message:
                        case Ask() | AskInfo():
                            await asked.send(message)
                        case Ping():
                            self._say(Pong(load=worker.load))
                        case _:
                            raise Malformed("frame-out-of-order")
            except Malformed as error:
                self._confused = error
            nursery.cancel_scope.cancel()

    async def _answer(self, worker: InProcessWorker, asks: AsyncIterable[Ask | AskInfo]) -> None:
        """One after the other; none while the server does not read what it asked for."""
        async for ask in asks:
            await self._outbox.wait_room()
            if isinstance(ask, Ask):
                self._say(await _carry_out(worker, ask))
            else:
                self._say(Told(number=ask.number, info=await worker.info()))

    def _say(self, message: FromWorker) -> None:
        self._outbox.put(frame(message))

    def _tell(self, happened: Sequence[EngineEvent]) -> None:
        if self._outbox.size >= OUTBOX_HARD_BYTES:
            happened = [event for event in happened if not isinstance(event, _MEASURED)]
        if happened:
            self._tell_in_frames(tuple(happened))

    def _tell_in_frames(self, happened: tuple[EngineEvent, ...]) -> None:
        """In as few as they fit into."""
        framed = frame(Happened(events=happened))
        if len(framed) <= MAX_FRAME_BYTES or len(happened) == 1:
            self._outbox.put(framed)
            return
        half = len(happened) // 2
        self._tell_in_frames(happened[:half])
        self._tell_in_frames(happened[half:])


async def _carry_out(worker: InProcessWorker, ask: Ask) -> Answer | Refused | Broken:
    """What becomes of a command; its events are told already."""
    try:
        command = command_unpacker.unpack(ask.command)
    except RecursionError:
        return refused_by(ask.number, InvalidValue("a value is nested too deep", slug="not-json"))
    try:
        result = pack(await worker.execute(command))
    except CommandError as error:
        return refused_by(ask.number, error)
    except Exception as error:  # as a request in the server's own process would fail, and nothing else with it
        return Broken(number=ask.number, detail="".join(traceback.format_exception(error)))
    if len(result) > MAX_VALUE_BYTES:  # of what only shows: no command that changes something answers so much
        detail = f"the answer has {len(result)} bytes, more than {MAX_VALUE_BYTES}"
        return refused_by(ask.number, Unavailable(detail, slug="answer-too-large"))
    return Answer(number=ask.number, result=result)


async def _serve(end: socket.socket) -> int:
    async with trio.SocketStream(trio.socket.from_stdlib_socket(end)) as stream:
        try:
            await Child(stream, set_up_logs).run()
        except Malformed as error:
            _log.error("worker ends", reason=error.reason)
            return EXIT_CONFUSED
    return 0


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent is gone (Linux); elsewhere the stream's end has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)


def main() -> None:
    """Serve the socket that was inherited."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal or a supervisor sends them to all; the server decides
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the server blocked it until here
    die_with(options.parent)
    sys.exit(trio.run(_serve, socket.socket(fileno=options.socket)))


if __name__ == "__main__":
    main()
