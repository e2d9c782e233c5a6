"""Waiting on Trio for what another process, or the kernel, does in its own time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as it holds; fails after so many seconds."""
    with trio.fail_after(seconds):
        while True:
            if condition():
                return
            await trio.sleep(0.004)


async def until_asked(condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """The same where one has to ask for it."""
    with trio.fail_after(seconds):
        while True:
            if await condition():
                return
            await trio.sleep(0.01)
