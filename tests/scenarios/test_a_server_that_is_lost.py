"""What a run says when its server goes: that, and not what follows from it."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Iterator

import pytest

from clients.api import ApiClient
from clients.errors import ClientError, Disconnected, MediaFailed, ServerFailed
from clients.server import ServerProcess
from labsfu.wire.payloads import RoomType
from scenarios.command import run_and_report
from scenarios.definition import REGISTRY, Scenario, scenario
from scenarios.lab import Lab
from scenarios.lost_server import how_it_went_away
from scenarios.runner import run
from scenarios.verdict import ExitCode

pytestmark = pytest.mark.e2e

Plot = Callable[[Lab], Awaitable[None]]
Telling = Callable[[Plot], Scenario]


def ignore(_: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def telling() -> Iterator[Telling]:
    """Makes scenarios for as long as a test lasts."""

    def tell(plot: Plot) -> Scenario:
        async def story(lab: Lab) -> None:
            await plot(lab)

        return scenario("test.lost")(story)

    yield tell
    REGISTRY.pop("test.lost", None)


async def kill_server(lab: Lab, end: signal.Signals = signal.SIGKILL) -> None:
    os.kill((await lab.api.sfu_info()).workers[0].pid, end)


@pytest.mark.asyncio
async def test_an_error_is_not_hidden_by_a_room_that_cannot_be_deleted() -> None:
    async with ServerProcess() as server, ApiClient(server.url) as api:

        async def slip() -> None:
            async with Lab(server.url, api, ignore).room(RoomType.CALL, 2):
                os.kill(server.pid, signal.SIGKILL)
                await server.wait()
                raise KeyError

        with pytest.raises(KeyError) as error:
            await slip()
    assert "was not deleted" in error.value.__notes__[0]


@pytest.mark.asyncio
async def test_a_room_is_deleted_after_an_error() -> None:
    async with ServerProcess() as server, ApiClient(server.url) as api:
        with pytest.raises(KeyError):
            async with Lab(server.url, api, ignore).room(RoomType.CALL, 2):
                raise KeyError
        assert await api.rooms() == ()


@pytest.mark.asyncio
async def test_a_server_that_ends_unasked_is_told_with_its_exit_code(telling: Telling) -> None:
    async def plot(lab: Lab) -> None:
        await kill_server(lab, signal.SIGTERM)
        raise Disconnected(1001, "the server ends")

    with pytest.raises(ServerFailed, match="the server died: it ended by itself with exit code 0"):
        await run(telling(plot), {}, progress=ignore)


@pytest.mark.asyncio
async def test_a_server_that_dies_unnoticed_gives_no_verdict(telling: Telling) -> None:
    async def plot(lab: Lab) -> None:
        lab.check("all is well", True)
        await kill_server(lab)

    with pytest.raises(ServerFailed, match="killed by SIGKILL"):
        await run(telling(plot), {}, progress=ignore)


@pytest.mark.asyncio
async def test_an_error_of_ours_stays_ours_while_the_server_lives(telling: Telling) -> None:
    async def plot(_: Lab) -> None:
        raise MediaFailed("unplugged")

    async with ServerProcess() as server:
        for against in (None, server.url):
            with pytest.raises(MediaFailed, match="unplugged"):
                await run(telling(plot), {}, against=against, progress=ignore)


@pytest.mark.asyncio
async def test_a_lost_socket_is_no_lost_server_while_that_answers() -> None:
    async with ServerProcess() as server, ApiClient(server.url) as api:
        assert await how_it_went_away(api, Disconnected(4001, "replaced")) is None
        both = ExceptionGroup(
            "", [MediaFailed("unplugged"), ExceptionGroup("", [Disconnected(1001, "the server ends")])]
        )
        told = await how_it_went_away(api, both)
        assert told == f"the server at {server.url} went away: socket closed with 1001: the server ends"
        await server.stop()
        told = await how_it_went_away(api, Disconnected(1006, ""))
        assert told == f"the server at {server.url} went away: socket closed with 1006"
        assert await how_it_went_away(api, KeyError()) is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MediaFailed("unplugged"), "labsfu: MediaFailed: unplugged\n"),
        (
            ExceptionGroup("", [MediaFailed("unplugged"), ExceptionGroup("", [ClientError("lost")])]),
            "labsfu: MediaFailed: unplugged; ClientError: lost\n",
        ),
        (KeyError("a slip"), "labsfu: the scenario raised\nTraceback"),
    ],
)
def test_what_the_script_raised_is_told_and_exits_3(
    telling: Telling, capsys: pytest.CaptureFixture[str], error: Exception, told: str
) -> None:
    async def plot(_: Lab) -> None:
        raise error

    telling(plot)
    code = run_and_report("test.lost", {}, against=None, server_flags=(), mode="plain")
    out, err = capsys.readouterr()
    assert (code, out) == (ExitCode.SCRIPT_RAISED, "")
    assert told in err
