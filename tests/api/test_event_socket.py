"""`WS /sfu/events`, over a real loopback connection."""

from __future__ import annotations

import socket

import pytest
import trio
from wsproto.events import CloseConnection, Ping, TextMessage

from labsfu.config import Config
from labsfu.wire import events
from labsfu.wire import socket as wire
from labsfu.wire.feed import Frame, Gap, Happened, Hello, decode_frame
from labsfu.wire.ids import RouterId
from labsfu.wire.rtp import MediaKind
from tests.support.api_world import Peer, Served, serving
from tests.support.fake_worker import CAPABILITIES, OPUS

pytestmark = pytest.mark.trio


class Watcher:
    """A peer that reads frames."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    @classmethod
    async def connect(cls, served: Served, query: str = "") -> Watcher:
        peer = await served.connect(f"/sfu/events{query}")
        assert peer.refusal is None
        return cls(peer)

    async def read(self) -> Frame | CloseConnection:
        text = ""
        while True:
            match event := await self.peer._next():
                case TextMessage():
                    text += event.data
                    if event.message_finished:
                        return decode_frame(text)
                case Ping():
                    await self.peer._send(event.response())
                case CloseConnection():
                    await self.peer._send(event.response())
                    return event

    async def hello(self) -> Hello:
        frame = await self.read()
        assert isinstance(frame, Hello)
        return frame

    async def events(self, count: int) -> list[Happened]:
        found = [await self.read() for _ in range(count)]
        assert all(isinstance(frame, Happened) for frame in found)
        return [frame for frame in found if isinstance(frame, Happened)]


def kinds(happened: list[Happened]) -> list[str]:
    return [str(item.event.__struct_config__.tag) for item in happened]


def noise(served: Served, count: int) -> None:
    for _ in range(count):
        served.events.publish(events.RouterMade(router_id=RouterId("x" * 500)))


async def test_a_watcher_sees_a_participant_come_send_and_go() -> None:
    async with serving() as served:
        watcher = await Watcher.connect(served)
        assert await watcher.hello() == Hello(epoch="epoch-1", seq=1, oldest=1)
        ann, ben = await served.join("ann"), await served.join("ben")
        seen = await watcher.events(12)
        await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
        await ben.say(wire.InitRequest(rtp_capabilities=CAPABILITIES))
        producer = (await ben.expect(wire.ProducerAdded)).producer_id
        await ben.say(wire.ConsumeRequest(producer_id=producer))
        consumer = (await ben.expect(wire.Consumed)).id
        await ben.vanish()
        made_producer, made_consumer, lost, updated = await watcher.events(4)
        await ann.say(wire.Leave())
        seen += [made_producer, made_consumer, lost, updated, *await watcher.events(2)]
    assert [item.seq for item in seen] == list(range(1, 19))
    assert {item.room_id for item in seen[1:]} == {"room"}
    assert (made_producer.participant_id, made_consumer.participant_id) == ("ann", "ben")
    assert isinstance(made_consumer.event, events.ConsumerMade)
    assert (made_consumer.event.consumer_id, made_consumer.event.producer_id) == (consumer, producer)
    assert isinstance(lost.event, events.SocketClosed)
    assert lost.event.reason == "lost"
    assert kinds(seen[-3:]) == ["participant-updated", "socket-closed", "participant-left"]


async def test_one_who_comes_back_misses_nothing() -> None:
    async with serving() as served:
        noise(served, 3)
        watcher = await Watcher.connect(served, "?since=1&epoch=epoch-1")
        await watcher.hello()
        noise(served, 1)
        assert [item.seq for item in await watcher.events(3)] == [2, 3, 4]


@pytest.mark.parametrize(
    ("query", "gap"),
    [
        ("?since=1", Gap(reason="too-old", from_seq=2, to_seq=3)),
        ("?since=1&epoch=old", Gap(reason="other-epoch", from_seq=1, to_seq=3)),
    ],
)
async def test_what_is_gone_is_named(query: str, gap: Gap) -> None:
    async with serving(Config(event_ring=2)) as served:
        noise(served, 5)
        watcher = await Watcher.connect(served, query)
        await watcher.hello()
        assert await watcher.read() == gap
        assert [item.seq for item in await watcher.events(2)] == [4, 5]


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("?since=x", "invalid-parameter"),
        ("?since=-1", "invalid-parameter"),
        ("?since=1.5", "invalid-parameter"),
        ("?since=", "invalid-parameter"),
        ("?since=1&since=2", "repeated-parameter"),
        ("?since=1&epoch=epoch-1", "since-ahead"),
        ("?epoch=epoch-1", "missing-parameter"),
        ("?since=0&epoch=", "invalid-parameter"),
        ("?interval=99", "invalid-parameter"),
        ("?interval=60001", "invalid-parameter"),
        ("?interval=1.5", "invalid-parameter"),
        ("?from=1", "unknown-parameter"),
    ],
)
async def test_a_wrong_query_is_refused_before_anything_is_told(query: str, slug: str) -> None:
    async with serving() as served:
        peer = await served.connect(f"/sfu/events{query}")
        assert peer.refusal is not None
        assert (peer.refusal[1].status, peer.refusal[1].type) == (400, f"/problems/{slug}")
        await served.join("ann")


async def test_with_a_token_only_its_bearers_watch() -> None:
    async with serving(Config(token="secret")) as served:
        peer = await served.connect("/sfu/events")
        assert peer.refusal is not None
        assert peer.refusal[1].status == 401
        await (await Watcher.connect(served, "?token=secret&since=0")).hello()


async def test_http_is_told_that_it_is_a_socket() -> None:
    async with serving() as served:
        assert (await served.refused("GET", "/sfu/events")).status == 400


async def test_the_state_of_the_server_says_at_which_event_it_is() -> None:
    async with serving() as served:
        assert (await served.ask("GET", "/sfu"))[1]["eventSeq"] == 0
        await served.ask("POST", "/rooms?roomType=call&roomSize=2")
        _, info = await served.ask("GET", "/sfu")
        assert (info["epoch"], info["eventSeq"]) == ("epoch-1", 2)


async def test_a_watcher_that_talks_is_hung_up() -> None:
    async with serving() as served:
        watcher = await Watcher.connect(served)
        await watcher.hello()
        await watcher.peer.say_text("{}")
        assert await watcher.peer.expect_close() == 1008


async def test_a_watcher_that_does_not_read_is_given_up_and_slows_nobody() -> None:
    async with serving(Config(outbox_bytes=20_000)) as served:
        deaf, keen = await Watcher.connect(served), await Watcher.connect(served)
        deaf.peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await keen.hello()
        last, wanted = 0, 0
        with trio.fail_after(30):
            while len(served.events._watchers) == 2:
                noise(served, 10)
                wanted += 10
                while last < wanted:
                    (item,) = await keen.events(1)
                    assert item.seq == last + 1
                    last = item.seq


async def test_watchers_come_and_go_and_nothing_of_them_stays() -> None:
    async with serving() as served:
        for _ in range(3):
            watcher = await Watcher.connect(served)
            await watcher.hello()
            await watcher.peer.close()
            await watcher.read()
        vanishing = await Watcher.connect(served)
        await vanishing.peer.vanish()
        with trio.fail_after(5):
            while served.events._watchers:
                await served.ask("GET", "/healthz")


async def test_a_server_that_ends_says_goodbye_to_watchers() -> None:
    async with serving() as served:
        watcher = await Watcher.connect(served)
        await watcher.hello()
        served.events.close(1001, "the server ends")
        closed = await watcher.read()
        assert isinstance(closed, CloseConnection)
        assert closed.code == 1001
