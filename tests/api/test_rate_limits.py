"""How often somebody may ask, over HTTP and on a socket."""

from __future__ import annotations

import json

import msgspec
import pytest
import trio

from labsfu.api.app import ROUTES
from labsfu.api.guard import OPEN_PATHS
from labsfu.api.rates import MOST_ADDRESSES, AddressBudgets, Budget, Rate
from labsfu.api.refusals import refusals_of
from labsfu.api.routing import Refusal
from labsfu.api.socket import BURST_SECONDS, Pace
from labsfu.config import Config, load_config
from labsfu.wire import socket as wire
from labsfu.wire.payloads import Problem
from tests.api.refusal_case import TOKEN, accepted
from tests.api.refusal_check import send
from tests.api.refusal_rows import ROWS, name_of
from tests.api.refusal_scene import make_scene
from tests.support.api_world import ApiWorld, serving

ONCE = Config(max_requests_per_second=0.001)
"""One request, and then a long time none."""


# ------------------------------------------------------------------ budgets


def test_a_burst_may_be_spent_at_once_and_then_one_for_each_interval() -> None:
    budget = Budget(Rate(10, burst=3))
    assert [budget.spend(100.0) for _ in range(3)] == [0, 0, 0]
    assert budget.spend(100.0) == pytest.approx(0.1)
    assert budget.spend(100.05) == pytest.approx(0.05)
    assert budget.spend(100.1) == 0
    assert budget.spend(100.1) == pytest.approx(0.1)


def test_what_is_saved_up_is_never_more_than_the_burst() -> None:
    budget = Budget(Rate(10, burst=3))
    budget.spend(0.0)
    assert [budget.spend(1_000_000.3) == 0 for _ in range(4)] == [True, True, True, False]


def test_asking_in_vain_costs_nothing() -> None:
    budget = Budget(Rate(1, burst=1))
    budget.spend(0.0)
    waits = [budget.spend(0.5) for _ in range(100)]
    assert waits == [pytest.approx(0.5)] * 100
    assert budget.spend(1.0) == 0


def test_each_address_has_its_own_budget() -> None:
    budgets = AddressBudgets(Rate(1, burst=1))
    assert [budgets.spend(f"192.0.2.{number}", 0.0) for number in (1, 2, 1)] == [0, 0, 1]


def test_an_ipv6_network_is_one_address() -> None:
    budgets = AddressBudgets(Rate(1, burst=1))
    assert budgets.spend("2001:db8:1:2::1", 0.0) == 0
    assert budgets.spend("2001:db8:1:2:ffff::9%eth0", 0.0) > 0
    assert budgets.spend("2001:db8:1:3::1", 0.0) == 0
    assert budgets.spend("192.0.2.1", 0.0) == 0
    assert budgets.spend("::ffff:192.0.2.1", 0.0) > 0


def test_memory_is_bounded_however_many_addresses_ask() -> None:
    budgets = AddressBudgets(Rate(1, burst=1), most=100)
    for number in range(10_000):
        budgets.spend(f"10.0.{number // 256}.{number % 256}", 0.0)
        assert len(budgets) <= 100
    assert budgets.spend("10.0.39.15", 0.0) > 0, "who asked last is remembered"


def test_whoever_has_a_full_budget_again_is_forgotten() -> None:
    budgets = AddressBudgets(Rate(1, burst=10))
    for number in range(200):
        budgets.spend(f"10.0.0.{number}", 0.0)
    budgets.spend("192.0.2.1", 60.0)
    assert len(budgets) == 1
    assert MOST_ADDRESSES >= 10_000


# ------------------------------------------------------------------ HTTP


@pytest.mark.trio
@pytest.mark.parametrize("route", ROUTES, ids=name_of)
async def test_every_route_but_health_refuses_who_asks_too_often_and_changes_nothing(route: object) -> None:
    name = name_of(route)  # type: ignore[arg-type]  # a parameter has no type
    scene = await make_scene(ONCE)
    await scene.world.client.get("/rooms", headers={"Host": "localhost"})
    before = scene.snapshot()
    response = await send(scene, accepted(name))
    declared = Refusal(429, "too-many-requests") in refusals_of(route)  # type: ignore[arg-type]  # as above
    if accepted(name).path in OPEN_PATHS:
        assert not declared
        assert response is not None
        assert response.status_code == 200
        return
    assert declared
    assert response is not None
    assert (response.status_code, response.content_type) == (429, "application/problem+json")
    problem = msgspec.json.decode(await response.get_data(), type=Problem)
    assert problem.type == "/problems/too-many-requests"
    assert 900 < int(response.headers["Retry-After"]) <= 1000
    assert scene.snapshot() == before


@pytest.mark.trio
async def test_after_the_time_that_is_told_it_is_answered_again(autojump_clock: object) -> None:
    world = ApiWorld(Config(max_requests_per_second=0.5))
    assert (await world.ask("GET", "/rooms"))[0] == 200
    response = await world.client.get("/rooms")
    assert response.status_code == 429
    await trio.sleep(int(response.headers["Retry-After"]))
    assert (await world.ask("GET", "/rooms"))[0] == 200


@pytest.mark.trio
async def test_tokens_are_not_tried_faster_than_that() -> None:
    world = ApiWorld(Config(host="192.0.2.1", token="s3cret", max_requests_per_second=1))
    tried = [
        (await world.client.get("/rooms", headers={"Authorization": f"Bearer {guess}"})).status_code
        for guess in ("a", "b", "c", "d")
    ]
    assert tried == [401, 401, 429, 429]
    assert (await world.client.get("/rooms", headers=TOKEN)).status_code == 429


