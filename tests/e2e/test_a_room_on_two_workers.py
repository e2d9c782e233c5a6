"""A conference that is too large for one router: its people are on two workers, and none of them can tell."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from clients.api import ApiClient
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.layers import Layer
from clients.synthetic.reports import InboundReport
from clients.synthetic.video import SyntheticVideo
from labsfu.wire.rtp import MediaKind

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

PEOPLE = 12
CAPACITY = 6
ENOUGH = 10
"""Pictures of each person that everyone must have seen."""
SPEAKERS = {1, PEOPLE}
"""Who has a microphone: one on each router; with all, the clients, who share a loop, would be late under load."""
SMALL = Layer(None, 320, 180, 30_000, 60_000)
PATIENCE = 30.0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - reports are asked, they tell nobody
            await asyncio.sleep(0.5)


def reports(person: LabClient, kind: MediaKind) -> list[InboundReport]:
    """What a person receives."""
    remotes = [remote.reception for remote in person.tracks.values() if remote.kind is kind]
    return [reception.report() for reception in remotes if reception is not None]


def seen_by(person: LabClient, enough: int) -> Counter[int]:
    """Whose pictures a person has seen so many of, and in how many streams."""
    frames = (report.frames for report in reports(person, MediaKind.VIDEO))
    return Counter(source for one in frames if one.frames_decoded >= enough for source in one.stamped_sources)


async def test_everyone_of_twelve_sees_everyone_and_hears_who_speaks_across_two_workers(tmp_path: Path) -> None:
    settings = tmp_path / "labsfu.toml"
    settings.write_text(f"router-capacity = {CAPACITY}\n", encoding="utf-8")
    flags = ("--workers", "2", "--log-level", "warning", "--config", str(settings))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(ServerProcess(*flags))
        api = await stack.enter_async_context(ApiClient(server.url))
        people: list[LabClient] = []
        for number in range(1, PEOPLE + 1):
            person = LabClient(server.url, room="r", name=f"p{number}", synthetic=True, timeout=PATIENCE)
            people.append(await stack.enter_async_context(person))
            await person.publish(SyntheticVideo(number, fps=5, layers=(SMALL,)))
            if number in SPEAKERS:
                await person.publish(SyntheticAudio(number))

        everyone = set(range(1, PEOPLE + 1))
        for number, person in enumerate(people, 1):
            others = Counter(everyone - {number})
            await until(lambda person=person, others=others: seen_by(person, ENOUGH) == others)  # type: ignore[misc]  # bound at once
            heard = reports(person, MediaKind.AUDIO)
            assert len(heard) == len(SPEAKERS - {number})
            assert min(report.packets_received for report in heard) > 50
            for report in reports(person, MediaKind.VIDEO):
                assert (report.frames.stamped_missing, report.frames.untrue) == (0, 0)

        room = await api.room("r")
        routers = [await api.router(router_id) for router_id in room.router_ids]
        assert len({router.worker_id for router in routers}) == len(routers) == 2
        # each router has everyone's streams: those of its own people, and those of the others over pipes
        assert [router.producer_count for router in routers] == [PEOPLE + len(SPEAKERS)] * 2
        assert [router.pipe_transport_count for router in routers] == [1, 1]
        for person in people:
            await person.leave()
        async with asyncio.timeout(PATIENCE):  # what is left of the pipes is closed behind those who left
            while any(router.producer_count or router.consumer_count for router in routers):
                await asyncio.sleep(0.05)
                routers = [await api.router(router_id) for router_id in room.router_ids]
    assert server.exit_code == 0
    assert not [line for line in server.stderr_tail if "Traceback" in line or "error" in line.lower()]
