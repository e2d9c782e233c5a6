"""The limit of open files goes up as far as it may, and says how many connections fit."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labsfu.shell.open_files import RESERVE

_RAISE = """
import resource, sys
from labsfu.shell.open_files import raise_open_files
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(raise_open_files(connections), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "expected"),
    [
        (200, 500, 100, (100, 200, 500)),
        (200, 500, 300, (300, 300 + RESERVE, 500)),
        (200, 500, 1000, (500 - RESERVE, 500, 500)),
        (40, 40, 1000, (1, 40, 40)),
    ],
)
def test_it_goes_up_as_far_as_it_must_and_may(
    soft: int, hard: int, connections: int, expected: tuple[int, int, int]
) -> None:
    words = [sys.executable, "-c", _RAISE, str(soft), str(hard), str(connections)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert tuple(map(int, done.stdout.split())) == expected


_SERVE = """
import resource
from pathlib import Path
import trio
from labsfu.config import Config, MediaListen
from labsfu.server import Server

async def main():
    server = Server(Config(port=0, media=MediaListen(("127.0.0.1",), 0), workers=1))
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        (worker,) = Path("/proc/thread-self/children").read_text().split()
        print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], resource.prlimit(int(worker), resource.RLIMIT_NOFILE)[0])
        await server.close()

resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
trio.run(main)
"""


def test_it_goes_up_for_the_workers_too() -> None:
    done = subprocess.run((sys.executable, "-c", _SERVE), capture_output=True, text=True, check=True)
    server, worker = map(int, done.stdout.splitlines()[-1].split())  # behind what was logged
    assert server == worker > 200
