"""A recorded call: what HTTP showed at its beginning, and all frames of the feed from then on.

`python -m tests.tui.recording` makes it anew: a real server and bots, for half a minute, over loopback.
"""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from clients.api import ApiClient
from clients.errors import Disconnected
from clients.events import EventFeed
from clients.server import ServerProcess
from labsfu.wire.base import to_json
from labsfu.wire.feed import Happened, Sample, decode_frame, encode_happened
from tui.feed import take_snapshot
from tui.model.samples import take
from tui.model.snapshot import Snapshot, state_of
from tui.model.state import State

RECORDING = Path(__file__).parents[1] / "data" / "tui" / "call.jsonl.gz"

BOTS = (
    "--room tea --name ada --synthetic --layers 3",
    "--room tea --name grace --synthetic --network wifi --seed 7",
    "--room tea --name alan --synthetic --prefer 1:1 --audio none",
    "--room planning --name barbara --synthetic",
    "--room planning --name donald --synthetic --seconds 12",
)
SECONDS = 30


def recorded() -> Iterator[Snapshot | Happened | Sample]:
    """What was recorded, in order."""
    with gzip.open(RECORDING, "rb") as lines:
        yield msgspec.json.decode(next(lines), type=Snapshot)
        for line in lines:
            frame = decode_frame(line)
            assert isinstance(frame, Happened | Sample)
            yield frame


def watched_call(until: float = SECONDS) -> State:
    """The state so many seconds after the beginning."""
    state, end = State(), 0.0
    for item in recorded():
        if isinstance(item, Snapshot):
            state = state_of(item)
            state.link_is("live", state.now)
            end = state.now + until * 1000
            continue
        if item.at > end:
            break
        if isinstance(item, Happened):
            state.apply(item)
        else:
            take(state, item)
    return state


@asynccontextmanager
async def _bots(url: str) -> AsyncIterator[None]:
    words = (sys.executable, "-m", "labsfu", "client", url)
    nowhere = asyncio.subprocess.DEVNULL
    bots: list[asyncio.subprocess.Process] = []
    try:
        for flags in BOTS:
            bots.append(await asyncio.create_subprocess_exec(*words, *flags.split(), stdout=nowhere, stderr=nowhere))
            await asyncio.sleep(1)
        yield
    finally:
        for bot in bots:
            if bot.returncode is None:
                bot.terminate()
            await bot.wait()


async def _write(feed: EventFeed, lines: list[bytes]) -> None:
    with suppress(Disconnected):
        lines += [encode_happened(one) if isinstance(one, Happened) else to_json(one) async for one in feed]


async def record() -> None:
    """Make the recording anew."""
    async with ServerProcess("--log-level", "error") as server, ApiClient(server.url) as api:
        await api.create_router(2)  # one that is no room's
        snapshot = await take_snapshot(api)
        lines = [msgspec.json.encode(snapshot)]
        info = snapshot.info
        async with EventFeed(server.url, since=info.event_seq, epoch=info.epoch, interval=1000) as feed:
            task = asyncio.create_task(_write(feed, lines))
            async with _bots(server.url):
                await asyncio.sleep(SECONDS - len(BOTS))
            await feed.close()
            await task
    RECORDING.parent.mkdir(exist_ok=True)
    with RECORDING.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as file:
        file.write(b"\n".join(lines) + b"\n")
    sys.stderr.write(f"{RECORDING}: {len(lines)} lines, {RECORDING.stat().st_size} bytes\n")


if __name__ == "__main__":
    asyncio.run(record())
