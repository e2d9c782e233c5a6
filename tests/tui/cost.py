"""What the dashboard costs: `python -m tests.tui.cost`.

A made-up server tells 2,000 events a second and a sample a second of 300 consumers in one room; the dashboard runs in a
real terminal (tmux), and its process's CPU time is read from /proc, view by view.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from contextlib import suppress

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from labsfu.wire import events
from labsfu.wire.base import to_json
from labsfu.wire.feed import Happened, Hello, Sample, encode_happened
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId
from labsfu.wire.payloads import RoomList
from labsfu.wire.sfu import ConsumerList, ConsumerScore, ProducerList, RouterList
from labsfu.wire.stats import ConsumerSample, EncodingSample, ProducerSample, TransportSample
from tests.support.cpu import cpu_seconds
from tests.tui.invented_server import BEGIN, EPOCH, InventedServer, worker_info
from tests.tui.terminal import Terminal, terminal

CONSUMERS, PEOPLE = 300, 3
EVENTS_PER_SECOND = 2000
SECONDS = 10.0
BATCH = 0.05
VIEWS = (
    ("overview", "1", "all workers"),
    ("rooms", "2", "conference"),
    ("room", "Enter", "rooms > tea"),
    ("events", "5", "consumer-score"),
    ("frozen", "Space", "frozen"),
)
"""Each: its name, the key that leads there, what is seen there."""


class Crowd:
    """The made-up server; `sent` counts its events, as far as the watcher has let it tell them."""

    def __init__(self) -> None:
        self.sent = 0
        self.server = InventedServer()
        for person in range(PEOPLE):
            self.server.enter(person)
            self.server.send(person)
        for number in range(CONSUMERS):
            self.server.receive(number)
            self.server.flip_received(number)

    async def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """HTTP, but for the feed."""
        path = request.path.partition("?")[0]
        shown = self.server.snapshot()
        bodies: dict[str, object] = {
            "sfu": shown.info,
            "rooms": RoomList(rooms=shown.rooms),
            "routers": RouterList(routers=shown.routers),
            "producers": ProducerList(producers=shown.producers),
            "consumers": ConsumerList(consumers=shown.consumers),
        }
        body = bodies.get(path.rpartition("/")[2])
        return None if body is None else connection.respond(200, msgspec.json.encode(body).decode())

    async def feed(self, socket: ServerConnection) -> None:
        """Until the watcher leaves."""
        with suppress(ConnectionClosed):
            await self._tell(socket)

    async def _tell(self, socket: ServerConnection) -> None:
        """What has happened, then events in small batches, and samples."""
        seq = len(self.server.told) + 1
        await socket.send(to_json(Hello(epoch=EPOCH, seq=seq, oldest=1)).decode())
        for happened in self.server.told:
            await socket.send(encode_happened(happened).decode())
        begin = time.monotonic()
        self.sent = seq - 1
        for batch in itertools.count(1):
            for _ in range(int(EVENTS_PER_SECOND * BATCH)):
                await socket.send(encode_happened(self._event(seq)).decode())
                seq += 1
            self.sent = seq - 1
            if batch % round(1 / BATCH) == 0:
                await socket.send(to_json(self._sample(batch)).decode())
            await asyncio.sleep(max(0.0, begin + batch * BATCH - time.monotonic()))

    def _event(self, seq: int) -> Happened:
        ids = list(self.server.consumers)
        stream = self.server.consumers[ids[seq % len(ids)]]
        score = ConsumerScore(score=seq % 11, producer_score=10, producer_scores=(10,))
        event = events.ConsumerScored(
            router_id=self.server.rooms["tea"].router_ids[0], consumer_id=ConsumerId(stream.id), score=score
        )
        return Happened(seq, BEGIN + seq, None, None, event)

    def _sample(self, number: int) -> Sample:
        server = self.server
        wave = number * 7919 % 500_000
        return Sample(
            at=BEGIN + 1000 * number,
            interval=1000,
            workers=(worker_info(0.02 * number, number * 50_000, {"late": number}.items()),),
            transports=tuple(
                TransportSample(
                    transport_id=TransportId(id_), bytes_received=1, recv_bitrate=wave, bytes_sent=1, send_bitrate=wave
                )
                for id_ in server.gates
            ),
            producers=tuple(
                ProducerSample(
                    router_id=RouterId(one.router),
                    producer_id=ProducerId(one.id),
                    encodings=(_encoding(number, wave),),
                )
                for one in server.producers.values()
            ),
            consumers=tuple(_consumer(id_, number, wave + 1000 * index) for index, id_ in enumerate(server.consumers)),
        )


def _encoding(number: int, wave: int) -> EncodingSample:
    return EncodingSample(
        ssrc=1,
        packet_count=50 * number,
        byte_count=1,
        bitrate=wave,
        packets_lost=number,
        packets_repaired=number,
        jitter=wave / 100_000,
        score=10,
        round_trip_time=20.0,
    )


def _consumer(id_: str, number: int, bitrate: int) -> ConsumerSample:
    return ConsumerSample(
        consumer_id=ConsumerId(id_),
        packet_count=50 * number,
        byte_count=1,
        bitrate=bitrate,
        packets_lost=0,
        packets_retransmitted=0,
        fraction_lost=number % 7,
        score=number % 11,
        round_trip_time=20.0,
    )


async def _measured(crowd: Crowd, window: Terminal, pid: int, view: tuple[str, str, str]) -> None:
    name, key, seen = view
    await window.press(key)
    await window.shows(seen)
    before, sent, begin = cpu_seconds(pid), crowd.sent, time.monotonic()
    await asyncio.sleep(SECONDS)
    used, took = cpu_seconds(pid) - before, time.monotonic() - begin
    rate = (crowd.sent - sent) / took
    sys.stdout.write(f"{name:<10} {100 * used / took:5.1f} % of a core at {rate:,.0f} events/s\n")


async def measure(width: int, height: int) -> None:
    """Run the dashboard in a terminal of that size, and print a line for each view."""
    crowd = Crowd()
    async with serve(crowd.feed, "127.0.0.1", 0, process_request=crowd.answer) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        async with terminal(width, height) as window:
            await window.run(sys.executable, "-m", "labsfu", "tui", f"http://127.0.0.1:{port}")
            await window.shows("live", f"consumers {CONSUMERS}")
            pid = await window.process("labsfu tui")
            for view in VIEWS:
                await _measured(crowd, window, pid, view)
            await window.press("q")
            await window.shows("ended 0")


if __name__ == "__main__":
    asyncio.run(measure(120, 40))
