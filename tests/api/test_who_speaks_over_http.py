"""Who is loud and who speaks: as the HTTP API shows it, and as the sockets tell it."""

import pytest

from labsfu.config import Config
from labsfu.wire import socket as wire
from labsfu.wire.base import to_json
from labsfu.wire.rtp import MediaKind
from tests.support.api_world import ApiWorld, serving
from tests.support.fake_worker import OPUS

pytestmark = pytest.mark.trio

ROOM = "/rooms?roomType=conference&roomSize=4&roomId=r"


@pytest.fixture
async def world() -> ApiWorld:
    return ApiWorld(Config())


@pytest.mark.parametrize("place", ["router", "room"])
async def test_nobody_speaks_and_nobody_is_loud_at_first(world: ApiWorld, place: str) -> None:
    _, room = await world.ask("POST", ROOM)
    (router,) = room["routerIds"]
    id_, path = {"router": (router, f"/sfu/routers/{router}"), "room": ("r", "/rooms/r")}[place]
    assert await world.ask("GET", f"{path}/active-speaker") == (
        200,
        {f"{place}Id": id_, "producerId": None, "participantId": None, "since": None},
    )
    assert await world.ask("GET", f"{path}/audio-level") == (
        200,
        {f"{place}Id": id_, "levels": [], "silent": True, "at": 0},
    )


@pytest.mark.parametrize("what", ["active-speaker", "audio-level"])
async def test_what_is_not_there_says_nothing(world: ApiWorld, what: str) -> None:
    nowhere = "00000000-0000-0000-0000-000000000099"
    assert (await world.refused("GET", f"/rooms/nowhere/{what}")).type == "/problems/room-not-found"
    assert (await world.refused("GET", f"/sfu/routers/{nowhere}/{what}")).type == "/problems/router-not-found"


async def test_what_the_engine_finds_is_told_on_the_sockets_and_shown() -> None:
    async with serving() as served:
        ann = await served.join("ann")
        await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
        producer = (await ann.expect(wire.Produced)).id
        engine = served.worker.engine
        (router,) = engine.routers
        engine.measure_levels(router, {producer: -31})
        engine.give_floor(router, producer)
        served.driver.on_events(engine.drain())

        levels = await ann.expect(wire.AudioLevels)
        (level,) = levels.levels
        assert to_json(level) == f'{{"producerId":"{producer}","participantId":"ann","volume":-31}}'.encode()
        speaks = await ann.expect(wire.ActiveSpeaker)
        assert to_json(speaks) == (
            f'{{"action":"ActiveSpeaker","participantId":"ann","producerId":"{producer}"}}'.encode()
        )
        for path, id_ in ((f"/sfu/routers/{router}", {"routerId": router}), ("/rooms/room", {"roomId": "room"})):
            _, shown = await served.ask("GET", f"{path}/active-speaker")
            assert shown == id_ | {"producerId": producer, "participantId": "ann", "since": 5000}
            _, shown = await served.ask("GET", f"{path}/audio-level")
            loud = {"producerId": producer, "participantId": "ann", "volume": -31}
            assert shown == id_ | {"levels": [loud], "silent": False, "at": 6000}

        engine.give_floor(router, None)
        served.driver.on_events(engine.drain())
        nobody = await ann.expect(wire.ActiveSpeaker)
        assert to_json(nobody) == b'{"action":"ActiveSpeaker","participantId":null,"producerId":null}'
