"""Token, Host and Origin."""

import pytest
import trio

from labsfu.config import Config
from tests.support.api_world import ApiWorld, serving

pytestmark = pytest.mark.trio

OPEN = Config(hosts=("lab.example",), origins=("https://lab.example",))
GUARDED = Config(host="0.0.0.0", token="s3cret")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "[::1]:8000", "lab.example:1"])
async def test_loopback_and_listed_names_are_answered(host: str) -> None:
    assert (await ApiWorld(OPEN).ask("GET", "/rooms", headers={"Host": host}))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
async def test_other_names_are_refused_even_on_loopback(host: str) -> None:
    problem = await ApiWorld(OPEN).refused("GET", "/rooms", headers={"Host": host})
    assert (problem.status, problem.type) == (403, "/problems/host-not-allowed")


async def test_a_host_that_is_no_name_is_refused() -> None:
    async with serving(OPEN) as served, await trio.open_tcp_stream(*served.address) as stream:
        await stream.send_all(b"GET /rooms HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "https://lab.example"])
async def test_pages_from_loopback_and_listed_origins_may_call(origin: str) -> None:
    assert (await ApiWorld(OPEN).ask("GET", "/rooms", headers={"Origin": origin}))[0] == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://lab.example", "http://localhost.evil"])
async def test_other_pages_may_not(origin: str) -> None:
    problem = await ApiWorld(OPEN).refused("GET", "/rooms", headers={"Origin": origin})
    assert (problem.status, problem.type) == (403, "/problems/origin-not-allowed")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic s3cret", "Bearer s3cret2"])
async def test_without_the_token_nothing_but_health_is_answered(given: str) -> None:
    world = ApiWorld(GUARDED)
    response = await world.client.get("/rooms", headers={"Authorization": given, "Host": "anywhere.example"})
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (await world.ask("GET", "/healthz"))[0] == 200
    assert (await world.ask("GET", "/readyz"))[0] == 200


@pytest.mark.parametrize("given", ["Bearer s3cret", "bearer  s3cret"])
async def test_with_the_token_everything_is_answered_wherever_it_comes_from(given: str) -> None:
    headers = {"Authorization": given, "Host": "anywhere.example", "Origin": "https://anywhere.example"}
    assert (await ApiWorld(GUARDED).ask("GET", "/rooms", headers=headers))[0] == 200


async def test_the_token_of_a_query_is_not_for_http() -> None:
    assert (await ApiWorld(GUARDED).refused("GET", "/rooms?token=s3cret")).status == 401


async def test_a_socket_may_bring_the_token_in_its_query() -> None:
    async with serving(GUARDED) as served:
        assert (await served.connect("/ws?token=s3cret&roomId=r")).refusal is None
        refused = await served.connect("/ws?roomId=r&token=wrong")
        assert refused.refusal is not None
        assert refused.refusal[1].status == 401
        assert [room.id for room in served.driver.rooms.rooms()] == ["r"]
