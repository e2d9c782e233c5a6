"""What handlers ask of a media engine: carried out to its end, also when the caller of the request goes away.

What was made for a caller who vanished stays, and is listed; nothing is ever half made.
"""

from __future__ import annotations

from typing import TypeVar

from labsfu.api.context import Api
from labsfu.rooms import wishes
from labsfu.wire.commands import Command, Result

R = TypeVar("R", bound=Result)


async def ask(api: Api, command: Command, expected: type[R]) -> R:
    """Have the worker carry a command out, shielded from the caller.

    Raises:
        CommandError: the worker's refusal; nothing changed.
        Unavailable: there is no worker, or the server stops.
    """
    return await api.rooms.run(wishes.ask(command, expected))
