"""The limits of the configuration, as callers meet them."""

from contextlib import AsyncExitStack

import msgspec
import pytest
import trio

from labsfu.api.http_server import TURNED_AWAY_AT_ONCE
from labsfu.config import Config, load_config
from labsfu.errors import ConfigError
from labsfu.server import holding_limits_of
from labsfu.shell.holdings import HoldingLimits
from labsfu.wire import socket as wire
from labsfu.wire.ids import RoomId
from labsfu.wire.payloads import Problem
from labsfu.wire.rtp import MediaKind
from tests.support.api_world import JOIN, ApiWorld, EngineWorld, serving
from tests.support.fake_worker import CAPABILITIES, OPUS
from tests.support.http_media import capabilities, make_consumer, make_producer, make_router

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


async def test_a_participant_has_so_many_consumers_over_http_and_no_more_until_one_is_closed() -> None:
    world = EngineWorld(Config(max_consumers_per_participant=2))
    router = await make_router(world)
    producer = await make_producer(world, router)
    consumers = [await make_consumer(world, router, producer) for _ in range(2)]
    body = await capabilities(world, router)
    problem = await world.refused("POST", f"{producer}/consumers?participantId=ben", json=body)
    assert (problem.status, problem.type) == (409, "/problems/too-many-consumers")
    assert (await world.ask("POST", f"{producer}/consumers?participantId=cyd", json=body))[0] == 201
    await world.ask("DELETE", consumers[0])
    await make_consumer(world, router, producer)


async def test_a_participant_has_so_many_consumers_on_its_socket() -> None:
    async with serving(Config(max_consumers_per_participant=1)) as served:
        ann, ben = await served.join("ann"), await served.join("ben")
        produced = []
        for _ in range(2):
            await ann.say(wire.ProduceRequest(kind=MediaKind.AUDIO, rtp_parameters=OPUS))
            while not isinstance(said := await ann.hear(), wire.Produced):
                pass
            produced.append(said.id)
        await ben.say(wire.InitRequest(rtp_capabilities=CAPABILITIES))
        await ben.say(wire.ConsumeRequest(producer_id=produced[0]))
        await ben.say(wire.ConsumeRequest(producer_id=produced[1]))
        while not isinstance(said := await ben.hear(), wire.Error):
            pass
        assert (said.request_action, said.type) == ("Consume", "/problems/too-many-consumers")
        assert len(served.worker.engine.consumers) == 1


async def test_a_server_has_so_many_transports_whoever_wants_them() -> None:
    async with serving(Config(max_transports=3)) as served:
        await served.join("ann")
        ben = await served.connect(JOIN.format("ben", "Ben"))
        assert ben.refusal is not None
        assert (ben.refusal[1].status, ben.refusal[1].type) == (409, "/problems/too-many-transports")
        assert len(served.worker.engine.transports) == 2, "the one that there was room for is closed again"
        assert [p.id for p in served.driver.rooms.participants(RoomId("room"))] == ["ann"]
        again = await served.connect(JOIN.format("ben", "Ben"))
        assert again.refusal is not None


async def test_a_participant_that_was_made_before_keeps_its_seat_when_there_is_no_transport_for_it() -> None:
    async with serving(Config(max_transports=1)) as served:
        await served.ask("POST", "/rooms?roomType=call&roomSize=2&roomId=a")
        await served.ask("POST", "/rooms/a/participants/ann?participantType=host&displayName=Ann")
        ann = await served.connect("/rooms/a/participants/ann/connect")
        assert ann.refusal is not None
        assert ann.refusal[1].type == "/problems/too-many-transports"
        assert (await served.ask("GET", "/rooms/a/participants/ann"))[1]["connected"] is False
        assert served.worker.engine.transports == {}


async def test_a_room_for_which_there_is_no_router_is_not_made() -> None:
    async with serving(Config(max_routers=1)) as served:
        await served.join("ann")
        other = await served.connect("/ws?roomId=other")
        assert other.refusal is not None
        assert (other.refusal[1].status, other.refusal[1].type) == (409, "/problems/too-many-routers")
        problem = await served.refused("POST", "/sfu/routers?participantCount=2")
        assert problem.type == "/problems/too-many-routers"
        assert [room.id for room in served.driver.rooms.rooms()] == ["room"]
        await served.ask("DELETE", "/rooms/room")
        assert (await served.ask("POST", "/rooms?roomType=call&roomSize=2&roomId=other"))[0] == 201


