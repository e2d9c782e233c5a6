"""Scenarios about people whose rooms are joined by pipes: on two routers, on two workers, on two and three servers."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Annotated

from clients.cascade import Cascade
from clients.participant import LabClient
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.video import SyntheticVideo
from labsfu.wire.payloads import RoomPayload
from labsfu.wire.rtp import MediaKind
from scenarios.crossing import Carrier, NobodyElse, check_crossing
from scenarios.definition import AtLeast, scenario
from scenarios.far_layers import RIDS, check_layers, frames_of, holds, track_of
from scenarios.hosts import Host, Seat, client_at, hosts, people_at, rooms_on
from scenarios.lab import NAMES, SMALL, Lab
from scenarios.library.rooms import LEAST, SETTLE
from scenarios.local_pipes import LocalPipes
from scenarios.person import Person
from scenarios.verdict import Limits

IN_STEP = 5.0
"""Seconds until a stream must have got everywhere."""

Seconds = Annotated[float, AtLeast(LEAST)]


@scenario("pipes.two_routers", server_flags=("--workers", "0"))
async def two_routers(
    lab: Lab, seconds: Seconds = 3.0, srtp: bool = False, rtx: bool = False, simulcast: bool = False
) -> None:
    """People of two rooms of one server, whose routers are joined by pipes, see and hear each other."""
    await _two_rooms(lab, seconds, srtp=srtp, rtx=rtx, simulcast=simulcast, apart=False)


@scenario("pipes.two_workers", server_flags=("--workers", "2"))
async def two_workers(
    lab: Lab, seconds: Seconds = 3.0, srtp: bool = False, rtx: bool = False, simulcast: bool = False
) -> None:
    """The same with the two routers on different workers."""
    await _two_rooms(lab, seconds, srtp=srtp, rtx=rtx, simulcast=simulcast, apart=True)


@scenario("pipes.two_hosts", server_flags=("--workers", "0"))
async def two_hosts(
    lab: Lab, seconds: Seconds = 3.0, srtp: bool = False, rtx: bool = True, simulcast: bool = False
) -> None:
    """People of one room on two servers, joined by a cascade, see and hear each other."""
    await _along_a_chain(lab, 2, seconds, srtp=srtp, rtx=rtx, simulcast=simulcast)


@scenario("pipes.chain", server_flags=("--workers", "0"))
async def chain(
    lab: Lab, seconds: Seconds = 3.0, srtp: bool = False, rtx: bool = True, simulcast: bool = False
) -> None:
    """People of one room on three servers, each joined to the next, see and hear each other."""
    await _along_a_chain(lab, 3, seconds, srtp=srtp, rtx=rtx, simulcast=simulcast)


# ------------------------------------------------------------------ two rooms of one server


async def _two_rooms(lab: Lab, seconds: float, *, srtp: bool, rtx: bool, simulcast: bool, apart: bool) -> None:
    async with AsyncExitStack() as stack:
        (host,) = await stack.enter_async_context(hosts(lab, 1))
        (one,) = await stack.enter_async_context(rooms_on([host], 4, _name()))
        (two,) = await stack.enter_async_context(rooms_on([host], 4, _name()))
        if apart and not await _are_apart(lab, one, two):
            return
        seats = [Seat(host, room, name) for room, name in zip((one, two), NAMES, strict=False)]
        there, back = (
            LocalPipes(lab.api, source.router_ids[0], destination.router_ids[0], srtp=srtp, rtx=rtx)
            for source, destination in ((one, two), (two, one))
        )
        if simulcast:
            async with _synthetic_people(lab, seats) as (sender, receiver):
                await _bring(there, sender)
                await _judge_layers(lab, sender, receiver, there)
            return
        async with people_at(lab, seats, SMALL) as crowd:
            await _bring(there, crowd[0].client)
            await _bring(back, crowd[1].client)
            await _judge(lab, crowd, seconds, there)


async def _bring(pipes: LocalPipes, client: LabClient) -> None:
    for producer_id in client.publisher.producer_ids:
        await pipes.bring(producer_id, client.id)


async def _are_apart(lab: Lab, *rooms: RoomPayload) -> bool:
    found = [(await lab.api.router(room.router_ids[0])).worker_id for room in rooms]
    apart = len(set(found)) == len(found)
    lab.check("the two routers are on different workers", apart, "" if apart else f"both are on {found[0]}")
    return apart


# ------------------------------------------------------------------ one room on several servers


async def _along_a_chain(lab: Lab, count: int, seconds: float, *, srtp: bool, rtx: bool, simulcast: bool) -> None:
    async with AsyncExitStack() as stack:
        places = await stack.enter_async_context(hosts(lab, count))
        rooms = await stack.enter_async_context(rooms_on(places, 4, _name()))
        for a, b in pairwise(places):
            await stack.enter_async_context(_joined(lab, a, b, rooms[0].id, srtp=srtp, rtx=rtx))
        seats = [Seat(host, room, name) for host, room, name in zip(places, rooms, NAMES, strict=False)]
        if simulcast:
            async with _synthetic_people(lab, [seats[0], seats[-1]]) as (sender, receiver):
                await _judge_layers(lab, sender, receiver, NobodyElse())
            return
        async with people_at(lab, seats, SMALL) as crowd:
            await _judge(lab, crowd, seconds, NobodyElse())


def _joined(lab: Lab, a: Host, b: Host, room: str, *, srtp: bool, rtx: bool) -> Cascade:
    return Cascade(
        a.url,
        b.url,
        room=room,
        token_a=a.token,
        token_b=b.token,
        ca=a.ca,
        srtp=srtp,
        rtx=rtx,
        on_news=lambda news: lab.say(f"cascade of {a.name} (A) and {b.name} (B): {news.text}"),
    )


# ------------------------------------------------------------------ what is judged


async def _judge(lab: Lab, crowd: Sequence[Person], seconds: float, carrier: Carrier) -> None:
    """Everybody sees and hears everybody; then the last one sees the first one pause, resume and close."""
    await _until_all_see_all(crowd)
    await lab.talk(list(crowd), seconds)
    until = time.monotonic() - SETTLE
    for pair in [person.report_on(other, until) for other in crowd for person in crowd if person is not other]:
        lab.pairs.append(pair)
        lab.checks.append(Limits().check(pair))
    first, last = crowd[0], crowd[-1]
    if not last.sees(first):
        return
    seen = last.receptions[first.client.id].pictures
    camera = first.client.publisher.producer_ids[-1]
    await check_crossing(lab, first.client, last.client, camera, lambda: seen.frames_seen, carrier)


async def _until_all_see_all(crowd: Sequence[Person]) -> None:
    await holds(lambda: all(one.sees(other) for one in crowd for other in crowd if one is not other), IN_STEP)


async def _judge_layers(lab: Lab, sender: LabClient, receiver: LabClient, carrier: Carrier) -> None:
    came = await holds(lambda: len(receiver.tracks) == len(sender.publisher.producer_ids), IN_STEP)
    lab.check(f"what {sender.name} sends gets to {receiver.name}", came, f"not in {IN_STEP:g} s")
    if not came:
        return
    await check_layers(lab, receiver, sender)
    pictures = track_of(receiver, sender, MediaKind.VIDEO)
    await check_crossing(
        lab, sender, receiver, pictures.producer_id, lambda: frames_of(pictures).frames_decoded, carrier
    )


@asynccontextmanager
async def _synthetic_people(lab: Lab, seats: Sequence[Seat]) -> AsyncIterator[tuple[LabClient, LabClient]]:
    """One who sends three encodings, and one who receives without decoding."""
    async with client_at(seats[0]) as sender, client_at(seats[1], synthetic=True) as receiver:
        lab.say(f"{sender.name} sends {len(RIDS)} encodings, {receiver.name} receives")
        await sender.publish(SyntheticAudio(1))
        await sender.publish(SyntheticVideo(1, rids=RIDS, temporal_layers=3))
        yield sender, receiver


def _name() -> str:
    return f"pipes-{uuid.uuid4().hex[:8]}"
