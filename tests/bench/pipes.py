"""What several workers carry together, and what a hop from router to router costs: `python -m tests.bench.pipes`.

Media comes and goes as plain RTP over pipe transports, so that feeding and emptying cost next to nothing: a process
writes packets of 1200 bytes into a socket, and the sockets that consumers send to are read by nobody: what the kernel
throws away there costs the worker the same as what is read. SRTP would add its own cost to each packet, equally.

**Workers**: each has a router with one producer and 50 consumers of it, fed with more than it can forward. The rate is
that of the packets that leave; CPU is that of the worker's own process.

**A hop**: one producer, consumed where it comes in, and in a second router behind a pipe. The same packet comes to us
both ways; how much later by the longer one is the hop's latency, one packet at a time, so that nothing queues. CPU is
that of either worker at 2000 packets a second: the near one sends each packet twice, to us and into the pipe, the far
one once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from statistics import quantiles

from clients.api import ApiClient
from clients.server import ServerProcess
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.pipe import CreatePipeConsumerForProducerPayload, CreateRemoteProducerOnPipeTransportPayload
from labsfu.wire.rtp import MediaKind
from labsfu.wire.sfu import RouterPayload
from tests.support.media import audio_packet, audio_parameters

HERE = "127.0.0.1"
PACKET_BYTES = 1200
CONSUMERS = 50
FEED = 4000
"""Packets a second into each router: with 50 consumers more than any core of today forwards."""
HOP_FEED = 2000
SETTLING = 1.0
PRODUCER = "00000000-0000-4000-8000-000000000001"
TIMESTAMP_AT = 4
"""Of the RTP timestamp, in a packet; pipes leave it as it is."""
SO_TIMESTAMPNS = 35
"""Have the kernel say when a datagram came (Linux; the socket module has no name for it)."""
_stamp = struct.Struct("@qq")


@dataclass(frozen=True, slots=True)
class Carried:
    """What so many workers forwarded, all together.

    Attributes:
        workers: how many.
        packets: a second.
        cpu: cores that the workers used, each at most 1.
        microseconds: of CPU for a packet that left.
        others: cores that were used by the feeding process and by the server's own.
    """

    workers: int
    packets: float
    cpu: tuple[float, ...]
    microseconds: float
    others: float


@dataclass(frozen=True, slots=True)
class Hop:
    """A way over a pipe: milliseconds that it adds, and microseconds of CPU of either worker for a packet.

    Of two routers in one worker both have the CPU of that one.
    """

    between: str
    p50: float
    p99: float
    near_us: float
    far_us: float


def plain_socket() -> socket.socket:
    """A UDP socket on loopback."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HERE, 0))
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return sock


def received(sock: socket.socket) -> tuple[bytes, float]:
    """A datagram, and when it came, unix seconds."""
    data, ancillary, _, _ = sock.recvmsg(2048, socket.CMSG_SPACE(_stamp.size))
    seconds, nanoseconds = _stamp.unpack(ancillary[0][2])
    return data, seconds + nanoseconds / 1e9


async def end_of_pipe(api: ApiClient, router: RouterPayload, sock: socket.socket) -> tuple[str, tuple[str, int]]:
    """A pipe transport that is joined to a socket of ours: its id, and where it listens."""
    made = await api.create_pipe_transport(router.id)
    await api.connect_pipe_transport(router.id, made.id, HERE, sock.getsockname()[1])
    return made.id, (made.addresses.local_ip, made.addresses.local_port)


async def feed_of(api: ApiClient, router: RouterPayload, sock: socket.socket) -> tuple[str, int]:
    """A producer of what the socket sends; where to."""
    pipe_id, address = await end_of_pipe(api, router, sock)
    body = CreateRemoteProducerOnPipeTransportPayload(kind=MediaKind.AUDIO, rtp_parameters=audio_parameters())
    await api.pipe_produce(router.id, pipe_id, PRODUCER, "bench", body)
    return address


async def sinks_of(api: ApiClient, router: RouterPayload, sock: socket.socket, count: int) -> None:
    """Have the producer sent to a socket so many times."""
    pipe_id, _ = await end_of_pipe(api, router, sock)
    body = CreatePipeConsumerForProducerPayload(rtp_capabilities=router.rtp_capabilities)
    for _ in range(count):
        await api.pipe_consume(router.id, pipe_id, PRODUCER, body)


# ---------------------------------------------------------------- workers


@contextmanager
def fed(targets: Sequence[tuple[socket.socket, tuple[str, int]]], rate: int) -> Iterator[int]:
    """A process that sends to each target so many packets a second; its id."""
    child = os.fork()
    if not child:
        try:
            feed_for_ever(targets, rate)
        finally:
            os._exit(1)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def feed_for_ever(targets: Sequence[tuple[socket.socket, tuple[str, int]]], rate: int) -> None:
    """Packets at an even rate, in bursts of a millisecond or two."""
    payload = bytes(PACKET_BYTES - 24)
    began, sent = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * rate)
        for number in range(sent, due):
            packet = audio_packet(number & 0xFFFF, payload, timestamp=number * 960 & 0xFFFFFFFF)
            for sock, address in targets:
                sock.sendto(packet, address)
        sent = due
        time.sleep(0.001)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123 - read in a loop
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure_workers(workers: int, seconds: float) -> Carried:
    """Saturate so many workers."""
    async with ServerProcess("--workers", str(workers)) as server, ApiClient(server.url) as api:
        targets, sockets = [], []
        used: set[str] = set()
        while len(used) < workers:
            router = await api.create_router(100)
            used.add(router.worker_id)
            source, sink = plain_socket(), plain_socket()
            sockets += [source, sink]
            targets.append((source, await feed_of(api, router, source)))
            await sinks_of(api, router, sink, CONSUMERS)
        with fed(targets, FEED) as child:
            await asyncio.sleep(SETTLING)
            began, before, others = time.monotonic(), await workers_of(api), cpu_of(server.pid) + cpu_of(child)
            await asyncio.sleep(seconds)
            after, took = await workers_of(api), time.monotonic() - began
            others = (cpu_of(server.pid) + cpu_of(child) - others) / took
        for sock in sockets:
            sock.close()
    packets = sum(a.media.forwarded_packets - b.media.forwarded_packets for a, b in zip(after, before, strict=True))
    cpu = tuple((a.cpu_seconds - b.cpu_seconds) / took for a, b in zip(after, before, strict=True))
    return Carried(workers, packets / took, cpu, sum(cpu) * took / packets * 1e6, others)


