"""`labsfu tui URL`, and `labsfu` alone: the dashboard of a server that runs, or of one of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from urllib.parse import urlsplit

from clients.errors import ServerFailed, UnusableFile
from clients.server import ServerProcess
from clients.trust import trusting
from scenarios.lost_server import how_it_ended
from scenarios.verdict import ExitCode
from tui.app import Dashboard
from tui.feed import Follower


def watch(url: str, token: str | None = None, ca: str | None = None) -> ExitCode:
    """Show a server that runs, until the user quits; `ca` is a file with the certificates to be trusted."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return _give_up(f"'{url}' is no URL of a server, as http://127.0.0.1:8000 is", ExitCode.USAGE)
    try:
        trusting(ca)
    except UnusableFile as error:
        return _give_up(str(error), ExitCode.USAGE)
    return _shown(_watch(Follower(url, token, ca=ca)))


def watch_own(token: str | None = None, ca: str | None = None) -> ExitCode:
    """Start a server, show it until the user quits, end it."""
    return _shown(_watch_own(token, ca))


def _shown(story: Coroutine[None, None, ExitCode]) -> ExitCode:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        story.close()
        return _give_up("the dashboard needs a terminal", ExitCode.USAGE)
    try:
        return asyncio.run(story)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except ServerFailed as error:
        return _give_up(str(error), ExitCode.SERVER_DIED)


async def _watch(follower: Follower) -> ExitCode:
    app = Dashboard(follower)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, app.exit)  # so that the terminal is given back
    await app.run_async()
    return ExitCode.PASSED if app.return_code == 0 else ExitCode.SCRIPT_RAISED


async def _watch_own(token: str | None, ca: str | None) -> ExitCode:
    async with ServerProcess() as server:

        async def ended(error: Exception) -> str | None:
            return await how_it_ended(server, error)

        return await _watch(Follower(server.url, token, ca=ca, ended=ended))


def _give_up(reason: str, code: ExitCode) -> ExitCode:
    sys.stderr.write(f"labsfu: {reason}\n")
    return code
