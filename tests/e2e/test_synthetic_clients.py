"""Synthetic clients in a real room: complete frames, layers, and no harm to clients that decode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from clients.media.sinks import ToneSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.clock import pacing_clock
from clients.synthetic.reports import InboundReport
from clients.synthetic.source import SyntheticSource
from clients.synthetic.video import SyntheticVideo
from labsfu.wire.rtp import MediaKind

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

PATIENCE = 15.0


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    async with ServerProcess("--log-level", "warning") as server:
        yield server.url
    assert server.exit_code == 0, "\n".join(server.stderr_tail)
    assert not [line for line in server.stderr_tail if "Traceback" in line or "error" in line.lower()]


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Look again every 20 ms: what is waited for comes over the network."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - reports are asked, they tell nobody
            await asyncio.sleep(0.02)


def report(remote: RemoteTrack) -> InboundReport:
    assert remote.reception is not None
    return remote.reception.report()


def remote_of(client: LabClient, kind: MediaKind) -> RemoteTrack:
    (remote,) = (remote for remote in client.tracks.values() if remote.kind is kind)
    return remote


def decoded(client: LabClient, kind: MediaKind) -> int:
    return sum(report(r).frames.frames_decoded for r in client.tracks.values() if r.kind is kind)


async def test_two_synthetic_clients_get_every_frame_of_each_other(url: str) -> None:
    async with AsyncExitStack() as stack:
        al = await stack.enter_async_context(LabClient(url, room="r", name="al", synthetic=True))
        bo = await stack.enter_async_context(LabClient(url, room="r", name="bo", synthetic=True))
        sources = {al: 1, bo: 2}
        for client, number in sources.items():
            await client.publish(SyntheticVideo(number))
            await client.publish(SyntheticAudio(number))
        for client in sources:
            await until(lambda client=client: len(client.tracks) == 2)  # type: ignore[misc] # bound at once
        await until(lambda: all(decoded(c, MediaKind.VIDEO) >= 60 for c in sources))
        for client, other in ((al, 2), (bo, 1)):
            for remote in client.tracks.values():
                seen = report(remote)
                assert seen.frames.stamped_missing == 0
                assert seen.frames.untrue == 0
                assert set(seen.frames.stamped_sources) == {other}
                assert seen.packets_malformed == 0
                assert seen.packets_lost == 0
                assert seen.frames.latency_p50 is not None
                assert seen.frames.latency_p50 < 0.2
        slip = pacing_clock().report()
        assert slip.runs > 100


async def test_a_transport_wide_rate_is_told_to_the_sender(url: str) -> None:
    async with (
        LabClient(url, room="r", name="al", synthetic=True) as al,
        LabClient(url, room="r", name="bo", synthetic=True) as bo,
    ):
        producer = await al.publish(SyntheticVideo(1))
        await until(lambda: decoded(bo, MediaKind.VIDEO) >= 45)
        sender = al.publisher.synthetic_sender(producer)
        assert sender.link.session.feedbacks > 5
        assert sender.link.session.controller.target > 600_000
        (outbound,) = sender.reports()
        assert outbound.key_frames_encoded >= 1
        assert outbound.round_trip_time is not None
        assert sender.repairs.key_frames >= 1


async def test_a_pause_ends_with_a_key_frame_and_an_unpublished_source_is_gone(url: str) -> None:
    async with (
        LabClient(url, room="r", name="al", synthetic=True) as al,
        LabClient(url, room="r", name="bo", synthetic=True) as bo,
    ):
        producer = await al.publish(SyntheticVideo(1))
        await until(lambda: decoded(bo, MediaKind.VIDEO) >= 10)
        await al.publisher.pause(producer)
        await asyncio.sleep(0.2)
        before = report(remote_of(bo, MediaKind.VIDEO)).frames
        await asyncio.sleep(0.2)
        assert report(remote_of(bo, MediaKind.VIDEO)).frames.frames_decoded == before.frames_decoded
        await al.publisher.resume(producer)
        await until(lambda: decoded(bo, MediaKind.VIDEO) >= before.frames_decoded + 10)
        after = report(remote_of(bo, MediaKind.VIDEO)).frames
        assert after.key_frames_decoded > before.key_frames_decoded
        assert after.untrue == 0
        await al.publisher.unpublish(producer)
        await until(lambda: not bo.tracks)


async def test_clients_that_decode_hear_the_silence_of_synthetic_ones_and_are_heard(url: str) -> None:
    """aiortc cannot decode synthetic VP8: that is not published here. Its VP8 is assembled, but carries no stamps."""
    async with (
        LabClient(url, room="r", name="al", synthetic=True) as al,
        LabClient(url, room="r", name="bo") as bo,
    ):
        await al.publish(SyntheticAudio(1))
        await bo.publish(ToneTrack(2))
        await bo.publish(PatternTrack(2, 15, (320, 180)))
        await until(lambda: len(bo.tracks) == 1 and len(al.tracks) == 2)
        sink = ToneSink()
        listening = asyncio.create_task(sink.run(remote_of(bo, MediaKind.AUDIO).track))
        await until(lambda: decoded(al, MediaKind.VIDEO) >= 20 and decoded(al, MediaKind.AUDIO) >= 50)
        await until(lambda: sink.report().total_s > 0.5)
        assert sink.report().heard == frozenset()
        seen = report(remote_of(al, MediaKind.VIDEO))
        assert seen.frames.stamped_frames == 0
        assert seen.frames.frames_dropped == 0
        assert seen.packets_malformed == 0
    await listening


async def publish_layers(al: LabClient, bo: LabClient, source: SyntheticSource) -> RemoteTrack:
    await al.publish(source)
    await until(lambda: len(bo.tracks) == 1)
    return remote_of(bo, MediaKind.VIDEO)


async def test_simulcast_with_rids_is_forwarded_layer_by_layer(url: str) -> None:
    async with (
        LabClient(url, room="r", name="al", synthetic=True) as al,
        LabClient(url, room="r", name="bo", synthetic=True) as bo,
    ):
        source = SyntheticVideo(1, rids=("r0", "r1", "r2"), temporal_layers=3)
        remote = await publish_layers(al, bo, source)
        await until(lambda: 2 in report(remote).frames.stamped_layers)
        began = time.monotonic()
        await until(lambda: report(remote).frames.frames_per_second >= 25 and time.monotonic() - began > 1)
        seen = report(remote)
        assert seen.frames.untrue == 0
        assert seen.frames.picture_id_jumps == 0
        assert seen.packets_malformed == 0
        assert seen.frames.frames_dropped == 0
