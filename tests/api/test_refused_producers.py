"""Every `Produce` that is refused, over a real server: an `Error` of its type, the socket lives, nothing changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import msgspec
import pytest
import trio

from labsfu.api.problems import status_of
from labsfu.config import Config, MediaListen
from labsfu.errors import CommandError
from labsfu.server import Server
from labsfu.wire import commands
from labsfu.wire import socket as wire
from labsfu.wire.ids import ParticipantId
from labsfu.wire.rtp import (
    MediaKind,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpHeaderExtensionParameters,
    RtpParameters,
    RtxParameters,
)
from tests.core.ortc.material import codec, sent
from tests.support.api_world import JOIN, Peer
from tests.support.lab import Lab
from tests.support.media import MID_URI, produce

OPUS = codec("audio/opus", 111, 48000, channels=2)
VP8 = codec("video/VP8", 96)
H264 = codec("video/H264", 97, packetization_mode=1, profile_level_id="42e01f", level_asymmetry_allowed=1)
ONE = RtpEncodingParameters(ssrc=1001)
REPAIRED_BY_ONE = RtpEncodingParameters(ssrc=7, rtx=RtxParameters(ssrc=1001))
RIDS = tuple(RtpEncodingParameters(rid=rid) for rid in ("r0", "r1", "r2"))
FIRST = sent(OPUS, encodings=(ONE,), mid="0")
"""What is produced before, and so is in the way of what has the same names."""


@dataclass(frozen=True)
class Refused:
    """What is sent, and how it is refused: problem type's last part, HTTP status, and what the detail names."""

    parameters: RtpParameters
    slug: str
    status: int
    named: str
    kind: MediaKind = MediaKind.VIDEO


def other(*codecs: RtpCodecParameters, encodings: tuple[RtpEncodingParameters, ...] = ()) -> RtpParameters:
    """Parameters with names of their own."""
    return sent(*codecs, encodings=encodings or (RtpEncodingParameters(ssrc=2002),), mid="1")


def layered(mode: str) -> tuple[RtpEncodingParameters, ...]:
    return (RtpEncodingParameters(ssrc=2002, scalability_mode=mode),)


def codec_lacking(parameters: RtpParameters, named: str, kind: MediaKind = MediaKind.VIDEO) -> Refused:
    return Refused(parameters, "unsupported-codec", 422, named, kind)


def malformed(parameters: RtpParameters, named: str, kind: MediaKind = MediaKind.VIDEO) -> Refused:
    return Refused(parameters, "invalid-rtp-parameters", 400, named, kind)


RTX = codec("video/rtx", 98, apt=96)
MID_AND_LEVEL = tuple(RtpHeaderExtensionParameters(uri=uri, id=4) for uri in (MID_URI, "urn:example:level"))
AUDIO = MediaKind.AUDIO

REFUSED: dict[str, Refused] = {
    "a codec that nobody configured": codec_lacking(other(codec("video/VP9", 96)), "'video/VP9'"),
    "H264 in another packetization mode": codec_lacking(other(codec("video/H264", 96)), "'video/H264'"),
    "H264 in another profile": codec_lacking(
        other(codec("video/H264", 96, packetization_mode=1, profile_level_id="640c1f")), "'video/H264'"
    ),
    "Opus with one channel": codec_lacking(other(codec("audio/opus", 111, 48000, channels=1)), "'audio/opus'", AUDIO),
    "a second codec that the router lacks": codec_lacking(other(VP8, codec("video/red", 99)), "'video/red'"),
    "simulcast of audio": Refused(other(OPUS, encodings=RIDS), "unsupported-simulcast", 422, "'audio/opus'", AUDIO),
    "layers of audio": Refused(
        other(OPUS, encodings=layered("L1T2")), "unsupported-scalability-mode", 422, "'L1T2'", AUDIO
    ),
    "a mid in use": Refused(sent(VP8, mid="0"), "mid-in-use", 409, "'0'"),
    "an ssrc in use": Refused(other(VP8, encodings=(ONE,)), "ssrc-in-use", 409, "1001"),
    "an ssrc in use, for RTX": Refused(other(VP8, RTX, encodings=(REPAIRED_BY_ONE,)), "ssrc-in-use", 409, "1001"),
    "the same producer again": Refused(FIRST, "mid-in-use", 409, "'0'", AUDIO),
    "no codec": malformed(other(), "no media codec"),
    "only RTX": malformed(other(RTX), "no media codec"),
    "video said to be audio": malformed(other(VP8), "'video/VP8' is not audio", AUDIO),
    "a mimeType that is none": malformed(other(codec("VP8", 96)), "'VP8'"),
    "one payload type for two codecs": malformed(other(VP8, codec("video/H264", 96)), "payload type 96"),
    "a payload type that looks like RTCP": malformed(other(codec("video/VP8", 72)), "payload type 72"),
    "RTX of nothing": malformed(other(VP8, codec("video/rtx", 98, apt=99)), "apt 99"),
    "an extension id used twice": malformed(
        msgspec.structs.replace(other(VP8), header_extensions=MID_AND_LEVEL), "id 4 appears twice"
    ),
    "an empty mid": malformed(sent(VP8, mid=""), "mid is empty"),
    "nothing to know it by": malformed(sent(VP8, encodings=()), "no mid"),
    "one ssrc twice": malformed(other(VP8, encodings=(RtpEncodingParameters(ssrc=7),) * 2), "ssrc 7"),
    "RTX on the ssrc of the media": malformed(
        other(VP8, encodings=(RtpEncodingParameters(ssrc=7, rtx=RtxParameters(ssrc=7)),)), "ssrc 7"
    ),
    "spatial layers beside other encodings": malformed(
        other(VP8, encodings=(*RIDS, RtpEncodingParameters(rid="r3", scalability_mode="L2T1"))), "'L2T1'"
    ),
}

