"""The relay between real sockets on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from aioice import Candidate, Connection

from clients.network import Conditions, Direction, Fault, GilbertElliott
from clients.relay import Address, Relay
from labsfu.errors import InvalidValue

pytestmark = pytest.mark.asyncio

LOST = Conditions(loss=1.0)


class Peer:
    """A UDP socket on loopback that waits for datagrams."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, port))
        self.address: Address = self.socket.getsockname()[:2]

    def send(self, data: bytes, to: Address) -> None:
        self.socket.sendto(data, to)

    async def receive(self) -> tuple[bytes, Address]:
        async with asyncio.timeout(5):
            data, source = await asyncio.get_running_loop().sock_recvfrom(self.socket, 2048)
        return data, source[:2]

    async def take(self, count: int) -> list[bytes]:
        return [(await self.receive())[0] for _ in range(count)]

    def has_nothing(self) -> bool:
        try:
            self.socket.recv(2048)
        except BlockingIOError:
            return True
        return False


@contextmanager
def peers(count: int = 2, host: str = "127.0.0.1") -> Iterator[list[Peer]]:
    found = [Peer(host) for _ in range(count)]
    try:
        yield found
    finally:
        for peer in found:
            peer.socket.close()


@asynccontextmanager
async def relayed(
    up: Conditions | None = None, down: Conditions | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[Peer, Relay, Peer]]:
    with peers(host=host) as (client, server):
        async with Relay(
            server.address, seed=1, name="alice", up=up or Conditions(), down=down or Conditions()
        ) as relay:
            yield client, relay, server


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - counters have no event
            await asyncio.sleep(0)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def timers() -> int:
    return sum(not handle.cancelled() for handle in asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]  # no public name


async def test_datagrams_go_both_ways_and_come_from_the_relay() -> None:
    async with relayed() as (client, relay, server):
        client.send(b"question", relay.address)
        data, source = await server.receive()
        assert data == b"question"
        assert source not in {client.address, relay.address}
        server.send(b"answer", source)
        assert await client.receive() == (b"answer", relay.address)
        up, down = relay.counts(Direction.UP), relay.counts(Direction.DOWN)
        assert (up.sent, up.delivered_bytes, down.sent, down.delivered_bytes) == (1, 8, 1, 6)


async def test_ipv6() -> None:
    async with relayed(host="::1") as (client, relay, server):
        client.send(b"question", relay.address)
        _, source = await server.receive()
        server.send(b"answer", source)
        assert await client.receive() == (b"answer", relay.address)


async def test_each_socket_of_the_client_has_its_own_at_the_server() -> None:
    with peers(3) as (one, other, server):
        async with Relay(server.address, seed=1, name="alice") as relay:
            sources = {}
            for peer, data in ((one, b"one"), (other, b"other"), (one, b"one")):
                peer.send(data, relay.address)
                received, sources[data] = await server.receive()
                assert received == data
            assert relay.health.flows == len(set(sources.values())) == 2
            server.send(b"for other", sources[b"other"])
            server.send(b"for one", sources[b"one"])
            assert (await one.receive())[0] == b"for one"
            assert (await other.receive())[0] == b"for other"


async def test_each_direction_takes_its_delay() -> None:
    loop = asyncio.get_running_loop()
    async with relayed(Conditions(delay=0.05), Conditions(delay=0.02)) as (client, relay, server):
        start = loop.time()
        client.send(b"question", relay.address)
        _, source = await server.receive()
        middle = loop.time()
        server.send(b"answer", source)
        await client.receive()
        assert 0.05 <= middle - start < 0.5
        assert 0.02 <= loop.time() - middle < 0.5


async def test_packets_leave_at_the_rate_of_the_bottleneck() -> None:
    loop = asyncio.get_running_loop()
    async with relayed(Conditions(rate=800_000, burst_bytes=1000)) as (client, relay, server):
        start = loop.time()
        for number in range(11):
            client.send(bytes([number]) * 1000, relay.address)
        assert [data[0] for data in await server.take(11)] == list(range(11))
        assert 0.1 <= loop.time() - start < 0.5


async def test_an_earlier_packet_of_one_path_is_not_kept_by_a_later_one_of_the_other() -> None:
    async with relayed(Conditions(), Conditions(delay=60.0)) as (client, relay, server):
        client.send(b"question", relay.address)
        _, source = await server.receive()
        server.send(b"in a minute", source)
        await until(lambda: relay.counts(Direction.DOWN).sent > 0)
        relay.change(up=Conditions(delay=0.01))
        client.send(b"soon", relay.address)
        assert (await server.receive())[0] == b"soon"


async def test_one_seed_loses_the_same_packets_in_every_run() -> None:
    runs = []
    for _ in range(2):
        async with relayed(Conditions(loss=GilbertElliott.of(0.3, 3))) as (client, relay, server):
            for number in range(200):
                client.send(bytes([number]), relay.address)
            await until(lambda: relay.counts(Direction.UP).sent >= 200)
            counts = relay.counts(Direction.UP)
            assert counts.lost + counts.delivered == 200
            runs.append(await server.take(counts.delivered))
    assert runs[0] == runs[1]
    assert 20 < len(runs[0]) < 180


