"""When a run fails: whether that is because its server has gone, and how to say so."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus

from clients.api import ApiClient
from clients.errors import Disconnected, Refused, ServerFailed, TransportFailed
from clients.server import ServerProcess

PATIENCE = 3.0
"""Seconds in which a server ends whose clients have lost it."""

GOING_AWAY = 1001
"""The close code of a server that ends (RFC 6455 7.4.1)."""

LAST_LINES = 5
"""Of the server's stderr that are told."""


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors of a group and of the groups in it; of what is no group, itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


async def how_it_ended(server: ServerProcess, error: Exception) -> str | None:
    """How a server that was started here ended by itself, in one line and the last ones of its stderr.

    Args:
        server: which ran.
        error: what the run failed with; when that is what clients say who lost their server, its end is waited for.

    Returns:
        None while it lives.
    """
    if any(isinstance(leaf, Disconnected | TransportFailed | ServerFailed) for leaf in leaves(error)):
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await server.wait()
    if server.exit_code is None:
        return None
    code = await server.stop()  # reads the rest of its stderr
    how = f"killed by {_signal_name(-code)}" if code < 0 else f"it ended by itself with exit code {code}"
    last = list(server.stderr_tail)[-LAST_LINES:]
    return "\n  | ".join([f"the server died: {how}; the last it wrote:" if last else f"the server died: {how}", *last])


async def how_it_went_away(api: ApiClient, error: Exception) -> str | None:
    """How a server that somebody else runs went away, in one line; None when the error has another cause."""
    signs = [leaf for leaf in leaves(error) if isinstance(leaf, Disconnected | TransportFailed | ServerFailed)]
    if not signs:
        return None
    leaving = [sign for sign in signs if isinstance(sign, Disconnected) and sign.code == GOING_AWAY]
    if leaving:
        return f"the server at {api.base_url} went away: {leaving[0]}"
    try:
        await api.healthz()
    except Refused as refusal:
        if refusal.status is None or refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
    except ServerFailed:
        pass
    else:
        return None
    return f"the server at {api.base_url} went away: {signs[0]}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
