"""A built page, a browser, a server, for each test that asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from clients.api import socket_url
from clients.server import ServerProcess
from tests.browser.bundle import built_page
from tests.browser.chromium import FLAGS, launched, served
from tests.browser.tab import PATIENCE, Tab
from tests.support.tools import need

NewTab = Callable[[], Awaitable[Tab]]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    return need("chromium")


@pytest.fixture(scope="session")
def page_folder(chromium: str) -> Path:
    """Where the built page is; without a browser it is not even built."""
    return built_page()


@pytest.fixture(scope="session")
def page_url(page_folder: Path) -> Iterator[str]:
    """The page's address."""
    with served(page_folder) as url:
        yield url


@pytest.fixture
def browser_flags() -> tuple[str, ...]:
    """Flags of the browser; a test may have others."""
    return FLAGS


@pytest.fixture
def server_flags() -> tuple[str, ...]:
    """Further flags of the server; a test may have others."""
    return ()


@pytest_asyncio.fixture
async def browser(chromium: str, browser_flags: tuple[str, ...]) -> AsyncIterator[Browser]:
    """A browser that ends with the test."""
    async with launched(chromium, browser_flags) as running:
        yield running


@pytest_asyncio.fixture
async def new_tab(browser: Browser, page_url: str) -> AsyncIterator[NewTab]:
    """Opens the page; in the end none of the pages may have complained."""
    tabs: list[Tab] = []

    async def open_tab() -> Tab:
        page = await browser.new_page(viewport={"width": 720, "height": 520})
        tabs.append(Tab(page))
        await page.goto(page_url, timeout=PATIENCE * 1000)
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        assert (tab.complaints if tab.page.is_closed() else await tab.failures()) == []


@pytest_asyncio.fixture
async def server(server_flags: tuple[str, ...]) -> AsyncIterator[ServerProcess]:
    """A labsfu; in the end it must have ended in order and complained of nothing."""
    async with ServerProcess("--log-level", "warning", *server_flags) as running:
        yield running
    assert running.exit_code == 0, "\n".join(running.stderr_tail)
    assert not [line for line in running.stderr_tail if "Traceback" in line or "error" in line.lower()]


@pytest.fixture
def socket(server: ServerProcess) -> str:
    """The socket of the room `r` for whoever comes."""
    return socket_url(server.url, "/ws", {"roomId": "r"})
