"""Clients of a server that speaks TLS: each trusts what it is told to trust, and nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from clients.api import ApiClient
from clients.errors import Refused, ServerFailed, UnusableFile
from clients.events import EventFeed
from clients.participant import LabClient
from clients.server import ServerProcess
from labsfu.wire.feed import Happened
from tests.support.certificates import Files, make_files

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return make_files(tmp_path / "lab")


@pytest_asyncio.fixture
async def server(files: Files) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(*files.flags, "--log-level", "warning") as running:
        yield running
        assert await running.stop() == 0
        assert len(running.stderr_tail) == 1, "the ready line, and nothing else"


async def labsfu(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "labsfu", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_two_people_meet_and_a_watcher_sees_them(files: Files, server: ServerProcess) -> None:
    assert server.url.startswith("https://127.0.0.1:")
    async with (
        ApiClient(server.url, ca=files.ca) as api,
        LabClient(server.url, room="r", name="ann", ca=files.ca, synthetic=True) as ann,
        LabClient(server.url, room="r", name="ben", ca=files.cert, synthetic=True),  # the certificate itself will do
    ):
        await ann.until(lambda: "ben" in ann.participants)
        async with EventFeed(server.url, since=0, ca=files.ca) as feed:
            assert isinstance(await anext(feed), Happened)
        assert {p.id for p in await api.participants("r")} == {"ann", "ben"}


async def test_without_trust_there_is_no_talk(files: Files, server: ServerProcess, tmp_path: Path) -> None:
    others = make_files(tmp_path / "others")
    for ca in (None, others.ca):
        with pytest.raises(ServerFailed, match="CERTIFICATE_VERIFY_FAILED"):
            async with asyncio.timeout(5), ApiClient(server.url, ca=ca) as api:
                await api.wait_ready()  # does not wait for what will never be
        with pytest.raises(ServerFailed, match="CERTIFICATE_VERIFY_FAILED"):
            async with LabClient(server.url, room="r", name="ann", ca=ca):
                pass
        with pytest.raises(ServerFailed, match="CERTIFICATE_VERIFY_FAILED"):
            async with EventFeed(server.url, ca=ca):
                pass


async def test_who_comes_without_tls_is_told(server: ServerProcess) -> None:
    plain = server.url.replace("https:", "http:")
    with pytest.raises(Refused, match="https-required"):
        async with ApiClient(plain) as api:
            await api.wait_ready()
    with pytest.raises(Refused, match="https-required"):
        async with LabClient(plain, room="r", name="ann"):
            pass


async def test_a_scenario_runs_against_it(files: Files, server: ServerProcess) -> None:
    run = ("run", "rooms.conference", "--set", "people=2", "--set", "seconds=1", "--against", server.url)
    code, out, err = await labsfu(*run, "--ca", str(files.ca))
    assert (code, "PASSED" in out) == (0, True), out + err
    code, _, err = await labsfu(*run)
    assert code == 4
    assert "--ca FILE" in err.splitlines()[-1]
    code, _, err = await labsfu(*run, "--ca", str(files.key))
    assert (code, err) == (2, f"labsfu: {files.key}: has no certificate (PEM: -----BEGIN CERTIFICATE-----)\n")


async def test_a_bot_comes_in_over_it(files: Files, server: ServerProcess) -> None:
    bot = ("client", server.url, "--room", "r", "--name", "ada", "--synthetic", "--seconds", "1")
    code, _, err = await labsfu(*bot, "--ca", str(files.ca))
    assert (code, "left room 'r'" in err) == (0, True), err
    code, _, err = await labsfu(*bot)
    assert (code, err.count("\n"), "--ca FILE" in err) == (4, 1, True)
    code, _, err = await labsfu(*bot, "--ca", "none.pem")
    assert (code, err) == (2, "labsfu: none.pem: No such file or directory\n")


async def test_wrong_files_are_refused_before_anything_is_bound(files: Files, tmp_path: Path) -> None:
    others = make_files(tmp_path / "others")
    code, out, err = await labsfu("serve", "--port", "0", "--cert", str(files.cert), "--key", str(others.key))
    assert (code, out, err) == (2, "", f"labsfu: key '{others.key}' is not that of cert '{files.cert}'\n")
    code, _, err = await labsfu("serve", "--port", "0", "--cert", str(files.cert))
    assert (code, err) == (2, f"labsfu: cert '{files.cert}' needs its key: set --key too\n")


async def test_files_without_certificates_are_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(UnusableFile, match="has no certificate"):
        ApiClient("https://127.0.0.1:1", ca=tmp_path / "empty.pem")
