"""Every codec that passes through, and every SRTP suite in both DTLS roles, with aiortc: seen and heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable

import pytest
import pytest_asyncio
from aiortc import rtcdtlstransport
from av import AudioFrame, VideoFrame

from clients.api import ApiClient
from clients.media.sinks import PictureSink, ToneSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.participant import LabClient
from clients.server import ServerProcess
from clients.subscriber import RemoteTrack
from labsfu.wire.rtp import MediaKind, RtpCodecCapability, RtpCodecParameters
from labsfu.wire.socket import Consumed, TransportSide
from labsfu.wire.transport import DtlsRole

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]

SIDES: tuple[TransportSide, ...] = ("producer", "consumer")
SIZE = (320, 180)
PATIENCE = 20.0
HIGHEST = 49
"""A source whose tone, 3380 Hz, is the highest: the first to go where a codec samples at 8 kHz."""


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    async with ServerProcess("--log-level", "warning") as server:
        yield server.url
    assert server.exit_code == 0, "\n".join(server.stderr_tail)
    assert not [line for line in server.stderr_tail if "Traceback" in line or "error" in line.lower()]


class Tracks:
    """Remote tracks as they come."""

    def __init__(self) -> None:
        self._tracks: asyncio.Queue[RemoteTrack] = asyncio.Queue()

    def __call__(self, remote: RemoteTrack) -> None:
        self._tracks.put_nowait(remote)

    async def perceive(self, source: int) -> None:
        """Take the next track, and wait until it shows, or sounds like, this source and nobody else."""
        async with asyncio.timeout(PATIENCE):
            remote = await self._tracks.get()
            await (see if remote.kind is MediaKind.VIDEO else hear)(remote, source)


async def see(remote: RemoteTrack, source: int) -> None:
    sink = PictureSink(source)
    while sink.frames_seen < 10:
        frame = await remote.track.recv()
        assert isinstance(frame, VideoFrame)
        sink.add(frame, time.monotonic())
    report = sink.report()
    assert report.sees(source)
    assert report.frames_unreadable == 0


async def hear(remote: RemoteTrack, source: int) -> None:
    sink = ToneSink()
    while not sink.hears(source):
        frame = await remote.track.recv()
        assert isinstance(frame, AudioFrame)
        sink.add(frame, time.monotonic())
    assert sink.report().heard == {source}


def media(codecs: Iterable[RtpCodecCapability | RtpCodecParameters]) -> list[str]:
    """The codecs without RTX, which only repeats."""
    return [codec.mime_type for codec in codecs if not codec.mime_type.endswith("/rtx")]


@pytest.mark.rfc("RFC 3551 4.5.2", "RFC 3551 4.5.14", "RFC 6184 5.4")
@pytest.mark.parametrize("codec", ["video/H264", "audio/PCMU", "audio/PCMA", "audio/G722"])
async def test_a_codec_passes_to_who_is_there_and_to_who_comes_later(url: str, codec: str) -> None:
    early, late = Tracks(), Tracks()
    async with LabClient(url, room="r", name="bob", on_track=early) as bob, LabClient(url, room="r", name="al") as al:
        track = PatternTrack(7, 30, SIZE) if codec.startswith("video/") else ToneTrack(HIGHEST)
        await al.publish(track, codec=codec)
        await early.perceive(track.source)
        async with LabClient(url, room="r", name="eve", on_track=late) as eve:
            await late.perceive(track.source)
            for client in (bob, eve):
                consumed = [event.message for event in client.events if isinstance(event.message, Consumed)]
                assert media(consumed[0].rtp_parameters.codecs) == [codec]


@pytest.fixture(params=[profile.openssl_profile for profile in rtcdtlstransport.SRTP_PROFILES], ids=bytes.decode)
def profile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The only SRTP protection profile that clients offer, or take."""
    name: bytes = request.param
    left = [profile for profile in rtcdtlstransport.SRTP_PROFILES if profile.openssl_profile == name]
    monkeypatch.setattr(rtcdtlstransport, "SRTP_PROFILES", left)
    return name


@pytest.mark.rfc("RFC 5764 4.1.2", "RFC 7714 14.2")
@pytest.mark.parametrize("role", [DtlsRole.CLIENT, DtlsRole.SERVER])
async def test_two_see_and_hear_each_other_with_each_srtp_profile(url: str, role: DtlsRole, profile: bytes) -> None:
    at_al, at_bob = Tracks(), Tracks()
    async with (
        LabClient(url, room="r", name="al", dtls_role=role, on_track=at_al) as al,
        LabClient(url, room="r", name="bob", dtls_role=role, on_track=at_bob) as bob,
    ):
        for client, source in ((al, 1), (bob, 2)):
            await client.publish(PatternTrack(source, 30, SIZE))
            await client.publish(ToneTrack(source))
        await asyncio.gather(*(tracks.perceive(source) for tracks, source in 2 * ((at_al, 2), (at_bob, 1))))
        for client in (al, bob):
            for side in SIDES:
                transport = client.transport(side)
                assert transport is not None
                connection = transport._dtls._ssl
                assert connection is not None
                assert connection.get_selected_srtp_profile() == profile


async def test_a_server_offers_the_codecs_that_it_was_told_in_their_order() -> None:
    tracks = Tracks()
    async with ServerProcess("--codecs", "H264,PCMA,opus") as server, ApiClient(server.url) as api:
        offered = (await api.sfu_info()).rtp_capabilities.codecs
        assert media(offered) == ["video/H264", "audio/PCMA", "audio/opus"]
        async with (
            LabClient(server.url, room="r", name="al") as al,
            LabClient(server.url, room="r", name="bob", on_track=tracks),
        ):
            await al.publish(PatternTrack(3, 30, SIZE))
            await tracks.perceive(3)
