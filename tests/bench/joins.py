"""What joining and leaving leaves behind in a server: memory and open files after many whole calls' worth of people.

Each one joins with real ICE, DTLS and SRTP, sends sound, is heard, leaves. `python -m tests.bench.joins --joins 300`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass

from clients.api import ApiClient
from clients.media.tracks import ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from labsfu.wire.payloads import RoomType

WARM_UP = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """The server after so many joins."""

    joins: int
    rss_mib: float
    open_files: int
    cpu_seconds: float
    transports: int


async def sample(api: ApiClient, joins: int) -> Sample:
    """Look at the server, and at its process from outside."""
    info = await api.sfu_info()
    worker = info.workers[0]
    files = len(os.listdir(f"/proc/{worker.pid}/fd"))  # noqa: PTH208 - /proc lists descriptors, not paths
    return Sample(
        joins, round(worker.rss_bytes / 2**20, 1), files, round(worker.cpu_seconds, 2), info.counts.transports
    )


async def come_and_go(server: ServerProcess, room: str, number: int) -> None:
    """Two people meet: one speaks, the other hears; both leave."""
    track = ToneTrack(number % 50)
    async with (
        LabClient(server.url, room=room, name=f"speaker-{number}") as speaker,
        LabClient(server.url, room=room, name=f"listener-{number}") as listener,
    ):
        await speaker.publish(track)
        await listener.until(lambda: bool(listener.tracks))
    track.stop()


async def run(joins: int, every: int) -> list[Sample]:
    """Let that many people come and go, two at a time."""
    samples = []
    async with ServerProcess("--log-level", "warning", "--workers", "0") as server, ApiClient(server.url) as api:
        room = await api.create_room(RoomType.CONFERENCE, 16)
        for number in range(0, WARM_UP + joins, 2):
            if number >= WARM_UP and (number - WARM_UP) % every == 0:
                samples.append(await sample(api, number - WARM_UP))
            await come_and_go(server, room.id, number)
        samples.append(await sample(api, joins))
    return samples


def main() -> None:
    """Run and print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--joins", type=int, default=300)
    parser.add_argument("--every", type=int, default=50, help="joins between two samples")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # The ring of past events grows until it is full, by design: let that be before the first sample.
    os.environ["LABSFU_EVENT_RING"] = "500"
    samples = asyncio.run(run(options.joins, options.every))
    if options.json:
        sys.stdout.write(json.dumps([asdict(s) for s in samples], indent=1) + "\n")
        return
    sys.stdout.write("joins  RSS MiB  open files  CPU s  transports\n")
    for s in samples:
        sys.stdout.write(f"{s.joins:5}  {s.rss_mib:7}  {s.open_files:10}  {s.cpu_seconds:5}  {s.transports:10}\n")


if __name__ == "__main__":
    main()
