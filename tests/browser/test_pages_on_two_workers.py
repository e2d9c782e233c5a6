"""Two pages on two workers: what one sends goes over a pipe to the other, which cannot tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.api import ApiClient
from clients.server import ServerProcess
from tests.browser.conftest import NewTab
from tests.browser.pictures import assert_go_on
from tests.browser.three_layers import CALM, SIZES, SOURCE, is_shown, receiving, sending, several_more

pytestmark = [pytest.mark.asyncio, pytest.mark.e2e]


@pytest.fixture
def server_flags(tmp_path: Path) -> tuple[str, ...]:
    """Nobody shares a router with anybody."""
    settings = tmp_path / "labsfu.toml"
    settings.write_text("router-capacity = 1\n", encoding="utf-8")
    return ("--workers", "2", "--config", str(settings))


async def test_three_layers_cross_a_pipe_and_the_other_page_is_shown_the_one_that_it_asks_for(
    server: ServerProcess, socket: str, new_tab: NewTab
) -> None:
    sender = await sending(new_tab, socket)
    receiver = await receiving(new_tab, socket, sender)
    async with ApiClient(server.url) as api:
        routers = [await api.router(router_id) for router_id in (await api.room("r")).router_ids]
        assert len({router.worker_id for router in routers}) == len(routers) == 2
        for router in routers:
            assert (router.producer_count, router.pipe_transport_count) == (1, 1)
    for layer in (0, 2, 1):
        await several_more(receiver, sender, CALM)
        await receiver.prefer(sender.id, layer)
        await is_shown(receiver, sender, SIZES[layer])
    assert_go_on(await receiver.presented(sender.id), SOURCE)
