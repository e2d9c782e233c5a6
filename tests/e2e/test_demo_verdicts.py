"""`labsfu demo` as a user runs it: what it prints, what it exits with, and that its verdict can fail."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from clients.server import ServerProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]

LABSFU = (sys.executable, "-m", "labsfu")
PLANTED = (sys.executable, str(Path(__file__).with_name("planted.py")))
PEOPLE = ("ada", "grace", "alan", "edsger")


async def run(*command: str) -> tuple[int, str, str]:
    """Exit code, stdout, stderr; bounded in time."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def failing_pairs(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for check in document["checks"]:
        if not check["passed"]:
            receiver, _, rest = check["name"].partition(" sees and hears ")
            yield rest, receiver


async def test_four_people_give_twelve_pairs_and_pass() -> None:
    code, out, err = await run(*LABSFU, "demo", "--mode", "json", "--people", "4", "--seconds", "4")
    document = json.loads(out)
    assert {(pair["from"], pair["to"]) for pair in document["pairs"]} == set(permutations(PEOPLE, 2))
    assert len(document["pairs"]) == 12
    for pair in document["pairs"]:
        assert set(pair) == {
            "from",
            "to",
            "firstFrameMs",
            "framesExpected",
            "framesSeen",
            "framesLost",
            "heard",
            "latencyMs",
        }
        assert set(pair["latencyMs"]) == {"p50", "p99"}
        assert pair["framesExpected"] > 20
    assert [check["name"] for check in document["checks"] if not check["passed"]] == []
    assert (code, document["verdict"]) == (0, "passed")
    assert "edsger joined" in err


async def test_a_table_and_a_verdict_are_printed() -> None:
    code, out, _ = await run(*LABSFU, "run", "rooms.conference", "--set", "people=2", "--set", "seconds=2")
    lines = out.splitlines()
    assert lines[0].split() == ["from", "to", "first", "frame", "frames", "lost", "p50", "p99", "heard"]
    assert [line.split()[:2] for line in lines[2:4]] == [["ada", "grace"], ["grace", "ada"]]
    assert lines[-1].startswith("✓ rooms.conference PASSED")
    assert max(map(len, lines)) <= 80
    assert code == 0


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
async def test_the_demo_passes_over_ipv6() -> None:
    flags = ("--host", "::1", "--media-address", "::1")
    code, out, err = await run(*LABSFU, "demo", "--people", "2", "--seconds", "2", "--mode", "json", *flags)
    assert (code, json.loads(out)["verdict"]) == (0, "passed"), err


async def test_a_server_that_listens_on_both_families_is_reached() -> None:
    async with ServerProcess("--media-address", "127.0.0.1,::1") as server:
        assert {media.rpartition(":")[0] for media in server.media} == {"udp:127.0.0.1", "udp:[::1]"}
        code, out, _ = await run(*LABSFU, "demo", "--against", server.url, "--people", "2", "--seconds", "1")
    assert code == 0, out


async def test_a_muted_microphone_is_named() -> None:
    code, out, _ = await run(*PLANTED, "muted-microphone", "demo", "--mode", "json", "--seconds", "2")
    document = json.loads(out)
    assert set(failing_pairs(document)) == {("grace", "ada"), ("grace", "alan")}
    assert {(pair["from"], pair["heard"]) for pair in document["pairs"]} == {
        ("ada", True),
        ("grace", False),
        ("alan", True),
    }
    assert (code, document["verdict"]) == (1, "failed")


async def test_a_frozen_camera_is_named() -> None:
    code, out, _ = await run(*PLANTED, "frozen-camera", "demo", "--mode", "json", "--seconds", "3")
    document = json.loads(out)
    assert set(failing_pairs(document)) == {("grace", "ada"), ("grace", "alan")}
    assert (code, document["verdict"]) == (1, "failed")


