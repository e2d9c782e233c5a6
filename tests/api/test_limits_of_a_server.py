"""The limits of the configuration, as callers meet them."""

import pytest

from labsfu.config import Config, load_config
from labsfu.errors import ConfigError
from tests.support.api_world import JOIN, ApiWorld, serving

pytestmark = pytest.mark.trio

SMALL = Config(max_rooms=1, max_participants=1, max_producers_per_participant=1)


async def test_one_room_or_participant_too_many_is_a_conflict_that_changes_nothing() -> None:
    world = ApiWorld(SMALL)
    await world.ask("POST", "/rooms?roomType=call&roomSize=2&roomId=a")
    make = "/rooms/a/participants/{0}?participantType=host&displayName={0}"
    await world.ask("POST", make.format("ann"))
    before = await world.ask("GET", "/rooms")
    room = await world.refused("POST", "/rooms?roomType=call&roomSize=2&roomId=b")
    participant = await world.refused("POST", make.format("ben"))
    assert (room.status, room.type) == (409, "/problems/too-many-rooms")
    assert (participant.status, participant.type) == (409, "/problems/too-many-participants")
    assert await world.ask("GET", "/rooms") == before


async def test_a_socket_is_refused_for_the_same_reasons() -> None:
    async with serving(SMALL) as served:
        await served.join("ann")
        ben = await served.connect(JOIN.format("ben", "Ben"))
        assert ben.refusal is not None
        assert (ben.refusal[1].status, ben.refusal[1].type) == (409, "/problems/too-many-participants")
    async with serving(Config(max_rooms=1)) as served:
        await served.join("ann")
        other = await served.connect("/ws?roomId=other")
        assert other.refusal is not None
        assert (other.refusal[1].status, other.refusal[1].type) == (409, "/problems/too-many-rooms")


async def test_they_are_read_from_the_environment() -> None:
    names = ("MAX_ROOMS", "MAX_PARTICIPANTS", "MAX_PRODUCERS_PER_PARTICIPANT")
    config = load_config({}, {f"LABSFU_{name}": str(value) for value, name in enumerate(names, 5)})
    assert (config.max_rooms, config.max_participants, config.max_producers_per_participant) == (5, 6, 7)
    with pytest.raises(ConfigError, match="LABSFU_MAX_ROOMS: '0'"):
        load_config({}, {"LABSFU_MAX_ROOMS": "0"})
