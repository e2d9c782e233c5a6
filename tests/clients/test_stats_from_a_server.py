"""What a real server says of real streams: over HTTP, on the socket, on the feed; one and the same."""

from __future__ import annotations

import asyncio

import pytest

from clients.api import ApiClient
from clients.events import EventFeed
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.synthetic.audio import SyntheticAudio
from clients.synthetic.video import SyntheticVideo
from labsfu.wire.base import ABSENT
from labsfu.wire.feed import Sample
from labsfu.wire.payloads import RoomType
from labsfu.wire.stats import InboundRtpStats, OutboundRtpStats, TransportStats

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]


async def next_sample(feed: EventFeed) -> Sample:
    async for frame in feed:
        if isinstance(frame, Sample):
            return frame
    raise AssertionError("the feed ended")


async def flowing(feed: EventFeed, consumers: int) -> Sample:
    """A sample in which so many consumers are sent something."""
    while True:
        sample = await next_sample(feed)
        if sum(consumer.bitrate > 0 for consumer in sample.consumers) == consumers:
            return sample


async def test_all_ways_to_ask_agree() -> None:
    async with (
        asyncio.timeout(60),
        ServerProcess("--log-level", "warning") as server,
        ApiClient(server.url) as api,
        EventFeed(server.url, interval=100) as feed,
        LabClient(server.url, room="r", name="al", synthetic=True) as al,
        LabClient(server.url, room="r", name="bo", synthetic=True) as bo,
    ):
        producers = {await al.publish(SyntheticVideo(1)), await al.publish(SyntheticAudio(1))}
        before = await flowing(feed, 2)
        sent, received = await al.get_stats(), await bo.get_stats()
        (router,) = await api.routers()
        over_http = [await api.producer_stats(router.id, producer) for producer in sorted(producers)]
        consumers = [await api.consumer_stats(router.id, consumer.id) for consumer in received.consumers]
        whole = await api.router_stats(router.id)
        after = await flowing(feed, 2)
        assert feed.seq + 1 >= feed.hello.seq  # samples have no number

    assert {p.id for p in sent.producers} == producers == {p.producer_id for p in after.producers}
    assert (sent.consumers, received.producers) == ((), ())
    assert len(whole.transports) == 4
    assert whole.totals.bytes_received >= sum(t.bytes_received for t in (*sent.transports, *received.transports))
    by_id = (
        {p.producer_id: p.encodings[0] for p in before.producers},
        {p.producer_id: p.encodings[0] for p in after.producers},
    )
    for stats in (*sent.producers, *over_http):
        (stream,) = stats.streams
        first, last = by_id[0][stats.id], by_id[1][stats.id]
        assert first.byte_count <= stream.byte_count <= last.byte_count
        assert stream.bitrate > 0
        assert stream.ssrc == first.ssrc
    for shown in (*received.consumers, *consumers):
        outbound, inbound = shown.streams
        assert isinstance(outbound, OutboundRtpStats)
        assert isinstance(inbound, InboundRtpStats)
        assert 0 < outbound.packet_count <= inbound.packet_count
        assert isinstance(shown.transport, TransportStats)
        assert shown.transport.ice_selected_tuple is not ABSENT
        assert shown.transport.rtp_bytes_sent >= outbound.byte_count


async def test_a_feed_that_was_not_read_for_long_closes_at_once() -> None:
    async with asyncio.timeout(60), ServerProcess() as server, ApiClient(server.url) as api:
        feed = await EventFeed(server.url, interval=100).__aenter__()
        for number in range(40):
            await api.create_room(RoomType.CALL, 2, f"room-{number}")
        async with asyncio.timeout(2):
            await feed.close()
        await feed.close()
