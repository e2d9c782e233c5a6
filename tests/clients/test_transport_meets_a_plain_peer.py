"""Our transport against an untouched aiortc peer in the same process, over loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine

import msgspec
import pytest
from aiortc import MediaStreamTrack
from aiortc.rtp import is_rtcp
from av import AudioFrame
from av.frame import Frame

from clients import convert
from clients.errors import MediaFailed, TransportFailed
from clients.media.sinks import PictureSink, ToneSink
from clients.media.tracks import PatternTrack, ToneTrack
from clients.streams import FrameQueue, Receiver
from clients.transport import WebRtcTransport, local_addresses_towards
from labsfu.wire.ids import TransportId
from labsfu.wire.rtp import MediaKind
from labsfu.wire.transport import DtlsParameters, DtlsRole, IceParameters, TransportOptions
from tests.support.plain_peer import VP8, PlainPeer, connected, parameters

pytestmark = pytest.mark.asyncio


async def frames(track: MediaStreamTrack, sink: PictureSink, count: int) -> None:
    while sink.frames_seen < count:
        sink.add(await track.recv(), asyncio.get_running_loop().time())  # type: ignore[arg-type] # a VideoFrame


async def hear(track: MediaStreamTrack, source: int) -> None:
    sink = ToneSink()
    while not sink.hears(source):
        frame = await track.recv()
        assert isinstance(frame, AudioFrame)
        sink.add(frame, asyncio.get_running_loop().time())


@pytest.mark.parametrize("role", [DtlsRole.CLIENT, DtlsRole.SERVER])
@pytest.mark.rfc("RFC 8445 6.1.1", "RFC 8842 5.1")
async def test_comes_up_in_either_dtls_role_as_the_controlling_agent(role: DtlsRole) -> None:
    async with connected(role) as (transport, peer):
        assert (transport.ice_state, transport.dtls_state, peer.dtls.state) == ("completed", "connected", "connected")
        assert (transport._ice.role, peer.ice.role) == ("controlling", "controlled")
        assert transport.dtls_parameters.role is role


@pytest.mark.parametrize(("address", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
async def test_gathers_only_the_address_that_reaches_the_server(address: str, other: str) -> None:
    async with connected(DtlsRole.CLIENT, address) as (transport, _):
        assert [a for a, _ in transport.local_addresses] == [address]
        assert local_addresses_towards([(other, 9), (address, 9), (address, 10)]) == [other, address]
    assert transport.local_addresses == ()


async def test_reaches_the_server_at_another_address_than_its_candidates_say() -> None:
    peer = PlainPeer()
    options = await peer.options()
    port = options.ice_candidates[0].port
    elsewhere = tuple(msgspec.structs.replace(c, ip="::1", address="::1", port=9) for c in options.ice_candidates)
    transport = WebRtcTransport(
        msgspec.structs.replace(options, ice_candidates=elsewhere * 2),
        role=DtlsRole.CLIENT,
        reach_at=("127.0.0.1", port),
    )
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(peer.accept(transport))
            both.create_task(transport.connect(10))
        assert [a for a, _ in transport.local_addresses] == ["127.0.0.1"]
    finally:
        await transport.close()
        await peer.stop()


async def test_asks_no_resolver() -> None:
    assert local_addresses_towards([("localhost", 9), ("4f2d.local", 9)]) == []


@pytest.mark.parametrize("role", [DtlsRole.CLIENT, DtlsRole.SERVER])
async def test_sends_pictures_and_sound(role: DtlsRole) -> None:
    async with connected(role) as (transport, peer):
        video, audio = (parameters(MediaKind.VIDEO, 1000, "0"), parameters(MediaKind.AUDIO, 2000, "1"))
        pictures, sound = await peer.receive(video, MediaKind.VIDEO), await peer.receive(audio, MediaKind.AUDIO)
        await transport.add_sender(PatternTrack(7, 30, (320, 180)), ssrc=1000, rtx_ssrc=1001).start(video)
        await transport.add_sender(ToneTrack(7), ssrc=2000, rtx_ssrc=0).start(audio)
        await asyncio.gather(frames(pictures, PictureSink(7), 5), hear(sound, 7))


async def test_tells_several_streams_on_one_transport_apart_by_ssrc() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        videos = {source: parameters(MediaKind.VIDEO, 1000 * source, str(source)) for source in (1, 2)}
        audios = {source: parameters(MediaKind.AUDIO, 1000 * source, str(source)) for source in (3, 4)}
        waits = []
        for source, wire in (videos | audios).items():
            kind = MediaKind.VIDEO if source in videos else MediaKind.AUDIO
            receiver = transport.add_receiver(kind, wire, rtcp_ssrc=source)
            await receiver.start()
            video = kind is MediaKind.VIDEO
            waits.append(frames(receiver.track, PictureSink(source), 5) if video else hear(receiver.track, source))
            await peer.send(PatternTrack(source, 30, (320, 180)) if video else ToneTrack(source), wire)
        await asyncio.gather(*waits)


@pytest.mark.rfc("RFC 4588 4")
async def test_lost_packets_of_two_videos_come_back_by_rtx() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        wires = {source: parameters(MediaKind.VIDEO, 1000 * source, str(source)) for source in (1, 2)}
        lossy = LossyPath(peer, every=10)
        sinks = {source: PictureSink(source) for source in wires}
        receivers = {s: transport.add_receiver(MediaKind.VIDEO, w, rtcp_ssrc=s) for s, w in wires.items()}
        for source, wire in wires.items():
            await receivers[source].start()
            await peer.send(PatternTrack(source, 30, (320, 180)), wire)
        await asyncio.gather(*(frames(receivers[s].track, sink, 25) for s, sink in sinks.items()))
        assert lossy.lost >= 4
        repairs = [receiver.repairs for receiver in receivers.values()]
        assert all(r.nacks >= 1 and r.asked >= r.rtx >= 1 and r.key_frames == 0 for r in repairs)
        assert sum(r.rtx for r in repairs) >= lossy.lost - len(repairs)
        assert [sink.report().frames_lost for sink in sinks.values()] == [0, 0]


async def test_a_stopped_receivers_stragglers_go_to_nobody() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        wires = {source: parameters(MediaKind.VIDEO, 1000 * source, str(source)) for source in (1, 2)}
        receivers = {s: transport.add_receiver(MediaKind.VIDEO, w, rtcp_ssrc=s) for s, w in wires.items()}
        for source, wire in wires.items():
            await receivers[source].start()
            await peer.send(PatternTrack(source, 30, (320, 180)), wire)
        kept = PictureSink(2)
        await frames(receivers[2].track, kept, 2)
        await transport.remove(receivers[1])
        before = transport.unrouted_packets
        await frames(receivers[2].track, kept, 10)
        assert transport.unrouted_packets > before
        assert set(kept.report().frames_by_source) == {2}


async def test_nothing_at_the_other_end_is_reported_in_time() -> None:
    peer = PlainPeer()
    transport = WebRtcTransport(await peer.options(), role=DtlsRole.CLIENT)
    with pytest.raises(TransportFailed, match=r"not up in 0\.2 s"):
        await transport.connect(timeout=0.2)
    await transport.close()
    await transport.close()
    await peer.stop()


async def test_a_wrong_fingerprint_is_refused() -> None:
    peer, stranger = PlainPeer(), PlainPeer()
    options = await peer.options()
    transport = WebRtcTransport(
        TransportOptions(
            id=options.id,
            ice_parameters=options.ice_parameters,
            ice_candidates=options.ice_candidates,
            dtls_parameters=convert.from_rtc_dtls_parameters(stranger.dtls.getLocalParameters()),
        ),
        role=DtlsRole.CLIENT,
    )
    accepting = asyncio.create_task(peer.accept(transport))
    with pytest.raises(TransportFailed, match="DTLS failed"):
        await transport.connect()
    await transport.close()
    await accepting
    await peer.stop()
    await stranger.stop()


async def test_an_unreachable_server_is_reported_before_anything_is_sent() -> None:
    nowhere = TransportOptions(
        id=TransportId("t"),
        ice_parameters=IceParameters(username_fragment="u" * 32, password="p" * 32),
        ice_candidates=(),
        dtls_parameters=DtlsParameters(fingerprints=()),
    )
    transport = WebRtcTransport(nowhere, role=DtlsRole.CLIENT)
    with pytest.raises(TransportFailed, match="no local address"):
        await transport.connect()
    await transport.close()


async def test_role_auto_is_not_ours_to_take() -> None:
    peer = PlainPeer()
    with pytest.raises(ValueError, match="DTLS client or the DTLS server"):
        WebRtcTransport(await peer.options(), role=DtlsRole.AUTO)
    await peer.stop()


async def test_closing_says_goodbye_and_the_peer_hears_it() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        await transport.close()
        assert peer.dtls._task is not None
        await asyncio.wait([peer.dtls._task])
        assert peer.dtls.state == "closed"
        await transport.ended()


async def test_the_peers_goodbye_ends_the_transport() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        await peer.dtls.stop()
        await transport.ended()
        assert transport.dtls_state == "closed"


async def test_aborting_leaves_the_peer_without_a_word() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        wire = parameters(MediaKind.AUDIO, 2000, "1")
        await transport.add_sender(ToneTrack(7), ssrc=2000, rtx_ssrc=0).start(wire)
        await hear(await peer.receive(wire, MediaKind.AUDIO), 7)
        heard: list[bytes] = []
        received = peer.ice._connection.data_received

        def tap(data: bytes, component: int) -> None:
            heard.append(data)
            received(data, component)

        peer.ice._connection.data_received = tap  # type: ignore[method-assign] # a tap
        await transport.abort()
        assert peer.dtls.state == "connected"
        assert not [data for data in heard if data[0] < 64 or is_rtcp(data)]
        await transport.ended()


class Broken(MediaStreamTrack):
    """A camera that breaks."""

    kind = "video"

    async def recv(self) -> Frame:
        raise OSError("unplugged")


async def test_a_track_that_raises_is_reported() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, _):
        sender = transport.add_sender(Broken(), ssrc=1000, rtx_ssrc=1001)
        await sender.start(parameters(MediaKind.VIDEO, 1000, "0"))
        with pytest.raises(MediaFailed, match="unplugged"):
            await sender.ended()


async def test_a_track_that_ends_is_no_failure() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, _):
        track = ToneTrack(1)
        sender = transport.add_sender(track, ssrc=2000, rtx_ssrc=0)
        await sender.start(parameters(MediaKind.AUDIO, 2000, "0"))
        track.stop()
        await sender.ended()


async def test_a_full_queue_drops_the_oldest_frame_and_counts_it() -> None:
    queue = FrameQueue(2)
    first, second, third = AudioFrame(), AudioFrame(), AudioFrame()
    for frame in (first, second, third):
        await queue.put(frame)
    assert queue.dropped == 1
    assert [queue.get_nowait(), queue.get_nowait()] == [second, third]


class LossyPath:
    """Loses each n-th RTP packet that the peer sends for the first time, never RTX."""

    def __init__(self, peer: PlainPeer, *, every: int) -> None:
        self.lost = 0
        self._every = every
        self._count = 0
        self._send = peer.ice._send
        peer.ice._send = self.send

    async def send(self, data: bytes) -> None:
        if data[0] > 127 and data[1] & 0x7F == VP8.payload_type:
            self._count += 1
            if self._count % self._every == 0:
                self.lost += 1
                return
        await self._send(data)


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.endswith("-decoder")]


async def receive(transport: WebRtcTransport, ssrc: int) -> Receiver:
    receiver = transport.add_receiver(MediaKind.VIDEO, parameters(MediaKind.VIDEO, ssrc, str(ssrc)), rtcp_ssrc=1)
    await receiver.start()
    return receiver


@pytest.mark.parametrize("closing", [WebRtcTransport.close, WebRtcTransport.abort])
async def test_a_close_that_is_cancelled_lets_go_of_everything(
    closing: Callable[[WebRtcTransport], Coroutine[object, object, None]],
) -> None:
    async with connected(DtlsRole.CLIENT) as (transport, _):
        for ssrc in (1000, 2000, 3000):
            await receive(transport, ssrc)
        assert len(decoders()) == 3
        task = asyncio.create_task(closing(transport))
        while len(decoders()) == 3:  # noqa: ASYNC110 - a thread that ends sets no event
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert decoders() == []
        assert (transport.ice_state, transport.dtls_state) == ("closed", "closed")


async def test_a_stop_of_a_sender_that_was_cancelled_is_gone_on_with() -> None:
    track = ToneTrack(1)
    async with connected(DtlsRole.CLIENT) as (transport, _):

        async def start_and_stop() -> None:
            sender = transport.add_sender(track, ssrc=2000, rtx_ssrc=0)
            await sender.start(parameters(MediaKind.AUDIO, 2000, "1"))
            await transport.remove(sender)

        stopping = asyncio.create_task(start_and_stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        await transport.close()
        assert track.readyState == "ended"


async def test_a_stop_of_a_receiver_that_was_cancelled_is_gone_on_with() -> None:
    receivers: list[Receiver] = []
    async with connected(DtlsRole.CLIENT) as (transport, _):

        async def start_and_stop() -> None:
            receivers.append(await receive(transport, 1000))
            await transport.remove(receivers[0])

        stopping = asyncio.create_task(start_and_stop())
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        await transport.close()
        assert receivers[0].rtc._RTCRtpReceiver__rtcp_exited.is_set()  # type: ignore[attr-defined] # mangled: aiortc's


async def test_a_closed_transport_takes_no_more_media() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, _):
        await transport.close()
        with pytest.raises(TransportFailed, match="closed"):
            await receive(transport, 1000)
        with pytest.raises(TransportFailed, match="closed"):
            transport.add_sender(ToneTrack(1), ssrc=1, rtx_ssrc=2)
