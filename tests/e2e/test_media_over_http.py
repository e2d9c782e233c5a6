"""Media over HTTP alone: clients that know no socket publish, both ways, and subscribe; they see and hear."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from av import AudioFrame, VideoFrame

from clients.api import ApiClient
from clients.errors import Refused
from clients.media.sinks import PictureSink, ToneSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.server import ServerProcess
from clients.standalone import StandaloneClient
from clients.subscriber import RemoteTrack
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ProducerId
from labsfu.wire.sfu import UpdateProducerRequestPayload
from labsfu.wire.transport import DtlsRole

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

SIZE = (320, 180)
SOURCE = 3
PATIENCE = 20.0


@pytest_asyncio.fixture
async def api() -> AsyncIterator[ApiClient]:
    async with ServerProcess("--log-level", "warning") as server, ApiClient(server.url) as api:
        yield api
        info = await api.reset()
        assert set(vars_of(info.counts)) == {0}
    assert server.exit_code == 0, "\n".join(server.stderr_tail)
    assert not [line for line in server.stderr_tail if "Traceback" in line or "error" in line.lower()]


def vars_of(counts: object) -> list[int]:
    return [getattr(counts, name) for name in counts.__class__.__struct_fields__]  # type: ignore[attr-defined]  # a Struct


async def see(remote: RemoteTrack, frames: int = 10) -> PictureSink:
    sink = PictureSink()
    async with asyncio.timeout(PATIENCE):
        while sink.frames_seen < frames:
            frame = await remote.track.recv()
            assert isinstance(frame, VideoFrame)
            sink.add(frame, time.monotonic())
    return sink


async def see_the_last(remote: RemoteTrack) -> None:
    """What was on its way arrives; then nothing does."""
    async with asyncio.timeout(PATIENCE):
        with suppress(TimeoutError):
            while True:
                await asyncio.wait_for(remote.track.recv(), 0.7)


async def hear(remote: RemoteTrack, source: int) -> None:
    sink = ToneSink()
    async with asyncio.timeout(PATIENCE):
        while not sink.hears(source):
            frame = await remote.track.recv()
            assert isinstance(frame, AudioFrame)
            sink.add(frame, time.monotonic())


async def publish(client: StandaloneClient, way: str) -> tuple[ProducerId, ProducerId]:
    send = client.publish if way == "at once" else client.publish_in_steps
    return await send(PatternTrack(SOURCE, 30, SIZE)), await send(ToneTrack(SOURCE))


@pytest.mark.parametrize("way", ["at once", "empty, connect, then the rest"])
@pytest.mark.parametrize("role", [DtlsRole.CLIENT, DtlsRole.SERVER])
async def test_what_is_published_over_http_is_seen_and_heard(api: ApiClient, way: str, role: DtlsRole) -> None:
    router = await api.create_router(2)
    async with (
        StandaloneClient(api, router, "ann", dtls_role=role) as ann,
        StandaloneClient(api, router, "ben", dtls_role=role) as ben,
    ):
        video, audio = await publish(ann, way)
        picture, sound = await ben.subscribe(video), await ben.subscribe(audio)
        seen, _ = await asyncio.gather(see(picture), hear(sound, SOURCE))
        assert set(seen.report().frames_by_source) == {SOURCE}
        shown = await api.producer(router.id, video)
        assert (shown.state, shown.ice_state, shown.dtls_state) == ("producing", "completed", "connected")
        assert {c.participant_id for c in await api.consumers(router.id)} == {"ben"}
    counts = (await api.router(router.id)).producer_count, (await api.router(router.id)).consumer_count
    assert counts == (0, 0)


async def test_pausing_stops_the_pictures_and_resuming_brings_them_back(api: ApiClient) -> None:
    router = await api.create_router(2)
    async with StandaloneClient(api, router, "ann") as ann, StandaloneClient(api, router, "ben") as ben:
        video = await ann.publish(PatternTrack(SOURCE, 30, SIZE))
        remote = await ben.subscribe(video)
        await see(remote)
        await api.pause_producer(router.id, video)
        await see_the_last(remote)
        await api.update_producer(router.id, video, UpdateProducerRequestPayload(paused=False))
        await see(remote)
        await api.pause_consumer(router.id, remote.consumer_id)
        assert (await api.consumer(router.id, remote.consumer_id)).paused
        await api.resume_consumer(router.id, remote.consumer_id)
        await api.request_key_frame(router.id, remote.consumer_id)
        await see(remote)


async def test_refusals_are_typed(api: ApiClient) -> None:
    router = await api.create_router(1)
    async with StandaloneClient(api, router, "ann") as ann:
        audio = await ann.publish(ToneTrack(SOURCE))
        options = (await api.producer(router.id, audio)).transport_options
        assert options is not ABSENT
        with pytest.raises(Refused) as twice:
            await api.connect_producer(router.id, audio, options.dtls_parameters)
        assert (twice.value.status, twice.value.slug) == (409, "transport-already-connected")
        await api.delete_router(router.id)
        with pytest.raises(Refused) as gone:
            await api.producer(router.id, audio)
        assert (gone.value.status, gone.value.slug) == (404, "router-not-found")
