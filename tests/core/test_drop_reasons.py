"""What was dropped and why, as the events tell it: whose it was, how often it is told, and that nothing is lost."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from labsfu.core.drop_reports import DropReports, Stream
from labsfu.core.drops import Drops
from labsfu.wire import commands
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.events import (
    ConsumerClosed,
    Event,
    PacketsDropped,
    ProducerClosed,
    TransportClosed,
)
from labsfu.wire.ids import ConsumerId, ProducerId, RouterId, TransportId
from labsfu.wire.stats import DropCount
from tests.support.lab import Lab, Peer
from tests.support.media import audio_packet, audio_parameters, consume, produce, video_packet, video_parameters

STRANGER = ("203.0.113.9", 9)
RANDOM = b"\xff" * 40

Name = TransportId | ProducerId | ConsumerId | None


def name_of(event: PacketsDropped) -> Name:
    """Whose drops they are; None for those of strangers."""
    names = [
        name for name in (event.transport_id, event.producer_id, event.consumer_id) if not isinstance(name, Absent)
    ]
    assert len(names) <= 1
    assert bool(event.router_id) == bool(names)
    return names[0] if names else None


def told(events: list[Event]) -> dict[Name, Counter[str]]:
    """All that was told, added up for each stream."""
    sums: dict[Name, Counter[str]] = {}
    for event in events:
        if isinstance(event, PacketsDropped):
            assert event.drops
            assert all(drop.packets > 0 for drop in event.drops)
            sums.setdefault(name_of(event), Counter()).update({d.reason: d.packets for d in event.drops})
    return sums


def reports_of(events: list[Event], name: Name) -> list[PacketsDropped]:
    return [event for event in events if isinstance(event, PacketsDropped) and name_of(event) == name]


class Scene:
    """A sender of audio and of video that nobody can start with, a viewer, and a stranger."""

    def __init__(self) -> None:
        self.lab = lab = Lab()
        self.sender, self.upstream = lab.connected_peer()
        self.audio = produce(lab, self.upstream, audio_parameters())
        self.video = produce(lab, self.upstream, video_parameters())
        self.viewer, self.downstream = lab.connected_peer()
        self.consumed = consume(lab, self.downstream, self.video).consumer_id
        self._number = 0
        lab.do(commands.PauseProducer(router_id=lab.router, producer_id=self.audio), commands.Done)
        lab.advance(2)
        lab.events.clear()

    def drop(self, sender: Peer | None = None) -> None:
        """One packet of each kind: the engine's, the transport's, a producer's, a consumer's."""
        sender = sender or self.sender
        self._number += 1
        self.lab.send(STRANGER, RANDOM)
        sender.send_rtp(audio_packet(self._number, ssrc=77))  # an SSRC that nobody announced
        sender.send_rtp(audio_packet(self._number))  # paused
        sender.send_rtp(video_packet(self._number))  # no key frame came yet
        self.lab.pump()


# ------------------------------------------------------------------------ whose they are


def test_each_drop_is_told_with_its_reason_and_whose_it_is() -> None:
    scene = Scene()
    scene.drop()
    scene.drop()
    scene.lab.advance(1.5)
    sums = told(scene.lab.events)
    unknown = next(reason for reason in sums[scene.upstream] if reason in {"unknown-ssrc", "unknown-mid"})
    assert sums == {
        None: Counter({"unknown-packet": 2}),
        scene.upstream: Counter({unknown: 2}),
        scene.audio: Counter({"producer-paused": 2}),
        scene.consumed: Counter({"awaiting-key-frame": 2}),
    }
    (event,) = reports_of(scene.lab.events, None)
    assert event.router_id == ""
    assert all(e.router_id == scene.lab.router for name in sums if name for e in reports_of(scene.lab.events, name))


def test_what_comes_from_an_address_of_a_transport_is_its_own_and_else_the_engines() -> None:
    scene = Scene()
    lab = scene.lab
    for source in (scene.sender.address, scene.viewer.address, STRANGER):
        lab.send(source, bytes([0, 1]) + bytes(30))
        lab.send(source, bytes(4000))
    lab.pump()
    lab.advance(1.5)
    each = Counter({"stun-cookie": 1, "too-long": 1})
    assert told(lab.events) == {scene.upstream: each, scene.downstream: each, None: each}
    assert lab.drops() == {"stun-cookie": 3, "too-long": 3}


# ------------------------------------------------------------------------ how often


def test_of_one_stream_is_told_at_most_once_a_second_and_nothing_when_nothing_was_dropped() -> None:
    scene = Scene()
    lab = scene.lab
    at: dict[Name, list[float]] = {}
    for step in range(100):
        if step < 50:
            scene.drop()
        before = len(lab.events)
        lab.advance(0.1)
        for event in lab.events[before:]:
            if isinstance(event, PacketsDropped):
                at.setdefault(name_of(event), []).append(lab.now)
    assert set(at) == {None, scene.upstream, scene.audio, scene.consumed}
    for times in at.values():
        assert 5 <= len(times) <= 7
        assert all(later - earlier > 0.89 for earlier, later in pairwise(times))  # seen each 0.1 s
    assert {sum(reasons.values()) for reasons in told(lab.events).values()} == {50}


def test_a_first_drop_is_told_at_once() -> None:
    lab = Lab()
    lab.advance(10)
    assert lab.engine.deadline() is None
    lab.send(STRANGER, RANDOM)
    lab.pump()
    deadline = lab.engine.deadline()
    assert deadline is not None
    assert deadline <= lab.now
    lab.engine.tick(lab.now)
    lab.drain()
    assert told(lab.events) == {None: Counter({"unknown-packet": 1})}
    assert lab.engine.deadline() is None


def test_forwarding_alone_sets_no_timer() -> None:
    lab = Lab()
    sender, upstream = lab.connected_peer()
    viewer, downstream = lab.connected_peer()
    consume(lab, downstream, produce(lab, upstream, audio_parameters()))
    lab.advance(3)
    for number in range(1, 50):
        sender.send_rtp(audio_packet(number))
        lab.advance(0.02)
    assert len(viewer.rtp) == 49
    assert lab.engine._drop_reports.deadline() is None
    assert told(lab.events) == {}


# ------------------------------------------------------------------------ that nothing is lost


@pytest.mark.parametrize("closes", ["consumer", "producer", "transport", "router"])
def test_the_rest_is_told_just_before_a_stream_is_closed(closes: str) -> None:
    scene = Scene()
    lab = scene.lab
    for _ in range(3):
        scene.drop()
        lab.advance(0.4)
    scene.drop()
    if closes == "consumer":
        lab.do(commands.CloseConsumer(router_id=lab.router, consumer_id=scene.consumed), commands.Done)
    elif closes == "producer":
        for id_ in (scene.audio, scene.video):
            lab.do(commands.CloseProducer(router_id=lab.router, producer_id=id_), commands.Done)
    elif closes == "transport":
        lab.do(commands.CloseTransport(router_id=lab.router, transport_id=scene.upstream), commands.Done)
    else:
        lab.do(commands.CloseRouter(router_id=lab.router), commands.Done)
    closed: dict[str, Name] = {}
    for index, event in enumerate(lab.events):
        name: Name = None
        if isinstance(event, ConsumerClosed):
            name = event.consumer_id
        elif isinstance(event, ProducerClosed) and event.producer_id == scene.audio:
            name = event.producer_id
        elif isinstance(event, TransportClosed) and event.transport_id == scene.upstream:
            name = event.transport_id
        if name is not None:
            closed[type(event).__name__] = name
            last = lab.events[index - 1]
            assert isinstance(last, PacketsDropped)
            assert name_of(last) == name
            assert sum(told(lab.events[: index + 1])[name].values()) == 4
    assert (
        set(closed)
        == {
            "consumer": {"ConsumerClosed"},
            "producer": {"ConsumerClosed", "ProducerClosed"},
            "transport": {"ConsumerClosed", "ProducerClosed", "TransportClosed"},
            "router": {"ConsumerClosed", "ProducerClosed", "TransportClosed"},
        }[closes]
    )
    lab.advance(3)
    assert {sum(reasons.values()) for reasons in told(lab.events).values()} == {4}  # nothing told again


def test_all_that_was_told_is_what_the_counts_say_whoever_came_and_went() -> None:
    lab = Lab()
    for turn in range(4):
        sender, upstream = lab.connected_peer()
        producer = produce(lab, upstream, video_parameters())
        viewer, downstream = lab.connected_peer()
        consume(lab, downstream, producer)
        for number in range(1, 30):
            sender.send_rtp(video_packet(number))
            lab.send(viewer.address, RANDOM)
            lab.send(STRANGER, RANDOM)
            lab.advance(0.05)
        if turn % 2:
            for id_ in (upstream, downstream):
                lab.do(commands.CloseTransport(router_id=lab.router, transport_id=id_), commands.Done)
    lab.advance(2)
    total: Counter[str] = Counter()
    for reasons in told(lab.events).values():
        total.update(reasons)
    assert dict(total) == lab.drops() == {"unknown-packet": 232, "awaiting-key-frame": 116}


def test_what_is_closed_is_watched_no_more() -> None:
    scene = Scene()
    lab = scene.lab
    scene.drop()
    lab.do(commands.CloseRouter(router_id=lab.router), commands.Done)
    reports = lab.engine._drop_reports
    assert list(reports._streams) == [lab.engine._drops]
    lab.advance(2)
    assert not reports._waiting


# ------------------------------------------------------------------------ the bookkeeping alone


def test_news_is_what_came_since_the_last_time() -> None:
    drops = Drops()
    drops.count("b", 2)
    drops.count("a")
    assert drops.take_news() == (DropCount(reason="a", packets=1), DropCount(reason="b", packets=2))
    assert drops.take_news() == ()
    drops.count("b")
    assert drops.take_news() == (DropCount(reason="b", packets=1),)
    assert drops.snapshot() == (DropCount(reason="a", packets=1), DropCount(reason="b", packets=3))


def test_what_was_counted_before_it_was_watched_is_told_too() -> None:
    events: list[PacketsDropped] = []
    reports = DropReports(events.append)
    drops = Drops()
    drops.count("early")
    reports.watch(drops, Stream(RouterId("r"), producer_id=ProducerId("p")))
    reports.tick(5.0)
    (event,) = events
    assert (event.router_id, event.producer_id, event.transport_id) == ("r", "p", ABSENT)
    assert event.drops == (DropCount(reason="early", packets=1),)


def test_what_another_takes_over_is_no_news_there() -> None:
    events: list[PacketsDropped] = []
    reports = DropReports(events.append)
    whole, part = Drops(), Drops()
    reports.watch(whole, Stream())
    reports.watch(part, Stream(RouterId("r"), transport_id=TransportId("t")))
    whole.count("x")
    part.count("x", 5)
    whole.absorb(part)
    assert [event.transport_id for event in events] == ["t"]
    part.count("x")  # too late: nobody listens, nothing breaks
    reports.tick(1.0)
    assert events[1].drops == (DropCount(reason="x", packets=1),)
    assert len(events) == 2
    assert whole.snapshot() == (DropCount(reason="x", packets=6),)
