"""Over real sockets packets are lost, and come again as RTX: from the server to aiortc, and the other way round."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from av import VideoFrame

from clients.media.sinks import PictureSink
from clients.media.tracks import PatternTrack
from clients.network import Conditions, Direction
from clients.participant import LabClient
from clients.relay import Relay
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from labsfu.wire.rtp import RtpParameters, RtxParameters
from labsfu.wire.socket import Consumed
from tests.e2e.tap import RtpHead, Tap, media_address

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

SIZE = (640, 360)
PICTURES = 60
EVERY = 8
"""One packet of media in so many is lost."""
DELAYED = Conditions(delay=0.02)
PATIENCE = 20.0


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ServerProcess]:
    async with ServerProcess("--log-level", "warning") as running:
        yield running
    assert running.exit_code == 0, "\n".join(running.stderr_tail)
    assert not [line for line in running.stderr_tail if "Traceback" in line or "error" in line.lower()]


class FirstCopies:
    """Loses the first copy of each eighth packet of one stream of media, and nothing of what comes again."""

    def __init__(self) -> None:
        self.ssrc: int | None = None
        self._newest: int | None = None

    def __call__(self, head: RtpHead) -> bool:
        if head.ssrc != self.ssrc:
            return False
        newer = self._newest is None or 0 < (head.sequence - self._newest) & 0xFFFF < 0x8000
        if newer:
            self._newest = head.sequence
        return newer and head.sequence % EVERY == 0


async def watch(remote: RemoteTrack) -> PictureSink:
    """Look until so many pictures have been seen."""
    sink = PictureSink()
    async with asyncio.timeout(PATIENCE):
        while sink.frames_seen < PICTURES:
            frame = await remote.track.recv()
            assert isinstance(frame, VideoFrame)
            sink.add(frame, time.monotonic())
    return sink


def rtx_ssrc(parameters: RtpParameters) -> int:
    rtx = parameters.encodings[0].rtx
    assert isinstance(rtx, RtxParameters), "RTX was negotiated"
    return rtx.ssrc


def consumed(client: LabClient) -> RtpParameters:
    return next(event.message.rtp_parameters for event in client.events if isinstance(event.message, Consumed))


def complete(sink: PictureSink) -> None:
    """Nothing is missing between the first picture and the last."""
    report = sink.report()
    assert (report.frames_lost, report.frames_unreadable, report.frames_backwards) == (0, 0, 0)
    assert report.first_frame is not None
    assert report.last_frame == report.first_frame + PICTURES - 1


@pytest.mark.rfc("RFC 4585 6.2.1", "RFC 4588 4")
async def test_what_the_server_sends_is_asked_for_by_aiortc_and_comes_as_rtx(server: ServerProcess) -> None:
    losing, remotes = FirstCopies(), asyncio.Queue[RemoteTrack]()
    tap = Tap(losing)
    async with Relay(media_address(server), seed=1, name="bob", up=DELAYED, down=DELAYED) as relay:
        relay.set_faults(Direction.DOWN, tap)
        async with (
            LabClient(server.url, room="r", name="al") as al,
            LabClient(server.url, room="r", name="bob", reach_at=relay.address, on_track=remotes.put_nowait) as bob,
        ):
            await al.publish(PatternTrack(1, 30, SIZE))
            remote = await remotes.get()
            parameters = consumed(bob)
            assert isinstance(parameters.encodings[0].ssrc, int)
            losing.ssrc = parameters.encodings[0].ssrc
            complete(await watch(remote))
            repairs = replace(bob.subscriber.receiver(remote.consumer_id).repairs)
            lost, again = tap.lost[losing.ssrc], tap.packets[rtx_ssrc(parameters)]
            assert lost >= 10
            assert repairs.asked >= lost - 1, "the last one's gap may not have been seen yet"
            assert lost - 1 <= repairs.rtx <= again
            assert repairs.key_frames == 0


@pytest.mark.rfc("RFC 4585 6.2.1", "RFC 4588 4")
async def test_what_aiortc_sends_is_asked_for_by_the_server_and_comes_as_rtx(server: ServerProcess) -> None:
    losing, remotes = FirstCopies(), asyncio.Queue[RemoteTrack]()
    tap = Tap(losing)
    async with Relay(media_address(server), seed=1, name="al", up=DELAYED, down=DELAYED) as relay:
        relay.set_faults(Direction.UP, tap)
        async with (
            LabClient(server.url, room="r", name="al", reach_at=relay.address) as al,
            LabClient(server.url, room="r", name="bob", on_track=remotes.put_nowait),
        ):
            producer = await al.publish(PatternTrack(1, 30, SIZE))
            sender = al.publisher.sender(producer)
            remote = await remotes.get()
            losing.ssrc = sender.rtc._ssrc
            complete(await watch(remote))
            lost, again = tap.lost[sender.rtc._ssrc], tap.packets[sender.rtc._rtx_ssrc]
            assert lost >= 10
            assert sender.repairs.asked >= lost - 1
            assert again >= lost - 1