async def test_one_for_whom_a_room_needs_a_further_router_keeps_its_seat_when_there_can_be_none() -> None:
    async with serving(Config(max_routers=1, router_capacity=1)) as served:
        await served.join("ann")
        await served.ask("POST", "/rooms/room/participants/ben?participantType=host&displayName=Ben")
        ben = await served.connect("/rooms/room/participants/ben/connect")
        assert ben.refusal is not None
        assert (ben.refusal[1].status, ben.refusal[1].type) == (409, "/problems/too-many-routers")
        assert (await served.ask("GET", "/rooms/room/participants/ben"))[1]["connected"] is False


async def test_so_many_may_watch_and_a_place_that_is_left_is_free() -> None:
    async with serving(Config(max_watchers=1)) as served:
        first = await served.connect("/sfu/events")
        second = await served.connect("/sfu/events")
        assert second.refusal is not None
        assert (second.refusal[1].status, second.refusal[1].type) == (409, "/problems/too-many-watchers")
        await first.close()
        with trio.fail_after(10):
            while (await served.connect("/sfu/events")).refusal is not None:
                pass


async def test_a_connection_too_many_is_told_so_and_those_that_there_are_go_on() -> None:
    async with serving(Config(max_connections=2)) as served:
        ann = await served.join("ann")
        async with await trio.open_tcp_stream(*served.address) as second:
            async with await trio.open_tcp_stream(*served.address) as third:
                await third.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = b"".join([bytes(part) async for part in third])
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert b"retry-after: 1" in head
            problem = msgspec.json.decode(body, type=Problem)
            assert (problem.status, problem.type) == (503, "/problems/too-many-connections")
            await second.send_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert (await second.receive_some()).startswith(b"HTTP/1.1 200")
        await ann.say(wire.RestartIceRequest(transport="producer"))
        await ann.expect(wire.IceRestarted)


async def test_a_flood_of_connections_is_closed_without_a_word_and_costs_nobody_anything() -> None:
    async with serving(Config(max_connections=1)) as served, AsyncExitStack() as stack:
        ann = await served.join("ann")
        flood = [await stack.enter_async_context(await trio.open_tcp_stream(*served.address)) for _ in range(100)]
        said = [await _until_its_end(stream) for stream in flood]
        told = [answer for answer in said if answer]
        assert all(answer.startswith(b"HTTP/1.1 503") for answer in told)
        assert TURNED_AWAY_AT_ONCE <= len(told) < len(said)
        assert served.http.connections == 1
        await ann.say(wire.RestartIceRequest(transport="producer"))
        await ann.expect(wire.IceRestarted)


async def _until_its_end(stream: trio.SocketStream) -> bytes:
    try:
        return b"".join([bytes(part) async for part in stream])
    except trio.BrokenResourceError:
        return b""


async def test_the_limits_of_a_configuration_are_those_that_are_kept() -> None:
    config = Config(max_routers=1, max_transports=2, max_consumers_per_participant=3)
    assert holding_limits_of(config) == HoldingLimits(routers=1, transports=2, consumers=3)
    assert holding_limits_of(Config()) == HoldingLimits()


async def test_they_are_read_from_the_environment() -> None:
    names = (
        "MAX_ROOMS",
        "MAX_PARTICIPANTS",
        "MAX_PRODUCERS_PER_PARTICIPANT",
        "MAX_CONSUMERS_PER_PARTICIPANT",
        "MAX_ROUTERS",
        "MAX_TRANSPORTS",
        "MAX_WATCHERS",
        "MAX_CONNECTIONS",
    )
    config = load_config({}, {f"LABSFU_{name}": str(value) for value, name in enumerate(names, 5)})
    assert [getattr(config, name.lower()) for name in names] == [5, 6, 7, 8, 9, 10, 11, 12]
    with pytest.raises(ConfigError, match="LABSFU_MAX_ROOMS: '0'"):
        load_config({}, {"LABSFU_MAX_ROOMS": "0"})
