"""`python -m tests.api.schemathesis_run`: schemathesis, all its default checks, against a server's `/openapi.json`."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

from clients.server import ServerProcess

ROOT = Path(__file__).parents[2]
SEED = 20240229
_GENERATED = re.compile(r"^\s*(\d+) generated", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What a run found: whether it found nothing, how many requests it made, all that it said."""

    clean: bool
    requests: int
    output: str


async def run(examples: int, seed: int = SEED, *arguments: str) -> Outcome:
    """Start a server, and ask it for `examples` cases of each operation, and what they lead to."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--no-color", "run", "--seed", str(seed)]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    async with ServerProcess("--log-level", "warning") as server:
        with tempfile.TemporaryDirectory() as directory:  # for its caches
            process = await asyncio.create_subprocess_exec(
                *command,
                "--max-examples",
                str(examples),
                *arguments,
                f"{server.url}/openapi.json",
                cwd=directory,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                output = (await process.communicate())[0].decode()
            finally:
                if process.returncode is None:
                    process.kill()
        said = "\n".join(server.stderr_tail)
    found = _GENERATED.search(output)
    clean = process.returncode == 0 and "Traceback" not in said
    return Outcome(clean, int(found[1]) if found else 0, output if clean else f"{output}\n{said}")


@click.command()
@click.option("--examples", default=50, show_default=True, help="cases of each operation")
@click.option("--seed", default=SEED, show_default=True)
@click.option("--at-least", default=3000, show_default=True, help="requests, or it counts as failed")
def main(examples: int, seed: int, at_least: int) -> None:
    """Look for requests that the server answers otherwise than it says."""
    outcome = asyncio.run(run(examples, seed))
    click.echo(outcome.output)
    click.echo(f"{outcome.requests} requests: {'no finding' if outcome.clean else 'FINDINGS'}")
    sys.exit(0 if outcome.clean and outcome.requests >= at_least else 1)


if __name__ == "__main__":
    main()
