"""Closing takes every step and is waited for, whoever cancels whom meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from clients.closing import in_turn, to_its_end

pytestmark = pytest.mark.asyncio


async def test_steps_are_taken_in_order() -> None:
    taken: list[int] = []

    async def step(number: int) -> None:
        taken.append(number)

    await in_turn(*(lambda n=n: step(n) for n in range(3)))
    assert taken == [0, 1, 2]


async def test_a_step_that_fails_is_raised_after_the_others_were_taken() -> None:
    taken: list[str] = []

    async def fail() -> None:
        raise OSError("first")

    async def succeed() -> None:
        taken.append("second")

    with pytest.raises(OSError, match="first"):
        await in_turn(fail, succeed)
    assert taken == ["second"]


async def test_a_cancelled_step_does_not_hold_up_the_next() -> None:
    taken: list[str] = []
    waiting = asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await asyncio.Event().wait()

    async def succeed() -> None:
        taken.append("second")

    task = asyncio.create_task(in_turn(wait, succeed))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert taken == ["second"]


async def test_a_wait_that_is_cancelled_again_and_again_lasts_until_the_end() -> None:
    go_on = asyncio.Event()

    async def close() -> None:
        await go_on.wait()

    closing = asyncio.create_task(close())
    waiter = asyncio.create_task(to_its_end(closing))
    for _ in range(3):
        await asyncio.sleep(0)
        waiter.cancel()
    await asyncio.sleep(0)
    assert not waiter.done()
    assert not closing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert not closing.cancelled()


@pytest.mark.parametrize("cancel", [False, True])
async def test_what_the_closing_raised_is_not_lost(cancel: bool) -> None:
    async def close() -> None:
        await asyncio.sleep(0)
        raise OSError("unplugged")

    waiter = asyncio.create_task(to_its_end(asyncio.create_task(close())))
    await asyncio.sleep(0)
    if cancel:
        waiter.cancel()
    with pytest.raises(asyncio.CancelledError if cancel else OSError) as raised:
        await waiter
    assert "unplugged" in str(raised.value.__cause__ if cancel else raised.value)
