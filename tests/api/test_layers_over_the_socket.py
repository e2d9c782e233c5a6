"""Preferred layers and priority over the participant socket, with a real engine: what the answers say."""

import pytest

from labsfu.wire import socket as wire
from labsfu.wire.base import ABSENT, Absent
from labsfu.wire.ids import ParticipantId, RoomId
from labsfu.wire.rtp import ConsumerLayers, MediaKind, RtpParameters
from tests.support.api_world import Peer, ServedWorld, serving_engine
from tests.support.engine_worker import EngineWorker
from tests.support.layers import simulcast_parameters
from tests.support.media import audio_parameters

pytestmark = pytest.mark.trio


def layers(spatial: int, temporal: int | Absent = ABSENT) -> ConsumerLayers:
    return ConsumerLayers(spatial_layer=spatial, temporal_layer=temporal)


async def receiving(
    served: ServedWorld[EngineWorker], parameters: RtpParameters, preferred: ConsumerLayers | Absent = ABSENT
) -> tuple[Peer, wire.Consumed]:
    """Somebody sends; the one who receives it, and its consumer."""
    kind = MediaKind.VIDEO if parameters.codecs[0].mime_type == "video/VP8" else MediaKind.AUDIO
    sender = await served.join("ann")
    await sender.say(wire.ProduceRequest(kind=kind, rtp_parameters=parameters))
    producer = (await sender.expect(wire.Produced)).id
    receiver = await served.connect(
        "/rooms/room/participants/ben/create-and-connect"
        "?roomType=conference&participantType=host&displayName=ben&shareScreen=false"
    )
    capabilities = (await receiver.expect(wire.Init)).router_rtp_capabilities
    await receiver.expect(wire.ProducerAdded)
    await receiver.say(wire.InitRequest(rtp_capabilities=capabilities))
    await receiver.say(wire.ConsumeRequest(producer_id=producer, preferred_layers=preferred))
    return receiver, await receiver.expect(wire.Consumed)


async def prefer(peer: Peer, consumed: wire.Consumed, wanted: ConsumerLayers) -> ConsumerLayers | Absent:
    await peer.say(wire.SetPreferredLayers(id=consumed.id, layers=wanted, request_id="l"))
    answer = await peer.expect(wire.PreferredLayersSet)
    assert (answer.id, answer.request_id) == (consumed.id, "l")
    return answer.layers


async def test_layers_are_answered_as_they_were_cut_to_what_there_is() -> None:
    async with serving_engine() as served:
        ben, consumed = await receiving(served, simulcast_parameters(mode="L1T2"))
        assert await prefer(ben, consumed, layers(1, 0)) == layers(1, 0)
        assert await prefer(ben, consumed, layers(1)) == layers(1, 1)
        assert await prefer(ben, consumed, layers(255, 255)) == layers(2, 1)


async def test_sound_has_no_layers_to_prefer() -> None:
    async with serving_engine() as served:
        ben, consumed = await receiving(served, audio_parameters())
        assert await prefer(ben, consumed, layers(0, 0)) is ABSENT


async def test_what_is_preferred_from_the_beginning_and_the_priority_show_over_http() -> None:
    async with serving_engine() as served:
        ben, consumed = await receiving(served, simulcast_parameters(), layers(0, 0))
        await ben.say(wire.SetPriority(id=consumed.id, priority=255))
        assert (await ben.expect(wire.PrioritySet)).priority == 255
        room = served.driver.rooms.room(RoomId("room"))
        assert room.participants[1].id == ParticipantId("ben")
        status, shown = await served.ask("GET", f"/sfu/routers/{room.router_ids[0]}/consumers/{consumed.id}")
        assert status == 200
        assert shown["preferredLayers"] == {"spatialLayer": 0, "temporalLayer": 0}
        assert shown["priority"] == 255


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("spatialLayer", '"action":"SetPreferredLayers","layers":{"spatialLayer":-1}'),
        ("spatialLayer", '"action":"SetPreferredLayers","layers":{"spatialLayer":256}'),
        ("temporalLayer", '"action":"SetPreferredLayers","layers":{"spatialLayer":0,"temporalLayer":-1}'),
        ("spatialLayer", '"action":"Consume","producerId":"p","preferredLayers":{"spatialLayer":-1}'),
        ("priority", '"action":"SetPriority","priority":0'),
        ("priority", '"action":"SetPriority","priority":256'),
    ],
)
async def test_layers_and_priorities_that_cannot_be_are_refused_by_their_shape(field: str, text: str) -> None:
    async with serving_engine() as served:
        ben, consumed = await receiving(served, simulcast_parameters())
        await ben.say_text(f'{{"id":"{consumed.id}","requestId":3,{text}}}')
        error = await ben.expect(wire.Error)
        assert (error.type, error.request_id) == ("/problems/wrong-shape", 3)
        assert field in error.detail