WRONG_SHAPES = {
    "no parameters": '{"action": "Produce", "kind": "audio"}',
    "no kind": '{"action": "Produce", "rtpParameters": {"codecs": []}}',
    "another kind": '{"action": "Produce", "kind": "text", "rtpParameters": {"codecs": []}}',
    "a payload type of eight bits": '{"action": "Produce", "kind": "video", "rtpParameters": {"codecs": '
    '[{"mimeType": "video/VP8", "payloadType": 128, "clockRate": 90000}]}}',
    "a negative ssrc": '{"action": "Produce", "kind": "video", "rtpParameters": {"codecs": [], '
    '"encodings": [{"ssrc": -1}]}}',
    "an extension id of 0": '{"action": "Produce", "kind": "video", "rtpParameters": {"codecs": [], '
    '"headerExtensions": [{"uri": "urn:a", "id": 0}]}}',
}


@asynccontextmanager
async def a_server() -> AsyncIterator[Server]:
    """A whole server, its engine included, on loopback."""
    async with trio.open_nursery() as nursery:
        server = Server(Config(port=0, media=MediaListen(("127.0.0.1",), 0), workers=0))
        await nursery.start(server.run)
        yield server
        await server.close()


@asynccontextmanager
async def joined(server: Server, name: str) -> AsyncIterator[Peer]:
    """Somebody in the room."""
    address = server.url.removeprefix("http://")
    host, _, port = address.rpartition(":")
    peer = Peer(await trio.open_tcp_stream(host, int(port)), address, JOIN.format(name, name))
    await peer.handshake()
    await peer.expect(wire.Init)
    try:
        yield peer
        await peer.close()
    finally:
        await peer.vanish()


async def state_of(server: Server) -> object:
    """All that the server says it holds."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
        info = (await client.get("/sfu")).raise_for_status().json()
        rooms = (await client.get("/rooms")).raise_for_status().json()
    held = {name: info["workers"][0]["media"][name] for name in ("routers", "transports", "producers", "consumers")}
    return info["counts"], held, rooms


@pytest.mark.trio
async def test_whatever_is_refused_the_socket_lives_and_nothing_is_left() -> None:
    async with a_server() as server, joined(server, "ann") as ann, joined(server, "ben") as ben:
        await ann.expect(wire.ParticipantJoined)
        await ann.say(wire.ProduceRequest(kind=AUDIO, rtp_parameters=FIRST))
        await ann.expect(wire.Produced)
        await ben.expect(wire.ProducerAdded)
        before = await state_of(server)
        for number, (case, refused) in enumerate(REFUSED.items()):
            await ann.say(wire.ProduceRequest(kind=refused.kind, rtp_parameters=refused.parameters, request_id=number))
            error = await ann.expect(wire.Error)
            assert (case, error.request_action, error.request_id) == (case, "Produce", number)
            assert (case, error.type) == (case, f"/problems/{refused.slug}")
            assert refused.named in error.detail
            assert (case, await state_of(server)) == (case, before)
        for case, text in WRONG_SHAPES.items():
            await ann.say_text(text)
            error = await ann.expect(wire.Error)
            assert (case, error.type) == (case, "/problems/wrong-shape")
            assert (case, await state_of(server)) == (case, before)
        # names that refused producers had are free, and nobody was told of one
        await ann.say(wire.ProduceRequest(kind=MediaKind.VIDEO, rtp_parameters=other(VP8)))
        made = await ann.expect(wire.Produced)
        assert (await ben.expect(wire.ProducerAdded)).producer_id == made.id


@pytest.mark.parametrize("case", REFUSED)
def test_an_engine_refuses_with_the_right_status_and_stays_as_it_was(case: str) -> None:
    refused = REFUSED[case]
    lab = Lab()
    transport = lab.transport().id
    produce(lab, transport, FIRST)
    lab.events.clear()
    before = lab.do(commands.GetCounts(), commands.Counted)
    command = commands.Produce(
        router_id=lab.router,
        transport_id=transport,
        participant_id=ParticipantId("sender"),
        kind=refused.kind,
        rtp_parameters=refused.parameters,
    )
    with pytest.raises(CommandError) as refusal:
        lab.do(command, commands.Produced)
    assert (refusal.value.slug, status_of(refusal.value)) == (refused.slug, refused.status)
    assert lab.engine.drain() == lab.events == []
    assert lab.do(commands.GetCounts(), commands.Counted) == before