@pytest.mark.trio
async def test_handshakes_of_sockets_count_too() -> None:
    async with serving(ONCE) as served:
        await served.join("ann")
        ben = await served.connect("/ws?roomId=room")
        assert ben.refusal is not None
        assert (ben.refusal[1].status, ben.refusal[1].type) == (429, "/problems/too-many-requests")
        assert [p.id for p in served.driver.rooms.participants(served.driver.rooms.rooms()[0].id)] == ["ann"]


def test_loopback_has_no_rate_and_everybody_else_has_one() -> None:
    assert load_config({}, {}).request_rate == 0
    assert load_config({"host": "192.0.2.1", "token": "t"}, {}).request_rate == 100
    for host in ("127.0.0.1", "192.0.2.1"):
        assert load_config({"host": host, "token": "t"}, {"LABSFU_MAX_REQUESTS_PER_SECOND": "7.5"}).request_rate == 7.5
    assert load_config({"host": "192.0.2.1", "token": "t"}, {"LABSFU_MAX_REQUESTS_PER_SECOND": "0"}).request_rate == 0


@pytest.mark.trio
async def test_without_a_rate_nothing_is_refused() -> None:
    world = ApiWorld(Config(host="192.0.2.1", max_requests_per_second=0))
    assert {(await world.client.get("/rooms")).status_code for _ in range(500)} == {200}


# ------------------------------------------------------------------ messages


@pytest.mark.trio
async def test_messages_too_many_are_refused_by_name_and_the_socket_lives() -> None:
    async with serving(Config(max_messages_per_second=0.5)) as served:
        ann = await served.join("ann")
        restart = wire.RestartIceRequest(transport="producer", request_id=1)
        for _ in range(2):
            await ann.say(restart)
            await ann.expect(wire.IceRestarted)
        await ann.say_text('{"action": "RestartIce", "transport": "producer", "requestId": "third"}')
        error = await ann.expect(wire.Error)
        assert (error.type, error.request_action) == ("/problems/too-many-requests", "RestartIce")
        assert error.request_id == "third"
        assert "again in" in error.detail
        assert (served.api.tally.messages, served.api.tally.messages_refused) == (3, 1)


@pytest.mark.trio
async def test_what_makes_no_sense_counts_and_is_refused_like_the_rest() -> None:
    async with serving(Config(max_messages_per_second=0.2)) as served:
        ann = await served.join("ann")
        await ann.say_text("{")
        assert (await ann.expect(wire.Error)).type == "/problems/not-json"
        await ann.say_text("{")
        error = await ann.expect(wire.Error)
        assert (error.type, error.request_action) == ("/problems/too-many-requests", "")


@pytest.mark.trio
async def test_whoever_goes_on_all_the_same_is_given_up() -> None:
    async with serving(Config(max_messages_per_second=2)) as served:
        ann, ben = await served.join("ann"), await served.join("ben")
        for _ in range(40):
            await ann.say(wire.RestartIceRequest(transport="producer"))
        assert await ann.expect_close() == 1008
        await ben.say(wire.RestartIceRequest(transport="producer"))
        while not isinstance(await ben.hear(), wire.IceRestarted):
            pass


def test_who_comes_into_a_room_of_a_hundred_streams_is_never_refused() -> None:
    """It consumes, resumes, chooses layers and asks for key frames as fast as anything, besides what joining takes."""
    pace = Pace(Config().max_messages_per_second)
    said = ["Init", "ConnectProducerTransport", "ConnectConsumerTransport", "Produce", "Produce"]
    said += 100 * ["Consume", "ConsumerResume", "SetPreferredLayers", "RequestKeyFrame"]
    assert [pace.refusal(50.0) for _ in said] == [None] * len(said)
    assert len(said) < Config().max_messages_per_second * BURST_SECONDS


@pytest.mark.trio
async def test_a_refused_message_changes_nothing() -> None:
    async with serving(Config(max_messages_per_second=0.2)) as served:
        ann = await served.join("ann")
        await ann.say_text("{}")
        await ann.expect(wire.Error)
        before = len(served.worker.engine.asked)
        await ann.say_text(json.dumps({"action": "Leave"}))
        assert (await ann.expect(wire.Error)).type == "/problems/too-many-requests"
        assert len(served.worker.engine.asked) == before


@pytest.mark.parametrize(
    ("name", "value"), [("max-requests-per-second", "-1"), ("max-messages-per-second", "fast"), ("max-watchers", "0")]
)
def test_wrong_limits_are_named(name: str, value: str) -> None:
    with pytest.raises(Exception, match=name):
        load_config({name: value}, {})


def test_rows_and_routes_are_the_same() -> None:
    assert set(ROWS) == {name_of(route) for route in ROUTES}


@pytest.mark.trio
async def test_all_statistics_are_given_a_few_times_a_second_however_many_messages_are_allowed() -> None:
    async with serving(Config(max_messages_per_second=0)) as served:
        ann = await served.join("ann")
        for _ in range(12):
            await ann.say(wire.GetStats())
        answers = [await ann.expect(wire.Stats) for _ in range(10)]
        assert len(answers) == 10
        error = await ann.expect(wire.Error)
        assert (error.type, error.request_action) == ("/problems/too-many-requests", "GetStats")
