"""Over real sockets exact packets are lost, held back and delayed, and a client's tap measures just that."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from clients.measure.stats import InboundRtp
from clients.media.tracks import PatternTrack, ToneTrack
from clients.network import Conditions, Direction, Fault
from clients.participant import LabClient
from clients.pcapng import PcapngWriter
from clients.relay import Address, Relay
from clients.server import ServerProcess
from clients.tap import RtpTap
from labsfu.wire.rtp import MediaKind
from tests.e2e.tap import media_address, read_head
from tests.support.pcapng_reader import captured

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

DELAY = 0.06
DARK = 1.0
"""Seconds in which nothing arrives."""
LOST = frozenset({20, 21, 30})
HELD = 40
PATIENCE = 15.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ServerProcess]:
    async with ServerProcess("--log-level", "warning") as running:
        yield running
    assert running.exit_code == 0, "\n".join(running.stderr_tail)


class KnownFaults:
    """Of each stream: loses three packets, has one overtaken by the next, and goes dark when told to."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self.faulty: set[int] = set()
        self.dark = False
        self.packets: Counter[int] = Counter()
        self.lost: Counter[int] = Counter()
        self._held: dict[int, int] = {}

    def __call__(self, number: int, data: bytes) -> Fault | None:
        head = read_head(data)
        if head is None:
            return None
        count = self.packets[head.ssrc]
        self.packets[head.ssrc] += 1
        if self.dark or (head.ssrc in self.faulty and count in LOST):
            self.lost[head.ssrc] += 1
            return Fault.DROP
        if head.ssrc in self._held:
            held = self._held.pop(head.ssrc)
            asyncio.get_running_loop().call_soon(self._relay.release, Direction.DOWN, held)
        if head.ssrc in self.faulty and count == HELD:
            self._held[head.ssrc] = number
            return Fault.HOLD
        return None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - it looks at what many tasks collect
            await asyncio.sleep(0.02)


def stream(tap: RtpTap, kind: str) -> InboundRtp:
    return next(one for one in tap.report(time.monotonic()).inbound if one.kind == kind)


def flows(tap: RtpTap, packets: int) -> bool:
    inbound = tap.report(time.monotonic()).inbound
    return len(inbound) == 2 and all(one.packets_received >= packets for one in inbound)


def answered(tap: RtpTap) -> bool:
    """Whether the server has reported on all, and on the video's sender report, too."""
    remotes = {one.kind: one.remote for one in tap.report(time.monotonic()).outbound}
    video = remotes["video"]
    return None not in remotes.values() and video is not None and video.round_trip_time is not None


async def test_known_loss_order_delay_and_freeze_are_measured_as_such(server: ServerProcess, tmp_path: Path) -> None:
    offset = time.time() - time.monotonic()
    path = tmp_path / "bob.pcapng"
    async with Relay(media_address(server), seed=1, name="bob", down=Conditions(delay=DELAY)) as relay:
        faults = KnownFaults(relay)
        relay.set_faults(Direction.DOWN, faults)
        with PcapngWriter(path, unix_offset=offset) as writer:
            tap = RtpTap(unix_offset=offset, capture=writer.interface("bob"))
            sending = RtpTap()
            async with (
                LabClient(server.url, room="r", name="al", tap=sending) as al,
                LabClient(server.url, room="r", name="bob", reach_at=relay.address, tap=tap) as bob,
            ):
                await al.publish(PatternTrack(1, 30, (640, 360)))
                await al.publish(ToneTrack(1))
                await until(lambda: len(tap.report(0.0).inbound) == 2)
                faults.faulty.update(one.ssrc for one in tap.report(0.0).inbound)
                await until(lambda: flows(tap, HELD + 10))
                assert 15 <= stream(tap, "video").frames_per_second <= 40
                faults.dark = True
                light = time.monotonic() + DARK
                await until(lambda: time.monotonic() >= light)
                faults.dark = False
                await until(lambda: stream(tap, "video").total_freezes_duration >= DARK)
                await until(lambda: all(one.delay is not None for one in tap.report(0.0).inbound))
                await until(lambda: answered(sending))
                await until(lambda: time.monotonic() > light + 1.0)
                video, audio = stream(tap, "video"), stream(tap, "audio")
                check_loss(faults, video, audio)
                check_time(video, audio)
                consumer = next(c for c, remote in bob.tracks.items() if remote.kind is MediaKind.VIDEO)
                repairs = bob.subscriber.receiver(consumer).repairs
                assert (video.nack_count, video.nacked_packets) == (repairs.nacks, repairs.asked)
                assert (video.pli_count, video.retransmitted_packets_received) == (repairs.key_frames, repairs.rtx)
                check_sending(sending)
        check_capture(path, tap, writer, relay.address)


def check_loss(faults: KnownFaults, video: InboundRtp, audio: InboundRtp) -> None:
    assert faults.lost[audio.ssrc] > len(LOST) + DARK * 50 / 2
    assert (audio.packets_lost, audio.packets_missing) == (faults.lost[audio.ssrc], faults.lost[audio.ssrc])
    assert video.packets_lost == faults.lost[video.ssrc]
    assert video.packets_missing == video.packets_lost - video.packets_repaired
    assert video.packets_repaired >= len(LOST)
    assert (audio.packets_reordered, video.packets_reordered) == (1, 1)
    assert (audio.packets_duplicated, video.packets_duplicated) == (0, 0)


def check_time(video: InboundRtp, audio: InboundRtp) -> None:
    assert video.freeze_count >= 1
    assert DARK <= video.total_freezes_duration <= 3 * DARK
    assert video.delay is not None
    assert audio.delay is not None
    for delay in (video.delay, audio.delay):
        # sender reports map timestamps to when a frame was encoded, more or less
        assert delay.minimum <= delay.average <= delay.maximum
        assert DELAY - 0.03 <= delay.minimum <= DELAY + 0.05


def check_sending(tap: RtpTap) -> None:
    outbound = {one.kind: one for one in tap.report(time.monotonic()).outbound}
    assert set(outbound) == {"audio", "video"}
    for one in outbound.values():
        assert one.remote is not None
        assert one.remote.packets_lost == 0
    trip = outbound["video"].remote
    assert trip is not None
    assert trip.round_trip_time is not None
    assert 0 <= trip.round_trip_time < 0.5
    assert outbound["video"].retransmitted_packets_sent == 0
    assert outbound["video"].pli_count >= 1, "bob came, and needed a key frame"


def check_capture(path: Path, tap: RtpTap, writer: PcapngWriter, relay_address: Address) -> None:
    found = captured(path)
    report = tap.report(0.0)
    assert (len(found), writer.left_out) == (writer.packets, 0)
    rtp = sum(one.packets_received for one in report.inbound)
    assert writer.packets == rtp + report.rtcp_received + report.rtcp_sent
    remotes = {one.target if one.comment == Direction.UP else one.source for one in found}
    assert remotes == {relay_address}
    assert report.unreadable == {}
