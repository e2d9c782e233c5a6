"""The socket of a pipe is opened for it and closed with it, whatever ends it; what comes on it reaches the engine."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from labsfu.config import MediaListen
from labsfu.core.outputs import BoundSocket
from labsfu.errors import CommandError, Conflict, InvalidValue, NotFound, Unavailable
from labsfu.shell.clock import Clock
from labsfu.shell.driver import InProcessWorker
from labsfu.shell.entropy import SystemEntropy
from labsfu.shell.pipe_sockets import PipeSockets
from labsfu.shell.udp import UdpSender
from labsfu.wire import commands
from labsfu.wire.ids import RouterId, TransportId, WorkerId
from labsfu.wire.pipe import PipeTransportPayload
from tests.support.until import until_asked

pytestmark = pytest.mark.trio

LOOPBACK = MediaListen(("127.0.0.1",), 0)
NOT_OURS = "192.0.2.7"


@asynccontextmanager
async def running(media: MediaListen = LOOPBACK) -> AsyncIterator[tuple[InProcessWorker, RouterId]]:
    """A worker with a router."""
    worker = InProcessWorker(
        WorkerId("w"), media, entropy=SystemEntropy(), clock=Clock(), on_events=lambda _events: None
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.run)
        made = await worker.execute(commands.CreateRouter())
        assert isinstance(made, commands.RouterCreated)
        yield worker, made.router_id
        nursery.cancel_scope.cancel()


async def make(worker: InProcessWorker, router: RouterId, **where: object) -> PipeTransportPayload:
    made = await worker.execute(commands.CreatePipeTransport(router_id=router, **where))  # type: ignore[arg-type]  # as given
    assert isinstance(made, commands.PipeTransportShown)
    return made.pipe_transport


def is_free(port: int, ip: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.bind((ip, port))
        return True
    return False


@contextmanager
def no_more_files() -> Iterator[None]:
    """As many may be open as there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def udp_sockets() -> int:
    """How many this process has open."""
    links = []
    for name in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.append(str(name.readlink()))
    return sum(link.startswith("socket:") for link in links)


async def has_dropped(worker: InProcessWorker, reason: str) -> bool:
    counted = await worker.execute(commands.GetCounts())
    assert isinstance(counted, commands.Counted)
    return reason in {drop.reason for drop in counted.counts.drops}


async def test_a_pipe_listens_where_other_media_comes_in_on_a_port_of_its_own() -> None:
    async with running() as (worker, router):
        pipe = await make(worker, router)
        port = pipe.addresses.local_port
        assert (pipe.addresses.local_ip, is_free(port)) == ("127.0.0.1", False)
        assert f"udp:127.0.0.1:{port}" not in worker.listen


async def test_the_other_end_is_told_what_media_is_announced_as() -> None:
    async with running(MediaListen(("127.0.0.1", "127.0.0.2"), 0, ("198.51.100.1", "198.51.100.2"))) as (
        worker,
        router,
    ):
        assert (await make(worker, router)).addresses.local_ip == "198.51.100.1"
        second = await make(worker, router, listen_ip="127.0.0.2")
        assert second.addresses.local_ip == "198.51.100.2"
        assert not is_free(second.addresses.local_port, "127.0.0.2")
        assert (await make(worker, router, listen_ip="127.0.0.3")).addresses.local_ip == "127.0.0.3"


async def test_a_port_that_is_asked_for_is_taken_and_free_again_when_the_pipe_is_closed() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with running() as (worker, router):
        for closing in (
            lambda pipe: commands.ClosePipeTransport(router_id=router, transport_id=pipe.id),
            lambda _pipe: commands.CloseRouter(router_id=router),
        ):
            pipe = await make(worker, router, port=port)
            assert pipe.addresses.local_port == port
            await worker.execute(closing(pipe))
            assert is_free(port)


async def test_all_are_closed_with_the_worker() -> None:
    before = udp_sockets()
    async with running() as (worker, router):
        for _ in range(3):
            await make(worker, router)
        assert udp_sockets() >= before + 4
    assert udp_sockets() == before


