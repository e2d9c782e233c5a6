"""HTTPS and WSS, and what is no TLS on a port that speaks it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import trio
from structlog.testing import capture_logs

from labsfu.api.http_server import HANDSHAKE_SECONDS
from labsfu.config import Config
from labsfu.wire import socket as wire
from labsfu.wire.ids import RoomId
from labsfu.wire.payloads import Problem
from labsfu.wire.rtp import MediaKind
from tests.support.api_world import JOIN, Peer, Served, serving
from tests.support.certificates import Files, make_files
from tests.support.fake_worker import OPUS

pytestmark = pytest.mark.trio


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return make_files(tmp_path / "lab")


def over_tls(files: Files, **settings: int) -> Config:
    return Config(cert=files.cert, key=files.key, **settings)  # type: ignore[arg-type]  # limits only


async def connect(served: Served, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
    tcp = await trio.open_tcp_stream(*served.address)
    served.peers.append(Peer(tcp, "", ""))  # whose sockets are closed in the end
    tls = trio.SSLStream(tcp, context, server_hostname="127.0.0.1")
    await tls.do_handshake()
    return tls


async def join(served: Served, files: Files, name: str) -> Peer:
    tls = await connect(served, files.trusting())
    peer = Peer(cast("trio.SocketStream", tls), "127.0.0.1", JOIN.format(name, name))
    await peer.handshake()
    await peer.expect(wire.Init)
    return peer


async def everything(stream: trio.abc.ReceiveStream) -> bytes:
    """What is said until the end, which may be a reset."""
    said = b""
    try:
        async for part in stream:
            said += part
    except trio.BrokenResourceError:
        pass
    return said


def request(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", "")).encode()


def problem_of(answer: bytes) -> Problem:
    return msgspec.json.decode(answer.partition(b"\r\n\r\n")[2], type=Problem)


@pytest.mark.rfc("RFC 8446 6.1")
async def test_requests_are_answered_over_tls_and_the_end_is_told(files: Files) -> None:
    async with serving(over_tls(files)) as served:
        tls = await connect(served, files.trusting())  # its receiving raises unless a close_notify ends it
        await tls.send_all(request("GET", "/healthz", "Connection: close"))
        answer = b"".join([bytes(part) async for part in tls])
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"message":"alive"}')


@pytest.mark.rfc("RFC 7301 3.2", "RFC 8996 2")
async def test_it_speaks_http_1_1_over_tls_1_2_or_newer_only(files: Files) -> None:
    async with serving(over_tls(files)) as served:
        context = files.trusting()
        context.set_alpn_protocols(["h2", "http/1.1"])
        tls = await connect(served, context)
        assert (tls.selected_alpn_protocol(), tls.version()) == ("http/1.1", "TLSv1.3")
        context = files.trusting()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        assert (await connect(served, context)).version() == "TLSv1.2"


async def test_a_participant_socket_goes_over_tls(files: Files) -> None:
    async with serving(over_tls(files)) as served:
        ann = await join(served, files, "ann")
        await ann.say(wire.Leave())
        assert await ann.expect_close() == 1000


async def test_who_may_call_over_tls_is_who_may_call_without(files: Files) -> None:
    async with serving(over_tls(files)) as served:
        for headers, status in [
            (("Origin: https://localhost:3000",), b"200"),
            (("Origin: https://evil.example",), b"403"),
        ]:
            tls = await connect(served, files.trusting())
            await tls.send_all(request("GET", "/rooms", "Connection: close", *headers))
            assert (await everything(tls)).startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_plain_http_is_told_to_come_with_https(files: Files, method: str) -> None:
    async with serving(over_tls(files)) as served:
        with capture_logs() as logs:
            async with await trio.open_tcp_stream(*served.address) as stream:
                await stream.send_all(request(method, "/rooms"))
                answer = await everything(stream)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert problem_of(answer).type == "/problems/https-required"
    assert "https://" in problem_of(answer).detail
    assert [entry for entry in logs if entry["log_level"] != "debug"] == []


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x00\x05nonse",  # a record whose inside is no ClientHello
        b"\x16\x03\x01\xff\xff" + bytes(70_000),
        b"\x16",
        b"",
        bytes(100_000),
    ],
)
async def test_what_is_no_handshake_ends_its_connection_and_nothing_else(files: Files, said: bytes) -> None:
    async with serving(over_tls(files)) as served:
        with capture_logs() as logs:
            async with await trio.open_tcp_stream(*served.address) as stream:
                try:
                    await stream.send_all(said)
                    await stream.send_eof()
                except trio.BrokenResourceError:
                    pass
                await everything(stream)
            tls = await connect(served, files.trusting())
            await tls.send_all(request("GET", "/healthz", "Connection: close"))
            assert (await everything(tls)).startswith(b"HTTP/1.1 200")
    assert [entry for entry in logs if entry["log_level"] != "debug"] == []


async def test_whoever_says_nothing_is_left_alone_after_a_while(files: Files, autojump_clock: object) -> None:
    async with serving(over_tls(files)) as served:
        began = trio.current_time()
        async with await trio.open_tcp_stream(*served.address) as stream:
            assert await everything(stream) == b""
        assert HANDSHAKE_SECONDS <= trio.current_time() - began < 2 * HANDSHAKE_SECONDS
        assert served.http.connections == 0


async def test_a_client_that_trusts_somebody_else_is_no_error_of_ours(files: Files, tmp_path: Path) -> None:
    others = make_files(tmp_path / "others")
    async with serving(over_tls(files)) as served:
        with capture_logs() as logs, pytest.raises(trio.BrokenResourceError):
            await connect(served, others.trusting())
    assert [entry for entry in logs if entry["log_level"] != "debug"] == []


async def test_a_connection_too_many_is_told_so_over_tls_too(files: Files) -> None:
    async with serving(over_tls(files, max_connections=1)) as served:
        first = await connect(served, files.trusting())
        second = await connect(served, files.trusting())
        answer = await everything(second)
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert problem_of(answer).type == "/problems/too-many-connections"
        await first.send_all(request("GET", "/healthz", "Connection: close"))
        assert (await everything(first)).startswith(b"HTTP/1.1 200")


async def test_a_client_that_does_not_read_is_given_up_over_tls_too(files: Files) -> None:
    settings = {"outbox_bytes": 20_000, "participant_grace": 0, "max_producers_per_participant": 100_000}
    with capture_logs() as logs:
        async with serving(over_tls(files, **settings, max_messages_per_second=0)) as served:
            ann, deaf = [await join(served, files, name) for name in ("ann", "deaf")]
            await ann.expect(wire.ParticipantJoined)
            cast("Any", deaf.stream).transport_stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            produce = wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS)
            with trio.fail_after(30):
                while len(served.driver.rooms.participants(RoomId("room"))) == 2:
                    await ann.say(produce)
                    while not isinstance(await ann.hear(), wire.Produced):
                        pass
    assert [entry for entry in logs if entry["log_level"] == "error"] == []


async def test_handshakes_of_one_address_are_limited_before_they_cost_anything(files: Files) -> None:
    async with serving(over_tls(files, max_requests_per_second=1)) as served:
        for _ in range(2):
            await (await connect(served, files.trusting())).aclose()
        with pytest.raises(trio.BrokenResourceError):
            await connect(served, files.trusting())
