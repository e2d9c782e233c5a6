"""The participant socket's client against a small server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response

from clients.errors import ClientError, Disconnected, ProtocolViolation, Refused, ServerFailed
from clients.signalling import Signalling
from labsfu.wire.ids import ConsumerId, ProducerId
from labsfu.wire.rtp import RtpCapabilities
from labsfu.wire.socket import (
    ConsumerPause,
    ConsumerPaused,
    ConsumerResume,
    ConsumerResumed,
    Initialized,
    InitRequest,
    Leave,
    ParticipantLeft,
    ProducerPause,
    ProducerPaused,
    ServerMessage,
)

pytestmark = pytest.mark.asyncio

Handler = Callable[[ServerConnection], Awaitable[None]]
Check = Callable[[ServerConnection, HttpRequest], Response | None]


@asynccontextmanager
async def serving(handler: Handler, check: Check | None = None) -> AsyncIterator[str]:
    async with asyncio.timeout(20), serve(handler, "127.0.0.1", 0, process_request=check) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/"


async def say(socket: ServerConnection, **message: object) -> None:
    await socket.send(msgspec.json.encode(message).decode())


async def hear(socket: ServerConnection) -> dict[str, Any]:
    message: dict[str, Any] = msgspec.json.decode(await socket.recv())
    return message


async def to_the_end(signalling: Signalling) -> list[ServerMessage]:
    """All signals until the connection has ended."""
    signals: list[ServerMessage] = []

    async def collect() -> None:
        while True:
            signals.append(await signalling.receive())

    with pytest.raises(ClientError) as end:
        await collect()
    assert end.value is signalling.end
    return signals


async def test_answers_find_their_requests_in_whatever_order_they_come() -> None:
    async def last_first(socket: ServerConnection) -> None:
        asked = [await hear(socket) for _ in range(3)]
        for request in reversed(asked):
            await say(socket, action="ConsumerResumed", id=request["id"], requestId=request["requestId"])
        await socket.wait_closed()

    async with serving(last_first) as url, Signalling(url) as signalling:
        asked = [ConsumerResume(id=ConsumerId(name)) for name in "abc"]
        answers = await asyncio.gather(*(signalling.request(a, ConsumerResumed) for a in asked))
        assert [answer.id for answer in answers] == ["a", "b", "c"]


async def test_an_error_is_raised_where_it_was_asked_and_the_connection_lives() -> None:
    async def refuse_once(socket: ServerConnection) -> None:
        first = await hear(socket)
        await say(
            socket,
            action="Error",
            requestAction=first["action"],
            requestId=first["requestId"],
            type="/problems/consumer-not-found",
            detail="consumer 'a' does not exist",
        )
        second = await hear(socket)
        await say(socket, action="ConsumerResumed", id="b", requestId=second["requestId"])
        await socket.wait_closed()

    async with serving(refuse_once) as url, Signalling(url) as signalling:
        with pytest.raises(Refused) as refusal:
            await signalling.request(ConsumerResume(id=ConsumerId("a")), ConsumerResumed)
        assert (refusal.value.slug, refusal.value.detail, refusal.value.action, refusal.value.status) == (
            "consumer-not-found",
            "consumer 'a' does not exist",
            "ConsumerResume",
            None,
        )
        await signalling.request(ConsumerResume(id=ConsumerId("b")), ConsumerResumed)


async def test_what_answers_nothing_of_ours_is_a_signal_and_all_is_on_the_timeline() -> None:
    async def chat(socket: ServerConnection) -> None:
        request = await hear(socket)
        pause = {"action": "ProducerPaused", "participantId": "p", "producerId": "x"}
        await say(socket, action="ParticipantLeft", participantId="bob")
        await say(socket, **pause)
        await say(socket, **pause, requestId=request["requestId"])
        await socket.close()

    async with serving(chat) as url, Signalling(url) as signalling:
        await signalling.request(ProducerPause(id=ProducerId("x")), ProducerPaused)
        signals = await to_the_end(signalling)
        assert [type(signal) for signal in signals] == [ParticipantLeft, ProducerPaused]
        assert isinstance(signalling.end, Disconnected)
        assert signalling.end.code == 1000
        assert [type(entry.message) for entry in signalling.timeline] == [
            ParticipantLeft,
            ProducerPaused,
            ProducerPaused,
        ]
        assert sorted(entry.at for entry in signalling.timeline) == [entry.at for entry in signalling.timeline]


async def test_signals_come_in_order_and_end_with_the_reason() -> None:
    async def two_then_replaced(socket: ServerConnection) -> None:
        await say(socket, action="ParticipantLeft", participantId="a")
        await say(socket, action="ParticipantLeft", participantId="b")
        await socket.close(4001, "replaced")

    async with serving(two_then_replaced) as url, Signalling(url) as signalling:
        signals = await to_the_end(signalling)
        assert [signal.participant_id for signal in signals if isinstance(signal, ParticipantLeft)] == ["a", "b"]
        assert isinstance(signalling.end, Disconnected)
        assert (signalling.end.code, signalling.end.reason) == (4001, "replaced")


async def test_a_request_under_way_ends_with_the_connection() -> None:
    async def hang_up(socket: ServerConnection) -> None:
        await hear(socket)
        socket.transport.abort()

    async with serving(hang_up) as url, Signalling(url) as signalling:
        with pytest.raises(Disconnected) as end:
            await signalling.request(InitRequest(rtp_capabilities=RtpCapabilities()), Initialized)
        assert end.value.code == 1006
        with pytest.raises(Disconnected):
            await signalling.send(Leave())


async def test_a_request_without_an_answer_is_bounded() -> None:
    async def mute(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serving(mute) as url, Signalling(url, timeout=0.1) as signalling:
        with pytest.raises(ProtocolViolation, match="no answer to ConsumerPause"):
            await signalling.request(ConsumerPause(id=ConsumerId("a")), ConsumerPaused)


async def test_the_wrong_answer_is_a_violation() -> None:
    async def confused(socket: ServerConnection) -> None:
        request = await hear(socket)
        await say(socket, action="ConsumerPaused", id="a", requestId=request["requestId"])
        await socket.wait_closed()

    async with serving(confused) as url, Signalling(url) as signalling:
        with pytest.raises(ProtocolViolation, match="ConsumerResume was answered by ConsumerPaused"):
            await signalling.request(ConsumerResume(id=ConsumerId("a")), ConsumerResumed)


@pytest.mark.parametrize("text", ['{"action": "Surprise"}', '{"action": "ParticipantLeft"}', "not JSON"])
async def test_what_the_contract_does_not_know_ends_the_connection(text: str) -> None:
    codes: list[int | None] = []

    async def odd(socket: ServerConnection) -> None:
        await socket.send(text)
        await socket.wait_closed()
        codes.append(socket.close_code)

    async with serving(odd) as url:
        async with Signalling(url) as signalling:
            assert await to_the_end(signalling) == []
        assert isinstance(signalling.end, ProtocolViolation)
    assert codes == [1002]


@pytest.mark.rfc("RFC 6455 7.1.5")
async def test_closing_gives_the_code_and_aborting_gives_none() -> None:
    ends: list[ConnectionClosed] = []

    async def listen(socket: ServerConnection) -> None:
        try:
            await socket.recv()
        except ConnectionClosed as error:
            ends.append(error)

    async with serving(listen) as url:
        async with Signalling(url) as polite:
            await polite.close(4000)
        async with Signalling(url) as killed:
            await killed.abort()
            await killed.abort()
            assert isinstance(killed.end, Disconnected)
            assert killed.end.code == 1006
    assert ends[0].rcvd is not None
    assert ends[0].rcvd.code == 4000
    assert ends[1].rcvd is None


async def test_a_refused_handshake_carries_the_problem_and_the_token_is_a_bearer() -> None:
    def check(connection: ServerConnection, request: HttpRequest) -> Response | None:
        if request.headers.get("Authorization") == "Bearer secret":
            return None
        response = connection.respond(HTTPStatus.UNAUTHORIZED, "")
        response.body = msgspec.json.encode(
            {"type": "/problems/no-token", "title": "t", "status": 401, "detail": "say who you are"}
        )
        del response.headers["Content-Length"]
        response.headers["Content-Length"] = str(len(response.body))
        return response

    async def nothing(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serving(nothing, check) as url:
        with pytest.raises(Refused) as refusal:
            async with Signalling(url):
                pytest.fail("it must not open")
        assert (refusal.value.status, refusal.value.slug) == (401, "no-token")
        async with Signalling(url, token="secret"):
            pass


async def test_nobody_there_is_the_servers_failure() -> None:
    async def nothing(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async with serving(nothing) as url:
        pass
    with pytest.raises(ServerFailed):
        async with Signalling(url):
            pytest.fail("it must not open")
