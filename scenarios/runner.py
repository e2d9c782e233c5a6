"""Runs a scenario: against a server of its own, or one that is there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import httpx

from clients.api import ApiClient
from clients.errors import ServerFailed
from clients.server import ServerProcess
from scenarios.definition import Scenario
from scenarios.errors import UsageError
from scenarios.lab import Lab, Progress
from scenarios.lost_server import how_it_ended, how_it_went_away
from scenarios.verdict import Check, Outcome

LAST_PORT = 65535


async def run(
    scenario: Scenario,
    settings: Mapping[str, str],
    *,
    against: str | None = None,
    token: str | None = None,
    ca: str | None = None,
    server_flags: Sequence[str] = (),
    progress: Progress,
) -> Outcome:
    """Run a scenario to its verdict.

    Args:
        scenario: what to run.
        settings: its parameters, as text.
        against: base URL of a running server; without it, one is started on free ports and ended afterwards.
        token: bearer token of the server.
        ca: file with the certificates to be trusted for https:// (see `clients.trust`).
        server_flags: more flags for `labsfu serve`, where one is started; they win over those of the scenario.
        progress: told in one line what goes on.

    Raises:
        UsageError: no such parameter or value, or no such URL; nothing has been started.
        ServerFailed: the server did not start, or has gone meanwhile, and how.
        ClientError: the server or a client failed in a way that is no verdict.
    """
    values = scenario.bind(settings)
    if against is not None:
        _check_url(against)
    async with AsyncExitStack() as stack:
        server = None
        if against is None:
            progress("starting a server")
            server = await stack.enter_async_context(ServerProcess(*scenario.server_flags, *server_flags))
            against = server.url
        api = await stack.enter_async_context(ApiClient(against, token, ca=ca))
        await api.wait_ready()
        lab = Lab(against, api, progress, token=token, ca=ca)
        began = time.monotonic()
        try:
            await scenario.story(lab, **values)
            await api.healthz()  # of a server that has gone meanwhile, nothing that was found counts
        except Exception as error:
            lost = await (how_it_went_away(api, error) if server is None else how_it_ended(server, error))
            if lost is None:
                raise
            raise ServerFailed(lost) from error
        checks = list(lab.checks)
        if server is not None:
            code = await server.stop()
            checks.append(Check("the server ended in order", code == 0, "" if code == 0 else f"exit code {code}"))
    return Outcome(scenario.name, dict(values), time.monotonic() - began, tuple(checks), tuple(lab.pairs))


def _check_url(text: str) -> None:
    """Refuse what no client could call."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise UsageError(f"--against {text}: {error}") from None
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > LAST_PORT:
        raise UsageError(f"--against {text}: not an http:// or https:// URL")
