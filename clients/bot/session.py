"""A bot in its room: publishes, receives everybody, reports each second, leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from clients.bot.books import Books, Incoming
from clients.bot.layer_news import LayerNews
from clients.bot.media import Source, make_sources
from clients.bot.options import BotOptions
from clients.bot.people import People
from clients.bot.place import Place, find_place
from clients.bot.report import BotReport
from clients.bot.table import table
from clients.bot.watching import PictureWatch, SoundWatch
from clients.errors import ClientError, Disconnected, Refused
from clients.output import clock_time, measured, news
from clients.participant import LabClient
from clients.pcapng import Capture, PcapngWriter
from clients.subscriber import RemoteTrack
from clients.tap import RtpTap
from labsfu.errors import InvalidValue
from labsfu.wire.base import to_json
from labsfu.wire.ids import ProducerId
from labsfu.wire.rtp import MediaKind
from labsfu.wire.socket import Consumed

_LATE = 0.1
"""Share of a second's frames that may be left out before it is worth a word."""
_PATIENCE = 3600.0


class Bot:
    """One stay in a room.

    Args:
        options: what it is asked to do.
    """

    def __init__(self, options: BotOptions) -> None:
        self._options = options
        self._unix_offset = time.time() - time.monotonic()
        self._sources: list[Source] = []
        self._people = People()
        self._layers = LayerNews(self._people)
        self._asked_for: set[ProducerId] = set()
        self._watchers: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._joined = False
        self._task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Leave, or give up joining. Idempotent."""
        self._stop.set()
        if not self._joined and self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Join, stay until told to leave, leave.

        Raises:
            InvalidValue, UnusableFile: what was asked for cannot be done.
            Disconnected, ServerFailed: the server is gone, or was never there.
            ClientError: anything else that went wrong.
            OutputClosed: nobody reads what is measured.
        """
        self._task = asyncio.create_task(self._stay(), name="bot")
        try:
            await self._task
        except asyncio.CancelledError:
            if not self._stop.is_set():
                raise

    async def _stay(self) -> None:
        with ExitStack() as stack:
            self._sources = make_sources(self._options)
            for source in self._sources:
                stack.callback(source.stop)
            capture = stack.enter_context(self._capture())
            tap = RtpTap(unix_offset=self._unix_offset, capture=capture)
            place = await find_place(self._options)
            books = Books(self._options, tap, self._sources, self._unix_offset)
            client = self._client(place, tap)
            client.on_track = partial(self._receive, client, books)
            try:
                async with client:
                    await self._publish(client)
                    self._joined = True
                    books.began = time.monotonic()
                    await self._in_the_room(client, books)
            except ClientError:
                self._sum_up(client, books)
                raise
            finally:
                await self._end_watchers()
            news(f"left room '{client.room_id}'")
            self._sum_up(client, books)

    def _sum_up(self, client: LabClient, books: Books) -> None:
        if self._joined and not self._options.json:
            whole = books.whole(client, time.monotonic())
            measured(table(f"in {whole.seconds:.0f} s", whole, None))

    def _client(self, place: Place, tap: RtpTap) -> LabClient:
        options = self._options
        return LabClient(
            options.url,
            room=options.room,
            name=options.name,
            participant_id=options.participant_id,
            room_type=place.room_type,
            participant_type=place.participant_type,
            token=options.token,
            ca=options.ca,
            network=None if options.network is None else options.network[1],
            tap=tap,
            auto_subscribe=False,
            synthetic=options.synthetic,
            lenient=True,
        )

    @contextmanager
    def _capture(self) -> Iterator[Capture | None]:
        path = self._options.pcap
        if path is None:
            yield None
            return
        try:
            writer = PcapngWriter(path, unix_offset=self._unix_offset)
        except OSError as error:
            raise InvalidValue(f"--pcap {path}: {error.strerror or error}") from error
        with writer:
            yield writer.interface(self._options.participant_id)
        left_out = f", {writer.left_out} more did not fit" if writer.left_out else ""
        news(f"{path} has {writer.packets} packets{left_out}")

    async def _publish(self, client: LabClient) -> None:
        options = self._options
        for source in self._sources:
            await client.publish(source.media)
        sends = " and ".join(source.told for source in self._sources) or "nothing"
        news(f"{options.name} is in room '{client.room_id}' and sends {sends}; Ctrl-C leaves")
        if options.network is not None:
            name, plan = options.network
            news(f"its network is {name}; with --seed {plan.seed} it is the same again")

    async def _in_the_room(self, client: LabClient, books: Books) -> None:
        follower = asyncio.create_task(self._follow(client), name="bot follows the room")
        ended = asyncio.create_task(client.wait_disconnected(), name="bot waits for the end")
        stop = asyncio.create_task(self._stop.wait(), name="bot waits to be stopped")
        try:
            await self._report_until((follower, ended, stop), client, books)
            if follower.done():
                follower.result()
            if ended.done() and not stop.done():
                raise ended.result()
        finally:
            for task in (follower, ended, stop):
                task.cancel()
            await asyncio.wait((follower, ended, stop))

    async def _report_until(self, ends: tuple[asyncio.Task[Any], ...], client: LabClient, books: Books) -> None:
        """Report each second, until one of these is done or it is time to leave."""
        before = books.second(client, books.began)
        leave_at = float("inf") if self._options.seconds is None else books.began + self._options.seconds
        at = books.began + 1
        while True:
            pause = min(at, leave_at) - time.monotonic()
            done, _ = await asyncio.wait(ends, timeout=max(pause, 0.0), return_when=asyncio.FIRST_COMPLETED)
            now = time.monotonic()
            if now >= at:
                report = books.second(client, now)
                self._tell(report, before)
                before = report
                at += max(1, int(now - at) + 1)
            if done or now >= leave_at:
                return

    def _tell(self, report: BotReport, before: BotReport) -> None:
        if self._options.json:
            measured(to_json(report).decode() + "\n")
        else:
            measured(table(clock_time(), report, before))
        for source in self._sources:
            left_out = source.begin_late(_LATE)
            if left_out:
                news(f"this machine is too slow: {left_out} pictures of the last second were not made in time")

    async def _follow(self, client: LabClient) -> None:
        """Say who comes and goes, and receive what they send."""
        self._people.look(client)
        while True:
            with suppress(TimeoutError):
                await client.until(lambda: self._any_news(client), _PATIENCE)
            self._people.look(client)
            self._layers.look(client)
            for producer_id in self._new(client):
                await self._subscribe(client, producer_id)

    def _any_news(self, client: LabClient) -> bool:
        return self._people.changed(client) or self._layers.changed(client) or bool(self._new(client))

    def _new(self, client: LabClient) -> list[ProducerId]:
        return [id_ for id_ in client.producers if id_ not in self._asked_for]

    async def _subscribe(self, client: LabClient, producer_id: ProducerId) -> None:
        self._asked_for.add(producer_id)
        producer = client.producers.get(producer_id)
        if producer is None:
            return
        try:
            await client.subscribe(producer_id, preferred_layers=self._options.prefer)
        except Refused as refusal:
            # it may have gone before we asked
            if refusal.slug != "producer-not-found":
                name = self._people.name(producer.participant_id)
                news(f"cannot receive the {producer.kind} of {name}: {refusal.detail}")
        except Disconnected:
            pass  # whoever waits for that end says so

    def _receive(self, client: LabClient, books: Books, remote: RemoteTrack) -> None:
        consumed = next(
            event.message
            for event in reversed(client.events)
            if isinstance(event.message, Consumed) and event.message.id == remote.consumer_id
        )
        ssrc = consumed.rtp_parameters.encodings[0].ssrc
        assert isinstance(ssrc, int), "a consumer has one"
        watch: PictureWatch | SoundWatch | None = None
        if remote.reception is None:
            watch = PictureWatch() if remote.kind is MediaKind.VIDEO else SoundWatch()
            self._watchers = {task for task in self._watchers if not task.done() or task.exception()}
            self._watchers.add(asyncio.create_task(watch.run(remote.track), name="bot watches"))
        name = self._people.name(remote.participant_id)
        books.add(Incoming(remote, ssrc, name, watch))
        codec = consumed.rtp_parameters.codecs[0].mime_type.partition("/")[2]
        news(f"receives the {remote.kind} of {name} ({codec})")

    async def _end_watchers(self) -> None:
        """They end with their tracks, which end with the client."""
        if self._watchers:
            await asyncio.wait(self._watchers)
            for watcher in self._watchers:
                watcher.result()
