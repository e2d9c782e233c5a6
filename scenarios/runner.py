"""Runs a scenario: against a server of its own, or one that is there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from clients.api import ApiClient
from clients.server import ServerProcess
from scenarios.definition import Scenario
from scenarios.lab import Lab, Progress
from scenarios.verdict import Check, Outcome


async def run(
    scenario: Scenario,
    settings: Mapping[str, str],
    *,
    against: str | None = None,
    server_flags: Sequence[str] = (),
    progress: Progress,
) -> Outcome:
    """Run a scenario to its verdict.

    Args:
        scenario: what to run.
        settings: its parameters, as text.
        against: base URL of a running server; without it, one is started on free ports and ended afterwards.
        server_flags: more flags for `labsfu serve`, where one is started.
        progress: told in one line what goes on.

    Raises:
        UsageError: no such parameter or value.
        ClientError: the server or a client failed in a way that is no verdict.
    """
    values = scenario.bind(settings)
    async with AsyncExitStack() as stack:
        server = None
        if against is None:
            progress("starting a server")
            server = await stack.enter_async_context(ServerProcess(*server_flags))
            against = server.url
        api = await stack.enter_async_context(ApiClient(against))
        await api.wait_ready()
        lab = Lab(against, api, progress)
        began = time.monotonic()
        await scenario.story(lab, **values)
        checks = list(lab.checks)
        if server is not None:
            code = await server.stop()
            checks.append(Check("the server ended in order", code == 0, "" if code == 0 else f"exit code {code}"))
    return Outcome(scenario.name, dict(values), time.monotonic() - began, tuple(checks), tuple(lab.pairs))
