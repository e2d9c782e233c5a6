"""Keeps the state of one server up to date, through lost connections and restarts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from clients.api import ApiClient
from clients.cascade.snapshot import read_snapshot
from clients.cascade.state import Side
from clients.errors import Disconnected, Refused, ServerFailed
from clients.events import EventFeed, Seen
from labsfu.wire.feed import Gap, Happened

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds until a server that is away is tried again: twice as long each time."""


class Follower:
    """Follows one server for as long as `run` runs.

    Args:
        side: what is kept up to date.
        api: the server.
        token, ca: as for `ApiClient`.
        patience: seconds that it may be away.
        on_change: called when something may have changed.
        on_away: called with the reason when it goes away, again with None when it is back.

    Attributes:
        there: the server is being followed, and `side` is what it was a moment ago but for what `Side.settled` says.
    """

    def __init__(
        self,
        side: Side,
        api: ApiClient,
        *,
        token: str | None,
        ca: str | Path | None,
        patience: float,
        on_change: Callable[[], None],
        on_away: Callable[[str | None], None],
    ) -> None:
        self.side = side
        self.api = api
        self.there = False
        self._token, self._ca = token, ca
        self._patience = patience
        self._on_change = on_change
        self._on_away = on_away
        self._look = asyncio.Event()
        self._seq: int | None = None
        self._epoch: str | None = None

    def look_again(self) -> None:
        """Have the whole state read anew."""
        self._look.set()

    async def run(self) -> None:
        """Follow until cancelled.

        Raises:
            ServerFailed: it was away for longer than patience.
            Refused: it does not want to be asked, now and later (`Refused.passing` ones are tried again).
            ProtocolViolation: it is something else.
        """
        away_since = time.monotonic()
        pause = FIRST_PAUSE
        while True:
            try:
                await self._follow()
            except (Disconnected, ServerFailed, Refused) as error:
                if isinstance(error, Refused) and not error.passing:
                    raise
                if self.there:
                    self.there = False
                    away_since, pause = time.monotonic(), FIRST_PAUSE
                left = away_since + self._patience - time.monotonic()
                if left <= 0:
                    raise ServerFailed(f"{self.side.name} was away for {self._patience:g} s: {error}") from error
                self._on_away(str(error))
                asked_for = (error.retry_after or 0.0) if isinstance(error, Refused) else 0.0
            await asyncio.sleep(min(max(pause, asked_for), left))
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _follow(self) -> None:
        async with EventFeed(
            self.api.base_url, self._token, self._seq, self._epoch if self._seq is not None else None, ca=self._ca
        ) as feed:
            reading: asyncio.Task[Seen] | None = None
            try:
                while True:
                    if self.side.stale or self._look.is_set():
                        await self._read_all(feed)
                        self._on_change()
                    if not self.there and feed.caught_up:
                        self.there = True
                        self._on_away(None)
                    reading = reading or asyncio.create_task(anext(feed), name="cascade reads the feed")
                    looking = asyncio.create_task(self._look.wait(), name="cascade waits to look")
                    await asyncio.wait((reading, looking), return_when=asyncio.FIRST_COMPLETED)
                    looking.cancel()
                    if reading.done():
                        self._take(reading.result(), feed)
                        reading = None
            finally:
                if reading is not None:
                    reading.cancel()
                    await asyncio.wait([reading])

    async def _read_all(self, feed: EventFeed) -> None:
        self._look.clear()
        snapshot, epoch = await read_snapshot(self.api, self.side.room_id)
        if epoch != feed.hello.epoch:
            raise Disconnected(1006, "the server was restarted")
        self.side.take(snapshot, feed.seq)

    def _take(self, seen: Seen, feed: EventFeed) -> None:
        match seen:
            case Happened():
                if self.side.apply(seen.seq, seen.event):
                    self._on_change()
            case Gap():
                self.side.stale = True
            case _:
                pass
        self._seq, self._epoch = feed.seq, feed.epoch
