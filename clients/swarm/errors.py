"""What ends a swarm."""

from __future__ import annotations

from clients.errors import ClientError


class SwarmFailed(ClientError):
    """A swarm cannot go on; the message says why."""


class WorkerDied(SwarmFailed):
    """A worker process ended by itself, or did not become ready; the others were ended in order.

    Attributes:
        worker: which one, counted from 0.
        exit_code: negative: the signal that ended it; None: it still ran, and was ended.
        tail: the last lines of its stderr.
    """

    def __init__(self, worker: int, exit_code: int | None, tail: str) -> None:
        how = "did not answer" if exit_code is None else f"ended with {exit_code}"
        super().__init__(f"worker {worker} {how}{f':{chr(10)}{tail}' if tail else ''}")
        self.worker = worker
        self.exit_code = exit_code
        self.tail = tail
