"""What a server says of the layers and scores of a stream, and what it is asked: against one of the test's own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from clients.errors import Disconnected, Refused
from clients.signalling import Signalling
from clients.subscriber import Subscriber
from clients.transport import WebRtcTransport
from labsfu.wire.events import LayersReason
from labsfu.wire.ids import ConsumerId, ParticipantId, ProducerId, TransportId
from labsfu.wire.rtp import (
    ConsumerLayers,
    ConsumerType,
    MediaKind,
    RtpCodecParameters,
    RtpEncodingParameters,
    RtpParameters,
)
from labsfu.wire.sfu import ConsumerScore as Score
from labsfu.wire.socket import (
    Answer,
    Consumed,
    ConsumerLayersChanged,
    ConsumerResumed,
    ConsumerScore,
    Error,
    PreferredLayersSet,
    PrioritySet,
    Signal,
)
from labsfu.wire.transport import DtlsParameters, DtlsRole, IceParameters, TransportOptions

pytestmark = pytest.mark.asyncio

ID, PRODUCER = ConsumerId("c"), ProducerId("p")
LOWEST, MIDDLE = ConsumerLayers(spatial_layer=0, temporal_layer=0), ConsumerLayers(spatial_layer=1, temporal_layer=2)
CONSUMED = Consumed(
    id=ID,
    producer_id=PRODUCER,
    participant_id=ParticipantId("ann"),
    kind=MediaKind.VIDEO,
    rtp_parameters=RtpParameters(
        codecs=(RtpCodecParameters(mime_type="video/VP8", payload_type=101, clock_rate=90000),),
        encodings=(RtpEncodingParameters(ssrc=7),),
    ),
    type=ConsumerType.SIMULCAST,
    producer_paused=False,
)
OPTIONS = TransportOptions(
    id=TransportId("t"),
    ice_parameters=IceParameters(username_fragment="u" * 4, password="p" * 22),
    ice_candidates=(),
    dtls_parameters=DtlsParameters(fingerprints=()),
)


def scored(score: int, id_: ConsumerId = ID) -> ConsumerScore:
    return ConsumerScore(id=id_, score=Score(score=score, producer_score=10, producer_scores=(10,)))


def changed(layers: ConsumerLayers, reason: LayersReason) -> ConsumerLayersChanged:
    return ConsumerLayersChanged(id=ID, layers=layers, reason=reason)


class Scripted:
    """Answers each action with what its script has, and keeps what was asked."""

    def __init__(self, script: dict[str, list[Signal]]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._script = script

    async def serve(self, socket: ServerConnection) -> None:
        async for text in socket:
            request = msgspec.json.decode(text)
            self.asked.append(request)
            for message in self._script[request["action"]]:
                if isinstance(message, Answer):
                    message = msgspec.structs.replace(message, request_id=request["requestId"])  # noqa: PLW2901 - its answer
                await socket.send(msgspec.json.encode(message).decode())


@asynccontextmanager
async def subscribing(script: dict[str, list[Signal]]) -> AsyncIterator[tuple[Subscriber, Scripted]]:
    """A subscriber whose client follows the signals, as `LabClient` does."""
    scripted, transport = Scripted(script), WebRtcTransport(OPTIONS, role=DtlsRole.CLIENT)

    async def get_transport() -> WebRtcTransport:
        return transport

    async def follow() -> None:
        try:
            while True:
                signal = await signalling.receive()
                assert isinstance(signal, ConsumerLayersChanged | ConsumerScore)
                subscriber.told(signal)
        except Disconnected:
            return

    async with asyncio.timeout(20), serve(scripted.serve, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with Signalling(f"ws://127.0.0.1:{port}/") as signalling:
            subscriber = Subscriber(signalling, get_transport, lambda _: None, random.Random(1), synthetic=True)
            following = asyncio.create_task(follow())
            yield subscriber, scripted
            await subscriber.close()
        await following
    await transport.close()


async def until_told(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - the subscriber tells nobody
        await asyncio.sleep(0.005)


async def test_a_stream_begins_without_word_and_follows_what_is_said() -> None:
    script: dict[str, list[Signal]] = {
        "Consume": [CONSUMED],
        "ConsumerResume": [changed(LOWEST, "begun"), scored(10), ConsumerResumed(id=ID)],
        "ConsumerPause": [ConsumerLayersChanged(id=ID, reason="stopped"), scored(4), scored(1, ConsumerId("another"))],
    }
    async with subscribing(script) as (subscriber, scripted):
        remote = await subscriber.consume(PRODUCER, paused=True)
        assert (remote.sent.layers, remote.sent.reason, remote.sent.score) == (None, None, None)
        assert "preferredLayers" not in scripted.asked[0]
        await subscriber.resume(ID)
        await until_told(lambda: remote.sent.score is not None)
        assert (remote.sent.layers, remote.sent.reason) == (LOWEST, "begun")
        pausing = asyncio.create_task(subscriber.pause(ID))
        await until_told(lambda: remote.sent.score is not None and remote.sent.score.score == 4)
        assert (remote.sent.layers, remote.sent.reason) == (None, "stopped")
        pausing.cancel()


async def test_what_is_said_before_the_receiver_is_there_is_not_lost() -> None:
    script: dict[str, list[Signal]] = {"Consume": [scored(3), changed(MIDDLE, "available"), scored(9), CONSUMED]}
    async with subscribing(script) as (subscriber, scripted):
        remote = await subscriber.consume(PRODUCER, paused=True, preferred_layers=MIDDLE)
        assert remote.sent.score is not None
        assert (remote.sent.score.score, remote.sent.layers, remote.sent.reason) == (9, MIDDLE, "available")
        assert scripted.asked[0]["preferredLayers"] == {"spatialLayer": 1, "temporalLayer": 2}


async def test_layers_and_priority_are_asked_for_and_the_answer_says_what_that_came_to() -> None:
    script: dict[str, list[Signal]] = {
        "SetPreferredLayers": [PreferredLayersSet(id=ID, layers=MIDDLE)],
        "SetPriority": [PrioritySet(id=ID, priority=9)],
    }
    async with subscribing(script) as (subscriber, scripted):
        assert await subscriber.set_preferred_layers(ID, 5) == MIDDLE
        assert await subscriber.set_preferred_layers(ID, 1, 0) == MIDDLE
        script["SetPreferredLayers"] = [PreferredLayersSet(id=ID)]
        assert await subscriber.set_preferred_layers(ID, 1, 0) is None
        await subscriber.set_priority(ID, 9)
        said = [{key: value for key, value in one.items() if key != "requestId"} for one in scripted.asked]
        assert said[0] == {"action": "SetPreferredLayers", "id": "c", "layers": {"spatialLayer": 5}}
        assert said[1]["layers"] == {"spatialLayer": 1, "temporalLayer": 0}
        assert said[3] == {"action": "SetPriority", "id": "c", "priority": 9}


async def test_a_refusal_is_raised() -> None:
    refusal = Error(request_action="SetPriority", type="/problems/consumer-not-found", detail="gone")
    async with subscribing({"SetPriority": [refusal]}) as (subscriber, _):
        with pytest.raises(Refused, match="gone"):
            await subscriber.set_priority(ID, 2)