async def test_conditions_change_while_it_runs() -> None:
    async with relayed() as (client, relay, server):
        client.send(b"before", relay.address)
        await server.receive()
        relay.change(up=LOST)
        assert relay.conditions(Direction.UP) == LOST
        assert relay.conditions(Direction.DOWN) == Conditions()
        client.send(b"during", relay.address)
        await until(lambda: relay.counts(Direction.UP).lost > 0)
        relay.change(up=Conditions())
        client.send(b"after", relay.address)
        assert (await server.receive())[0] == b"after"


async def test_a_faster_rate_frees_what_waits() -> None:
    async with relayed(Conditions(rate=1000, burst_bytes=1000)) as (client, relay, server):
        for _ in range(5):
            client.send(bytes(1000), relay.address)
        await server.receive()
        await until(lambda: relay.counts(Direction.UP).sent >= 5)
        relay.change(up=Conditions())
        await server.take(4)


async def test_a_held_packet_waits_for_its_release() -> None:
    async with relayed() as (client, relay, server):
        relay.set_faults(Direction.UP, lambda _number, data: Fault.HOLD if data == b"held" else None)
        client.send(b"held", relay.address)
        client.send(b"next", relay.address)
        assert (await server.receive())[0] == b"next"
        assert relay.held(Direction.UP) == (0,)
        assert relay.release(Direction.UP) == 1
        assert (await server.receive())[0] == b"held"


async def test_the_source_silent_for_longest_is_given_up_for_a_new_one() -> None:
    with peers(4) as (first, second, third, server):
        async with Relay(server.address, seed=1, name="alice", max_flows=2) as relay:
            for peer in (first, second, first):
                peer.send(b"hello", relay.address)
                _, source = await server.receive()
            files = open_files()
            third.send(b"hello", relay.address)
            await server.receive()
            assert (relay.health.flows, relay.health.evicted) == (3, 1)
            assert open_files() == files
            server.send(b"still there", source)
            assert (await first.receive())[0] == b"still there"


async def test_what_is_on_its_way_to_a_source_given_up_is_dropped() -> None:
    with peers(3) as (first, second, server):
        async with Relay(server.address, seed=1, name="alice", max_flows=1) as relay:
            relay.change(up=Conditions(delay=0.02))
            first.send(b"too late", relay.address)
            second.send(b"in time", relay.address)
            assert (await server.receive())[0] == b"in time"
            assert relay.health.strays == 1
            assert server.has_nothing()


async def test_a_server_that_is_not_there_yet_does_no_harm() -> None:
    with peers(2) as (client, server):
        server.socket.close()
        async with Relay(server.address, seed=1, name="alice") as relay:
            for _ in range(5):
                client.send(b"too early", relay.address)
            await until(lambda: relay.counts(Direction.UP).delivered == 5)
            assert 0 < relay.health.socket_drops < 5  # the system tells of the one by refusing the next
            late = Peer(*server.address)
            try:
                client.send(b"now", relay.address)
                assert (await late.receive())[0] == b"now"
            finally:
                late.socket.close()


async def test_closing_leaves_nothing_and_may_be_repeated() -> None:
    before = open_files(), timers(), asyncio.all_tasks()
    with peers(2) as (client, server):
        async with Relay(server.address, seed=1, name="alice", up=Conditions(delay=60.0)) as relay:
            address = relay.address
            client.send(b"on its way", address)
            await until(lambda: relay.counts(Direction.UP).sent > 0)
            assert timers() == before[1] + 1
            relay.close()
            relay.close()
            relay.change(up=Conditions())
            assert relay.release(Direction.UP) == 0
            assert timers() == before[1]
            with pytest.raises(RuntimeError, match="not open"):
                _ = relay.address
        Peer(*address).socket.close()  # the port is free
    assert (open_files(), timers(), asyncio.all_tasks()) == before


async def test_only_addresses_will_do() -> None:
    with pytest.raises(InvalidValue, match="'localhost' is not an IP address"):
        Relay(("localhost", 1), seed=1, name="alice")


async def ice_peer(controlling: bool) -> Connection:
    peer = Connection(ice_controlling=controlling)
    peer._local_candidates_start = peer._local_candidates_end = True
    peer._local_candidates = await peer.get_component_candidates(1, ["127.0.0.1"])
    return peer


def candidate(address: Address) -> Candidate:
    return Candidate("1", 1, "udp", 2130706431, *address, "host")


async def test_ice_connects_through_it_over_lossy_paths() -> None:
    """As with the server: its candidate is replaced by the relay's address before the client sees it."""
    server, client = await ice_peer(controlling=False), await ice_peer(controlling=True)
    for peer, other in ((server, client), (client, server)):
        peer.remote_username, peer.remote_password = other.local_username, other.local_password
    at = server.local_candidates[0]
    lossy = Conditions(loss=0.2, delay=0.01)
    async with Relay((at.host, at.port), seed=1, name="alice", up=lossy, down=lossy) as relay:
        await client.add_remote_candidate(candidate(relay.address))
        await client.add_remote_candidate(None)
        await server.add_remote_candidate(candidate(("127.0.0.1", 9)))  # nobody: it must learn the relay's sockets
        await server.add_remote_candidate(None)
        async with asyncio.timeout(20):
            await asyncio.gather(client.connect(), server.connect())
            relay.change(up=Conditions(), down=Conditions())
            await client.send(b"up")
            assert await server.recv() == b"up"
            await server.send(b"down")
            assert await client.recv() == b"down"
            await asyncio.gather(client.close(), server.close())
    assert relay.counts(Direction.UP).delivered > 0
