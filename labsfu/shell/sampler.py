"""Measures the workers for whoever watches: once for all whose time has come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from labsfu.errors import CommandError, Unavailable
from labsfu.shell.mailbox import Mailbox
from labsfu.wire.base import to_json
from labsfu.wire.commands import GetSamples, Sampled
from labsfu.wire.feed import Measurement, encode_sample
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.stats import EngineSample
from labsfu.wire.worker import Worker


class Sampler:
    """Keeps the last measurement, encoded.

    Args:
        workers: the media engines.
        epoch_ms: the time, in epoch milliseconds.
    """

    def __init__(self, workers: Sequence[Worker], *, epoch_ms: Callable[[], int]) -> None:
        self._workers = workers
        self._epoch_ms = epoch_ms
        self._measuring = trio.Lock()
        self._measured_at = float("-inf")
        self._measurement = b""

    async def tell(self, mailbox: Mailbox, interval: int) -> None:
        """Put a sample into a mailbox at once, and every `interval` milliseconds, until cancelled.

        What falls due while the server is held up is left out.
        """
        seconds = interval / 1000
        due = trio.current_time()
        while True:
            if mailbox.takes_sample:
                with suppress(CommandError):  # a worker that does not answer may do so the next time
                    mailbox.put_sample(encode_sample(await self.measure(seconds / 2), interval))
            now = trio.current_time()
            due = max(due + seconds, now)
            await trio.sleep_until(due)

    async def measure(self, max_age: float) -> bytes:
        """A measurement that is at most so many seconds old, as JSON.

        Raises:
            Unavailable: a worker does not answer.
        """
        async with self._measuring:
            if trio.current_time() - self._measured_at > max_age:
                self._measurement = await self._measure()
                self._measured_at = trio.current_time()
            return self._measurement

    async def _measure(self) -> bytes:
        at = self._epoch_ms()
        infos = [await worker.info() for worker in self._workers]
        samples = [await _sample(worker) for worker in self._workers]
        return to_json(_joined(at, infos, samples))


async def _sample(worker: Worker) -> EngineSample:
    result = await worker.execute(GetSamples())
    if not isinstance(result, Sampled):
        raise Unavailable(f"worker '{worker.id}' answered {type(result).__name__}", slug="worker-confused")
    return result.sample


def _joined(at: int, infos: Sequence[WorkerInfo], samples: Sequence[EngineSample]) -> Measurement:
    return Measurement(
        at=at,
        workers=tuple(infos),
        transports=tuple(transport for sample in samples for transport in sample.transports),
        producers=tuple(producer for sample in samples for producer in sample.producers),
        consumers=tuple(consumer for sample in samples for consumer in sample.consumers),
    )
