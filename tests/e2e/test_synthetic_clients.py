"""Synthetic clients in a real room: complete frames, layers, and no harm to clients that decode."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial

import pytest
import pytest_asyncio

from clients.api import ApiClient
from clients.errors import MediaFailed
from clients.media.sinks import ToneSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.network import Conditions, NetworkPlan
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.clock import pacing_clock
from clients.synthetic.reports import InboundReport
from clients.synthetic.source import Outgoing, SyntheticSource
from clients.synthetic.video import SyntheticVideo
from labsfu.wire.base import ABSENT
from labsfu.wire.ids import ConsumerId, ProducerId
from labsfu.wire.rtp import ConsumerLayers, MediaKind
from labsfu.wire.sfu import UpdateConsumerRequestPayload
from labsfu.wire.socket import ConsumerLayersChanged

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


async def test_a_receiver_gets_the_layers_that_it_prefers(url: str) -> None:
    async with (
        LabClient(url, room="r", name="al", synthetic=True) as al,
        LabClient(url, room="r", name="bo", synthetic=True) as bo,
        ApiClient(url) as api,
    ):
        remote = await publish_layers(al, bo, SyntheticVideo(1, rids=("r0", "r1", "r2"), temporal_layers=3))
        await until(lambda: 2 in report(remote).frames.stamped_layers)
        (router,) = (await api.room(al.room_id)).router_ids
        lowest = UpdateConsumerRequestPayload(preferred_layers=ConsumerLayers(spatial_layer=0, temporal_layer=0))
        await api.update_consumer(router, remote.consumer_id, lowest)
        await until(lambda: 0 in report(remote).frames.stamped_layers)
        before = report(remote).frames
        await until(lambda: report(remote).frames.frames_decoded >= before.frames_decoded + 10)
        after = report(remote).frames
        assert after.stamped_layers[2] == before.stamped_layers[2]
        assert after.frames_per_second < 15
        highest = UpdateConsumerRequestPayload(preferred_layers=ConsumerLayers(spatial_layer=2))
        await api.update_consumer(router, remote.consumer_id, highest)
        await until(lambda: report(remote).frames.stamped_layers[2] > after.stamped_layers[2] + 30)
        last = report(remote)
        assert last.frames.untrue == 0
        assert last.frames.picture_id_jumps == 0
        assert last.packets_lost == 0
        assert last.nack_count == 0


def is_sent(remote: RemoteTrack, spatial: int) -> bool:
    return remote.sent.layers is not None and remote.sent.layers.spatial_layer == spatial


def frames_of(remote: RemoteTrack, spatial: int) -> int:
    return report(remote).frames.stamped_layers.get(spatial, 0)


def has_frames(remote: RemoteTrack, spatial: int, count: int) -> bool:
    return frames_of(remote, spatial) >= count


def scores_of(client: LabClient, producer_id: ProducerId) -> dict[object, int]:
    return {score.rid: score.score for score in client.publisher.scores.get(producer_id, ())}


def changes_heard(client: LabClient, consumer_id: ConsumerId) -> list[tuple[int | None, str]]:
    """The spatial layers and reasons that the server told, in order."""
    signals = [event.message for event in client.events if isinstance(event.message, ConsumerLayersChanged)]
    return [
        (None if signal.layers is ABSENT else signal.layers.spatial_layer, signal.reason)
        for signal in signals
        if signal.id == consumer_id
    ]


async def test_layers_are_preferred_over_the_socket_and_the_client_is_told_what_comes(url: str) -> None:
    async with (
        LabClient(url, room="r", name="al", synthetic=True) as al,
        LabClient(url, room="r", name="bo", synthetic=True, auto_subscribe=False) as bo,
    ):
        producer = await al.publish(SyntheticVideo(1, rids=("r0", "r1", "r2"), temporal_layers=2))
        await bo.until(lambda: producer in bo.producers)
        remote = await bo.subscribe(producer, preferred_layers=ConsumerLayers(spatial_layer=0))
        await until(lambda: report(remote).frames.frames_decoded >= 10)
        assert set(report(remote).frames.stamped_layers) == {0}
        await al.until(lambda: scores_of(al, producer) == {"r0": 10, "r1": 10, "r2": 10}, PATIENCE)
        for spatial in (2, 1):
            before = frames_of(remote, spatial)
            preferred = await bo.subscriber.set_preferred_layers(remote.consumer_id, spatial)
            assert preferred == ConsumerLayers(spatial_layer=spatial, temporal_layer=1)
            await bo.until(partial(is_sent, remote, spatial), PATIENCE)
            assert remote.sent.reason == "preferred"
            await until(partial(has_frames, remote, spatial, before + 10))
        assert report(remote).frames.untrue == 0
        heard = changes_heard(bo, remote.consumer_id)
        assert heard[0] == (0, "begun")
        assert [change for change in heard if change[1] == "preferred"] == [(2, "preferred"), (1, "preferred")]
        assert remote.sent.score is not None
        assert (remote.sent.score.score, remote.sent.score.producer_score) == (10, 10)
        await bo.subscriber.pause(remote.consumer_id)
        await bo.until(lambda: remote.sent.layers is None)
        assert remote.sent.reason == "stopped"
        assert not [event for event in al.events if isinstance(event.message, ConsumerLayersChanged)]


async def test_an_encoder_that_raises_ends_its_client(url: str) -> None:
    class Broken(SyntheticVideo):
        def encode(self, now: float) -> list[Outgoing]:
            if self.frames > 5:
                raise RuntimeError("no more ideas")
            return super().encode(now)

    async def be_al() -> None:
        async with LabClient(url, room="r", name="al", synthetic=True) as al:
            await al.publish(Broken(1))
            await asyncio.sleep(PATIENCE)

    with pytest.raises(MediaFailed, match="no more ideas"):
        await be_al()


async def test_a_client_that_vanishes_leaves_nothing_to_run(url: str) -> None:
    async with LabClient(url, room="r", name="al", synthetic=True) as al:
        producer = await al.publish(SyntheticVideo(1))
        source = al.publisher.synthetic_sender(producer).source
        await until(lambda: source.streams[0].counts.frames > 5)
        await al.kill()
        frames, rounds = source.streams[0].counts.frames, pacing_clock().report().rounds
        await asyncio.sleep(0.2)
        assert source.streams[0].counts.frames == frames
        assert pacing_clock().report().rounds == rounds


@pytest.mark.rfc("RFC 4588 4", "RFC 4585 6.2.1")
async def test_over_lossy_links_both_ways_frames_come_by_retransmission(url: str) -> None:
    conditions = Conditions(delay=0.02, loss=0.03)
    lossy = NetworkPlan(seed=1, up=conditions, down=conditions)
    async with (
        LabClient(url, room="r", name="al", synthetic=True, network=lossy) as al,
        LabClient(url, room="r", name="bo", synthetic=True, network=lossy) as bo,
    ):
        producer = await al.publish(SyntheticVideo(1))
        await until(lambda: decoded(bo, MediaKind.VIDEO) >= 90)
        seen = report(remote_of(bo, MediaKind.VIDEO))
        assert seen.retransmitted_packets_received > 0
        assert al.publisher.synthetic_sender(producer).repairs.rtx > 0
        assert seen.frames.untrue == 0
        assert seen.packets_malformed == 0
        assert seen.frames.stamped_missing < 20
