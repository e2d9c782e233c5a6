"""A server's workers, where there is but one, and nobody looks after it."""

from __future__ import annotations

from collections.abc import Sequence

from labsfu.shell.worker_pool import show_worker
from labsfu.wire.commands import Command, Result
from labsfu.wire.worker import Worker


class SoleWorker:
    """One worker as all there are; satisfies `labsfu.wire.worker.Workers`.

    Args:
        worker: it; run by somebody else.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    @property
    def all(self) -> Sequence[Worker]:
        """This one."""
        return (self._worker,)

    async def execute(self, command: Command) -> Result:
        """Carry a command out. Raises what the worker raises."""
        return show_worker(await self._worker.execute(command), self._worker.id)
