"""Servers of a scenario that needs several: that of the lab, and more beside it at other loopback addresses."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from clients.api import ApiClient
from clients.participant import LabClient
from clients.server import ServerProcess
from labsfu.wire.ids import ParticipantId
from labsfu.wire.payloads import RoomPayload, RoomType
from scenarios.lab import NOTHING, Lab, left_on
from scenarios.person import Person

PATIENCE = 3.0
"""Seconds until a server must have got rid of everything."""


@dataclass(frozen=True, slots=True)
class Host:
    """One server."""

    name: str
    url: str
    api: ApiClient
    token: str | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """Where somebody is: on a host, in a room of it."""

    host: Host
    room: RoomPayload
    name: str


@asynccontextmanager
async def hosts(lab: Lab, count: int) -> AsyncIterator[list[Host]]:
    """That many servers: the lab's, and others at 127.0.0.2, 127.0.0.3 …; nothing may be left on any."""
    async with AsyncExitStack() as stack:
        own = Host("host 1", lab.url, lab.api, lab.token, lab.ca)
        clean = await lab.leftovers(patience=0) == NOTHING  # somebody else may be using it
        found = [own]
        servers = []
        for number in range(2, count + 1):
            address = f"127.0.0.{number}"
            lab.say(f"starting a server at {address}")
            flags = ("--host", address, "--media-address", address, "--workers", "0")
            servers.append(await stack.enter_async_context(ServerProcess(*flags)))
            api = await stack.enter_async_context(ApiClient(servers[-1].url))
            await api.wait_ready()
            found.append(Host(f"host {number}", servers[-1].url, api))
        yield found
        for host in found if clean else found[1:]:
            left = await left_on(host.api, time.monotonic() + PATIENCE)
            lab.check(f"nothing is left on {host.name}", left == NOTHING, "" if left == NOTHING else str(left))
        for host, server in zip(found[1:], servers, strict=True):
            code = await server.stop()
            lab.check(f"{host.name} ended in order", code == 0, "" if code == 0 else f"exit code {code}")


@asynccontextmanager
async def rooms_on(places: Sequence[Host], size: int, room_id: str) -> AsyncIterator[list[RoomPayload]]:
    """A conference of the same id on each host, for as long as the context lasts."""
    made: list[tuple[Host, RoomPayload]] = []
    try:
        for host in places:
            made.append((host, await host.api.create_room(RoomType.CONFERENCE, size, room_id)))  # noqa: PERF401 - those made so far are deleted if one fails
        yield [room for _, room in made]
    finally:
        for host, room in made:
            await host.api.delete_room(room.id)


def client_at(seat: Seat, *, synthetic: bool = False) -> LabClient:
    """Somebody who will be there."""
    host = seat.host
    return LabClient(
        host.url,
        room=seat.room.id,
        name=seat.name,
        room_type=seat.room.type,
        token=host.token,
        ca=host.ca,
        synthetic=synthetic,
    )


@asynccontextmanager
async def people_at(lab: Lab, seats: Sequence[Seat], size: tuple[int, int]) -> AsyncIterator[list[Person]]:
    """Somebody on each seat, who sends; they leave when the context ends."""
    sources = {ParticipantId(seat.name): number for number, seat in enumerate(seats, 1)}
    crowd = [
        Person(client_at(seat), number, sources, size) for seat, number in zip(seats, sources.values(), strict=True)
    ]
    async with AsyncExitStack() as stack:
        for person, seat in zip(crowd, seats, strict=True):
            stack.push_async_callback(person.rest)
            await stack.enter_async_context(person.client)
            person.joined_at = time.monotonic()
            lab.say(f"{person.name} joined on {seat.host.name}, room '{seat.room.id}'")
            await person.publish()
        yield crowd
