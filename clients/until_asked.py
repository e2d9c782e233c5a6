"""Commands that run until they are asked to end: the signals that ask, and what the process ends with."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import TypeAlias

from clients.errors import UnusableFile
from clients.exit_code import ExitCode
from clients.output import OutputClosed, give_up
from labsfu.errors import InvalidValue

Reason: TypeAlias = tuple[str, ExitCode]
"""Why a command ends, in one line (behind it a traceback where it broke), and what with."""


def run_until_asked(
    begin: Callable[[], Coroutine[None, None, None]], told: Callable[[BaseException], Reason]
) -> ExitCode:
    """Run a command; why it ends is said on stderr, unless it was asked to, or nobody reads it any more.

    Args:
        begin: reads its words, and gives what is to be run.
        told: why it ends by an error that is no wrong word.
    """
    try:
        asyncio.run(begin())
    except (InvalidValue, UnusableFile) as error:
        reason = str(error), ExitCode.USAGE
    except OutputClosed:
        return ExitCode.ASKED
    except KeyboardInterrupt:
        reason = "interrupted", ExitCode.INTERRUPTED
    except Exception as error:
        reason = told(error)
    else:
        return ExitCode.ASKED
    give_up(reason[0])
    return reason[1]


def when_asked_to_end(stop: Callable[[], None]) -> None:
    """Have SIGINT and SIGTERM call this; a second one ends the process at once."""
    loop, asking = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)

    def asked() -> None:
        for number in asking:
            loop.remove_signal_handler(number)
        stop()

    for number in asking:
        loop.add_signal_handler(number, asked)
