"""A real server, real clients: they see and hear each other, come late, leave, vanish."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
import pytest_asyncio
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

from clients.api import ApiClient
from clients.errors import Disconnected, MediaFailed, Refused
from clients.media.reports import SentFrame
from clients.media.sinks import PictureSink, ToneSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from labsfu.wire.ids import ParticipantId
from labsfu.wire.payloads import ParticipantType, RoomType
from labsfu.wire.transport import DtlsRole

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

SIZE = (320, 180)
PATIENCE = 20.0


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    async with ServerProcess("--log-level", "warning") as server:
        yield server.url
    assert server.exit_code == 0, "\n".join(server.stderr_tail)
    assert not [line for line in server.stderr_tail if "Traceback" in line or "error" in line.lower()]


class News:
    """Something to wait on until a condition holds, looked at whenever there is news."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await self._event.wait()


class Camera(News):
    """Counts the pictures that a track has drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0

    def __call__(self, _: SentFrame) -> None:
        self.drawn += 1
        self.tell()

    async def more(self, pictures: int) -> None:
        enough = self.drawn + pictures
        await self.until(lambda: self.drawn >= enough)


class Senses(News):
    """What one client sees and hears of each other participant."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[ParticipantId, PictureSink] = {}
        self.sounds: dict[ParticipantId, ToneSink] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def take(self, remote: RemoteTrack) -> None:
        self._tasks.append(asyncio.create_task(self._follow(remote)))

    async def _follow(self, remote: RemoteTrack) -> None:
        picture = self.pictures.setdefault(remote.participant_id, PictureSink())
        sound = self.sounds.setdefault(remote.participant_id, ToneSink())
        while remote.track.readyState == "live":
            try:
                frame = await remote.track.recv()
            except MediaStreamError:
                return
            if isinstance(frame, VideoFrame):
                picture.add(frame, time.monotonic())
            elif isinstance(frame, AudioFrame):
                sound.add(frame, time.monotonic())
            self.tell()

    async def perceive(self, who: str, source: int) -> None:
        """Wait until somebody is seen and heard, and nobody else in their place."""
        other = ParticipantId(who)
        await self.until(lambda: other in self.pictures and self.pictures[other].frames_seen >= 10)
        await self.until(lambda: self.sounds[other].hears(source))
        assert set(self.pictures[other].report().frames_by_source) == {source}

    async def over(self) -> None:
        """All tracks have ended."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)


async def speak(client: LabClient, source: int) -> None:
    await client.publish(PatternTrack(source, 30, SIZE))
    await client.publish(ToneTrack(source))


@pytest.mark.parametrize("role", [DtlsRole.CLIENT, DtlsRole.SERVER])
async def test_two_see_and_hear_each_other(url: str, role: DtlsRole) -> None:
    a, b = Senses(), Senses()
    async with (
        LabClient(url, room="r", name="alice", dtls_role=role, on_track=a.take) as alice,
        LabClient(url, room="r", name="bob", dtls_role=role, on_track=b.take) as bob,
    ):
        assert (alice.room_id, alice.id, bob.id) == ("r", "alice", "bob")
        await asyncio.gather(speak(alice, 1), speak(bob, 2))
        await asyncio.gather(a.perceive("bob", 2), b.perceive("alice", 1))
        assert len(alice.tracks) == len(bob.tracks) == 2
        assert list(alice.participants) == ["bob"]
    await asyncio.gather(a.over(), b.over())


async def test_a_late_joiner_sees_whoever_is_there(url: str) -> None:
    late = Senses()
    camera = Camera()
    async with LabClient(url, room="r", name="alice") as alice:
        await alice.publish(PatternTrack(1, 30, SIZE, on_frame=camera))
        await alice.publish(ToneTrack(1))
        await camera.more(20)
        async with LabClient(url, room="r", name="carol", on_track=late.take):
            await late.perceive("alice", 1)
    await late.over()


async def test_leaving_ends_the_tracks_of_the_others_and_leaves_nothing_behind(url: str) -> None:
    b = Senses()
    async with ApiClient(url) as api, LabClient(url, room="r", name="bob", on_track=b.take) as bob:
        async with LabClient(url, room="r", name="alice") as alice:
            await speak(alice, 1)
            await b.perceive("alice", 1)
        await bob.until(lambda: not bob.participants and not bob.tracks and not bob.producers)
        await b.over()
        room = await api.room("r")
        assert [p.id for p in room.participants] == ["bob"]
        counts = (await api.sfu_info()).counts
        assert (counts.producers, counts.consumers, counts.participants) == (0, 0, 1)


async def test_a_killed_client_is_missed_before_it_is_given_up(url: str) -> None:
    async with LabClient(url, room="r", name="bob") as bob, LabClient(url, room="r", name="alice") as alice:
        await bob.until(lambda: "alice" in bob.participants)
        await alice.kill()
        await bob.until(lambda: not bob.participants[ParticipantId("alice")].connected)


async def test_a_refused_join_is_raised_as_it_is(url: str) -> None:
    async with LabClient(url, room="r", name="alice", size=1):
        with pytest.raises(Refused) as refusal:
            async with LabClient(url, room="r", name="bob"):
                pytest.fail("the room is full")
        assert refusal.value.status == 409


async def test_a_viewer_may_not_send(url: str) -> None:
    viewer = LabClient(url, room="r", name="eve", room_type=RoomType.BROADCAST, participant_type=ParticipantType.VIEWER)
    async with viewer:
        with pytest.raises(Refused) as refusal:
            await viewer.publish(ToneTrack(1))
        assert refusal.value.action == "Produce"


async def test_a_replaced_client_fails_and_a_lenient_one_only_notes_it(url: str) -> None:
    async def be_replaced() -> None:
        first, second = (LabClient(url, room="r", name="alice", lenient=lenient) for lenient in (False, True))
        async with first, second:
            await asyncio.Event().wait()

    with pytest.raises(Disconnected) as end:
        await be_replaced()
    assert end.value.code == 4001
    async with LabClient(url, room="r", name="bob", lenient=True) as first, LabClient(url, room="r", name="bob"):
        assert (await first.wait_disconnected()).code == 4001


class Unplugged(ToneTrack):
    """A microphone that breaks."""

    async def recv(self) -> AudioFrame:
        raise OSError("unplugged")


async def test_a_track_that_breaks_ends_its_client(url: str) -> None:
    async def speak_brokenly() -> None:
        async with LabClient(url, room="r", name="alice") as alice:
            await alice.publish(Unplugged(1))
            await asyncio.Event().wait()

    with pytest.raises(MediaFailed, match="unplugged"):
        await speak_brokenly()
    async with ApiClient(url) as api:
        assert (await api.room("r")).participants == ()


async def test_what_the_body_raises_comes_out_as_it_is(url: str) -> None:
    with pytest.raises(KeyError):
        async with LabClient(url, room="r", name="alice"):
            raise KeyError


async def test_a_server_that_dies_ends_its_clients() -> None:
    async def be_abandoned(server: ServerProcess) -> None:
        async with LabClient(server.url, room="r", name="alice") as alice:
            await alice.publish(ToneTrack(1))
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.Event().wait()

    async with ServerProcess() as server:
        with pytest.raises(Disconnected):
            await be_abandoned(server)
    assert server.exit_code == -signal.SIGKILL


def decoders() -> list[threading.Thread]:
    """Threads that a process waits for when it ends."""
    return [thread for thread in threading.enumerate() if thread.name.endswith("-decoder")]


def receives(client: LabClient, tracks: int) -> bool:
    return len(client.tracks) == tracks


async def test_clients_of_one_task_all_let_go_when_their_server_dies() -> None:
    async def be_abandoned(server: ServerProcess) -> None:
        async with AsyncExitStack() as stack:
            names = ("alice", "bob", "carol")
            clients = [await stack.enter_async_context(LabClient(server.url, room="r", name=name)) for name in names]
            for source, client in enumerate(clients, 1):
                await speak(client, source)
            for client in clients:
                await client.until(partial(receives, client, 4))
            assert len(decoders()) == 12
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.Event().wait()

    async with ServerProcess() as server:
        with pytest.raises(Disconnected):
            await be_abandoned(server)
    assert decoders() == []


async def test_leaving_is_not_cut_short_however_often_it_is_cancelled(url: str) -> None:
    seen = asyncio.Event()

    async def watch() -> None:
        async with LabClient(url, room="r", name="bob") as bob:
            await bob.until(lambda: len(bob.tracks) == 2)
            seen.set()
            await asyncio.Event().wait()

    async with LabClient(url, room="r", name="alice", auto_subscribe=False) as alice:
        await speak(alice, 1)
        watching = asyncio.create_task(watch())
        await seen.wait()
        while not watching.done():
            watching.cancel()
            await asyncio.sleep(0)
        assert watching.cancelled()
        assert decoders() == []
        await alice.until(lambda: not alice.participants)


async def test_a_leave_that_was_given_up_is_done_by_leaving_the_context(url: str) -> None:
    async with LabClient(url, room="r", name="alice", auto_subscribe=False) as alice:
        await speak(alice, 1)
        async with LabClient(url, room="r", name="bob") as bob:
            await bob.until(lambda: len(bob.tracks) == 2)
            leaving = asyncio.create_task(bob.leave())
            await asyncio.sleep(0)
            leaving.cancel()
        assert leaving.cancelled()
        assert decoders() == []


async def test_a_closed_room_ends_its_clients_in_order(url: str) -> None:
    async with ApiClient(url) as api, LabClient(url, room="r", name="alice") as alice:
        await speak(alice, 1)
        await api.delete_room("r")
        assert (await alice.wait_disconnected()).code == 1000


async def test_a_participant_made_over_http_connects(url: str) -> None:
    async with ApiClient(url) as api:
        await api.wait_ready()
        room = await api.create_room(RoomType.CALL, 2)
        await api.create_participant(room.id, "zoe", participant_type=ParticipantType.GUEST, display_name="Zoë Q")
        async with LabClient(url, room=room.id, name="zoe", create=False) as zoe:
            assert (await api.participant(room.id, "zoe")).connected
            assert zoe.init.participant.display_name == "Zoë Q"
        assert [r.id for r in await api.rooms()] == [room.id]


async def test_pausing_stops_the_pictures_and_unpublishing_ends_them(url: str) -> None:
    b, camera = Senses(), Camera()
    async with (
        LabClient(url, room="r", name="alice") as alice,
        LabClient(url, room="r", name="bob", on_track=b.take) as bob,
    ):
        producer = await alice.publish(PatternTrack(1, 30, SIZE, on_frame=camera))
        await b.until(lambda: alice.id in b.pictures and b.pictures[alice.id].frames_seen >= 3)
        await alice.publisher.pause(producer)
        await camera.more(15)
        seen = b.pictures[alice.id].frames_seen
        await alice.publisher.resume(producer)
        await b.until(lambda: b.pictures[alice.id].frames_seen >= seen + 3)
        assert b.pictures[alice.id].report().frames_lost >= 12
        await alice.publisher.unpublish(producer)
        await bob.until(lambda: not bob.tracks)
    await b.over()
