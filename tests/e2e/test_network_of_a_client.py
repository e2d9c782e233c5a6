"""Clients behind networks of their own, against a real server: it and the others see what was configured."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
import pytest_asyncio
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    RtpPacket,
    is_rtcp,
)
from av import VideoFrame

from clients.media.sinks import PictureSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.network import (
    Conditions,
    Direction,
    Fault,
    FaultRule,
    KeyFramePacket,
    LogEntry,
    NetworkPlan,
    Nth,
    blackout,
    rtp,
)
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from clients.transport import WebRtcTransport
from labsfu.wire.rtp import MediaKind
from labsfu.wire.socket import TransportSide

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

UP, DOWN = Direction.UP, Direction.DOWN
SIZE = (640, 360)
PATIENCE = 20.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ServerProcess]:
    async with ServerProcess("--log-level", "warning") as running:
        yield running
    assert running.exit_code == 0, "\n".join(running.stderr_tail)
    assert not [line for line in running.stderr_tail if "Traceback" in line or "error" in line.lower()]


class Overheard:
    """What a transport sent and got, decrypted."""

    def __init__(self) -> None:
        self.rtp: dict[Direction, list[RtpPacket]] = defaultdict(list)
        self.rtcp: dict[Direction, list[AnyRtcpPacket]] = defaultdict(list)
        self._changed = asyncio.Event()

    def __call__(self, direction: Direction, data: bytes, _at: float) -> None:
        if is_rtcp(data):
            # aiortc cannot read SDES of several chunks that end in more than two null octets (RFC 3550 6.5)
            with contextlib.suppress(ValueError):
                self.rtcp[direction] += RtcpPacket.parse(data)
        else:
            self.rtp[direction].append(RtpPacket.parse(data))
        self._changed.set()

    def sequences(self, direction: Direction) -> dict[int, list[int]]:
        """Of each SSRC."""
        found: dict[int, list[int]] = defaultdict(list)
        for packet in self.rtp[direction]:
            found[packet.ssrc].append(packet.sequence_number)
        return found

    def reports(self) -> dict[int, RtcpReceiverInfo]:
        """The last one that came about each of our streams."""
        found = {}
        for packet in self.rtcp[Direction.DOWN]:
            if isinstance(packet, RtcpSrPacket | RtcpRrPacket):
                found.update({report.ssrc: report for report in packet.reports})
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something was overheard that makes it so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def tapped(client: LabClient, side: TransportSide) -> Overheard:
    transport = client.transport(side)
    assert isinstance(transport, WebRtcTransport)
    found = Overheard()
    transport.add_tap(found)
    return found


async def watch(remote: RemoteTrack, until: Callable[[PictureSink], bool]) -> PictureSink:
    sink = PictureSink()
    async with asyncio.timeout(PATIENCE):
        while not until(sink):
            frame = await remote.track.recv()
            assert isinstance(frame, VideoFrame)
            sink.add(frame, time.monotonic())
    return sink


def pictures(count: int) -> Callable[[PictureSink], bool]:
    return lambda sink: sink.frames_seen >= count


def complete(sink: PictureSink) -> bool:
    report = sink.report()
    return (report.frames_lost, report.frames_unreadable, report.frames_backwards) == (0, 0, 0)


@pytest.mark.rfc("RFC 3550 6.4.1")
async def test_ten_percent_loss_is_what_the_server_reports_and_others_miss(server: ServerProcess) -> None:
    log: list[LogEntry] = []
    plan = NetworkPlan(seed=1, up=Conditions(loss=0.1), log=log.append)
    async with (
        LabClient(server.url, room="r", name="bob") as bob,
        LabClient(server.url, room="r", name="al", network=plan) as al,
    ):
        await al.publish(ToneTrack(1))
        await bob.until(lambda: len(bob.tracks) == 1)
        sent, got = tapped(al, "producer"), tapped(bob, "consumer")
        for _ in range(3):
            await al.publish(ToneTrack(1))  # sound is not asked for again: what is lost stays so
        await sent.until(lambda: len(sent.rtp[UP]) >= 600 and len(sent.reports()) == 4)
        for producer in al.publisher.producer_ids:
            await al.publisher.pause(producer)
        reports = sent.reports()
    decided = _decided(log, "audio/opus")
    every = [decision for stream in decided.values() for decision in stream]
    lost = sum(gone for _, gone in every)
    assert lost / len(every) == pytest.approx(0.1, abs=4 * math.sqrt(0.1 * 0.9 / len(every)))

    assert reports.keys() == decided.keys()
    for ssrc, stream in decided.items():
        first = next(number for number, gone in stream if not gone)
        known = [gone for number, gone in stream if first <= number <= reports[ssrc].highest_sequence]
        assert reports[ssrc].packets_lost == sum(known)

    heard = [_gaps([number for number, gone in stream if not gone]) for stream in decided.values()]
    for numbers in got.sequences(DOWN).values():
        gaps = _gaps(numbers)
        assert len(gaps) > 50
        # what came before the consumer was there, and after the producer was paused, is nobody's loss
        assert any(gaps == one[at : at + len(gaps)] for one in heard for at in range(len(one)))


def _decided(log: list[LogEntry], mime_type: str) -> dict[int, list[tuple[int, bool]]]:
    """Of each SSRC: sequence number (aiortc's begin below 32768: none wraps here), and whether it was lost."""
    found: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for entry in log:
        if entry["type"] == "decision" and entry["direction"] == "up" and entry.get("mimeType") == mime_type:
            ssrc, sequence = entry["ssrc"], entry["sequence"]
            assert isinstance(ssrc, int)
            assert isinstance(sequence, int)
            found[ssrc].append((sequence, "lost" in entry))
    return found


def _gaps(numbers: list[int]) -> list[int]:
    return [(after - before) & 0xFFFF for before, after in pairwise(numbers)]


@pytest.mark.rfc("RFC 7675 5.1")
async def test_a_blackout_is_seen_and_overcome(server: ServerProcess) -> None:
    # Longer than the server ever goes without a report (1.5 s): so something is lost on the way down as well.
    plan = NetworkPlan(seed=1, schedule=(blackout(1.7, after="dark"),))
    remotes = asyncio.Queue[RemoteTrack]()
    async with (
        LabClient(server.url, room="r", name="bob", on_track=remotes.put_nowait),
        LabClient(server.url, room="r", name="al", network=plan) as al,
    ):
        await al.publish(PatternTrack(1, 30, SIZE))
        remote = await remotes.get()
        before = (await watch(remote, pictures(20))).report()
        assert before.longest_gap_ms < 500
        begin = time.monotonic()

        def it_was_dark(sink: PictureSink) -> bool:
            if sink.frames_seen == 5:
                al.network.event("dark")
            return sink.frames_seen >= 20 and time.monotonic() - begin > 2.2

        report = (await watch(remote, it_was_dark)).report()
        assert 1600 < report.longest_gap_ms < 3700
        assert report.freezes <= 2
        assert al.network.counts(UP).lost > 20
        assert al.network.counts(DOWN).lost > 0
        # all as before: pictures in time, one after the other
        after = (await watch(remote, pictures(20))).report()
        assert after.longest_gap_ms < 500
        assert after.frames_lost == 0


@pytest.mark.rfc("RFC 4585 6.2.1", "RFC 4588 4")
async def test_the_second_packet_of_the_first_key_frame_is_dropped_and_repaired(server: ServerProcess) -> None:
    rule = FaultRule(UP, Fault.DROP, KeyFramePacket(2), name="second of the first key frame")
    log: list[LogEntry] = []
    plan = NetworkPlan(seed=1, faults=(rule,), log=log.append)
    remotes = asyncio.Queue[RemoteTrack]()
    async with (
        LabClient(server.url, room="r", name="bob", on_track=remotes.put_nowait),
        LabClient(server.url, room="r", name="al", network=plan) as al,
    ):
        # the transport is up before there are pictures, so that its first packet is overheard
        await al.publish(ToneTrack(1))
        overheard = tapped(al, "producer")
        producer = await al.publish(PatternTrack(1, 30, SIZE))
        remote = await remotes.get()
        while remote.kind is not MediaKind.VIDEO:
            remote = await remotes.get()
        sink = await watch(remote, pictures(30))
        repairs = al.publisher.sender(producer).repairs
        (hit,) = al.network.hits
        media = [packet for packet in overheard.rtp[UP] if packet.ssrc == hit.seen.ssrc]
        assert hit.rule is rule
        assert hit.seen.sequence == media[1].sequence_number
        assert media[0].timestamp == media[1].timestamp
        assert al.network.counts(UP).fault_dropped == 1
        asked = [p for p in overheard.rtcp[DOWN] if isinstance(p, RtcpRtpfbPacket) and p.media_ssrc == hit.seen.ssrc]
        assert {number for packet in asked for number in packet.lost} == {hit.seen.sequence}
        assert repairs.asked == len(asked)
        again = [p for p in overheard.rtp[UP] if p.payload[:2] == hit.seen.sequence.to_bytes(2, "big")]
        assert len([p for p in again if p.ssrc != hit.seen.ssrc]) == len(asked)
        assert sink.report().first_frame is not None
        assert complete(sink)
    assert [entry["sequence"] for entry in log if entry.get("fault") == "drop"] == [hit.seen.sequence]
    assert [entry["rule"] for entry in log if "rule" in entry] == [rule.name]


@pytest.mark.rfc("RFC 4585 6.2.1")
async def test_a_packet_is_held_on_the_way_down_until_it_is_asked_for(server: ServerProcess) -> None:
    rule = FaultRule(DOWN, Fault.HOLD, Nth(20, rtp(kind=MediaKind.VIDEO)), until_nack=True)
    log: list[LogEntry] = []
    delayed = Conditions(delay=0.01)
    plan = NetworkPlan(seed=1, up=delayed, down=delayed, faults=(rule,), log=log.append)
    remotes = asyncio.Queue[RemoteTrack]()
    async with (
        LabClient(server.url, room="r", name="bob", on_track=remotes.put_nowait, network=plan) as bob,
        LabClient(server.url, room="r", name="al") as al,
    ):
        await al.publish(PatternTrack(1, 30, SIZE))
        remote = await remotes.get()
        sink = await watch(remote, pictures(40))
        assert complete(sink)
        (hit,) = bob.network.hits
        repairs = bob.subscriber.receiver(remote.consumer_id).repairs
        assert (repairs.nacks, repairs.asked) == (1, 1)
        assert bob.network.held(DOWN) == ()
    held = next(entry for entry in log if entry.get("fault") == "hold")
    (release,) = [entry for entry in log if entry["type"] == "release"]
    assert held["number"] == release["number"] == hit.seen.number


async def test_a_client_that_leaves_or_is_killed_leaves_its_network_in_order(server: ServerProcess) -> None:
    plan = NetworkPlan.of("lte", seed=1)
    remotes = asyncio.Queue[RemoteTrack]()
    async with (
        LabClient(server.url, room="r", name="bob", on_track=remotes.put_nowait, network=plan) as bob,
        LabClient(server.url, room="r", name="al", network=plan) as al,
    ):
        await al.publish(ToneTrack(1))
        await remotes.get()
        await bob.kill()
        began = time.monotonic()
        await al.leave()
        assert time.monotonic() - began < 1.0
    for client in (al, bob):
        counts = client.network.counts(UP)
        assert counts.sent > 0
        client.network.event("too late")
        assert client.network.counts(UP) == counts
