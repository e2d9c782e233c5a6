"""Measures the workers for whoever watches: once for all whose time has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import trio

from labsfu.errors import CommandError
from labsfu.shell.inquiry import Inquiry
from labsfu.shell.mailbox import Mailbox
from labsfu.wire.base import to_json
from labsfu.wire.commands import GetSamples, Sampled
from labsfu.wire.feed import Measurement, encode_sample
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import EngineSample
from labsfu.wire.worker import Worker, Workers

PATIENCE = 1.0
"""Seconds that a worker has to say how it does, and what it holds."""

_Found: TypeAlias = tuple[WorkerInfo, EngineSample]

_NOTHING = EngineSample(transports=(), producers=(), consumers=())


class Sampler:
    """Keeps the last measurement, encoded.

    Args:
        workers: the media engines.
        epoch_ms: the time, in epoch milliseconds.
    """

    def __init__(self, workers: Workers, *, epoch_ms: Callable[[], int]) -> None:
        self._epoch_ms = epoch_ms
        self._measuring = trio.Lock()
        self._measured_at = float("-inf")
        self._measurement = b""
        self._inquiries = [
            (worker, Inquiry(partial(_measure_worker, worker), PATIENCE)) for worker in tuple(workers.all)
        ]

    async def tell(self, mailbox: Mailbox, interval: int) -> None:
        """Put a sample into a mailbox at once, and every `interval` milliseconds, until cancelled.

        What falls due while the server is held up is left out.
        """
        seconds = interval / 1000
        due = trio.current_time()
        while True:
            if mailbox.takes_sample:
                mailbox.put_sample(encode_sample(await self.measure(seconds / 2), interval))
            now = trio.current_time()
            due = max(due + seconds, now)
            await trio.sleep_until(due)

    async def measure(self, max_age: float) -> bytes:
        """A measurement that is at most so many seconds old, as JSON."""
        async with self._measuring:
            if trio.current_time() - self._measured_at > max_age:
                self._measurement = await self._measure()
                self._measured_at = trio.current_time()
            return self._measurement

    async def _measure(self) -> bytes:
        at = self._epoch_ms()
        found: dict[int, _Found] = {}

        async def measure_one(place: int, worker: Worker, inquiry: Inquiry[_Found]) -> None:
            found[place] = await inquiry.answer() or (worker.silent_info(), _NOTHING)

        async with trio.open_nursery() as nursery:
            for place, (worker, inquiry) in enumerate(self._inquiries):
                nursery.start_soon(measure_one, place, worker, inquiry)
        return to_json(_joined(at, [found[place] for place in range(len(found))]))


async def _measure_worker(worker: Worker) -> _Found:
    """One that does not run, or does not do it in time, has nothing to be shown."""
    try:
        info = await worker.info()
        if info.state != "running":
            return info, _NOTHING
        result = await worker.execute(GetSamples())
    except CommandError:
        return worker.silent_info(), _NOTHING
    return (info, result.sample) if isinstance(result, Sampled) else (worker.silent_info(), _NOTHING)


def _joined(at: int, found: Sequence[_Found]) -> Measurement:
    samples = [sample for _, sample in found]
    return Measurement(
        at=at,
        workers=tuple(info for info, _ in found),
        transports=tuple(transport for sample in samples for transport in sample.transports),
        producers=tuple(producer for sample in samples for producer in sample.producers),
        consumers=tuple(consumer for sample in samples for consumer in sample.consumers),
    )