async def test_a_stream_that_the_server_stops_forwarding_is_named() -> None:
    command = (*PLANTED, "cut-forwarding", "serve", "--port", "0", "--media-port", "0")
    async with ServerProcess(command=command) as server:
        code, out, _ = await run(*LABSFU, "demo", "--against", server.url, "--mode", "json", "--seconds", "3")
    document = json.loads(out)
    assert set(failing_pairs(document)) == {("grace", "ada"), ("grace", "alan")}
    assert (code, document["verdict"]) == (1, "failed")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", "rooms.nothing"), "rooms.nothing"),
        (("run", "rooms.conference", "--set", "peple=3"), "peple"),
        (("demo", "--people", "many"), "people=many"),
        (("demo", "--people", "1"), "people=1"),
        (("demo", "--people", "0"), "people=0"),
        (("demo", "--seconds", "-1"), "seconds=-1"),
        (("demo", "--seconds", "nan"), "seconds=nan"),
        (("demo", "--seconds", "inf"), "seconds=inf"),
        (("demo", "--against", "notaurl"), "notaurl"),
        (("demo", "--against", "ftp://127.0.0.1"), "ftp://127.0.0.1"),
        (("demo", "--against", "http://127.0.0.1:99999"), ":99999"),
        (("demo", "--mode", "xml"), "xml"),
        (("demo", "--against", "http://127.0.0.1:1", "--host", "::1"), "--host"),
    ],
)
async def test_wrong_words_are_named_and_exit_2(arguments: tuple[str, ...], named: str) -> None:
    code, out, err = await run(*LABSFU, *arguments)
    assert (code, out) == (2, "")
    assert named in err
    assert "Traceback" not in err
    assert "starting a server" not in err


@asynccontextmanager
async def demo_until(word: bytes, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A demo of half a minute that has said something; it does not outlive the context."""
    process = await asyncio.create_subprocess_exec(
        *LABSFU,
        *("demo", "--seconds", "30", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = b""
    try:
        async with asyncio.timeout(45):
            while word not in said:
                line = await process.stderr.readline()
                assert line, said
                said += line
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def last_words(process: asyncio.subprocess.Process) -> list[str]:
    """What a process says on stderr until it ends, which it must soon."""
    async with asyncio.timeout(15):
        _, err = await process.communicate()
    return err.decode().splitlines()


async def test_an_interrupt_ends_the_demo_and_its_server() -> None:
    async with demo_until(b"alan joined") as demo:
        demo.send_signal(signal.SIGINT)
        said = await last_words(demo)
    assert demo.returncode == 130
    assert not [line for line in said if "Traceback" in line]


def server_of(demo: asyncio.subprocess.Process) -> int:
    """The child of a process (Linux)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # the name of the program, in parentheses, may contain anything
            if stat.read_text().rpartition(")")[2].split()[1] == str(demo.pid):
                return int(stat.parent.name)
    raise AssertionError("no child")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the server is found by /proc")
@pytest.mark.parametrize("moment", [b"grace joined", b"to go", b"28 s to go"])
async def test_a_server_that_is_killed_ends_the_demo_which_says_so(moment: bytes) -> None:
    async with demo_until(moment) as demo:
        os.kill(server_of(demo), signal.SIGKILL)
        said = await last_words(demo)
    assert demo.returncode == 4
    assert [line for line in said if line.startswith("labsfu:")] == [
        "labsfu: the server died: killed by SIGKILL; the last it wrote:"
    ]
    assert said[-1].startswith("  | ")


@pytest.mark.parametrize(("end", "code"), [(signal.SIGKILL, 1006), (signal.SIGTERM, 1001)])
async def test_a_server_of_somebody_else_that_goes_away_is_told(end: signal.Signals, code: int) -> None:
    async with ServerProcess() as server, demo_until(b"to go", "--against", server.url, "--people", "2") as demo:
        os.kill(server.pid, end)
        said = await last_words(demo)
    assert demo.returncode == 4
    (told,) = [line for line in said if line.startswith("labsfu:")]
    assert told.startswith(f"labsfu: the server at {server.url} went away: socket closed with {code}")


@pytest.mark.parametrize("redirection", ["| true", "2>&1 | true", "</dev/null >&- 2>&-"])
async def test_nobody_who_reads_changes_no_verdict(redirection: str) -> None:
    demo = f"{shlex.join(LABSFU)} demo --people 2 --seconds 1"
    code, _, err = await run("bash", "-c", f"set -o pipefail; {demo} {redirection}")
    assert code == 0
    assert not [word for word in ("Traceback", "BrokenPipeError", "Exception ignored") if word in err]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no full disk")
async def test_a_result_that_cannot_be_written_is_no_verdict() -> None:
    code, _, err = await run("bash", "-c", f"{shlex.join(LABSFU)} demo --people 2 --seconds 1 >/dev/full")
    assert code == 3
    assert "labsfu: the result could not be written" in err
    assert "Traceback" not in err
