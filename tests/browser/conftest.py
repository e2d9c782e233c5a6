"""A built page, served from loopback; a headless Chromium with a made-up camera and microphone; a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from clients.api import socket_url
from clients.server import ServerProcess
from tests.browser.bundle import built_page
from tests.browser.tab import PATIENCE, Tab
from tests.support.tools import need

FLAGS = (
    "--no-sandbox",  # as root Chromium has no sandbox
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",  # where there is nothing but `lo`
)
LAUNCH_PATIENCE = 30.0

NewTab = Callable[[], Awaitable[Tab]]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and writes no log."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass


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
    """The page's address: loopback, so that the server takes its origin."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(page_folder)))
    thread = Thread(target=partial(server.serve_forever, poll_interval=0.05), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/index.html"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest_asyncio.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A browser of our own, with a profile of its own below the temporary folder; it ends with the test."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, headless=True, timeout=LAUNCH_PATIENCE * 1000
        )
        try:
            yield launched
        finally:
            async with asyncio.timeout(LAUNCH_PATIENCE):
                await launched.close()


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
async def server() -> AsyncIterator[ServerProcess]:
    """A labsfu; in the end it must have ended in order and complained of nothing."""
    async with ServerProcess("--log-level", "warning") as running:
        yield running
    assert running.exit_code == 0, "\n".join(running.stderr_tail)
    assert not [line for line in running.stderr_tail if "Traceback" in line or "error" in line.lower()]


@pytest.fixture
def socket(server: ServerProcess) -> str:
    """The socket of the room `r` for whoever comes."""
    return socket_url(server.url, "/ws", {"roomId": "r"})
