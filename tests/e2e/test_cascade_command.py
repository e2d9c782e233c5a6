"""`labsfu cascade` as a developer runs it: what it does, says, and ends with; the streams have no media."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from clients.api import ApiClient
from clients.cascade import Cascade
from clients.cascade.cascade import SameServer
from clients.cascade.command import _told
from clients.errors import Refused, ServerFailed
from clients.server import ServerProcess
from labsfu.wire.ids import RouterId
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.rtp import MediaKind, RtpCodecParameters, RtpEncodingParameters, RtpParameters
from labsfu.wire.sfu import CreateProducerRequestPayload, ProducerPayload

pytestmark = pytest.mark.e2e

COMMAND = (sys.executable, "-m", "labsfu", "cascade")
TOKEN = "secret"
ROOM = "tea"
OPUS = RtpCodecParameters(mime_type="audio/opus", payload_type=111, clock_rate=48000, channels=2)


@asynccontextmanager
async def cascade(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("LABSFU_")}
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *words, "--room", ROOM, "--mode", "json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=clean | {"LABSFU_TOKEN": TOKEN},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def says(process: asyncio.subprocess.Process, kind: str) -> dict[str, Any]:
    """The next news of a kind."""
    assert process.stdout is not None
    async with asyncio.timeout(10):
        while line := await process.stdout.readline():
            news: dict[str, Any] = json.loads(line)
            if news["kind"] == kind:
                return news
    raise AssertionError(f"it ended without '{kind}'")


async def ends(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Exit code, and what it said last on stderr."""
    async with asyncio.timeout(15):
        _, err = await process.communicate()
    return process.returncode, err.decode()


async def comes_true(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110 - a server is asked
            await asyncio.sleep(0.02)


async def send(api: ApiClient, router: RouterId, name: str, ssrc: int) -> ProducerPayload:
    """Somebody who sends sound, as far as the server knows."""
    encodings = (RtpEncodingParameters(ssrc=ssrc),)
    body = CreateProducerRequestPayload(
        kind=MediaKind.AUDIO, rtp_parameters=RtpParameters(codecs=(OPUS,), encodings=encodings)
    )
    return await api.create_producer(router, name, body)


@pytest.mark.asyncio
async def test_from_the_first_word_to_the_last() -> None:
    flags = ("--workers", "0", "--token", TOKEN, "--log-level", "warning")
    async with ServerProcess(*flags) as one, ServerProcess(*flags) as two:
        async with ApiClient(one.url, TOKEN) as a, ApiClient(two.url, TOKEN) as b:
            (here,) = (await a.create_room(RoomType.CONFERENCE, 4, ROOM)).router_ids
            origin = await send(a, here, "ada", 1)
            async with cascade(one.url, two.url, "--patience", "1") as process:
                await copies_and_closes(process, a, b, origin)
                assert len(await a.pipe_transports(here)) == 1
                await two.stop()
                code, err = await ends(process)
            assert code == 4
            assert f"{two.url} was away for 1 s" in err
            assert await a.pipe_transports(here) == ()
            await check_refusals(one.url)
        assert not [line for line in (*one.stderr_tail, *two.stderr_tail) if "Traceback" in line]


async def copies_and_closes(
    process: asyncio.subprocess.Process, a: ApiClient, b: ApiClient, origin: ProducerPayload
) -> None:
    assert (await says(process, "room-missing"))["side"] == "b"
    (there,) = (await b.create_room(RoomType.CONFERENCE, 4, ROOM)).router_ids
    await b.create_participant(ROOM, "ada", participant_type=ParticipantType.HOST, display_name="Ada of B")
    copied = await says(process, "stream-copied")
    (copy,) = await b.producers(there)
    assert (copy.id, copied["producerId"]) == (origin.id, origin.id)
    owners = {person.id: person.remote for person in await b.participants(ROOM)}
    assert owners[copy.participant_id]

    await a.pause_producer(origin.router_id, origin.id)

    async def is_paused() -> bool:
        return (await b.producer(there, origin.id)).paused

    await comes_true(is_paused)
    back = await send(b, there, "ben", 2)
    await comes_true(lambda: has(a, origin.router_id, back))
    await a.delete_producer(origin.router_id, origin.id)
    await says(process, "stream-closed")
    assert not await has(b, there, origin)


async def has(api: ApiClient, router: RouterId, producer: ProducerPayload) -> bool:
    return producer.id in {each.id for each in await api.producers(router)}


async def check_refusals(url: str) -> None:
    """A wrong token, one server by two names, nobody there."""
    nobody, again = "http://127.0.0.1:1", url.replace("127.0.0.1", "localhost")
    for b, token, error in ((nobody, "wrong", Refused), (again, TOKEN, SameServer), (nobody, TOKEN, ServerFailed)):
        with pytest.raises(error):
            async with Cascade(url, b, room=ROOM, token_a=token, token_b=token, patience=0.2):
                pass


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Refused("/problems/unauthorized", "no token", status=401), 3, "a server refused: no token (--token-a"),
        (SameServer("twice"), 3, "twice"),
        (ServerFailed("gone"), 4, "no server answers: gone"),
        (ExceptionGroup("both", [ServerFailed("gone"), SameServer("twice")]), 4, "gone"),
        (KeyError("bug"), 3, "KeyError"),
    ],
)
def test_why_it_ends_is_said_in_words_and_in_a_number(error: Exception, code: int, said: str) -> None:
    words, number = _told(error)
    assert number == code
    assert said in words
