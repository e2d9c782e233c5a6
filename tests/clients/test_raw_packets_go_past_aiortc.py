"""Taps and raw ends on a client's transport, against an untouched aiortc peer over loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from aiortc.rtp import AnyRtcpPacket, RtcpPsfbPacket, RtpPacket, is_rtcp

from clients.media.tracks import ToneTrack
from clients.network import Direction
from clients.transport import WebRtcTransport
from labsfu.wire.rtp import MediaKind
from labsfu.wire.transport import DtlsRole
from tests.support.plain_peer import PlainPeer, connected, parameters

pytestmark = pytest.mark.asyncio

Told = tuple[Direction, bytes, float]


class Tape:
    """A tap that remembers."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def __call__(self, direction: Direction, data: bytes, at: float) -> None:
        self.told.append((direction, data, at))

    def rtp(self, direction: Direction) -> list[bytes]:
        return [data for way, data, _ in self.told if way is direction and not is_rtcp(data)]

    def rtcp(self, direction: Direction) -> list[bytes]:
        return [data for way, data, _ in self.told if way is direction and is_rtcp(data)]


class Ear:
    """Takes the place of aiortc's sender of one SSRC, and hears its RTCP."""

    _ssrc = 500

    def __init__(self) -> None:
        self.heard: list[AnyRtcpPacket] = []

    async def _handle_rtcp_packet(self, packet: AnyRtcpPacket) -> None:
        self.heard.append(packet)


def rtp(ssrc: int, sequence: int, payload: bytes = b"payload") -> bytes:
    return RtpPacket(payload_type=100, ssrc=ssrc, sequence_number=sequence, payload=payload).serialize()


def pli(media_ssrc: int) -> bytes:
    return bytes(RtcpPsfbPacket(fmt=1, ssrc=9, media_ssrc=media_ssrc))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it looks at what several ends collect
            await asyncio.sleep(0.005)


async def test_a_raw_end_sends_at_once_and_its_bytes_arrive_as_they_were() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        arrived: list[bytes] = []
        ear = Ear()

        async def take(data: bytes, arrival_time_ms: int) -> None:
            arrived.append(data)

        peer.dtls._handle_rtp_data = take  # type: ignore[method-assign] # the peer's decrypted RTP
        peer.dtls._rtp_router.register_sender(ear, 500)
        sent = [rtp(77, sequence) for sequence in (65535, 0, 1)]
        for data in (*sent, pli(500)):
            transport.send_raw(data)
        await until(lambda: len(arrived) == len(sent) and len(ear.heard) == 1)
        assert arrived == sent
        assert [bytes(packet) for packet in ear.heard] == [pli(500)]


async def test_a_raw_receiver_gets_its_ssrcs_bytes_and_aiortc_none_of_them() -> None:
    async with connected(DtlsRole.SERVER) as (transport, peer):
        mine: list[tuple[bytes, float]] = []
        transport.add_raw_receiver((77, 78), lambda data, at: mine.append((data, at)))
        before = time.monotonic()
        sent = [rtp(77, 1), rtp(78, 2), rtp(79, 3)]
        for data in sent:
            await peer.dtls._send_rtp(data)
        await until(lambda: transport.unrouted_packets == 1)
        assert [data for data, _ in mine] == sent[:2]
        assert before <= mine[0][1] <= mine[1][1] <= time.monotonic()
        transport.remove_raw_receiver((77,))
        transport.remove_raw_receiver((77, 99))
        await peer.dtls._send_rtp(rtp(77, 4))
        await peer.dtls._send_rtp(rtp(78, 5))
        await until(lambda: transport.unrouted_packets == 2 and len(mine) == 3)


async def test_raw_rtcp_comes_beside_aiortcs_own_handling() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        compounds: list[bytes] = []
        ear = Ear()
        transport._dtls._rtp_router.register_sender(ear, 500)

        def handler(data: bytes, _at: float) -> None:
            compounds.append(data)

        transport.add_raw_rtcp(handler)
        await peer.dtls._send_rtp(pli(500) + pli(501))
        await until(lambda: len(ear.heard) == 1)
        assert compounds == [pli(500) + pli(501)]
        transport.remove_raw_rtcp(handler)
        transport.remove_raw_rtcp(handler)
        await peer.dtls._send_rtp(pli(500))
        await until(lambda: len(ear.heard) == 2)
        assert len(compounds) == 1


async def test_a_tap_is_told_of_every_packet_both_ways_whoever_sends_or_takes_it() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):
        tape = Tape()
        transport.add_tap(tape)
        transport.add_raw_receiver((77,), lambda _data, _at: None)
        wire = parameters(MediaKind.AUDIO, 2000, "1")
        await transport.add_sender(ToneTrack(7), ssrc=2000, rtx_ssrc=0).start(wire)
        transport.send_raw(rtp(5, 1))
        for data in (rtp(77, 1), rtp(1234, 2), pli(2000)):
            await peer.dtls._send_rtp(data)
        await until(lambda: len(tape.rtp(Direction.UP)) >= 4 and bool(tape.rtcp(Direction.DOWN)))
        assert tape.rtp(Direction.DOWN) == [rtp(77, 1), rtp(1234, 2)]
        assert tape.rtcp(Direction.DOWN) == [pli(2000)]
        up = tape.rtp(Direction.UP)
        assert rtp(5, 1) in up
        assert {RtpPacket.parse(data).ssrc for data in up} == {5, 2000}
        times = [at for _, _, at in tape.told]
        assert times == sorted(times)
        transport.remove_tap(tape)
        transport.remove_tap(tape)
        count = len(tape.told)
        transport.send_raw(rtp(5, 2))
        assert len(tape.told) == count


async def test_a_tap_sees_rtcp_that_aiortc_sends() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, _):
        tape = Tape()
        transport.add_tap(tape)
        sender = transport.add_sender(ToneTrack(7), ssrc=2000, rtx_ssrc=0)
        await sender.start(parameters(MediaKind.AUDIO, 2000, "1"))
        await until(lambda: bool(tape.rtp(Direction.UP)))
        await transport.remove(sender)
        assert tape.rtcp(Direction.UP), "it says BYE (RFC 3550 6.6)"


async def test_before_it_is_up_and_after_it_is_closed_nothing_can_be_sent() -> None:
    peer = PlainPeer()
    early = WebRtcTransport(await peer.options(), role=DtlsRole.CLIENT)
    with pytest.raises(ConnectionError):
        early.send_raw(rtp(5, 1))
    assert early.selected_pair is None
    await early.close()
    await peer.stop()
    async with connected(DtlsRole.CLIENT) as (transport, other):
        assert transport.selected_pair == (transport.local_addresses[0], _address(other))
        await transport.close()
        with pytest.raises(ConnectionError):
            transport.send_raw(rtp(5, 1))
        assert transport.selected_pair is None


def _address(peer: PlainPeer) -> tuple[str, int]:
    candidate = peer.gatherer.getLocalCandidates()[0]
    return candidate.ip, candidate.port


async def test_a_tap_that_raises_ends_the_transport_and_is_named() -> None:
    async with connected(DtlsRole.CLIENT) as (transport, peer):

        def broken(_direction: Direction, _data: bytes, _at: float) -> None:
            raise ArithmeticError("the tap's own fault")

        transport.add_tap(broken)
        await peer.dtls._send_rtp(rtp(5, 1))
        with pytest.raises(Exception, match="the tap's own fault"):
            await transport.ended()
