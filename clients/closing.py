"""Closing that is not given up half way: what stays open (a decoder's thread, say) keeps the process from ending."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack


async def in_turn(*steps: Callable[[], Awaitable[object]]) -> None:
    """Take every step, in this order, also when an earlier one fails or is cancelled; the last failure is raised."""
    async with AsyncExitStack() as stack:
        for step in reversed(steps):
            stack.push_async_callback(step)


async def to_its_end(task: asyncio.Task[None]) -> None:
    """Wait for a task however often the wait is cancelled; then a cancellation is raised, else what the task raised.

    Several things may cancel the same waiter one after the other: each task group of a task does that for itself.
    """
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation from None if task.cancelled() else task.exception()
    task.result()
