"""What handlers ask of a media engine: carried out to its end, also when the caller of the request goes away.

What was made for a caller who vanished stays, and is listed; nothing is ever half made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import trio

from labsfu.api.context import Api
from labsfu.errors import Unavailable
from labsfu.rooms import wishes
from labsfu.wire.commands import Command, Result
from labsfu.wire.ids import WorkerId
from labsfu.wire.payloads import WorkerInfo
from labsfu.wire.worker import Worker

R = TypeVar("R", bound=Result)


async def ask(api: Api, command: Command, expected: type[R]) -> R:
    """Have the worker carry a command out, shielded from the caller.

    Raises:
        CommandError: the worker's refusal; nothing changed.
        Unavailable: there is no worker, or the server stops.
    """
    return await api.rooms.run(wishes.ask(command, expected))


async def ask_workers(api: Api, patience: float) -> Sequence[tuple[WorkerId, WorkerInfo | str]]:
    """How every worker does; of one that does not say so in time: what is wrong.

    Args:
        api: the server.
        patience: seconds that each has.
    """
    workers = tuple(api.workers.all)
    found: dict[int, WorkerInfo | str] = {}

    async def ask_one(place: int, worker: Worker) -> None:
        found[place] = f"worker '{worker.id}' does not answer"
        with trio.move_on_after(patience):
            try:
                found[place] = await worker.info()
            except Unavailable as error:
                found[place] = error.detail

    async with trio.open_nursery() as nursery:
        for place, worker in enumerate(workers):
            nursery.start_soon(ask_one, place, worker)
    return [(worker.id, found[place]) for place, worker in enumerate(workers)]