async def workers_of(api: ApiClient) -> tuple[WorkerInfo, ...]:
    return (await api.sfu_info()).workers


# ---------------------------------------------------------------- a hop


@asynccontextmanager
async def two_routers(workers: int) -> AsyncIterator[tuple[ApiClient, RouterPayload, RouterPayload]]:
    """On one worker, or on two."""
    async with ServerProcess("--workers", str(workers)) as server, ApiClient(server.url) as api:
        near = await api.create_router(100)
        far = await api.create_router(100)
        if (near.worker_id == far.worker_id) is (workers > 1):
            raise RuntimeError(f"the routers are on {near.worker_id} and {far.worker_id}")
        yield api, near, far


async def measure_hop(workers: int, packets: int, seconds: float) -> Hop:
    """One packet after the other, on both ways; then many."""
    async with two_routers(workers) as (api, near, far):
        source, short, long = plain_socket(), plain_socket(), plain_socket()
        target = await feed_of(api, near, source)
        await sinks_of(api, near, short, 1)
        await api.pipe_to_router(near.id, PRODUCER, far.id)
        await sinks_of(api, far, long, 1)
        await asyncio.sleep(SETTLING)
        added = await asyncio.to_thread(race, source, target, (short, long), packets)
        with fed([(source, target)], HOP_FEED):
            await asyncio.sleep(SETTLING)
            before = {worker.id: worker.cpu_seconds for worker in await workers_of(api)}
            await asyncio.sleep(seconds)
            after = {worker.id: worker.cpu_seconds for worker in await workers_of(api)}
        for sock in (source, short, long):
            sock.close()
    spent = {id_: (after[id_] - before[id_]) / seconds / HOP_FEED * 1e6 for id_ in after}
    hundredths = quantiles([1000 * one for one in added], n=100)
    between = "two workers" if workers > 1 else "two routers of one worker"
    return Hop(between, hundredths[49], hundredths[98], spent[near.worker_id], spent[far.worker_id])


def race(
    source: socket.socket, target: tuple[str, int], ways: tuple[socket.socket, socket.socket], packets: int
) -> list[float]:
    """Seconds by which each packet came later on the second way."""
    poll = select.epoll()
    for sock in ways:
        poll.register(sock, select.EPOLLIN)
    by_number = {sock.fileno(): place for place, sock in enumerate(ways)}
    payload = bytes(PACKET_BYTES - 24)
    added = []
    for number in range(packets):
        source.sendto(audio_packet(number & 0xFFFF, payload, timestamp=number), target)
        came: dict[int, float] = {}
        patience = time.monotonic() + 0.25
        while len(came) < len(ways) and time.monotonic() < patience:
            for descriptor, _ in poll.poll(0.05):
                data, at = received(ways[by_number[descriptor]])
                timestamp = int.from_bytes(data[TIMESTAMP_AT : TIMESTAMP_AT + 4], "big")
                if timestamp == number and data[1] & 0x7F != 72:  # an SR may come between
                    came[by_number[descriptor]] = at
        if len(came) == len(ways):
            added.append(came[1] - came[0])
    if len(added) < 0.9 * packets:
        raise RuntimeError(f"of {packets} packets only {len(added)} came on both ways")
    return added


# ---------------------------------------------------------------- the table


async def measure_all(seconds: float, packets: int) -> tuple[list[Carried], list[Hop]]:
    """Workers in turn, so that both meet the same machine; the medians of three."""
    carried = []
    for workers in (1, 2):
        runs = [await measure_workers(workers, seconds) for _ in range(3)]
        carried.append(sorted(runs, key=lambda run: run.packets)[1])
    return carried, [await measure_hop(workers, packets, seconds) for workers in (1, 2)]


def main() -> None:
    """Run and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="that each measurement takes")
    parser.add_argument("--packets", type=int, default=3000, help="over each hop")
    options = parser.parse_args()
    carried, hops = asyncio.run(measure_all(options.seconds, options.packets))
    sys.stdout.write("workers  packets/s  ratio  µs/packet  cores of workers  of others\n")
    for one in carried:
        cores = " + ".join(f"{share:.2f}" for share in one.cpu)
        sys.stdout.write(
            f"{one.workers:7}  {one.packets:9,.0f}  {one.packets / carried[0].packets:5.2f}  {one.microseconds:9.1f}"
            f"  {cores:>16}  {one.others:9.2f}\n"
        )
    sys.stdout.write("\na pipe between             added p50 ms  p99 ms  CPU near µs  far µs\n")
    for hop in hops:
        sys.stdout.write(f"{hop.between:25}  {hop.p50:12.3f}  {hop.p99:6.3f}  {hop.near_us:11.1f}  {hop.far_us:6.1f}\n")


if __name__ == "__main__":
    main()