@pytest.mark.parametrize(
    ("listen_ip", "type_", "slug"),
    [
        ("here", InvalidValue, "invalid-listen-ip"),
        ("127.0.0.1:40000", InvalidValue, "invalid-listen-ip"),
        ("", InvalidValue, "invalid-listen-ip"),
        ("0.0.0.0", InvalidValue, "invalid-listen-ip"),
        ("::", InvalidValue, "invalid-listen-ip"),
        (NOT_OURS, Unavailable, "address-unavailable"),
    ],
)
async def test_an_address_that_cannot_be_listened_on_is_refused(
    listen_ip: str, type_: type[CommandError], slug: str
) -> None:
    async with running() as (worker, router):
        before = udp_sockets()
        with pytest.raises(type_) as refused:
            await make(worker, router, listen_ip=listen_ip)
        assert (refused.value.slug, udp_sockets()) == (slug, before)
        assert listen_ip in refused.value.detail


async def test_a_port_in_use_is_refused() -> None:
    async with running() as (worker, router):
        port = int(worker.listen[0].rpartition(":")[2])
        before = udp_sockets()
        with pytest.raises(Conflict, match=f"udp 127.0.0.1 port {port} is in use") as refused:
            await make(worker, router, port=port)
        assert (refused.value.slug, udp_sockets()) == ("port-in-use", before)


async def test_when_no_more_files_may_be_open_a_pipe_is_refused() -> None:
    async with running() as (worker, router):
        with no_more_files(), pytest.raises(Unavailable, match="Too many open files") as refused:
            await make(worker, router)
        assert refused.value.slug == "address-unavailable"
        await make(worker, router)


async def test_what_the_engine_refuses_leaves_no_socket() -> None:
    async with running() as (worker, _):
        before = udp_sockets()
        with pytest.raises(NotFound):
            await make(worker, RouterId("none"))
        assert udp_sockets() == before


async def test_what_comes_on_a_pipe_is_counted_as_its_own() -> None:
    """A stranger's datagrams: the engine is told on which socket they came, so it can name the reason."""
    async with running() as (worker, router):
        pipe = await make(worker, router)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            packet = bytes([0x80, 96]) + bytes(30)
            stranger.sendto(packet, ("127.0.0.1", pipe.addresses.local_port))
            await until_asked(partial(has_dropped, worker, "pipe-not-connected"))
            await worker.execute(
                commands.ConnectPipeTransport(router_id=router, transport_id=pipe.id, ip="127.0.0.1", port=9)
            )
            stranger.sendto(packet, ("127.0.0.1", pipe.addresses.local_port))
            await until_asked(partial(has_dropped, worker, "pipe-unknown-source"))


async def test_a_pipe_that_is_closed_before_it_was_read_ends_quietly() -> None:
    async with running() as (worker, router):
        for _ in range(20):
            pipe = await make(worker, router)
            await worker.execute(commands.ClosePipeTransport(router_id=router, transport_id=TransportId(pipe.id)))


async def test_sockets_have_ids_of_their_own_and_a_closed_one_is_sent_nothing() -> None:
    sender = UdpSender([])
    sockets = PipeSockets(LOOPBACK, sender, 3)
    first, second = sockets.open("127.0.0.1", 0), sockets.open("127.0.0.1", 0)
    assert (first.id, second.id, len(sockets)) == (3, 4, 2)
    assert BoundSocket(3, "127.0.0.1", first.port) == first
    sender(first.id, b"hello", 5, ("127.0.0.1", second.port))
    assert sockets.socket(second.id).recv(10) == b"hello"
    closed = sockets.socket(first.id)
    sockets(first.id)
    assert closed.fileno() == -1
    with pytest.raises(KeyError):
        sender(first.id, b"hello", 5, ("127.0.0.1", second.port))
    sockets.close()
    assert len(sockets) == 0
