"""`labsfu run pipes.…`: real media over pipes, with a verdict that can be bad."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest

from clients.server import ServerProcess

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio]


async def run(name: str, *words: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """Exit code and result."""
    chosen = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    command = (sys.executable, "-m", "labsfu", "run", name, "--mode", "json", *chosen, *words)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, json.loads(out)


def failed(result: dict[str, Any]) -> list[str]:
    return [check["name"] for check in result["checks"] if not check["passed"]]


async def test_people_on_two_servers_and_layers_across_two_workers() -> None:
    people, layers = await asyncio.gather(
        run("pipes.two_hosts", seconds="1", srtp="yes"),
        run("pipes.two_workers", simulcast="yes", srtp="yes", rtx="yes"),
    )
    assert (people[0], failed(people[1])) == (0, [])
    assert {(pair["from"], pair["to"]) for pair in people[1]["pairs"]} == {("ada", "grace"), ("grace", "ada")}
    assert "grace behind the pipe gets nothing while paused" in {check["name"] for check in people[1]["checks"]}
    assert (layers[0], failed(layers[1])) == (0, [])
    assert "grace behind the pipe gets layer 0 when it asks for it" in {check["name"] for check in layers[1]["checks"]}


async def test_one_worker_is_not_two() -> None:
    async with ServerProcess("--workers", "0") as server:
        code, result = await run("pipes.two_workers", "--against", server.url)
    assert (code, failed(result)) == (1, ["the two routers are on different workers"])
