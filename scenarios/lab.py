"""What a scenario is given: a server, people, time, and a place to say what was found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from clients.api import ApiClient
from clients.errors import ClientError
from clients.participant import LabClient
from labsfu.wire.ids import ParticipantId
from labsfu.wire.payloads import Counts, RoomPayload, RoomType
from scenarios.person import Person
from scenarios.verdict import Check, PairReport

NAMES = ("ada", "grace", "alan", "edsger", "barbara", "donald", "frances", "john", "jean", "tony", "niklaus", "radia")

MANY = 3
"""With more people than this, pictures are small: each person decodes those of all others, on the same two cores."""

TIDYING = 2.0
"""Seconds that tidying up may take when something went wrong."""

LARGE, SMALL = (640, 360), (320, 180)

Progress = Callable[[str], None]


class Lab:
    """One run against one server.

    Args:
        url: base URL of the server.
        api: a client of its HTTP API.
        progress: told in one line what goes on.
        token: bearer token of the server.
        ca: file with the certificates to be trusted for https:// (see `clients.trust`).

    Attributes:
        url, api, token, ca: as given.
        checks: what was checked, in order.
        pairs: how people received each other.
    """

    def __init__(
        self, url: str, api: ApiClient, progress: Progress, *, token: str | None = None, ca: str | None = None
    ) -> None:
        self.url = url
        self.api = api
        self.checks: list[Check] = []
        self.pairs: list[PairReport] = []
        self._progress = progress
        self.token = token
        self.ca = ca

    def say(self, line: str) -> None:
        """Tell the one who watches what goes on."""
        self._progress(line)

    def check(self, name: str, passed: bool, detail: str = "") -> None:
        """Record whether something holds."""
        self.checks.append(Check(name, passed, detail))

    @asynccontextmanager
    async def room(self, room_type: RoomType, size: int) -> AsyncIterator[RoomPayload]:
        """A room for as long as the context lasts."""
        room = await self.api.create_room(room_type, size)
        try:
            yield room
        except BaseException as error:
            # that is what went wrong; what it brings about neither takes its place nor holds it up
            try:
                async with asyncio.timeout(TIDYING):
                    await self.api.delete_room(room.id)
            except (ClientError, TimeoutError) as consequence:
                error.add_note(f"room {room.id} was not deleted: {consequence}")
            raise
        await self.api.delete_room(room.id)

    @asynccontextmanager
    async def join(self, room: RoomPayload, people: int) -> AsyncIterator[list[Person]]:
        """That many people, in the room and sending; they leave when the context ends."""
        names = [NAMES[n] if n < len(NAMES) else f"person-{n + 1}" for n in range(people)]
        size = LARGE if people <= MANY else SMALL
        sources = {ParticipantId(name): number for number, name in enumerate(names, 1)}
        crowd = [Person(self._client(room, name), number, sources, size) for name, number in sources.items()]
        async with AsyncExitStack() as stack:
            for person in crowd:
                stack.push_async_callback(person.rest)
                await stack.enter_async_context(person.client)
                person.joined_at = time.monotonic()
                self.say(f"{person.name} joined")
                await person.publish()
            yield crowd

    def _client(self, room: RoomPayload, name: ParticipantId) -> LabClient:
        return LabClient(self.url, room=room.id, name=name, room_type=room.type, token=self.token, ca=self.ca)

    async def talk(self, crowd: list[Person], seconds: float) -> None:
        """Let time pass, telling each second who sees how many of the others."""
        end = time.monotonic() + seconds
        others = len(crowd) - 1
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(1.0, left))
            sights = sum(person.sees(other) for person in crowd for other in crowd if other is not person)
            self.say(
                f"{max(0, round(end - time.monotonic())):3d} s to go, {sights} of {len(crowd) * others} views live"
            )

    async def leftovers(self, patience: float = 2.0) -> Counts:
        """What the server still holds; when that is something, looked at again until patience is over."""
        deadline = time.monotonic() + patience
        return await left_on(self.api, deadline)


async def left_on(api: ApiClient, deadline: float) -> Counts:
    """What a server still holds; looked at again until that is nothing, or it is `deadline` (monotonic seconds)."""
    while True:
        counts = (await api.sfu_info()).counts
        if counts == NOTHING or time.monotonic() > deadline:
            return counts
        await asyncio.sleep(0.1)


NOTHING = Counts(routers=0, transports=0, producers=0, consumers=0, rooms=0, participants=0)
