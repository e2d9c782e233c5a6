"""Whether pause, resume and close of a producer get to somebody behind a pipe, and what that does to the frames."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from clients.participant import LabClient
from labsfu.wire.ids import ProducerId
from labsfu.wire.socket import ProducerPaused, ProducerResumed
from scenarios.far_layers import holds
from scenarios.lab import Lab

WITHIN = 1.0
"""Seconds in which it must be told, and frames must have stopped."""

SILENCE = 0.4
"""Seconds without a frame that show that they have stopped."""

AGAIN = 2.0
"""Seconds in which frames must come again."""


class Carrier(Protocol):
    """Does on the far router what was done on the near one, where nobody else does."""

    async def pause(self, producer_id: ProducerId) -> None:
        """It was paused."""

    async def resume(self, producer_id: ProducerId) -> None:
        """It was resumed."""

    async def close(self, producer_id: ProducerId) -> None:
        """It was closed."""


class NobodyElse:
    """The servers carry it themselves, or a cascade does."""

    async def pause(self, producer_id: ProducerId) -> None:
        """Nothing to do."""

    async def resume(self, producer_id: ProducerId) -> None:
        """Nothing to do."""

    async def close(self, producer_id: ProducerId) -> None:
        """Nothing to do."""


async def check_crossing(
    lab: Lab,
    sender: LabClient,
    receiver: LabClient,
    producer_id: ProducerId,
    frames: Callable[[], int],
    carrier: Carrier,
) -> None:
    """Pause, resume and close a producer, and see what the receiver gets of that.

    Args:
        lab: where it is recorded.
        sender: who sends it.
        receiver: who receives it, behind a pipe.
        producer_id: of pictures that flow.
        frames: how many have come to the receiver.
        carrier: carries it on where nobody else does.
    """
    who = f"{receiver.name} behind the pipe"
    lab.say(f"{sender.name} pauses, resumes and closes its pictures")
    began = time.monotonic()
    await sender.publisher.pause(producer_id)
    await carrier.pause(producer_id)
    await _check_told(lab, receiver, ProducerPaused, producer_id, began, f"{who} is told of the pause")
    await asyncio.sleep(max(0.0, began + WITHIN - time.monotonic()))
    before = frames()
    await asyncio.sleep(SILENCE)
    lab.check(f"{who} gets nothing while paused", frames() == before, f"{frames() - before} frames came")

    before, began = frames(), time.monotonic()
    await sender.publisher.resume(producer_id)
    await carrier.resume(producer_id)
    await _check_told(lab, receiver, ProducerResumed, producer_id, began, f"{who} is told of the resuming")
    again = await holds(lambda: frames() > before, AGAIN)
    lab.check(f"{who} gets frames again", again, f"none in {AGAIN:g} s")

    await sender.publisher.unpublish(producer_id)
    await carrier.close(producer_id)
    gone = await holds(lambda: producer_id not in receiver.producers, WITHIN)
    lab.check(f"{who} loses what is closed", gone, f"it is there after {WITHIN:g} s")


async def _check_told(
    lab: Lab,
    receiver: LabClient,
    kind: type[ProducerPaused | ProducerResumed],
    producer_id: ProducerId,
    since: float,
    name: str,
) -> None:
    def told() -> bool:
        return any(
            event.at >= since and isinstance(event.message, kind) and event.message.producer_id == producer_id
            for event in receiver.events
        )

    lab.check(name, await holds(told, since + WITHIN - time.monotonic()), f"not in {WITHIN:g} s")
